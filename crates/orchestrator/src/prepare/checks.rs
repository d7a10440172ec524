//! What a resolved definition names: columns, features, tables and expressions that must be there.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, SchemaRef};
use baton_core::asset::{AvailableAt, Endpoint, FeatureReference, FeatureView, Model, Source, Table};
use baton_core::check::{Check, Rule};
use baton_core::{Asset, AssetName, Definition};
use baton_diagnostics::{Diagnostic, codes, nearest};
use baton_engine::analyze;

use super::Resolver;
use super::diagnose::{at, in_expression};
use crate::checks::quoted;
use crate::features::feature_columns;
use crate::watch::predictions_of;

impl Resolver<'_> {
    /// Reports every name of `wanted` that `from` has no column for.
    pub(super) fn check_columns<'n>(
        &mut self,
        asset: &Asset,
        role: &str,
        from: &str,
        wanted: impl IntoIterator<Item = &'n String>,
    ) {
        let Some(table) = self.upstream.get(from) else { return };
        let known: Vec<String> = table.schema.fields().iter().map(|field| field.name().clone()).collect();
        for column in wanted {
            if !known.contains(column) {
                let found = Diagnostic::error(
                    codes::UNKNOWN_COLUMN,
                    format!("{role} of {} `{}` names the unknown column `{column}`", asset.kind(), asset.name),
                )
                .with_detail(format!("Columns of `{from}`: {}.", known.join(", ")))
                .with_nearest(nearest(column, known.iter().map(String::as_str)));
                self.diagnostics.push(at(Some(asset), found));
            }
        }
    }

    pub(super) fn check_source(&mut self, name: &AssetName, source: &Source) {
        let Some(asset) = self.project.assets.get(name) else { return };
        self.check_columns(asset, "the time", name, source.time.as_ref());
        self.check_columns(asset, "a check", name, &checked_columns(asset));
    }

    pub(super) fn check_table(&mut self, name: &AssetName, table: &Table) {
        let Some(asset) = self.project.assets.get(name) else { return };
        self.check_columns(asset, "the time", name, table.time.as_ref());
        self.check_columns(asset, "the grain", name, &table.grain);
        self.check_columns(asset, "a check", name, &checked_columns(asset));
        self.check_kept(asset, table);
    }

    pub(super) fn check_feature_view(&mut self, asset: &Asset, view: &FeatureView) {
        self.check_columns(asset, "the entity", &view.from, &view.entity);
        self.check_columns(asset, "the time", &view.from, [&view.time]);
        self.check_columns(asset, "the features", &view.from, &view.features);
    }

    pub(super) fn check_model(&mut self, asset: &Asset, model: &Model) {
        let labels = &model.labels;
        self.check_columns(asset, "labels.keys", &labels.from, &labels.keys);
        self.check_columns(asset, "labels.time", &labels.from, [&labels.time]);
        self.check_columns(asset, "labels.target", &labels.from, [&labels.target]);
        self.check_columns(asset, "slices", &labels.from, &model.slices);
        self.check_target(asset, model);
        for gate in &model.gates {
            if let Err(problem) = baton_ml::gate::Gate::parse(gate) {
                let found = Diagnostic::error(codes::INVALID_GATE, problem.to_string());
                self.diagnostics.push(at(Some(asset), found));
            }
        }
        for reference in &model.features {
            self.check_reference(asset, model, reference);
        }
    }

    /// What is to be predicted must be a number or yes and no: text would be learnt as missing.
    fn check_target(&mut self, asset: &Asset, model: &Model) {
        let labels = &model.labels;
        let Some(table) = self.upstream.get(labels.from.as_str()) else { return };
        let Ok(field) = table.schema.field_with_name(&labels.target) else { return };
        if matches!(field.data_type(), DataType::Boolean | DataType::Null) || field.data_type().is_numeric() {
            return;
        }
        let message = format!(
            "labels.target of model `{}` is `{}.{}`, which is {}",
            asset.name,
            labels.from,
            labels.target,
            field.data_type()
        );
        let found = Diagnostic::error(codes::TARGET_TYPE, message)
            .with_help("make it a bool or a number in the SQL of the table, such as `status = 'late' as is_late`");
        self.diagnostics.push(at(Some(asset), found));
    }

    fn check_reference(&mut self, asset: &Asset, model: &Model, reference: &FeatureReference) {
        let Some(Definition::FeatureView(view)) =
            self.project.assets.get(&reference.view).map(|found| &found.definition)
        else {
            return;
        };
        let Some(table) = self.upstream.get(view.from.as_str()) else { return };
        let known = feature_columns(view, &table.schema);
        if reference.feature != "*" && !known.contains(&reference.feature) {
            let message = format!("feature view `{}` has no feature `{}`", reference.view, reference.feature);
            let found = Diagnostic::error(codes::UNKNOWN_FEATURE, message)
                .with_nearest(nearest(&reference.feature, known.iter().map(String::as_str)));
            self.diagnostics.push(at(Some(asset), found));
        }
        for key in view.entity.iter().filter(|key| !model.labels.keys.contains(key)) {
            let message = format!(
                "model `{}` reads feature view `{}` by `{key}`, which is not among labels.keys",
                asset.name, reference.view
            );
            let found =
                Diagnostic::error(codes::UNKNOWN_COLUMN, message).with_help(format!("add {key} to labels.keys"));
            self.diagnostics.push(at(Some(asset), found));
        }
    }

    /// An endpoint's predictions are a table of their own, whose name must be free.
    pub(super) fn check_endpoint(&mut self, asset: &Asset, endpoint: &Endpoint) {
        if endpoint.score.is_none() {
            return;
        }
        let predictions = predictions_of(&asset.name);
        let found = if predictions == asset.name {
            Diagnostic::error(
                codes::INVALID_NAME,
                format!("endpoint `{}`: its name is too long for a table of its predictions", asset.name),
            )
            .with_help("use a name of at most 116 characters")
        } else if self.project.assets.contains_key(&predictions) {
            Diagnostic::error(
                codes::DUPLICATE_ASSET,
                format!("`{predictions}` is where endpoint `{}` keeps its predictions", asset.name),
            )
            .with_help("give the asset of that name another one")
        } else {
            return;
        };
        self.diagnostics.push(at(Some(asset), found));
    }

    /// Plans the SQL that stands in YAML, so that a typing mistake is found before anything runs.
    pub(super) fn check_expressions(&mut self) {
        let schemas: BTreeMap<String, SchemaRef> =
            self.upstream.iter().map(|(name, table)| (name.clone(), table.schema.clone())).collect();
        for (name, asset) in &self.project.assets {
            if !schemas.contains_key(name.as_str()) {
                continue;
            }
            if let Definition::Source(Source { available_at: AvailableAt::Expression(expression), .. }) =
                &asset.definition
            {
                let query = format!("select {expression} as known from {}", quoted(name));
                self.check_query(asset, "available_at", &schemas, &query);
            }
            for check in &asset.checks {
                self.check_check(asset, check, &schemas);
            }
        }
    }

    fn check_check(&mut self, asset: &Asset, check: &Check, schemas: &BTreeMap<String, SchemaRef>) {
        let role = format!("check `{}`", check.name);
        if let Some(filter) = &check.filter {
            let query = format!("select 1 as one from {} where {filter}", quoted(&asset.name));
            self.check_query(asset, &role, schemas, &query);
        }
        match &check.rule {
            Rule::Sql { query } => {
                let query = query.trim().trim_end_matches(';');
                self.check_query(asset, &role, schemas, &format!("select 1 as one from ({query}) as failing"));
            }
            Rule::Relationships { to, field } => match self.project.assets.keys().find(|name| name.as_str() == to) {
                Some(_) => self.check_columns(asset, &role, to, [field]),
                None => {
                    let names = self.project.assets.keys().map(AssetName::as_str);
                    let message =
                        format!("{role} of {} `{}` reads `{to}`, which is not declared", asset.kind(), asset.name);
                    let found = Diagnostic::error(codes::UNKNOWN_ASSET, message).with_nearest(nearest(to, names));
                    self.diagnostics.push(at(Some(asset), found));
                }
            },
            _ => {}
        }
    }

    pub(super) fn check_query(
        &mut self,
        asset: &Asset,
        role: &str,
        schemas: &BTreeMap<String, SchemaRef>,
        query: &str,
    ) {
        // The query has no name of its own; this one cannot be an asset's.
        if let Err(problems) = analyze(schemas, "", query) {
            self.diagnostics.extend(problems.iter().map(|problem| in_expression(asset, role, problem)));
        }
    }
}

/// The columns that an asset's checks are about.
fn checked_columns(asset: &Asset) -> Vec<String> {
    let of = |check: &Check| match (&check.column, &check.rule) {
        (Some(column), _) => vec![column.clone()],
        (None, Rule::Unique { columns }) => columns.clone(),
        (None, _) => Vec::new(),
    };
    asset.checks.iter().flat_map(of).collect()
}
