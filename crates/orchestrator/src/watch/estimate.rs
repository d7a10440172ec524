//! Estimated performance: what the metric probably is before the labels are there (CBPE).
//!
//! It is fitted on the test part of the champion's training set, where labels are known and the model had not seen the
//! rows. It holds while scores stay calibrated and the relation between features and label stays what it was.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;
use baton_core::asset::{Model, Monitor, PerformanceRule, Task};
use baton_ml::evaluate::Metric;
use baton_stats::calibration::{Cbpe, ReferenceRows};

use super::look::EstimatedPerformance;
use crate::checks::quoted;
use crate::error::RunError;
use crate::execution::Execution;
use crate::registry::LoadedVersion;
use crate::sessions::session;
use crate::values::numbers;

/// The reference is cut into so many parts of equal size, over which the metric's usual spread is taken (NannyML's default).
const CHUNKS: usize = 10;
/// A score from which on the model says yes.
const DECISION: f64 = 0.5;

/// Fitted estimators by model version and metric, kept over the ticks of a replay: a version never changes. `None` is
/// what cannot be estimated.
#[derive(Debug, Default)]
pub(crate) struct EstimatorCache(Mutex<BTreeMap<(String, String), Estimator>>);

type Estimator = Option<Arc<Cbpe>>;

impl Execution<'_> {
    /// Estimates the rule's metric over the predictions that the champion itself made in the window; `None` for
    /// regression, for metrics that have no estimate, and below the monitor's least number of rows.
    pub(super) async fn estimate(
        &self,
        monitor: &Monitor,
        model: &Model,
        champion: &LoadedVersion,
        window: &RecordBatch,
        rule: &PerformanceRule,
    ) -> Result<Option<EstimatedPerformance>, RunError> {
        let scores = own_scores(champion, window);
        if model.task != Task::BinaryClassification || (scores.len() as u64) < monitor.min_rows {
            return Ok(None);
        }
        let metric: Metric = rule.metric.parse().map_err(RunError::Statistics)?;
        let Some(estimator) = self.estimator(model, champion, metric).await? else { return Ok(None) };
        Ok(estimator.estimate(&scores, &decisions(&scores)).ok().map(|found| EstimatedPerformance {
            metric: rule.metric.clone(),
            value: found.value,
            low: found.confidence.lower,
            high: found.confidence.upper,
            usual_low: found.threshold.lower,
            usual_high: found.threshold.upper,
            rows: found.rows,
        }))
    }

    async fn estimator(&self, model: &Model, champion: &LoadedVersion, metric: Metric) -> Result<Estimator, RunError> {
        let cache = &self.prepared.estimators.0;
        let key = (champion.version.reference(), metric.to_string());
        let kept = cache.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let rows = self.test_part(model, champion).await?;
        let fitted = fit(model, champion, metric, &rows)?.map(Arc::new);
        cache.lock().unwrap_or_else(PoisonError::into_inner).insert(key, fitted.clone());
        Ok(fitted)
    }

    /// The rows that the champion was judged on, in time order.
    async fn test_part(&self, model: &Model, champion: &LoadedVersion) -> Result<RecordBatch, RunError> {
        let version = &champion.version;
        let session = session(self.services, [("training".to_owned(), version.training_set.clone())], None).await?;
        let time = quoted(&model.labels.time);
        let query = format!(
            "select * from training where {time} >= to_timestamp_micros({}) order by {time}, {}",
            version.parts.1,
            model.labels.keys.iter().map(|key| quoted(key)).collect::<Vec<_>>().join(", ")
        );
        let (schema, batches) = session.query(&query).await?;
        arrow::compute::concat_batches(&schema, &batches).map_err(RunError::rows(&version.reference()))
    }
}

/// The scores that the champion gave; those of an earlier version have their own calibration.
fn own_scores(champion: &LoadedVersion, window: &RecordBatch) -> Vec<f64> {
    let (Some(scores), Some(versions)) = (window.column_by_name("score"), window.column_by_name("model_version"))
    else {
        return Vec::new();
    };
    let versions = versions.as_primitive::<Int64Type>();
    let own = |row: &usize| versions.value(*row) == i64::from(champion.version.number);
    let scores = numbers(scores);
    (0..scores.len()).filter(own).map(|row| scores[row]).collect()
}

fn fit(model: &Model, champion: &LoadedVersion, metric: Metric, rows: &RecordBatch) -> Result<Option<Cbpe>, RunError> {
    let Some(labels) = rows.column_by_name(&model.labels.target).map(numbers) else { return Ok(None) };
    let scores = champion.predictor.predict(&champion.stored.encoder.encode(rows)?, rows.num_rows())?;
    let predictions = decisions(&scores);
    let reference = ReferenceRows { labels: &labels, scores: &scores, predictions: &predictions };
    Ok(Cbpe::fit(metric, reference, (labels.len() / CHUNKS).max(1)).ok())
}

fn decisions(scores: &[f64]) -> Vec<bool> {
    scores.iter().map(|score| *score >= DECISION).collect()
}
