//! Facts about predictions: labels that came, features that moved, what was deployed, the metric.

use baton_core::asset::{Endpoint, Model, Monitor};
use baton_core::time::timestamp_from_micros;
use baton_core::{AssetName, Definition, EventKind, Timestamp};
use baton_observe::evidence::{Evidence, FeatureShift, Happening, LabelEvidence, Performance};
use serde_json::Value;

use super::Scene;
use crate::checks::quoted;
use crate::error::RunError;
use crate::registry::{ModelVersion, model_version};
use crate::sessions::session_of;
use crate::training::aliases_of;
use crate::values::numbers;
use crate::watch::{MonitorLook, looks, predictions_of};

const DAY: i64 = 86_400_000_000;
/// A label may take so long after its prediction before it counts as missing, in days.
const LABEL_DAYS: i64 = 2;

impl Scene<'_> {
    /// Adds what concerns predictions, when the breach is at a monitor or an endpoint.
    pub(super) async fn add_monitor_evidence(&self, evidence: &mut Evidence) -> Result<(), RunError> {
        let Some((monitor_name, monitor)) = self.monitor() else { return Ok(()) };
        let assets = &self.prepared.project.assets;
        let Some(Definition::Endpoint(endpoint)) = assets.get(&monitor.endpoint).map(|found| &found.definition) else {
            return Ok(());
        };
        let Some(Definition::Model(model)) = assets.get(&endpoint.model.model).map(|found| &found.definition) else {
            return Ok(());
        };
        let version = self.champion(endpoint).await?;
        evidence.labels = self.labels(monitor, model).await?;
        evidence.deployments = self.deployments(&monitor.endpoint).await?;
        if let Some(look) = self.newest_look(&monitor_name).await? {
            evidence.features = self.feature_shifts(model, version.as_ref(), &look);
            evidence.performance = performance(&look, version.as_ref());
        }
        Ok(())
    }

    /// The monitor that breached, or one that watches the endpoint asked about.
    fn monitor(&self) -> Option<(AssetName, &Monitor)> {
        self.prepared.project.assets.iter().find_map(|(name, asset)| match &asset.definition {
            Definition::Monitor(monitor) if *name == self.asset || monitor.endpoint == self.asset => {
                Some((name.clone(), monitor))
            }
            _ => None,
        })
    }

    async fn champion(&self, endpoint: &Endpoint) -> Result<Option<ModelVersion>, RunError> {
        let aliases = aliases_of(self.commit.assets.get(&endpoint.model.model));
        match aliases.get(&endpoint.model.alias) {
            Some(number) => model_version(self.services, &endpoint.model.model, *number).await,
            None => Ok(None),
        }
    }

    /// Labels of the window, as far as they are due, against those of the four weeks before.
    async fn labels(&self, monitor: &Monitor, model: &Model) -> Result<Option<LabelEvidence>, RunError> {
        let predictions = predictions_of(&monitor.endpoint);
        if !self.commit.assets.contains_key(&predictions) {
            return Ok(None);
        }
        let until = self.at - LABEL_DAYS * DAY;
        let window = monitor.window * 1_000_000;
        let now = self.label_counts(model, &predictions, until - window, until).await?;
        let before = self.label_counts(model, &predictions, until - window - 28 * DAY, until - window).await?;
        Ok(Some(LabelEvidence {
            from: model.labels.from.clone(),
            expected: now.0,
            found: now.1,
            usual_share: if before.0 < 100 { 0.95 } else { before.1 as f64 / before.0 as f64 },
        }))
    }

    /// Predictions of a time range, and those of them that have a label at the clock.
    async fn label_counts(
        &self,
        model: &Model,
        predictions: &AssetName,
        from: i64,
        until: i64,
    ) -> Result<(u64, u64), RunError> {
        let labels = &model.labels;
        let on: Vec<String> =
            labels.keys.iter().chain([&labels.time]).map(|key| format!("p.{0} = l.{0}", quoted(key))).collect();
        let query = format!(
            "select count(*), count(l.{}) from {} p left join {} l on {} where p.predicted_at >= to_timestamp_micros({from}) and p.predicted_at < to_timestamp_micros({until})",
            quoted(&labels.target),
            quoted(predictions),
            quoted(&labels.from),
            on.join(" and ")
        );
        let clock = timestamp_from_micros(self.at);
        let names = [predictions, &labels.from];
        let session = session_of(self.services, &self.commit.assets, names, Some(clock)).await?;
        let (_, batches) = session.query(&query).await?;
        let Some(row) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok((0, 0)) };
        let count = |column: usize| numbers(row.column(column)).first().copied().unwrap_or_default() as u64;
        Ok((count(0), count(1)))
    }

    /// What the endpoint came to serve, and why, where a training led to it. A training that the breach itself asked for
    /// is its consequence and no cause.
    async fn deployments(&self, endpoint: &AssetName) -> Result<Vec<Happening>, RunError> {
        let mut found = Vec::new();
        for event in self.recent_events(endpoint, &[EventKind::EndpointDeployed]).await? {
            let served = |side: &str| event.event.body.pointer(&format!("/{side}/main")).and_then(Value::as_str);
            let (Some(now), Some(before)) = (served("serves"), served("before")) else { continue };
            let trained = self.trained_then(now, event.event.as_of).await?;
            let followed = trained.as_ref().is_some_and(|version| version.reason.ends_with(&format!(" of {endpoint}")));
            if followed && event.event.as_of >= self.onset {
                continue;
            }
            let what = match trained {
                Some(version) => format!("serves {now}, trained again ({}), instead of {before}", version.reason),
                None => format!("serves {now} instead of {before}"),
            };
            found.push(Happening { asset: endpoint.clone(), at: event.event.as_of, author: None, what });
        }
        Ok(found)
    }

    /// The model version of this reference, if it was trained at this very tick.
    async fn trained_then(&self, reference: &str, at: Timestamp) -> Result<Option<ModelVersion>, RunError> {
        let Some((model, number)) = reference.rsplit_once('@') else { return Ok(None) };
        let (Ok(model), Ok(number)) = (AssetName::parse(model), number.parse()) else { return Ok(None) };
        let version = model_version(self.services, &model, number).await?;
        Ok(version.filter(|version| version.as_of == at))
    }

    /// The newest look of the monitor that is not after the clock of the evidence.
    async fn newest_look(&self, monitor: &AssetName) -> Result<Option<MonitorLook>, RunError> {
        let until = Some(timestamp_from_micros(self.at + 1));
        let newest = looks(self.services, self.environment, monitor, until, 1).await?.pop();
        Ok(newest.map(|dated| dated.look))
    }

    fn feature_shifts(&self, model: &Model, version: Option<&ModelVersion>, look: &MonitorLook) -> Vec<FeatureShift> {
        let total: f64 = version.map_or(0.0, |found| found.importance.iter().map(|part| part.importance).sum());
        let importance = |feature: &str| {
            let found = version.and_then(|found| found.importance.iter().find(|part| part.feature == feature));
            found.map_or(0.0, |part| part.importance / total.max(f64::MIN_POSITIVE))
        };
        look.drift
            .iter()
            .filter_map(|found| {
                let (view, column) = found.feature.split_once("__")?;
                let Definition::FeatureView(declared) = &self.prepared.project.assets.get(view)?.definition else {
                    return None;
                };
                let is_of_model = model.features.iter().any(|reference| reference.view.as_str() == view);
                is_of_model.then(|| FeatureShift {
                    importance: importance(&found.feature),
                    from: declared.from.clone(),
                    column: column.to_owned(),
                    score: found.ratio,
                    nulls_before: found.nulls_before,
                    nulls_now: found.nulls_now,
                    feature: found.feature.clone(),
                })
            })
            .collect()
    }
}

/// The metric of a look, when it was beyond its threshold.
fn performance(look: &MonitorLook, version: Option<&ModelVersion>) -> Option<Performance> {
    let found = look.performance.as_ref().filter(|found| found.breached)?;
    let metrics = version.map(|version| &version.evaluation.metrics);
    let reference = metrics.and_then(|metrics| metrics.get(&found.metric).copied()).unwrap_or(f64::NAN);
    Some(Performance { value: found.value, metric: found.metric.clone(), reference })
}
