//! What a plan tells of an asset beside its fingerprints: owner, checks, column lineage, tagged columns.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::asset::{Column, Endpoint, Model};
use baton_core::{Asset, AssetName, Definition};
use baton_plan::{About, AssetColumn, PREDICTION};

use super::Resolver;
use crate::features::{feature_columns, referenced_views};

/// The one output of a monitor, as a column.
const VERDICT: &str = "verdict";

type Lineage = BTreeMap<String, BTreeSet<AssetColumn>>;

impl Resolver<'_> {
    /// Of an asset whose inputs are resolved.
    pub(super) fn about(&self, name: &AssetName, asset: &Asset) -> About {
        let (lineage, reads) = self.lineage(name, &asset.definition);
        let declared = self.declared_tags(&asset.definition);
        let analysis = self.analyses.get(name);
        About {
            owner: asset.owner.clone(),
            checks: checks(asset),
            tagged: self.desired.tagged_columns(name, &lineage, &declared),
            lineage,
            reads,
            reads_clock: analysis.is_some_and(|analysis| analysis.reads_clock),
            is_stateful: matches!(&asset.definition, Definition::Table(table) if table.materialize.is_stateful()),
        }
    }

    /// What each output column is computed from, and what else decides the rows.
    fn lineage(&self, name: &AssetName, definition: &Definition) -> (Lineage, BTreeSet<AssetColumn>) {
        match definition {
            Definition::Source(_) => (Lineage::new(), BTreeSet::new()),
            Definition::Exposure(exposure) => match &exposure.export {
                Some(export) => self.export_lineage(export),
                None => (Lineage::new(), BTreeSet::new()),
            },
            Definition::Table(_) => {
                let Some(analysis) = self.analyses.get(name) else { return (Lineage::new(), BTreeSet::new()) };
                let columns = |found: &BTreeSet<(String, String)>| -> BTreeSet<AssetColumn> {
                    found.iter().filter_map(|(table, column)| asset_column(table, column)).collect()
                };
                let of_column = analysis.column_lineage.iter().map(|(column, found)| (column.clone(), columns(found)));
                (of_column.collect(), columns(&analysis.row_lineage))
            }
            Definition::FeatureView(view) => {
                let schema = self.upstream.get(view.from.as_str()).map(|table| &table.schema);
                let features = schema.map(|schema| feature_columns(view, schema)).unwrap_or_default();
                let from = |column: &String| AssetColumn { asset: view.from.clone(), column: column.clone() };
                let lineage = features.into_iter().map(|column| (column.clone(), BTreeSet::from([from(&column)])));
                (lineage.collect(), view.entity.iter().chain([&view.time]).map(from).collect())
            }
            Definition::Model(model) => self.model_lineage(model),
            Definition::Endpoint(endpoint) => self.endpoint_lineage(endpoint),
            Definition::Monitor(monitor) => {
                let asked = prediction_of(&monitor.endpoint);
                let label = self.model_behind(&monitor.endpoint).map(label_columns);
                let (target, keys) = label.unwrap_or_default();
                (BTreeMap::from([(VERDICT.to_owned(), target.into_iter().chain([asked]).collect())]), keys)
            }
        }
    }

    fn model_lineage(&self, model: &Model) -> (Lineage, BTreeSet<AssetColumn>) {
        let schema_of = |from: &str| self.upstream.get(from).map(|table| table.schema.clone());
        let (target, keys) = label_columns(model);
        let mut learned: BTreeSet<AssetColumn> = target.into_iter().collect();
        for (view, _, features) in referenced_views(model, &self.project.assets, schema_of) {
            learned.extend(features.into_iter().map(|column| AssetColumn { asset: view.clone(), column }));
        }
        (BTreeMap::from([(PREDICTION.to_owned(), learned)]), keys)
    }

    /// Its answers come from its models, and the rows of its schedule from the table that it scores.
    fn endpoint_lineage(&self, endpoint: &Endpoint) -> (Lineage, BTreeSet<AssetColumn>) {
        let trial = endpoint.canary.iter().map(|canary| &canary.model);
        let models = [&endpoint.model].into_iter().chain(trial).chain(&endpoint.shadow);
        let asked = models.map(|reference| prediction_of(&reference.model)).collect();
        let scored = endpoint.score.as_ref().zip(self.model(&endpoint.model.model)).map(|(scoring, model)| {
            let keys = model.labels.keys.iter().chain([&model.labels.time]);
            keys.map(|column| AssetColumn { asset: scoring.from.clone(), column: column.clone() }).collect()
        });
        (BTreeMap::from([(PREDICTION.to_owned(), asked)]), scored.unwrap_or_default())
    }

    fn model(&self, name: &AssetName) -> Option<&Model> {
        match &self.project.assets.get(name)?.definition {
            Definition::Model(model) => Some(model),
            _ => None,
        }
    }

    fn model_behind(&self, endpoint: &AssetName) -> Option<&Model> {
        match &self.project.assets.get(endpoint)?.definition {
            Definition::Endpoint(endpoint) => self.model(&endpoint.model.model),
            _ => None,
        }
    }

    /// The tags of declared columns that the project's policies name.
    fn declared_tags(&self, definition: &Definition) -> BTreeMap<String, BTreeSet<String>> {
        let columns: &[Column] = match definition {
            Definition::Source(source) => &source.columns,
            Definition::Table(table) => &table.columns,
            _ => &[],
        };
        let named = &self.project.policies.tags;
        let tags = |column: &Column| -> BTreeSet<String> {
            column.tags.iter().filter(|tag| named.contains(tag)).cloned().collect()
        };
        let found = columns.iter().map(|column| (column.name.clone(), tags(column)));
        found.filter(|(_, tags)| !tags.is_empty()).collect()
    }
}

fn prediction_of(asset: &AssetName) -> AssetColumn {
    AssetColumn { asset: asset.clone(), column: PREDICTION.to_owned() }
}

fn asset_column(table: &str, column: &str) -> Option<AssetColumn> {
    Some(AssetColumn { asset: AssetName::parse(table).ok()?, column: column.to_owned() })
}

/// The label's column, and the columns that say whose label it is and when it counts.
fn label_columns(model: &Model) -> (Option<AssetColumn>, BTreeSet<AssetColumn>) {
    let labels = &model.labels;
    let from = |column: &String| AssetColumn { asset: labels.from.clone(), column: column.clone() };
    (Some(from(&labels.target)), labels.keys.iter().chain([&labels.time]).map(from).collect())
}

/// What is asserted of it, by name; of a model, its gates as written.
fn checks(asset: &Asset) -> Vec<String> {
    let gates: &[serde_json::Value] = match &asset.definition {
        Definition::Model(model) => &model.gates,
        _ => &[],
    };
    let text = |gate: &serde_json::Value| gate.as_str().map_or_else(|| gate.to_string(), str::to_owned);
    asset.checks.iter().map(|check| check.name.clone()).chain(gates.iter().map(text)).collect()
}
