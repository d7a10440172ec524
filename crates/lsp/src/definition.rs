//! Go to definition: from a name to the place that declares it.

use baton_core::{Asset, Definition};
use baton_orchestrator::{Prepared, place_of_output};
use lsp_types::Location;

use crate::documents::Documents;
use crate::subject::Subject;
use crate::text::range;

/// Where a subject is declared.
pub(crate) fn definition(prepared: &Prepared, documents: &Documents, subject: &Subject<'_>) -> Option<Location> {
    let (file, line, column, length) = match subject {
        Subject::Asset(asset) => place_of(asset),
        Subject::Column { asset, column } => place_of_column(prepared, asset, column),
    };
    let text = prepared.project.texts.get(&file).map_or("", String::as_str);
    Some(Location { uri: documents.uri(&file)?, range: range(text, line, column, length) })
}

/// A table is its query; everything else is where its name stands.
fn place_of(asset: &Asset) -> (String, u32, u32, u32) {
    match &asset.definition {
        Definition::Table(table) if table.file.ends_with(".sql") => (table.file.clone(), 1, 1, 0),
        _ => {
            let origin = &asset.origin;
            (origin.file.clone(), origin.line, origin.column, asset.name.len() as u32)
        }
    }
}

/// Where a query names its output column, or a source its column; else where the asset is.
fn place_of_column(prepared: &Prepared, asset: &Asset, column: &str) -> (String, u32, u32, u32) {
    let length = column.chars().count() as u32;
    if let Definition::Table(table) = &asset.definition
        && let Some((line, start)) = place_of_output(&table.sql, column)
    {
        return (table.file.clone(), line + table.line_offset, start, length);
    }
    let text = prepared.project.texts.get(&asset.origin.file).map_or("", String::as_str);
    let below: String = text.lines().skip(asset.origin.line as usize).map(|line| format!("{line}\n")).collect();
    match place_of_output(&below, column) {
        Some((line, start)) => (asset.origin.file.clone(), line + asset.origin.line, start, length),
        None => place_of(asset),
    }
}
