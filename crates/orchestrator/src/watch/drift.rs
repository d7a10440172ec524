//! Drift of features and scores: predictions of a window against the rows the model learnt from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use baton_core::scalar::Scalar;
use baton_stats::drift::{Convention, DriftResult, Method, Sample, Scale, drift};
use serde::{Deserialize, Serialize};

use crate::error::RunError;
use crate::execution::Execution;
use crate::registry::ModelVersion;
use crate::sessions::session;
use crate::values::{numbers, scalar_at};

/// Rows of the training set that stand for it.
const REFERENCE_ROWS: u64 = 10_000;

/// Samples of training sets by model version, kept over the ticks of a replay: a version never changes.
#[derive(Debug, Default)]
pub(crate) struct ReferenceCache(Mutex<BTreeMap<String, Arc<RecordBatch>>>);

/// How one feature compares with training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FeatureDrift {
    /// `view__feature`.
    pub(crate) feature: String,
    /// The method that ran.
    pub(crate) method: String,
    /// p-value or distance.
    pub(crate) score: f64,
    /// What it was held against.
    pub(crate) threshold: f64,
    /// How far beyond the threshold: 1 is on the line, more is drift.
    pub(crate) ratio: f64,
    /// Whether it drifted.
    pub(crate) drifted: bool,
    /// Share of nulls in training, 0 to 1.
    pub(crate) nulls_before: f64,
    /// Share of nulls in the window.
    pub(crate) nulls_now: f64,
}

impl Execution<'_> {
    /// Every n-th row of the rows that a version learnt from.
    pub(crate) async fn reference_rows(&self, version: &ModelVersion) -> Result<Arc<RecordBatch>, RunError> {
        let cache = &self.prepared.references.0;
        let key = version.reference();
        if let Some(rows) = cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(rows));
        }
        let step = (version.rows / REFERENCE_ROWS).max(1);
        let session = session(self.services, [("training".to_owned(), version.training_set.clone())], None).await?;
        let query = format!(
            "select * from (select *, row_number() over (order by predicted_at) as n from training) where n % {step} = 0"
        );
        let (schema, batches) = session.query(&query).await?;
        let rows = arrow::compute::concat_batches(&schema, &batches).map_err(RunError::rows(&key))?;
        let rows = Arc::new(rows);
        cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(key, Arc::clone(&rows));
        Ok(rows)
    }
}

/// Compares every feature of `features` that both sides have values of.
pub(crate) fn feature_drift(
    reference: &RecordBatch,
    current: &RecordBatch,
    features: &[String],
    method: Method,
    threshold: Option<f64>,
) -> Vec<FeatureDrift> {
    let compared = features.iter().filter_map(|feature| {
        let before = reference.column_by_name(feature)?;
        let now = current.column_by_name(feature)?;
        let found = drift(&sample(before), &sample(now), method, Convention::Evidently, threshold).ok()?;
        Some(FeatureDrift {
            feature: feature.clone(),
            method: found.method.to_string(),
            score: found.score,
            threshold: found.threshold,
            ratio: ratio(&found),
            drifted: found.drifted,
            nulls_before: null_share(before),
            nulls_now: null_share(now),
        })
    });
    compared.collect()
}

/// How far a result is beyond its threshold, the same way round for p-values and distances.
pub(crate) fn ratio(found: &DriftResult) -> f64 {
    match found.scale {
        Scale::Distance => found.score / found.threshold.max(f64::MIN_POSITIVE),
        // A p-value has no natural distance: its order of magnitude against that of the threshold.
        Scale::PValue => found.score.max(1e-300).ln() / found.threshold.max(1e-300).ln(),
    }
}

/// A column as a sample; nulls are left out.
pub(crate) fn sample(column: &arrow::array::ArrayRef) -> Sample {
    match column.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            Sample::categorical((0..column.len()).filter_map(|row| match scalar_at(column, row) {
                Scalar::Text(text) => Some(text),
                _ => None,
            }))
        }
        _ => Sample::Numeric(numbers(column).into_iter().filter(|value| !value.is_nan()).collect()),
    }
}

fn null_share(column: &arrow::array::ArrayRef) -> f64 {
    if column.is_empty() { 0.0 } else { column.null_count() as f64 / column.len() as f64 }
}
