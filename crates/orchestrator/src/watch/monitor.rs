//! A monitor's look: predictions of its window against training, and against labels once they are there.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use baton_core::asset::{Definition, DriftRule, Model, Monitor, PerformanceRule};
use baton_core::incident::{Alert, Signal};
use baton_core::interval::MICROS_PER_SECOND;
use baton_core::{AssetName, EventKind, Timestamp};
use baton_ml::evaluate::Metric;
use baton_stats::drift::Method;
use baton_stats::metrics::{Direction, evaluate};
use serde_json::json;

use super::drift::{FeatureDrift, ReferenceFeature, feature_drift};
use super::look::{MeasuredPerformance, MonitorLook};
use super::score::predictions_of;
use crate::checks::quoted;
use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::sessions::session_of;
use crate::values::numbers;

impl Execution<'_> {
    /// Judges drift and performance; breaches alert, and train again where the policies say so.
    pub(crate) async fn watch(&mut self, asset: &AssetName, monitor: &Monitor) -> Result<StepOutcome, RunError> {
        let Some((model_name, model)) = self.model_behind(monitor) else { return Ok(StepOutcome::up_to_date()) };
        let Some(champion) = self.champion(&model_name).await? else { return Ok(StepOutcome::up_to_date()) };
        let version = &champion.version;
        let predictions = predictions_of(&monitor.endpoint);
        if !self.working.contains_key(&predictions) {
            return Ok(StepOutcome::up_to_date());
        }
        let names: Vec<AssetName> = vec![predictions.clone(), model.labels.from.clone()];
        let window = self.window(monitor, &predictions, &names).await?;
        if (window.num_rows() as u64) < monitor.min_rows {
            return Ok(StepOutcome::done(format!("{} predictions, too few to judge", window.num_rows())));
        }
        let drifts = match &monitor.drift {
            Some(rule) => judge_drift(&self.reference(&champion).await?, &window, rule)?,
            None => Vec::new(),
        };
        let performance = match &monitor.performance {
            Some(rule) => self.judge_performance(monitor, &model, &predictions, &names, rule).await?,
            None => None,
        };
        let estimate = match &monitor.performance {
            Some(rule) => self.estimate(monitor, &model, &champion, &window, rule).await?,
            None => None,
        };
        let rows = window.num_rows();
        let look = MonitorLook { model: version.reference(), rows, drift: drifts, performance, estimate };
        let breached = self.raise_breaches(asset, monitor, &look);
        self.pending.push(self.event(EventKind::MonitorEvaluated, asset, asset.as_str(), json!(look)));
        let retrained = self.retrain(&model_name, &model, monitor, &breached, version.as_of).await?;
        Ok(StepOutcome::done(describe(&look, retrained)))
    }

    fn model_behind(&self, monitor: &Monitor) -> Option<(AssetName, Model)> {
        let assets = &self.prepared.project.assets;
        let Definition::Endpoint(endpoint) = &assets.get(&monitor.endpoint)?.definition else { return None };
        let Definition::Model(model) = &assets.get(&endpoint.model.model)?.definition else { return None };
        Some((endpoint.model.model.clone(), model.clone()))
    }

    /// Predictions made in the monitor's window.
    async fn window(
        &self,
        monitor: &Monitor,
        predictions: &AssetName,
        names: &[AssetName],
    ) -> Result<RecordBatch, RunError> {
        let session = session_of(self.services, &self.working, names, Some(self.as_of)).await?;
        let (schema, batches) = session
            .query(&format!("select * from {} where {}", quoted(predictions), self.in_window(monitor, "")))
            .await?;
        concat_batches(&schema, &batches).map_err(RunError::rows(predictions))
    }

    fn in_window(&self, monitor: &Monitor, table: &str) -> String {
        let end = self.as_of.timestamp_micros();
        let start = end - monitor.window * MICROS_PER_SECOND;
        format!(
            "{table}predicted_at >= to_timestamp_micros({start}) and {table}predicted_at < to_timestamp_micros({end})"
        )
    }

    /// The metric over predictions of the window that have a label by now.
    async fn judge_performance(
        &self,
        monitor: &Monitor,
        model: &Model,
        predictions: &AssetName,
        names: &[AssetName],
        rule: &PerformanceRule,
    ) -> Result<Option<MeasuredPerformance>, RunError> {
        let labels = &model.labels;
        let end = self.as_of.timestamp_micros();
        let on: Vec<String> =
            labels.keys.iter().chain([&labels.time]).map(|key| format!("p.{0} = l.{0}", quoted(key))).collect();
        let query = format!(
            "select l.{} as label, p.score from {} p join {} l on {} where {} and l.{time} >= to_timestamp_micros({}) and l.{time} < to_timestamp_micros({})",
            quoted(&labels.target),
            quoted(predictions),
            quoted(&labels.from),
            on.join(" and "),
            self.in_window(monitor, "p."),
            end - (monitor.window - labels.predict_before) * MICROS_PER_SECOND,
            end + labels.predict_before * MICROS_PER_SECOND,
            time = quoted(&labels.time),
        );
        let session = session_of(self.services, &self.working, names, Some(self.as_of)).await?;
        let (schema, batches) = session.query(&query).await?;
        let rows = concat_batches(&schema, &batches).map_err(RunError::rows(predictions))?;
        if (rows.num_rows() as u64) < monitor.min_rows {
            return Ok(None);
        }
        let metric: Metric = rule.metric.parse().map_err(RunError::Statistics)?;
        let Ok(value) = evaluate(metric, &numbers(rows.column(0)), &numbers(rows.column(1))) else { return Ok(None) };
        let breached = match metric.direction() {
            Direction::HigherIsBetter => value < rule.threshold,
            Direction::LowerIsBetter => value > rule.threshold,
        };
        Ok(Some(MeasuredPerformance { metric: rule.metric.clone(), value, rows: rows.num_rows(), breached }))
    }

    /// Alerts for what was breached; answers with the words that retrain policies use.
    fn raise_breaches(&mut self, asset: &AssetName, monitor: &Monitor, look: &MonitorLook) -> Vec<&'static str> {
        let mut breached = Vec::new();
        let drifted: Vec<&FeatureDrift> = look.drift.iter().filter(|found| found.drifted).collect();
        let share = drifted.len() as f64 / look.drift.len().max(1) as f64;
        if let Some(rule) = &monitor.drift
            && !look.drift.is_empty()
            && share >= rule.share
        {
            let message = format!("{} of {} features of {} drifted", drifted.len(), look.drift.len(), monitor.endpoint);
            self.raise_from_monitor(asset, monitor, Signal::Drift, message, json!({"features": drifted}));
            breached.push("drift");
        }
        if let (Some(found), Some(rule)) = (&look.performance, &monitor.performance)
            && found.breached
        {
            let message =
                format!("{} of {} is {:.3}, beyond {:.3}", found.metric, monitor.endpoint, found.value, rule.threshold);
            let evidence =
                json!({"metric": found.metric, "value": found.value, "threshold": rule.threshold, "rows": found.rows});
            self.raise_from_monitor(asset, monitor, Signal::Performance, message, evidence);
            breached.push("performance");
        }
        breached
    }

    fn raise_from_monitor(
        &mut self,
        asset: &AssetName,
        monitor: &Monitor,
        signal: Signal,
        message: String,
        evidence: serde_json::Value,
    ) {
        if monitor.then.iter().any(|action| action == "alert") {
            let id = format!("{asset}-{signal:?}-{}", self.as_of.timestamp()).to_lowercase();
            let alert = Alert {
                id,
                asset: asset.clone(),
                signal,
                severity: monitor.severity,
                at: self.as_of,
                message,
                evidence,
            };
            self.alerts.push(alert);
        }
    }

    /// Trains a challenger when monitor and model both say so, and the last training is long enough ago.
    async fn retrain(
        &mut self,
        name: &AssetName,
        model: &Model,
        monitor: &Monitor,
        breached: &[&str],
        champion_trained: Timestamp,
    ) -> Result<bool, RunError> {
        let wanted = breached.iter().any(|signal| model.retrain.on.iter().any(|word| word == signal));
        if !wanted || !monitor.then.iter().any(|action| action == "retrain") {
            return Ok(false);
        }
        // A version of this very tick was registered by a run that was stopped: training is asked again, and answers with it.
        let last = crate::registry::model_versions(self.services, name).await?;
        let last = last.iter().filter(|version| version.as_of < self.as_of).map(|version| version.as_of).max();
        let since = (self.as_of - last.unwrap_or(champion_trained)).num_seconds();
        if since < model.retrain.cooldown {
            return Ok(false);
        }
        let reason = format!("{} of {}", breached.join(" and "), monitor.endpoint);
        self.services.progress.started("train", name);
        let began = std::time::Instant::now();
        let outcome = self.train(name, model, &reason).await?;
        self.services.progress.finished("train", name, &outcome.detail, began.elapsed());
        self.note_step("train", name, outcome, began.elapsed().as_secs_f64());
        Ok(true)
    }
}

fn judge_drift(
    reference: &[ReferenceFeature],
    window: &RecordBatch,
    rule: &DriftRule,
) -> Result<Vec<FeatureDrift>, RunError> {
    let method: Method = rule.method.parse().map_err(RunError::Statistics)?;
    Ok(feature_drift(reference, window, method, rule.threshold))
}

fn describe(look: &MonitorLook, retrained: bool) -> String {
    let mut parts = vec![format!("{} of {} features drifted", look.drifted(), look.drift.len())];
    let measured = look.performance.as_ref();
    parts.extend(measured.map(|found| format!("{} {:.3} over {} labels", found.metric, found.value, found.rows)));
    let estimated = look.estimate.as_ref();
    parts.extend(estimated.map(|found| format!("estimated {:.3} over {} predictions", found.value, found.rows)));
    if retrained {
        parts.push("trained again".to_owned());
    }
    parts.join(", ")
}
