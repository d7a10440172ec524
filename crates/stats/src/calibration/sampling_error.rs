//! How much a metric of n rows varies by chance, learned from the reference.
//!
//! The standard deviation of the metric's per-row contribution on the reference, divided by the
//! root of the rows that contribute in the window.

use serde::{Deserialize, Serialize};

use super::need::SplitMix;
use crate::metrics::{Metric, Undefined, evaluate};

/// Resamples for average precision, the rows of each at most, and their seed.
const RESAMPLES: usize = 100;
const LARGEST_RESAMPLE: usize = 50_000;
const SEED: u64 = 42;

/// Spread per contributing row, and the share of rows that contribute.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    deviation: f64,
    share: f64,
}

impl Spread {
    /// Learns the spread of a metric from labelled reference rows.
    pub(super) fn learn(
        metric: Metric,
        labels: &[f64],
        scores: &[f64],
        predictions: &[bool],
    ) -> Result<Self, Undefined> {
        match metric {
            Metric::RocAuc => Ok(roc_auc(labels, scores)),
            Metric::AveragePrecision => average_precision(labels, scores),
            _ => by_row(metric, labels, predictions),
        }
    }

    /// The standard error for a window of `rows` rows.
    pub(super) fn standard_error(&self, rows: usize) -> f64 {
        self.deviation / (rows as f64 * self.share).sqrt()
    }
}

/// Metrics that are a mean over rows: each relevant row counts 1 when it is right.
fn by_row(metric: Metric, labels: &[f64], predictions: &[bool]) -> Result<Spread, Undefined> {
    let rows = labels.iter().map(|label| *label == 1.0).zip(predictions.iter().copied());
    let relevant = |(label, prediction): &(bool, bool)| match metric {
        Metric::Precision => *prediction,
        Metric::Recall => *label,
        Metric::Specificity => !*label,
        Metric::F1 => *label || *prediction,
        _ => true,
    };
    let outcomes: Vec<f64> = rows.filter(relevant).map(|(label, prediction)| f64::from(label == prediction)).collect();
    if outcomes.is_empty() {
        return Err(Undefined::because(format!("the reference has no row that counts for `{metric}`")));
    }
    let right: f64 = outcomes.iter().sum();
    let total = outcomes.len() as f64;
    // F1 weighs a right row twice as much as a wrong one.
    let weight = if metric == Metric::F1 { total / (right + 0.5 * (total - right)) } else { 1.0 };
    let contributions: Vec<f64> = outcomes.iter().map(|outcome| outcome * weight).collect();
    Ok(Spread { deviation: deviation(&contributions), share: total / labels.len() as f64 })
}

/// The share of negatives below each positive, for the rarer class taken as positive.
fn roc_auc(labels: &[f64], scores: &[f64]) -> Spread {
    let positives: f64 = labels.iter().sum();
    let flip = positives / labels.len() as f64 > 0.5;
    let mut rows: Vec<(f64, bool)> = labels
        .iter()
        .zip(scores)
        .map(|(label, score)| if flip { (1.0 - score, *label == 0.0) } else { (*score, *label == 1.0) })
        .collect();
    rows.sort_by(|left, right| left.0.total_cmp(&right.0));
    // The row of rank 0 is left out as in NannyML, where rank 0 also marks a negative.
    let ranks = rows.iter().enumerate().filter(|(rank, row)| *rank > 0 && row.1).map(|(rank, _)| rank);
    let count = rows.iter().filter(|row| row.1).count() as f64;
    let negatives = rows.len() as f64 - count;
    let below: Vec<f64> = ranks.enumerate().map(|(order, rank)| (rank - order) as f64 / negatives).collect();
    Spread { deviation: deviation(&below), share: count / rows.len() as f64 }
}

/// Average precision is no mean over rows: its spread comes from seeded resamples of half the
/// reference, as a deviation for one row.
fn average_precision(labels: &[f64], scores: &[f64]) -> Result<Spread, Undefined> {
    let size = (labels.len() / 2).clamp(1, LARGEST_RESAMPLE);
    let mut generator = SplitMix { state: SEED };
    let mut values = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let rows: Vec<usize> = (0..size).map(|_| generator.below(labels.len())).collect();
        let pick = |from: &[f64]| -> Vec<f64> { rows.iter().map(|row| from[*row]).collect() };
        values.push(evaluate(Metric::AveragePrecision, &pick(labels), &pick(scores))?);
    }
    Ok(Spread { deviation: deviation(&values) * (size as f64).sqrt(), share: 1.0 })
}

fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}
