//! Expected performance of a window without labels: each calibrated score is the chance that
//! the row is positive, so confusion counts have an expectation.

use crate::metrics::{Metric, Undefined};

/// Expected rows by label and prediction.
#[derive(Default)]
struct ExpectedCounts {
    true_positives: f64,
    false_positives: f64,
    true_negatives: f64,
    false_negatives: f64,
}

/// Estimates a metric from calibrated probabilities.
///
/// The order of rows for ranking metrics is that of the model's own scores: a calibrator makes
/// ties where the model has none.
pub(super) fn estimate(
    metric: Metric,
    probabilities: &[f64],
    scores: &[f64],
    predictions: &[bool],
) -> Result<f64, Undefined> {
    if matches!(metric, Metric::RocAuc | Metric::AveragePrecision) {
        let ordered = by_descending_score(probabilities, scores);
        return if metric == Metric::RocAuc { roc_auc(&ordered) } else { average_precision(&ordered) };
    }
    let counts = ExpectedCounts::of(probabilities, predictions);
    let hits = counts.true_positives;
    let wrong = counts.false_positives + counts.false_negatives;
    match metric {
        Metric::Accuracy => share(hits + counts.true_negatives, probabilities.len() as f64, "there are no rows"),
        Metric::Precision => share(hits, hits + counts.false_positives, "no row is predicted positive"),
        Metric::Recall => share(hits, hits + counts.false_negatives, "no positive row is expected"),
        Metric::Specificity => {
            let negatives = counts.true_negatives + counts.false_positives;
            share(counts.true_negatives, negatives, "no negative row is expected")
        }
        Metric::F1 => share(hits, hits + 0.5 * wrong, "no row is positive or predicted positive"),
        _ => Err(Undefined::because(format!("`{metric}` cannot be estimated without labels"))),
    }
}

impl ExpectedCounts {
    fn of(probabilities: &[f64], predictions: &[bool]) -> Self {
        let mut counts = Self::default();
        for (probability, is_positive) in probabilities.iter().zip(predictions) {
            if *is_positive {
                counts.true_positives += probability;
                counts.false_positives += 1.0 - probability;
            } else {
                counts.false_negatives += probability;
                counts.true_negatives += 1.0 - probability;
            }
        }
        counts
    }
}

/// Area under the expected ROC curve by trapezoids. Counts are rounded to five decimals, so that
/// rounding noise of the sums does not bend the curve.
fn roc_auc(probabilities: &[f64]) -> Result<f64, Undefined> {
    let (mut hits, mut area) = (0.0, 0.0);
    let (mut hits_before, mut misses_before) = (0.0, 0.0);
    for (index, probability) in probabilities.iter().enumerate() {
        hits += probability;
        let (true_count, false_count) = (five_decimals(hits), five_decimals((index + 1) as f64 - hits));
        area += (false_count - misses_before) * (true_count + hits_before) / 2.0;
        (hits_before, misses_before) = (true_count, false_count);
    }
    share(area, hits_before * misses_before, "all rows are expected to be of one class")
}

fn average_precision(probabilities: &[f64]) -> Result<f64, Undefined> {
    let (mut hits, mut hits_before, mut sum) = (0.0, 0.0, 0.0);
    for (index, probability) in probabilities.iter().enumerate() {
        hits += probability;
        let true_count = five_decimals(hits);
        sum += (true_count - hits_before) * true_count / (index + 1) as f64;
        hits_before = true_count;
    }
    share(sum, hits_before, "no positive row is expected")
}

fn by_descending_score(probabilities: &[f64], scores: &[f64]) -> Vec<f64> {
    let mut rows: Vec<(f64, f64)> = scores.iter().copied().zip(probabilities.iter().copied()).collect();
    rows.sort_by(|left, right| right.0.total_cmp(&left.0));
    rows.into_iter().map(|(_, probability)| probability).collect()
}

fn five_decimals(value: f64) -> f64 {
    (value * 1e5).round_ties_even() / 1e5
}

fn share(part: f64, whole: f64, reason: &'static str) -> Result<f64, Undefined> {
    if whole > 0.0 { Ok(part / whole) } else { Err(Undefined::because(reason)) }
}
