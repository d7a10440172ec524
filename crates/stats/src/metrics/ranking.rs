//! Metrics of the order of scores; O(n log n), ties handled as one step of the curve.

use super::Undefined;

/// Area under the ROC curve from the ranks of the positives (Mann-Whitney), ties averaged.
pub(super) fn roc_auc(labels: &[f64], scores: &[f64]) -> Result<f64, Undefined> {
    let positives: f64 = labels.iter().sum();
    let negatives = labels.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return Err(Undefined::because("all labels are of one class"));
    }
    // Pairs won by each group of equal scores, going down: negatives below, plus half of those tied.
    let mut negatives_above = 0.0;
    let mut won = 0.0;
    for step in descending_steps(labels, scores) {
        let below = negatives - negatives_above - step.negatives;
        won += step.positives * (below + step.negatives / 2.0);
        negatives_above += step.negatives;
    }
    Ok(won / (positives * negatives))
}

/// Average precision: precision at each distinct score, weighted by the recall gained there.
pub(super) fn average_precision(labels: &[f64], scores: &[f64]) -> Result<f64, Undefined> {
    let positives: f64 = labels.iter().sum();
    if positives == 0.0 {
        return Err(Undefined::because("there is no positive label"));
    }
    let (mut hits, mut rows, mut sum) = (0.0, 0.0, 0.0);
    for step in descending_steps(labels, scores) {
        hits += step.positives;
        rows += step.positives + step.negatives;
        sum += step.positives / positives * (hits / rows);
    }
    Ok(sum)
}

/// Rows of one score.
struct Step {
    positives: f64,
    negatives: f64,
}

fn descending_steps(labels: &[f64], scores: &[f64]) -> Vec<Step> {
    let mut rows: Vec<(f64, f64)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    rows.sort_unstable_by(|left, right| right.0.total_cmp(&left.0));
    let same_score = |left: &(f64, f64), right: &(f64, f64)| left.0 == right.0;
    rows.chunk_by(same_score)
        .map(|tied| {
            let positives: f64 = tied.iter().map(|(_, label)| label).sum();
            Step { positives, negatives: tied.len() as f64 - positives }
        })
        .collect()
}
