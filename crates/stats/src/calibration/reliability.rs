//! The reliability table and the expected calibration error.

use serde::{Deserialize, Serialize};

use crate::metrics::Undefined;

/// Bins of equal width over the probabilities.
const BINS: usize = 10;

/// Rows whose scores fall into one tenth of the unit interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Lower end, belongs to the bin.
    pub lower: f64,
    /// Upper end, belongs to the next bin except for the last one.
    pub upper: f64,
    /// Rows in the bin.
    pub rows: usize,
    /// Mean score; none for an empty bin.
    pub mean_score: Option<f64>,
    /// Share of positive labels; none for an empty bin.
    pub positive_share: Option<f64>,
}

/// Scores against outcomes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Ten bins, ascending.
    pub bins: Vec<ReliabilityBin>,
    /// Expected calibration error: mean over rows of |mean score - positive share| of their bin.
    pub expected_calibration_error: f64,
    /// The largest such gap of a bin with rows.
    pub largest_gap: f64,
}

/// Tabulates scores against outcomes in ten bins.
///
/// # Errors
/// Without rows, with unequal lengths, or when a score is no probability.
pub fn reliability(labels: &[f64], scores: &[f64]) -> Result<Reliability, Undefined> {
    require_probabilities(labels, scores)?;
    let mut sums = [(0_usize, 0.0, 0.0); BINS];
    for (label, score) in labels.iter().zip(scores) {
        let sum = &mut sums[((score * BINS as f64) as usize).min(BINS - 1)];
        *sum = (sum.0 + 1, sum.1 + score, sum.2 + label);
    }
    let bins: Vec<ReliabilityBin> = sums.iter().enumerate().map(|(index, sum)| bin(index, *sum)).collect();
    let gaps: Vec<(usize, f64)> = bins.iter().filter_map(|bin| bin.gap().map(|gap| (bin.rows, gap))).collect();
    Ok(Reliability {
        expected_calibration_error: gaps.iter().map(|(rows, gap)| *rows as f64 * gap).sum::<f64>()
            / labels.len() as f64,
        largest_gap: gaps.iter().map(|(_, gap)| *gap).fold(0.0, f64::max),
        bins,
    })
}

/// Fails unless there are rows, in pairs, with scores in [0, 1] and labels 0 or 1.
pub(super) fn require_probabilities(labels: &[f64], scores: &[f64]) -> Result<(), Undefined> {
    if labels.is_empty() || labels.len() != scores.len() {
        return Err(Undefined::because(format!("{} labels and {} scores are no rows", labels.len(), scores.len())));
    }
    if let Some(score) = scores.iter().find(|score| !(0.0..=1.0).contains(*score)) {
        return Err(Undefined::because(format!("score {score} is not a probability")));
    }
    match labels.iter().find(|label| **label != 0.0 && **label != 1.0) {
        Some(label) => Err(Undefined::because(format!("label {label} is neither 0 nor 1"))),
        None => Ok(()),
    }
}

fn bin(index: usize, (rows, scores, labels): (usize, f64, f64)) -> ReliabilityBin {
    let mean = |sum: f64| (rows > 0).then(|| sum / rows as f64);
    ReliabilityBin {
        lower: index as f64 / BINS as f64,
        upper: (index + 1) as f64 / BINS as f64,
        rows,
        mean_score: mean(scores),
        positive_share: mean(labels),
    }
}

impl ReliabilityBin {
    fn gap(&self) -> Option<f64> {
        Some((self.mean_score? - self.positive_share?).abs())
    }
}
