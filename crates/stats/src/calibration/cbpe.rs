//! Confidence-based performance estimation (CBPE) for binary models, as NannyML 0.13.
//!
//! Fitted on a labelled reference, it estimates performance of later windows before their
//! labels arrive. It holds as long as scores are calibrated, the concept has not drifted and
//! the inputs stay within what the reference has seen; say so beside every estimate.

use serde::{Deserialize, Serialize};

use super::expected;
use super::isotonic::Isotonic;
use super::need::improves_with_calibration;
use super::reliability::require_probabilities;
use super::sampling_error::Spread;
use crate::drift::{Band, three_sigma_band};
use crate::metrics::{ConfusionCounts, Metric, Undefined, evaluate};

/// Width of the confidence band in standard errors.
const BAND: f64 = 3.0;

/// Labelled rows in time order.
#[derive(Debug, Clone, Copy)]
pub struct ReferenceRows<'a> {
    /// 0 or 1.
    pub labels: &'a [f64],
    /// The model's scores, probabilities of 1.
    pub scores: &'a [f64],
    /// The model's decisions.
    pub predictions: &'a [bool],
}

/// A fitted estimator of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cbpe {
    metric: Metric,
    calibrator: Option<Isotonic>,
    spread: Spread,
    alert: Band,
}

/// The estimated performance of one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// What is estimated.
    pub metric: Metric,
    /// The estimate.
    pub value: f64,
    /// Its standard error by chance alone.
    pub sampling_error: f64,
    /// Estimate minus and plus three standard errors, within [0, 1].
    pub confidence: Band,
    /// Realised reference performance minus and plus three standard deviations, within [0, 1].
    pub threshold: Band,
    /// True when the estimate leaves the thresholds.
    pub alert: bool,
    /// Rows of the window.
    pub rows: usize,
}

impl Cbpe {
    /// Fits calibration, chance spread and alert thresholds of a metric.
    ///
    /// Thresholds come from the realised metric on consecutive chunks of `chunk_rows` rows.
    ///
    /// # Errors
    /// When rows are missing or no probabilities, or the metric is undefined on the reference.
    pub fn fit(metric: Metric, reference: ReferenceRows<'_>, chunk_rows: usize) -> Result<Self, Undefined> {
        require_probabilities(reference.labels, reference.scores)?;
        require_predictions(reference.scores, reference.predictions)?;
        let calibrator = match improves_with_calibration(reference.labels, reference.scores)? {
            true => Some(Isotonic::fit(reference.labels, reference.scores)?),
            false => None,
        };
        let spread = Spread::learn(metric, reference.labels, reference.scores, reference.predictions)?;
        Ok(Self { metric, calibrator, spread, alert: realised_band(metric, reference, chunk_rows)? })
    }

    /// True when scores are calibrated before use.
    pub fn is_calibrated(&self) -> bool {
        self.calibrator.is_some()
    }

    /// Estimates the metric of a window without labels.
    ///
    /// # Errors
    /// When there are no rows, lengths differ, a score is no probability, or the metric is
    /// undefined for these rows.
    pub fn estimate(&self, scores: &[f64], predictions: &[bool]) -> Result<Estimate, Undefined> {
        require_probabilities(&vec![0.0; scores.len()], scores)?;
        require_predictions(scores, predictions)?;
        let probabilities = match &self.calibrator {
            Some(calibrator) => calibrator.predict_all(scores),
            None => scores.to_vec(),
        };
        let value = expected::estimate(self.metric, &probabilities, scores, predictions)?;
        let sampling_error = self.spread.standard_error(scores.len());
        let margin = BAND * sampling_error;
        Ok(Estimate {
            metric: self.metric,
            value,
            sampling_error,
            confidence: within_unit(Band { lower: value - margin, upper: value + margin }),
            threshold: self.alert,
            alert: value < self.alert.lower || value > self.alert.upper,
            rows: scores.len(),
        })
    }
}

/// The metric of labelled rows from scores and given decisions, to hold against an estimate.
///
/// # Errors
/// As [`crate::metrics::evaluate`], or for a metric that CBPE does not estimate.
pub fn realised(metric: Metric, rows: ReferenceRows<'_>) -> Result<f64, Undefined> {
    require_probabilities(rows.labels, rows.scores)?;
    require_predictions(rows.scores, rows.predictions)?;
    let mut counts = ConfusionCounts::default();
    for (label, prediction) in rows.labels.iter().zip(rows.predictions) {
        counts.add(*label == 1.0, *prediction);
    }
    match metric {
        Metric::RocAuc | Metric::AveragePrecision => evaluate(metric, rows.labels, rows.scores),
        Metric::Accuracy => counts.accuracy(),
        Metric::Precision => counts.precision(),
        Metric::Recall => counts.recall(),
        Metric::Specificity => counts.specificity(),
        Metric::F1 => counts.f1(),
        _ => Err(Undefined::because(format!("`{metric}` cannot be estimated without labels"))),
    }
}

/// Chunks on which the metric is undefined do not count.
fn realised_band(metric: Metric, reference: ReferenceRows<'_>, chunk_rows: usize) -> Result<Band, Undefined> {
    let size = chunk_rows.max(1);
    let chunks = reference.labels.chunks(size).zip(reference.scores.chunks(size));
    let values: Vec<f64> = chunks
        .zip(reference.predictions.chunks(size))
        .filter_map(|((labels, scores), predictions)| {
            realised(metric, ReferenceRows { labels, scores, predictions }).ok()
        })
        .collect();
    match three_sigma_band(&values) {
        Some(band) => Ok(within_unit(band)),
        None => realised(metric, reference).map(|value| Band { lower: value, upper: value }),
    }
}

fn require_predictions(scores: &[f64], predictions: &[bool]) -> Result<(), Undefined> {
    if scores.len() == predictions.len() {
        return Ok(());
    }
    Err(Undefined::because(format!("{} scores do not match {} predictions", scores.len(), predictions.len())))
}

fn within_unit(band: Band) -> Band {
    Band { lower: band.lower.max(0.0), upper: band.upper.min(1.0) }
}
