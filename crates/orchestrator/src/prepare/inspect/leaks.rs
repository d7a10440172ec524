//! Features that show what a model is to predict.
//!
//! Availability keeps rows from being read before they are known. What it cannot keep from happening is a feature that is
//! computed from the very outcome that the label is computed from, looked up by the event's own key: it is empty until
//! the outcome is known, and gives the answer away where availability is declared too early.

use std::collections::BTreeSet;

use baton_core::asset::{FeatureView, Model};
use baton_core::{Asset, AssetName, Definition};
use baton_diagnostics::{Diagnostic, codes};
use baton_engine::InspectedTable;

use super::Survey;
use crate::features::referenced_views;
use crate::prepare::diagnose::at;

/// A column of a source: `(source, column)`.
type Origin = (String, String);

impl Survey<'_> {
    pub(super) fn find_leaks(&mut self) {
        let prepared = self.prepared;
        for asset in prepared.project.assets.values() {
            if let Definition::Model(model) = &asset.definition {
                let leaks = self.leaks_of(asset, model);
                self.diagnostics.extend(leaks);
            }
        }
    }

    fn leaks_of(&self, asset: &Asset, model: &Model) -> Vec<Diagnostic> {
        let labels = &model.labels;
        let outcome = self.outcome(model);
        let Some(label_table) = self.tables.get(labels.from.as_str()) else { return Vec::new() };
        let prepared = self.prepared;
        let views = referenced_views(model, &prepared.project.assets, |from| prepared.schemas.get(from).cloned());
        let mut leaks = Vec::new();
        for (name, view, features) in views.iter().filter(|(_, view, _)| is_of_the_event(view, label_table)) {
            for feature in features {
                let shared: Vec<Origin> = self.origins(&view.from, feature).intersection(&outcome).cloned().collect();
                if !shared.is_empty() {
                    leaks.push(leak(asset, model, (name, feature), &shared));
                }
            }
        }
        leaks
    }

    /// The source columns of the event's own row that decide its label, without those that say which event it is.
    fn outcome(&self, model: &Model) -> BTreeSet<Origin> {
        let labels = &model.labels;
        let mut outcome = self.origins(&labels.from, &labels.target);
        for known_before in labels.keys.iter().chain([&labels.time]) {
            let identity = self.origins(&labels.from, known_before);
            outcome.retain(|origin| !identity.contains(origin));
        }
        outcome
    }

    /// The source columns whose values of the same row a column is computed from.
    fn origins(&self, table: &AssetName, column: &str) -> BTreeSet<Origin> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<Origin> = vec![(table.to_string(), column.to_owned())];
        while let Some((table, column)) = waiting.pop() {
            if !seen.insert((table.clone(), column.clone())) {
                continue;
            }
            match self.found.get(table.as_str()) {
                Some(inspection) => waiting.extend(inspection.same_row.get(&column).into_iter().flatten().cloned()),
                None => {
                    found.insert((table, column));
                }
            }
        }
        found
    }
}

/// Whether a view's entity is the labelled event itself: it has one row of labels.
fn is_of_the_event(view: &FeatureView, labels: &InspectedTable) -> bool {
    let entity: BTreeSet<String> = view.entity.iter().cloned().collect();
    labels.facts.keys.iter().any(|key| !key.is_empty() && key.is_subset(&entity))
}

fn leak(asset: &Asset, model: &Model, (view, feature): (&AssetName, &str), shared: &[Origin]) -> Diagnostic {
    let shared: Vec<String> = shared.iter().map(|(table, column)| format!("`{table}.{column}`")).collect();
    let (labels, shared) = (&model.labels, shared.join(", "));
    let found = Diagnostic::warning(
        codes::LEAKING_FEATURE,
        format!("feature `{view}.{feature}` of model `{}` shows the outcome that it is to predict", asset.name),
    )
    .with_detail(format!(
        "It is computed from {shared} of the event itself, as is the label `{}.{}`. Before the outcome is known it is \
        empty, and afterwards it is the answer.",
        labels.from, labels.target
    ))
    .with_help("leave it out, or aggregate over past events by another entity");
    at(Some(asset), found)
}
