//! Columns and tables that nothing in the project reads.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use baton_core::check::Rule;
use baton_core::{Asset, AssetName, Definition};
use baton_diagnostics::{Diagnostic, codes};
use baton_engine::analyze;

use super::Survey;
use crate::features::feature_columns;
use crate::prepare::diagnose::at;

/// What is read of each asset.
#[derive(Default)]
struct Uses {
    columns: BTreeSet<(String, String)>,
    /// Assets that are read as a whole.
    whole: BTreeSet<String>,
}

impl Uses {
    fn read<'n>(&mut self, table: &str, columns: impl IntoIterator<Item = &'n String>) {
        self.columns.extend(columns.into_iter().map(|column| (table.to_owned(), column.clone())));
    }

    fn reads(&self, table: &str, column: &str) -> bool {
        self.whole.contains(table) || self.columns.contains(&(table.to_owned(), column.to_owned()))
    }
}

impl Survey<'_> {
    pub(super) fn find_unused(&mut self) {
        let prepared = self.prepared;
        let mut uses = Uses::default();
        for analysis in prepared.analyses.values() {
            uses.columns.extend(analysis.column_lineage.values().flatten().chain(&analysis.row_lineage).cloned());
        }
        let schemas: BTreeMap<String, SchemaRef> =
            prepared.schemas.iter().map(|(name, schema)| (name.to_string(), schema.clone())).collect();
        for asset in prepared.project.assets.values() {
            self.take_uses(asset, &mut uses);
            take_uses_of_checks(asset, &schemas, &mut uses);
        }
        for (name, asset) in &prepared.project.assets {
            if let (Definition::Table(_), Some(schema)) = (&asset.definition, prepared.schemas.get(name)) {
                self.report_unused(name, asset, schema, &uses);
            }
        }
    }

    fn take_uses(&self, asset: &Asset, uses: &mut Uses) {
        match &asset.definition {
            Definition::Table(table) => uses.read(&asset.name, table.grain.iter().chain(&table.time)),
            Definition::FeatureView(view) => {
                let features = self.prepared.schemas.get(&view.from).map(|schema| feature_columns(view, schema));
                uses.read(&view.from, view.entity.iter().chain([&view.time]).chain(features.iter().flatten()));
            }
            Definition::Model(model) => {
                let labels = &model.labels;
                let columns = labels.keys.iter().chain([&labels.time, &labels.target]).chain(&model.slices);
                uses.read(&labels.from, columns);
            }
            Definition::Endpoint(endpoint) => {
                uses.whole.extend(endpoint.score.iter().map(|scoring| scoring.from.to_string()));
            }
            Definition::Exposure(exposure) => uses.whole.extend(exposure.depends_on.iter().map(ToString::to_string)),
            Definition::Source(_) | Definition::Monitor(_) => {}
        }
    }

    fn report_unused(&mut self, name: &AssetName, asset: &Asset, schema: &SchemaRef, uses: &Uses) {
        let is_unread = self.prepared.graph.outputs(name).next().is_none();
        let found = if is_unread {
            Diagnostic::info(codes::UNUSED_COLUMN, format!("nothing in the project reads table `{name}`"))
                .with_help("declare an exposure for what uses it, or remove it")
        } else {
            let columns = schema.fields().iter().map(|field| field.name().as_str());
            let unused: Vec<String> =
                columns.filter(|column| !uses.reads(name, column)).map(|column| format!("`{column}`")).collect();
            if unused.is_empty() {
                return;
            }
            let list = unused.join(", ");
            Diagnostic::info(codes::UNUSED_COLUMN, format!("nothing in the project reads {list} of table `{name}`"))
                .with_help("remove them, or declare an exposure for what uses them")
        };
        self.diagnostics.push(at(Some(asset), found));
    }
}

/// A check reads other tables, or the columns that its query names.
fn take_uses_of_checks(asset: &Asset, schemas: &BTreeMap<String, SchemaRef>, uses: &mut Uses) {
    for check in &asset.checks {
        match &check.rule {
            Rule::Relationships { to, field } => uses.read(to, [field]),
            Rule::Sql { query } => {
                // The query has no name of its own; one that cannot be planned is an error and was told.
                if let Ok(analysis) = analyze(schemas, "", query.trim().trim_end_matches(';')) {
                    uses.columns.extend(analysis.column_lineage.into_values().flatten().chain(analysis.row_lineage));
                }
            }
            _ => {}
        }
    }
}
