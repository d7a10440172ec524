//! A CSV file under `seeds/`: a source named after the file, part of the project and so known always.

use baton_core::asset::{AvailableAt, Load, OnSchemaChange, Source};
use baton_core::{Definition, Kind};

use crate::reader::parse_name;
use crate::report::{Findings, Report};
use crate::spec::{Common, Declared, assemble};
use crate::yaml::Span;

const START: Span = Span { line: 1, column: 1, length: 0 };

/// Whether a file, relative to the project folder, is a seed.
pub(crate) fn is_seed(file: &str) -> bool {
    file.starts_with("seeds/") && file.ends_with(".csv")
}

/// The source of a file; `None` when the file's name is no name. Types, header and nulls are found when it is landed.
pub(crate) fn read(file: &str, findings: &mut Findings) -> Option<Declared> {
    let report = Report::new(file);
    let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".csv");
    let name = parse_name(&report, stem, START);
    let place = report.place(START);
    report.add_to(findings);
    let name = name?;
    let source = Source {
        connector: "file".to_owned(),
        path: file.to_owned(),
        load: Load::Replace,
        time: None,
        available_at: AvailableAt::Always,
        freshness: None,
        columns: Vec::new(),
        select: Vec::new(),
        on_schema_change: OnSchemaChange::Evolve,
        null_values: vec![String::new(), "NA".to_owned()],
        options: serde_json::Map::new(),
        pull: None,
    };
    let asset = assemble(name.clone(), Common::default(), Definition::Source(source), &place);
    Some(Declared { name, kind: Kind::Source, place, asset: Some(asset) })
}
