//! Readers of the sections of a project file, one file a kind: from an object to a core definition.

mod channel;
mod check;
mod column;
mod command;
mod endpoint;
mod execution;
mod export;
mod exposure;
mod feature_view;
mod for_each;
mod model;
mod monitor;
mod parameter;
mod pull;
mod python;
mod runbook;
mod schedule;
mod search;
mod settings;
mod source;
mod table;
mod unit_test;

use baton_core::asset::{Asset, Column, Origin};
use baton_core::check::Check;
use baton_core::{AssetName, Definition, Kind, UnitTest};
use baton_diagnostics::{Diagnostic, Label, codes};

pub(crate) use channel::{FoundChannel, report_doubles as report_double_channels};
pub(crate) use command::complete as complete_commands;
pub(crate) use execution::report_unknown_pools;
pub(crate) use export::report_unknown_environments;
pub use python::PythonSettings;
pub(crate) use python::{PythonConfig, read_python_config};
pub(crate) use runbook::{FoundRunbook, report_wrong as report_wrong_runbooks};
pub(crate) use schedule::{FoundSchedule, report_wrong as report_wrong_schedules};
pub use settings::{EnvironmentSpec, Policies, Settings, TrackingSettings};
pub(crate) use settings::{Head, read_head};
use table::TableEntry;
pub(crate) use table::{SqlConfig, TableNote, read_sql_config};
pub(crate) use unit_test::report_doubles;

use crate::keys;
use crate::reader::{Reader, parse_name};
use crate::report::{Place, Report};
use crate::shape::Shape;
use crate::yaml::Node;

/// The kinds that SQL can read.
pub(crate) const READABLE: &[Kind] = &[Kind::Source, Kind::Table];

/// An asset as found in a file; without `asset` when it is too broken to build, so that its name still resolves.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) name: AssetName,
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    pub(crate) asset: Option<Asset>,
}

/// What the sections of one file declare.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    pub(crate) declared: Vec<Declared>,
    pub(crate) notes: Vec<TableNote>,
    pub(crate) tests: Vec<UnitTest>,
    pub(crate) schedules: Vec<FoundSchedule>,
    pub(crate) channels: Vec<FoundChannel>,
    pub(crate) runbooks: Vec<FoundRunbook>,
}

/// Reads every section of a file.
pub(crate) fn read_sections(root: &Reader<'_>) -> Sections {
    let mut declared = Vec::new();
    for section in SECTIONS {
        let items = root.items(section.key).iter();
        declared.extend(items.filter_map(|node| read_asset(root.report, node, section)));
    }
    let mut notes = Vec::new();
    for entry in root.items("tables").iter().filter_map(|node| table::read_entry(root.report, node)) {
        match entry {
            TableEntry::Note(note) => notes.push(note),
            TableEntry::Declared(found) => declared.push(*found),
        }
    }
    let tests = root.items("tests").iter().filter_map(|node| unit_test::read(root.report, node)).collect();
    let schedules = root.items("schedules").iter().filter_map(|node| schedule::read(root.report, node)).collect();
    let channels = root.items("channels").iter().filter_map(|node| channel::read(root.report, node)).collect();
    let runbooks = root.items("runbooks").iter().filter_map(|node| runbook::read(root.report, node)).collect();
    Sections { declared, notes, tests, schedules, channels, runbooks }
}

/// What all assets have in common.
#[derive(Debug, Default)]
pub(crate) struct Common {
    pub(crate) owner: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) columns: Vec<Column>,
    pub(crate) checks: Vec<Check>,
}

struct Section {
    key: &'static str,
    /// What messages call one of it.
    word: &'static str,
    kind: Kind,
    shape: Shape,
    /// Builds the definition; the contract's columns are read already.
    read: fn(&Reader<'_>, &[Column]) -> Option<Definition>,
}

const SECTIONS: &[Section] = &[
    Section { key: "sources", word: "source", kind: Kind::Source, shape: keys::SOURCE, read: source::read },
    Section {
        key: "features",
        word: "feature view",
        kind: Kind::FeatureView,
        shape: keys::FEATURE_VIEW,
        read: feature_view::read,
    },
    Section { key: "models", word: "model", kind: Kind::Model, shape: keys::MODEL, read: model::read },
    Section { key: "endpoints", word: "endpoint", kind: Kind::Endpoint, shape: keys::ENDPOINT, read: endpoint::read },
    Section { key: "monitors", word: "monitor", kind: Kind::Monitor, shape: keys::MONITOR, read: monitor::read },
    Section { key: "exposures", word: "exposure", kind: Kind::Exposure, shape: keys::EXPOSURE, read: exposure::read },
    Section { key: "exports", word: "export", kind: Kind::Exposure, shape: keys::EXPORT, read: export::read },
];

fn read_asset(report: &Report, node: &Node, section: &Section) -> Option<Declared> {
    let (reader, name) = open_named(report, node, section.word, section.shape);
    let reader = reader?;
    let place = report.place(reader.at());
    // Without a name the rest is read all the same, for its mistakes.
    let common = read_common(&reader);
    let definition = (section.read)(&reader, &common.columns);
    let name = name?;
    let asset = definition.map(|definition| assemble(name.clone(), common, definition, &place));
    Some(Declared { name, kind: section.kind, place, asset })
}

/// Opens an object with a `name`, and calls it by that name from then on.
fn open_named<'a>(
    report: &'a Report,
    node: &'a Node,
    kind: &str,
    shape: Shape,
) -> (Option<Reader<'a>>, Option<AssetName>) {
    let unnamed = match &node.value {
        crate::yaml::Value::Map(entries) => entries.iter().find(|entry| entry.key == "name"),
        _ => None,
    };
    let written = unnamed.and_then(|entry| entry.node.scalar_text());
    let what = written.as_ref().map_or_else(|| format!("a {kind}"), |name| format!("{kind} `{name}`"));
    let at = unnamed.map_or(node.span, |entry| entry.node.span);
    let Some(reader) = Reader::open(report, &what, at, node, shape) else { return (None, None) };
    let name = reader.need_text("name").and_then(|text| parse_name(report, &text, at));
    (Some(reader), name)
}

fn read_common(reader: &Reader<'_>) -> Common {
    let (columns, mut checks) = column::read_all(reader);
    check::read_all(reader, None, &mut checks);
    Common {
        owner: reader.text("owner"),
        description: reader.text("description"),
        tags: reader.texts("tags"),
        columns,
        checks,
    }
}

/// Puts an asset together.
pub(crate) fn assemble(name: AssetName, common: Common, definition: Definition, place: &Place) -> Asset {
    Asset {
        name,
        owner: common.owner,
        description: common.description,
        tags: common.tags,
        checks: common.checks,
        origin: Origin { file: place.file.clone(), line: place.span.line, column: place.span.column },
        definition,
    }
}

/// Two things of one kind that are no assets, such as schedules, have one name.
fn declared_twice(kind: &str, name: &str, first: &Origin, second: &Origin) -> Diagnostic {
    let label = |origin: &Origin, text: &str| Label {
        file: origin.file.clone(),
        line: origin.line,
        column: origin.column,
        length: name.chars().count() as u32,
        text: text.to_owned(),
    };
    Diagnostic::error(codes::DUPLICATE_ASSET, format!("{kind} `{name}` has a name that is taken"))
        .with_label(label(second, "the second"))
        .with_label(label(first, "the first"))
        .with_help("rename one of them")
}
