//! Reader of the columns of a contract, with their checks.

use baton_core::asset::{Column, ColumnType};
use baton_core::check::Check;
use baton_diagnostics::codes;

use crate::keys;
use crate::reader::Reader;
use crate::spec::check;

/// The columns of an asset and the checks written under them; nothing for a kind that has no columns.
pub(super) fn read_all(asset: &Reader<'_>) -> (Vec<Column>, Vec<Check>) {
    let (mut columns, mut checks): (Vec<Column>, Vec<Check>) = (Vec::new(), Vec::new());
    if !asset.knows("columns") {
        return (columns, checks);
    }
    for node in asset.items("columns") {
        let what = format!("a column of {}", asset.what());
        let Some(mut reader) = Reader::open(asset.report, &what, node.span, node, keys::COLUMN) else { continue };
        let Some(name) = reader.need_text("name") else { continue };
        let at = reader.get("name").map_or(node.span, |node| node.span);
        reader.rename(format!("column `{name}` of {}", asset.what()), at);
        if columns.iter().any(|column| column.name == name) {
            let message = format!("{} has two columns `{name}`", asset.what());
            asset.report.error(codes::INVALID_VALUE, message, at, "the second");
        }
        check::read_all(&reader, Some(&name), &mut checks);
        columns.push(read_column(&reader, name));
    }
    (columns, checks)
}

fn read_column(reader: &Reader<'_>, name: String) -> Column {
    let data_type = reader.word("type", keys::COLUMN_TYPES).map(column_type);
    Column { name, data_type, tags: reader.texts("tags"), description: reader.text("description") }
}

/// The type that one of [`keys::COLUMN_TYPES`] names.
pub(super) fn column_type(word: &str) -> ColumnType {
    match word {
        "int" => ColumnType::Int,
        "float" => ColumnType::Float,
        "bool" => ColumnType::Bool,
        "date" => ColumnType::Date,
        "timestamp" => ColumnType::Timestamp,
        _ => ColumnType::String,
    }
}
