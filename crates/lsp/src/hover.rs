//! Hover: an asset with its columns, a column with its type and lineage, as Markdown.

use baton_core::asset::Column;
use baton_core::{Asset, AssetName, Definition};
use baton_orchestrator::Prepared;
use lsp_types::{Hover, HoverContents, MarkupContent, MarkupKind, Range};

use crate::subject::Subject;

/// More columns than these are counted.
const MOST_COLUMNS: usize = 30;

/// What to show for a subject.
pub(crate) fn hover(prepared: &Prepared, subject: &Subject<'_>, range: Range) -> Hover {
    let value = match subject {
        Subject::Asset(asset) => asset_text(prepared, asset),
        Subject::Column { asset, column } => column_text(prepared, asset, column),
    };
    let contents = HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value });
    Hover { contents, range: Some(range) }
}

fn asset_text(prepared: &Prepared, asset: &Asset) -> String {
    let mut lines = vec![format!("{} **{}**", asset.kind(), asset.name)];
    lines.extend(asset.description.clone());
    lines.extend(asset.owner.as_ref().map(|owner| format!("owner: {owner}")));
    lines.extend(list("tags", asset.tags.iter().cloned()));
    lines.extend(list("reads", prepared.graph.inputs(&asset.name).map(quoted)));
    lines.extend(list("read by", prepared.graph.outputs(&asset.name).map(quoted)));
    let mut text = lines.join("\n\n");
    if let Some(schema) = prepared.schemas.get(&asset.name) {
        let fields = schema.fields();
        text.push_str("\n\n| column | type |\n|---|---|");
        for field in fields.iter().take(MOST_COLUMNS) {
            text.push_str(&format!("\n| {} | {} |", field.name(), field.data_type()));
        }
        if fields.len() > MOST_COLUMNS {
            text.push_str(&format!("\n\nand {} more columns", fields.len() - MOST_COLUMNS));
        }
    }
    text
}

fn column_text(prepared: &Prepared, asset: &Asset, column: &str) -> String {
    let data_type = prepared.schemas.get(&asset.name).and_then(|schema| schema.field_with_name(column).ok());
    let data_type = data_type.map(|field| format!(": {}", field.data_type())).unwrap_or_default();
    let mut lines = vec![format!("**{}.{column}**{data_type}", asset.name)];
    if let Some(declared) = declared(asset, column) {
        lines.extend(declared.description.clone());
        lines.extend(list("tags", declared.tags.iter().cloned()));
    }
    let checks = asset.checks.iter().filter(|check| check.column.as_deref() == Some(column));
    lines.extend(list("checks", checks.map(|check| check.name.clone())));
    let analysis = prepared.analyses.get(&asset.name);
    let sources = analysis.and_then(|analysis| analysis.column_lineage.get(column)).into_iter().flatten();
    lines.extend(list("computed from", sources.map(|(table, column)| format!("`{table}.{column}`"))));
    lines.extend(list("used for", uses(prepared, &asset.name, column)));
    lines.join("\n\n")
}

/// Columns of tables that are computed from this one.
fn uses<'a>(prepared: &'a Prepared, asset: &'a AssetName, column: &'a str) -> impl Iterator<Item = String> + 'a {
    let readers = prepared.graph.outputs(asset).filter_map(|reader| Some((reader, prepared.analyses.get(reader)?)));
    readers.flat_map(move |(reader, analysis)| {
        let made = analysis
            .column_lineage
            .iter()
            .filter(move |(_, sources)| sources.iter().any(|(table, read)| table == asset.as_str() && read == column));
        made.map(move |(made, _)| format!("`{reader}.{made}`"))
    })
}

fn declared<'a>(asset: &'a Asset, column: &str) -> Option<&'a Column> {
    let columns = match &asset.definition {
        Definition::Source(source) => &source.columns,
        Definition::Table(table) => &table.columns,
        _ => return None,
    };
    columns.iter().find(|declared| declared.name == column)
}

fn quoted(name: &AssetName) -> String {
    format!("`{name}`")
}

fn list(title: &str, items: impl Iterator<Item = String>) -> Option<String> {
    let items: Vec<String> = items.collect();
    (!items.is_empty()).then(|| format!("{title}: {}", items.join(", ")))
}
