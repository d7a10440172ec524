//! Drift of features and scores: predictions of a window against the rows the model learnt from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use baton_core::scalar::Scalar;
use baton_stats::drift::{Convention, DriftResult, Method, Sample, Scale, drift};
use serde::{Deserialize, Serialize};

use crate::error::RunError;
use crate::execution::Execution;
use crate::registry::{LoadedVersion, ModelVersion};
use crate::sessions::session;
use crate::values::{numbers, scalar_at};

/// Rows of the training set that stand for it.
const REFERENCE_ROWS: u64 = 10_000;

/// Samples of training sets by model version, kept over the ticks of a replay: a version never changes.
#[derive(Debug, Default)]
pub(crate) struct ReferenceCache(Mutex<BTreeMap<String, Arc<Vec<ReferenceFeature>>>>);

/// A feature as it was in training.
#[derive(Debug)]
pub(crate) struct ReferenceFeature {
    name: String,
    sample: Sample,
    nulls: f64,
}

/// How one feature compares with training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureDrift {
    /// `view__feature`.
    pub feature: String,
    /// The method that ran.
    pub method: String,
    /// p-value or distance.
    pub score: f64,
    /// What it was held against.
    pub threshold: f64,
    /// How far beyond the threshold: 1 is on the line, more is drift.
    pub ratio: f64,
    /// Whether it drifted.
    pub drifted: bool,
    /// Share of nulls in training, 0 to 1.
    pub nulls_before: f64,
    /// Share of nulls in the window.
    pub nulls_now: f64,
}

impl Execution<'_> {
    /// The features that a version learnt from, by every n-th row of its training set.
    pub(crate) async fn reference(&self, loaded: &LoadedVersion) -> Result<Arc<Vec<ReferenceFeature>>, RunError> {
        let cache = &self.prepared.references.0;
        let key = loaded.version.reference();
        let kept = cache.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(reference) = kept {
            return Ok(reference);
        }
        let rows = self.reference_rows(&loaded.version).await?;
        let features = loaded.stored.encoder.features().iter().filter_map(|feature| {
            let column = rows.column_by_name(&feature.name)?;
            Some(ReferenceFeature { name: feature.name.clone(), sample: sample(column), nulls: null_share(column) })
        });
        let reference = Arc::new(features.collect());
        cache.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&reference));
        Ok(reference)
    }

    async fn reference_rows(&self, version: &ModelVersion) -> Result<RecordBatch, RunError> {
        let step = (version.rows / REFERENCE_ROWS).max(1);
        let session = session(self.services, [("training".to_owned(), version.training_set.clone())], None).await?;
        let query = format!(
            "select * from (select *, row_number() over (order by predicted_at) as n from training) where n % {step} = 0"
        );
        let (schema, batches) = session.query(&query).await?;
        arrow::compute::concat_batches(&schema, &batches).map_err(RunError::rows(&version.reference()))
    }
}

/// Compares every feature of the reference that the window has values of.
pub(crate) fn feature_drift(
    reference: &[ReferenceFeature],
    window: &RecordBatch,
    method: Method,
    threshold: Option<f64>,
) -> Vec<FeatureDrift> {
    let compared = reference.iter().filter_map(|before| {
        let now = window.column_by_name(&before.name)?;
        let found = drift(&before.sample, &sample(now), method, Convention::Evidently, threshold).ok()?;
        Some(FeatureDrift {
            feature: before.name.clone(),
            method: found.method.to_string(),
            score: found.score,
            threshold: found.threshold,
            ratio: ratio(&found),
            drifted: found.drifted,
            nulls_before: before.nulls,
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
