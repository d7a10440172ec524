//! Readers of what is said about SQL tables: `tables:` in YAML, and `config()` in the SQL itself.

use baton_core::asset::{ColumnPolicy, Deletes, ForEach, Keep, Materialize, SNAPSHOT_AT};
use baton_core::{AssetName, Kind};
use baton_diagnostics::codes;

use crate::keys;
use crate::reader::Reader;
use crate::report::{Place, Report};
use crate::spec::{Common, Declared, assemble, command, for_each, open_named, read_common};
use crate::yaml::{Node, Span};

/// What YAML says about a SQL table.
#[derive(Debug)]
pub(crate) struct TableNote {
    pub(crate) name: AssetName,
    pub(crate) common: Common,
    pub(crate) grain: Vec<String>,
    pub(crate) place: Place,
}

/// What `config()` says.
#[derive(Debug, Default)]
pub(crate) struct SqlConfig {
    pub(crate) materialize: Materialize,
    pub(crate) time: Option<String>,
    pub(crate) grain: Vec<String>,
    pub(crate) lookback: Option<i64>,
    pub(crate) batch: Option<i64>,
    pub(crate) keep: Keep,
    pub(crate) for_each: Option<Box<ForEach>>,
}

/// An entry of `tables:`.
pub(super) enum TableEntry {
    /// It describes the table of a file.
    Note(TableNote),
    /// It declares one that a command makes.
    Declared(Box<Declared>),
}

/// Reads an entry of `tables:`.
pub(super) fn read_entry(report: &Report, node: &Node) -> Option<TableEntry> {
    let (reader, name) = open_named(report, node, "table", keys::TABLE);
    let reader = reader?;
    let mut common = read_common(&reader);
    let place = report.place(reader.at());
    if !reader.has("command") && !reader.has("command_of") {
        command::refuse_keys(&reader);
        return Some(TableEntry::Note(TableNote { name: name?, common, grain: reader.texts("grain"), place }));
    }
    let definition = command::read(&reader, &mut common, &place.file);
    let name = name?;
    let asset = definition.map(|definition| assemble(name.clone(), common, definition, &place));
    Some(TableEntry::Declared(Box::new(Declared { name, kind: Kind::Table, place, asset })))
}

/// Reads the arguments of `config()` of the table `name`.
pub(crate) fn read_sql_config(report: &Report, name: &str, at: Span, arguments: &Node) -> SqlConfig {
    let what = format!("config() of table `{name}`");
    Reader::open(report, &what, at, arguments, keys::SQL_CONFIG).map(|reader| read_kept(&reader)).unwrap_or_default()
}

/// How a table is kept, in SQL and Python alike.
pub(super) fn read_kept(reader: &Reader<'_>) -> SqlConfig {
    let ours = reader.word("materialize", keys::MATERIALIZATIONS);
    let word = ours.or(reader.word("materialized", keys::MATERIALIZATIONS));
    let unique_key = reader.texts("unique_key");
    let time = reader.text("time");
    let strategy = reader.word("incremental_strategy", keys::INCREMENTAL_STRATEGIES);
    let grain = if unique_key.is_empty() { reader.texts("grain") } else { unique_key.clone() };
    let by_key = !unique_key.is_empty() || (time.is_none() && !grain.is_empty());
    let materialize = match (word, strategy) {
        (Some("incremental"), Some("append")) => Materialize::Append,
        (Some("incremental"), Some("merge" | "delete+insert")) => Materialize::Merge,
        (Some("incremental"), Some("microbatch")) => Materialize::Incremental,
        (Some("incremental"), _) if by_key => Materialize::Merge,
        (Some(word), _) => materialization(word),
        (None, _) => Materialize::Table,
    };
    SqlConfig {
        materialize,
        time: time.or_else(|| (materialize == Materialize::Snapshot).then(|| SNAPSHOT_AT.to_owned())),
        grain,
        lookback: reader.seconds("lookback"),
        batch: reader.positive_seconds("batch"),
        keep: read_keep(reader),
        for_each: read_for_each(reader, materialize),
    }
}

/// The values that the table is made for: of a table that is made as a whole.
fn read_for_each(reader: &Reader<'_>, materialize: Materialize) -> Option<Box<ForEach>> {
    let mut each = for_each::read(reader)?;
    for_each::part_list(&mut each);
    if let Some(entry) = reader.entry("for_each").filter(|_| materialize != Materialize::Table) {
        let message =
            format!("{} cannot be made for each value: it is kept as `{}`", reader.what(), materialize.word());
        reader.report.error(codes::INVALID_VALUE, message, entry.key_span, "leave `for_each` or `materialize` out");
    }
    Some(each)
}

fn materialization(word: &str) -> Materialize {
    let all = [Materialize::Incremental, Materialize::View, Materialize::Merge, Materialize::Append];
    let kept = [Materialize::History, Materialize::Snapshot];
    all.into_iter().chain(kept).find(|known| known.word() == word).unwrap_or_default()
}

/// How rows that are kept over time meet new ones; what the template yields for `is_incremental()` comes later.
fn read_keep(reader: &Reader<'_>) -> Keep {
    let deletes = match (reader.word("deletes", keys::DELETES), reader.word("hard_deletes", keys::HARD_DELETES)) {
        (Some("close"), _) | (None, Some("invalidate")) => Deletes::Close,
        _ => Deletes::Ignore,
    };
    let on_schema_change = match reader.word("on_schema_change", keys::COLUMN_POLICIES) {
        Some("sync" | "sync_all_columns") => ColumnPolicy::Sync,
        Some("freeze" | "fail") => ColumnPolicy::Freeze,
        _ => ColumnPolicy::Evolve,
    };
    let check = match reader.texts("check") {
        named if named.is_empty() => reader.texts("check_cols"),
        named => named,
    };
    Keep {
        updated_at: reader.text("updated_at"),
        check: if check == ["all"] { Vec::new() } else { check },
        deletes,
        delete_when: reader.text("delete_when"),
        on_schema_change,
        incremental_sql: None,
    }
}
