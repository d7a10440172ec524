//! Readers of what is said about SQL tables: `tables:` in YAML, and `config()` in the SQL itself.

use baton_core::AssetName;
use baton_core::asset::Materialize;

use crate::keys;
use crate::reader::Reader;
use crate::report::{Place, Report};
use crate::spec::{Common, open_named, read_common};
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
}

/// Reads an entry of `tables:`.
pub(super) fn read_note(report: &Report, node: &Node) -> Option<TableNote> {
    let (reader, name) = open_named(report, node, "table", keys::TABLE);
    let reader = reader?;
    let common = read_common(&reader);
    Some(TableNote { name: name?, common, grain: reader.texts("grain"), place: report.place(reader.at()) })
}

/// Reads the arguments of `config()` of the table `name`.
pub(crate) fn read_sql_config(report: &Report, name: &str, at: Span, arguments: &Node) -> SqlConfig {
    let what = format!("config() of table `{name}`");
    let Some(reader) = Reader::open(report, &what, at, arguments, keys::SQL_CONFIG) else {
        return SqlConfig::default();
    };
    let ours = reader.word("materialize", keys::MATERIALIZATIONS);
    let materialize = match ours.or(reader.word("materialized", keys::MATERIALIZATIONS)) {
        Some("incremental") => Materialize::Incremental,
        Some("view") => Materialize::View,
        _ => Materialize::Table,
    };
    SqlConfig {
        materialize,
        time: reader.text("time"),
        grain: reader.texts("grain"),
        lookback: reader.seconds("lookback"),
        batch: reader.positive_seconds("batch"),
    }
}
