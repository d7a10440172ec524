//! Completion: tables and columns in a query, names of assets in YAML.

use baton_core::{Asset, Kind};
use baton_orchestrator::Prepared;
use lsp_types::{CompletionItem, CompletionItemKind};

use crate::subject::{asset_of_query, tables_in_reach};
use crate::text::Word;

/// What could be written at a word.
pub(crate) fn completion(prepared: &Prepared, file: &str, text: &str, word: &Word) -> Vec<CompletionItem> {
    let assets = prepared.project.assets.values();
    let Some(own) = asset_of_query(prepared, file) else {
        return assets.map(asset_item).collect();
    };
    let tables = tables_in_reach(prepared, own, text, word.qualifier.as_deref());
    let mut items: Vec<CompletionItem> = tables.iter().flat_map(|table| column_items(prepared, table)).collect();
    if word.qualifier.is_none() {
        let readable = assets.filter(|asset| matches!(asset.kind(), Kind::Source | Kind::Table) && *asset != own);
        items.extend(readable.map(asset_item));
    }
    items
}

fn column_items(prepared: &Prepared, table: &Asset) -> Vec<CompletionItem> {
    let Some(schema) = prepared.schemas.get(&table.name) else { return Vec::new() };
    let item = |name: &String, data_type: String| CompletionItem {
        label: name.clone(),
        kind: Some(CompletionItemKind::FIELD),
        detail: Some(format!("{data_type}, of {}", table.name)),
        ..CompletionItem::default()
    };
    schema.fields().iter().map(|field| item(field.name(), field.data_type().to_string())).collect()
}

fn asset_item(asset: &Asset) -> CompletionItem {
    CompletionItem {
        label: asset.name.to_string(),
        kind: Some(CompletionItemKind::MODULE),
        detail: Some(asset.kind().to_string()),
        ..CompletionItem::default()
    }
}
