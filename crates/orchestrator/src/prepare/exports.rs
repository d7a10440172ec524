//! What an export names, and which columns leave through it.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use baton_core::asset::{Export, ExportMode, Materialize};
use baton_core::{Asset, Definition};
use baton_diagnostics::{Diagnostic, codes};
use baton_engine::is_system_column;
use baton_plan::AssetColumn;

use super::Resolver;
use super::diagnose::at;
use crate::checks::quoted;
use crate::exports::place_of_export;

type Lineage = BTreeMap<String, BTreeSet<AssetColumn>>;

impl Resolver<'_> {
    /// Reports what the rows or the destination of an export do not have.
    pub(super) fn check_export(&mut self, asset: &Asset, export: &Export) {
        self.check_columns(asset, "the key", &export.from, &export.key);
        self.check_columns(asset, "select", &export.from, &export.select);
        self.check_columns(asset, "rename", &export.from, export.rename.keys());
        self.check_filter(asset, export);
        self.check_view(asset, export);
        let of = (&asset.name, export);
        let place = place_of_export(&self.services.folder, &self.project.name, of, "");
        let examined = place.and_then(|(connector, target)| Ok(connector.examine(&target)?));
        if let Err(error) = examined {
            self.diagnostics.push(at(Some(asset), Diagnostic::error(codes::INVALID_VALUE, error.to_string())));
        }
    }

    fn check_filter(&mut self, asset: &Asset, export: &Export) {
        let Some((filter, table)) = export.filter.as_ref().zip(self.upstream.get(export.from.as_str())) else { return };
        let schemas: BTreeMap<String, SchemaRef> =
            BTreeMap::from([(export.from.to_string(), SchemaRef::clone(&table.schema))]);
        let query = format!("select 1 as one from {} where {filter}", quoted(&export.from));
        self.check_query(asset, "where", &schemas, &query);
    }

    /// Of a view nobody keeps what it showed, so that changes cannot be told.
    fn check_view(&mut self, asset: &Asset, export: &Export) {
        let Some(Definition::Table(table)) = self.project.assets.get(&export.from).map(|from| &from.definition) else {
            return;
        };
        if table.materialize == Materialize::View && export.mode != ExportMode::Replace {
            let (name, from, mode) = (&asset.name, &export.from, export.mode.word());
            let message = format!("export `{name}` has mode `{mode}`, and `{from}` is a view");
            let found = Diagnostic::error(codes::INVALID_VALUE, message)
                .with_help("keep the rows with `materialize='table'`, or deliver them whole with mode `replace`");
            self.diagnostics.push(at(Some(asset), found));
        }
    }

    /// Each column as the destination calls it, from the column that it is here; of predictions nobody knows them before.
    pub(super) fn export_lineage(&self, export: &Export) -> (Lineage, BTreeSet<AssetColumn>) {
        let Some(table) = self.upstream.get(export.from.as_str()) else { return (Lineage::new(), BTreeSet::new()) };
        let from = |column: &String| AssetColumn { asset: export.from.clone(), column: column.clone() };
        let visible = table.schema.fields().iter().map(|field| field.name());
        let all: Vec<&String> = visible.filter(|name| !is_system_column(name)).collect();
        let delivered: Vec<&String> = if export.select.is_empty() { all } else { export.select.iter().collect() };
        let lineage =
            delivered.into_iter().map(|column| (export.name_there(column).to_owned(), BTreeSet::from([from(column)])));
        (lineage.collect(), export.key.iter().map(from).collect())
    }
}
