//! Judging a fitted model: its stored form, its metrics and slices, the champion on the same rows, the gates, the card.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use baton_core::AssetName;
use baton_core::asset::Model;
use baton_core::incident::IncidentState;
use baton_core::scalar::Scalar;
use baton_core::time::timestamp_from_micros;
use baton_ml::MlError;
use baton_ml::card::{CardData, CardSlice, CardSplit, ModelCard, render_markdown};
use baton_ml::evaluate::{Evaluation, SliceColumn, evaluate, fairness_figure};
use baton_ml::explain::{is_explainable, shap_importance};
use baton_ml::gate::{Gate, GateInput, evaluate_gates};
use baton_ml::model::verify;
use baton_ml::runtime::load;

use super::dataset::TrainingSet;
use super::fit::{Fitted, ml_task};
use crate::error::RunError;
use crate::execution::Execution;
use crate::features::{full_name, referenced_views};
use crate::registry::{ModelVersion, stored_model};
use crate::values::scalar_at;

/// Rows that importance is averaged over.
const EXPLAINED_ROWS: usize = 2_000;
/// A stored model may differ so much from its training-time predictions.
const TOLERANCE: f64 = 1e-6;

/// The number of the champion, and its metrics on the challenger's test rows.
type ChampionMetrics = (u32, BTreeMap<String, f64>);

/// A model version that has no number yet.
pub(crate) struct Judged {
    version: ModelVersion,
    card: ModelCard,
}

impl Judged {
    /// The version with its number.
    pub(crate) fn numbered(&self, number: u32) -> ModelVersion {
        let card = ModelCard { version: number.to_string(), ..self.card.clone() };
        ModelVersion { number, card: render_markdown(&card), ..self.version.clone() }
    }
}

impl Execution<'_> {
    /// Stores, judges and describes a fitted model; it is not registered yet.
    pub(crate) async fn judge(
        &self,
        asset: &AssetName,
        model: &Model,
        set: TrainingSet,
        fitted: Fitted,
        champion: Option<ModelVersion>,
        reason: &str,
    ) -> Result<Judged, RunError> {
        let predictor = match &fitted.predictor {
            Some(open) => Arc::clone(open),
            None => load(&fitted.stored, &self.services.models)?.into(),
        };
        let stored_difference = verify(predictor.as_ref(), &fitted.test_values, &fitted.test_scores, TOLERANCE)?;
        let test_rows = set.rows.slice(fitted.test.start, fitted.test.len());
        let slices = slice_values(model, &test_rows);
        let columns: Vec<SliceColumn<'_>> = slices.iter().map(|(name, values)| SliceColumn { name, values }).collect();
        let evaluation = evaluate(ml_task(model.task), &fitted.test_labels, &fitted.test_scores, &columns)?;
        let (champion, not_compared) = self.champion_on(model, champion, &test_rows, &fitted.test_labels).await?;
        let gates = self.gates(asset, model)?;
        let mut input = self.gate_input(asset, &gates, &fitted, &evaluation, champion.as_ref(), &columns).await?;
        input.not_compared.clone_from(&not_compared);
        let results = evaluate_gates(&gates, &input);
        let sample = &fitted.test_values[..fitted.test_values.len().min(EXPLAINED_ROWS * set.features.len())];
        let artifact = self.services.lake.artifacts().put(fitted.stored.to_files()?).await?;
        let version = ModelVersion {
            model: asset.clone(),
            number: 0,
            digest: fitted.stored.digest(),
            artifact,
            algorithm: fitted.stored.algorithm.clone(),
            as_of: self.as_of,
            reason: reason.to_owned(),
            rows: set.rows.num_rows() as u64,
            training_set: set.version.clone(),
            parts: fitted.parts,
            importance: if is_explainable(&fitted.stored) {
                shap_importance(&fitted.stored, sample)?
            } else {
                Vec::new()
            },
            evaluation,
            champion,
            not_compared,
            stored_difference: fitted.origin.as_ref().map_or(stored_difference, |origin| origin.largest_difference),
            origin: fitted.origin.clone(),
            trials: fitted.trials,
            gates: results,
            card: String::new(),
        };
        let card = self.card(asset, model, &set, &fitted, &version);
        Ok(Judged { version, card })
    }

    fn gates(&self, asset: &AssetName, model: &Model) -> Result<Vec<Gate>, RunError> {
        let parsed: Result<Vec<Gate>, _> = model.gates.iter().map(Gate::parse).collect();
        parsed.map_err(|error| RunError::Project(format!("a gate of model `{asset}` cannot be understood: {error}")))
    }

    /// The champion's metrics on the same rows, or why it cannot be asked: it may read columns that the rows no longer
    /// have, and that must not keep its successor from being trained.
    async fn champion_on(
        &self,
        model: &Model,
        champion: Option<ModelVersion>,
        rows: &RecordBatch,
        labels: &[f64],
    ) -> Result<(Option<ChampionMetrics>, Option<String>), RunError> {
        let Some(champion) = champion else { return Ok((None, None)) };
        let stored = stored_model(self.services, &champion).await?;
        let values = match stored.encoder.encode(rows) {
            Ok(values) => values,
            Err(MlError::FeatureMissing { feature, .. }) => {
                return Ok((None, Some(format!("the champion reads columns that are no longer there (`{feature}`)"))));
            }
            Err(MlError::FeatureType { feature, data_type, .. }) => {
                return Ok((None, Some(format!("the champion reads `{feature}` with another type than {data_type}"))));
            }
            Err(error) => return Err(error.into()),
        };
        let scores = load(&stored, &self.services.models)?.predict(&values, rows.num_rows())?;
        let metrics = evaluate(ml_task(model.task), labels, &scores, &[])?.metrics;
        Ok((Some((champion.number, metrics)), None))
    }

    async fn gate_input(
        &self,
        asset: &AssetName,
        gates: &[Gate],
        fitted: &Fitted,
        evaluation: &Evaluation,
        champion: Option<&ChampionMetrics>,
        slices: &[SliceColumn<'_>],
    ) -> Result<GateInput, RunError> {
        let mut input = GateInput {
            challenger: evaluation.metrics.clone(),
            champion: champion.map(|(_, metrics)| metrics.clone()),
            not_compared: None,
            fairness: HashMap::new(),
            load_test: None,
            model_bytes: fitted.stored.bytes.len() as u64,
            open_incidents: self.open_incidents_upstream(asset).await?,
        };
        for gate in gates {
            match gate {
                Gate::Fairness { group, metric, .. } => {
                    let column = slices.iter().find(|column| column.name == group);
                    let figure = match column {
                        Some(column) => fairness_figure(*metric, column, &fitted.test_labels, &fitted.test_scores)
                            .map_err(|error| error.to_string()),
                        None => Err(format!("`{group}` is not among the model's slices; add it there")),
                    };
                    input.fairness.insert((group.clone(), *metric), figure);
                }
                Gate::LoadTest { rps, .. } if input.load_test.is_none() => {
                    let width = fitted.stored.encoder.n_features();
                    let rows = &fitted.test_values[..fitted.test_values.len().min(1_000 * width)];
                    let tester = &self.services.load_tester;
                    input.load_test = Some(tester.load_test(&fitted.stored, rows, rps.ceil() as u32).await?);
                }
                _ => {}
            }
        }
        Ok(input)
    }

    pub(super) async fn open_incidents_upstream(&self, asset: &AssetName) -> Result<Vec<String>, RunError> {
        let upstream = self.prepared.graph.upstream(asset);
        let incidents = self.known_incidents().await?;
        let open = incidents.into_iter().filter(|found| found.state == IncidentState::Open);
        Ok(open.filter(|found| upstream.contains(&found.asset)).map(|found| found.id).collect())
    }

    fn card(
        &self,
        asset: &AssetName,
        model: &Model,
        set: &TrainingSet,
        fitted: &Fitted,
        version: &ModelVersion,
    ) -> ModelCard {
        let declared = self.prepared.project.assets.get(asset);
        let data = self.prepared.graph.upstream(asset).into_iter().filter_map(|name| {
            let pin = self.working.get(&name)?;
            let table = pin.version.table()?;
            Some(CardData { asset: name.to_string(), version: table.to_string(), n_rows: pin.rows.unwrap_or_default() })
        });
        let features = fitted.stored.encoder.features().iter().map(|feature| {
            let kind = match &feature.kind {
                baton_ml::frame::FeatureKind::Numeric => "number".to_owned(),
                baton_ml::frame::FeatureKind::Categorical { categories } => format!("{} categories", categories.len()),
            };
            (feature.name.clone(), kind)
        });
        ModelCard {
            model: asset.to_string(),
            version: String::new(),
            description: declared.and_then(|found| found.description.clone()).unwrap_or_default(),
            owner: declared.and_then(|found| found.owner.clone()).unwrap_or_default(),
            task: ml_task(model.task).to_string(),
            algorithm: version.algorithm.clone(),
            params: fitted.stored.params.clone(),
            digest: version.digest.clone(),
            size_bytes: fitted.stored.bytes.len() as u64,
            trained_at: self.as_of.to_rfc3339(),
            data: data.collect(),
            splits: splits(set, fitted),
            features: features.collect(),
            metrics: version.evaluation.metrics.clone(),
            champion_metrics: version.champion.as_ref().map(|(_, metrics)| metrics.clone()).unwrap_or_default(),
            not_compared: version.not_compared.clone(),
            slices: version
                .evaluation
                .slices
                .iter()
                .map(|slice| CardSlice {
                    column: slice.column.clone(),
                    value: slice.value.clone(),
                    n_rows: slice.n_rows,
                    metrics: slice.metrics.clone(),
                })
                .collect(),
            importance: version.importance.clone(),
            gates: version.gates.clone(),
            lineage: self.feature_lineage(model),
        }
    }

    /// Where each feature comes from: `view__feature: table.column`.
    fn feature_lineage(&self, model: &Model) -> Vec<String> {
        let schema_of = |from: &str| self.prepared.schemas.get(from).cloned();
        referenced_views(model, &self.prepared.project.assets, schema_of)
            .into_iter()
            .flat_map(|(name, view, features)| {
                let line = |column: String| format!("{}: {}.{column}", full_name(&name, &column), view.from);
                features.into_iter().map(line).collect::<Vec<_>>()
            })
            .collect()
    }
}

fn splits(set: &TrainingSet, fitted: &Fitted) -> Vec<CardSplit> {
    let test_from = fitted.test.start;
    let show = |micros: Option<&i64>| {
        micros.map(|micros| timestamp_from_micros(*micros).format("%Y-%m-%d").to_string()).unwrap_or_default()
    };
    let split = |name: &str, times: &[i64]| CardSplit {
        name: name.to_owned(),
        n_rows: times.len() as u64,
        from: show(times.first()),
        to: show(times.last()),
    };
    vec![split("train", &set.times[..test_from]), split("test", &set.times[test_from..])]
}

/// The slice columns as text, one value a row.
fn slice_values(model: &Model, rows: &RecordBatch) -> Vec<(String, Vec<String>)> {
    let text = |value: Scalar| match value {
        Scalar::Null => "(none)".to_owned(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Int(value) => value.to_string(),
        Scalar::Float(value) => value.to_string(),
        Scalar::Text(value) => value,
    };
    let found = model.slices.iter().filter_map(|name| Some((name, rows.column_by_name(name)?)));
    found
        .map(|(name, column)| (name.clone(), (0..column.len()).map(|row| text(scalar_at(column, row))).collect()))
        .collect()
}
