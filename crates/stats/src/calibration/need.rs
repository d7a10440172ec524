//! Whether calibration helps: calibration error on held-out rows before and after.

use super::isotonic::Isotonic;
use super::reliability::require_probabilities;
use crate::metrics::{Metric, Undefined, evaluate};

/// Folds of the cross-validation, and bins of the calibration error.
const FOLDS: usize = 10;
const BINS: usize = 10;

/// Scores that order nearly perfectly are left alone.
const PERFECT_ORDER: f64 = 0.999;

/// Seed of the deal into folds.
const SEED: u64 = 42;

/// Returns whether isotonic calibration lowers the calibration error on held-out rows.
///
/// NannyML holds out ten random tenths drawn by numpy; those draws cannot be repeated elsewhere,
/// so the rows of each class are shuffled once by a fixed generator and dealt into ten folds:
/// every row is held out exactly once. False for one class only, for a nearly perfect order and
/// for too few rows to tell.
///
/// # Errors
/// As [`super::reliability()`].
pub fn improves_with_calibration(labels: &[f64], scores: &[f64]) -> Result<bool, Undefined> {
    require_probabilities(labels, scores)?;
    let order = evaluate(Metric::RocAuc, labels, scores);
    if labels.len() < 2 * FOLDS || order.map_or(true, |area| area > PERFECT_ORDER) {
        return Ok(false);
    }
    let folds = stratified_folds(labels);
    let calibrated = held_out_predictions(labels, scores, &folds)?;
    Ok(error_by_count(labels, scores) > error_by_count(labels, &calibrated))
}

/// Expected calibration error over ten bins of equal row count, in order of the scores.
fn error_by_count(labels: &[f64], scores: &[f64]) -> f64 {
    let mut rows: Vec<(f64, f64)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    rows.sort_by(|left, right| left.0.total_cmp(&right.0));
    let bins = if rows.len() <= 2 * BINS { rows.len() / 2 } else { BINS };
    let width = rows.len() / bins;
    let count = rows.len() / width;
    let gap_of = |bin: usize| -> f64 {
        let end = if bin + 1 == count { rows.len() } else { (bin + 1) * width };
        // The weight of a bin cancels the divisor of its means.
        rows[bin * width..end].iter().map(|(score, label)| score - label).sum::<f64>().abs()
    };
    (0..count).map(gap_of).sum::<f64>() / rows.len() as f64
}

fn held_out_predictions(labels: &[f64], scores: &[f64], folds: &[usize]) -> Result<Vec<f64>, Undefined> {
    let mut predictions = vec![0.0; labels.len()];
    for fold in 0..FOLDS {
        let is_training = |row: &usize| folds[*row] != fold;
        let training: Vec<usize> = (0..labels.len()).filter(is_training).collect();
        let pick = |values: &[f64]| -> Vec<f64> { training.iter().map(|row| values[*row]).collect() };
        let fitted = Isotonic::fit(&pick(labels), &pick(scores))?;
        for row in (0..labels.len()).filter(|row| folds[*row] == fold) {
            predictions[row] = fitted.predict(scores[row]);
        }
    }
    Ok(predictions)
}

/// The fold of each row; each class is shuffled and dealt out on its own.
fn stratified_folds(labels: &[f64]) -> Vec<usize> {
    let mut folds = vec![0; labels.len()];
    let mut generator = SplitMix { state: SEED };
    for class in [0.0, 1.0] {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|row| labels[*row] == class).collect();
        generator.shuffle(&mut rows);
        for (position, row) in rows.into_iter().enumerate() {
            folds[row] = position % FOLDS;
        }
    }
    folds
}

/// The SplitMix64 generator (Steele, Lea & Flood 2014): tiny, fixed for all time.
pub(super) struct SplitMix {
    pub(super) state: u64,
}

impl SplitMix {
    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; the bias of the remainder is below bound / 2^64.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn shuffle(&mut self, rows: &mut [usize]) {
        for end in (1..rows.len()).rev() {
            rows.swap(end, self.below(end + 1));
        }
    }
}
