//! What a word in a file is about: an asset, or a column of one.

use baton_core::{Asset, AssetName, Definition};
use baton_orchestrator::Prepared;

use crate::text::{Word, aliases};

/// What a word is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Subject<'a> {
    /// An asset by its name or alias.
    Asset(&'a Asset),
    /// A column of an asset.
    Column {
        /// The source or table that has it.
        asset: &'a Asset,
        /// Its name.
        column: String,
    },
}

/// What `word` is about in `file`, whose text is `text`.
pub(crate) fn subject<'a>(prepared: &'a Prepared, file: &str, text: &str, word: &Word) -> Option<Subject<'a>> {
    match asset_of_query(prepared, file) {
        Some(own) => in_query(prepared, own, text, word),
        None => in_yaml(prepared, file, word),
    }
}

/// The table whose query a file holds.
pub(crate) fn asset_of_query<'a>(prepared: &'a Prepared, file: &str) -> Option<&'a Asset> {
    prepared.project.assets.values().find(
        |asset| matches!(&asset.definition, Definition::Table(table) if table.file == file && file.ends_with(".sql")),
    )
}

/// Whether `asset` has a column of this name.
pub(crate) fn has_column(prepared: &Prepared, asset: &str, column: &str) -> bool {
    prepared.schemas.get(asset).is_some_and(|schema| schema.field_with_name(column).is_ok())
}

/// The tables that a query reads, or the one that a qualifier in it names.
pub(crate) fn tables_in_reach<'a>(
    prepared: &'a Prepared,
    own: &Asset,
    text: &str,
    qualifier: Option<&str>,
) -> Vec<&'a Asset> {
    match qualifier {
        Some(qualifier) => {
            let aliases = aliases(text);
            let table = aliases.get(qualifier).map_or(qualifier, String::as_str);
            prepared.project.assets.get(table).into_iter().collect()
        }
        None => {
            let inputs: Vec<&AssetName> = prepared.graph.inputs(&own.name).collect();
            inputs.into_iter().filter_map(|name| prepared.project.assets.get(name)).collect()
        }
    }
}

fn in_query<'a>(prepared: &'a Prepared, own: &'a Asset, text: &str, word: &Word) -> Option<Subject<'a>> {
    let named = |asset: &'a Asset| Subject::Column { asset, column: word.name.clone() };
    if word.is_output && has_column(prepared, &own.name, &word.name) {
        return Some(named(own));
    }
    let tables = tables_in_reach(prepared, own, text, word.qualifier.as_deref());
    if let Some(table) = tables.into_iter().find(|table| has_column(prepared, &table.name, &word.name)) {
        return Some(named(table));
    }
    if word.qualifier.is_some() {
        return None;
    }
    let alias = aliases(text).get(&word.name).cloned();
    let asset = prepared.project.assets.get(alias.as_deref().unwrap_or(&word.name));
    match asset {
        Some(asset) => Some(Subject::Asset(asset)),
        None => has_column(prepared, &own.name, &word.name).then(|| named(own)),
    }
}

/// In YAML a word is an asset, a column of `asset.column`, or a column of the asset that is declared there.
fn in_yaml<'a>(prepared: &'a Prepared, file: &str, word: &Word) -> Option<Subject<'a>> {
    let assets = &prepared.project.assets;
    if let Some(asset) = word.qualifier.as_deref().and_then(|name| assets.get(name)) {
        return column_of(prepared, asset, word);
    }
    if let Some(asset) = assets.get(word.name.as_str()) {
        return Some(Subject::Asset(asset));
    }
    let line = word.range.start.line + 1;
    let above = assets.values().filter(|asset| asset.origin.file == file && asset.origin.line <= line);
    column_of(prepared, above.max_by_key(|asset| asset.origin.line)?, word)
}

/// The column that a word names where an asset is declared; a view's and a model's are those of their tables.
fn column_of<'a>(prepared: &'a Prepared, asset: &'a Asset, word: &Word) -> Option<Subject<'a>> {
    let table = match &asset.definition {
        Definition::FeatureView(view) => &view.from,
        Definition::Model(model) => &model.labels.from,
        _ => &asset.name,
    };
    let asset = prepared.project.assets.get(table)?;
    has_column(prepared, &asset.name, &word.name).then(|| Subject::Column { asset, column: word.name.clone() })
}
