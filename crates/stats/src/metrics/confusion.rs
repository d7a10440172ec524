//! Confusion counts at a threshold and the rates made of them.

use serde::{Deserialize, Serialize};

use super::Undefined;

/// Rows by label and prediction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionCounts {
    /// Label 1, predicted 1.
    pub true_positives: u64,
    /// Label 0, predicted 1.
    pub false_positives: u64,
    /// Label 0, predicted 0.
    pub true_negatives: u64,
    /// Label 1, predicted 0.
    pub false_negatives: u64,
}

impl ConfusionCounts {
    /// Counts rows; a score of at least `threshold` is predicted 1. Labels are 0 or 1.
    pub fn count(labels: &[f64], scores: &[f64], threshold: f64) -> Self {
        let mut counts = Self::default();
        for (label, score) in labels.iter().zip(scores) {
            counts.add(*label == 1.0, *score >= threshold);
        }
        counts
    }

    /// Adds one row.
    pub fn add(&mut self, is_positive: bool, is_predicted_positive: bool) {
        let cell = match (is_positive, is_predicted_positive) {
            (true, true) => &mut self.true_positives,
            (false, true) => &mut self.false_positives,
            (false, false) => &mut self.true_negatives,
            (true, false) => &mut self.false_negatives,
        };
        *cell += 1;
    }

    /// All rows.
    pub fn rows(&self) -> u64 {
        self.positives() + self.negatives()
    }

    /// Rows labelled 1.
    pub fn positives(&self) -> u64 {
        self.true_positives + self.false_negatives
    }

    /// Rows labelled 0.
    pub fn negatives(&self) -> u64 {
        self.false_positives + self.true_negatives
    }

    /// Rows predicted 1.
    pub fn predicted_positives(&self) -> u64 {
        self.true_positives + self.false_positives
    }

    /// Share of rows predicted right.
    ///
    /// # Errors
    /// Without rows.
    pub fn accuracy(&self) -> Result<f64, Undefined> {
        share(self.true_positives + self.true_negatives, self.rows(), "there are no rows")
    }

    /// Share of the predicted positives that are positive.
    ///
    /// # Errors
    /// When nothing is predicted positive.
    pub fn precision(&self) -> Result<f64, Undefined> {
        share(self.true_positives, self.predicted_positives(), "no row is predicted positive")
    }

    /// Share of the positives that are predicted positive (true positive rate).
    ///
    /// # Errors
    /// Without positive labels.
    pub fn recall(&self) -> Result<f64, Undefined> {
        share(self.true_positives, self.positives(), "there is no positive label")
    }

    /// Share of the negatives that are predicted negative.
    ///
    /// # Errors
    /// Without negative labels.
    pub fn specificity(&self) -> Result<f64, Undefined> {
        share(self.true_negatives, self.negatives(), "there is no negative label")
    }

    /// Share of the negatives that are predicted positive.
    ///
    /// # Errors
    /// Without negative labels.
    pub fn false_positive_rate(&self) -> Result<f64, Undefined> {
        share(self.false_positives, self.negatives(), "there is no negative label")
    }

    /// Share of rows predicted positive.
    ///
    /// # Errors
    /// Without rows.
    pub fn selection_rate(&self) -> Result<f64, Undefined> {
        share(self.predicted_positives(), self.rows(), "there are no rows")
    }

    /// Harmonic mean of precision and recall.
    ///
    /// # Errors
    /// When no row is positive or predicted positive.
    pub fn f1(&self) -> Result<f64, Undefined> {
        let wrong = self.false_positives + self.false_negatives;
        let whole = 2 * self.true_positives + wrong;
        share(2 * self.true_positives, whole, "no row is positive or predicted positive")
    }
}

fn share(part: u64, whole: u64, reason: &'static str) -> Result<f64, Undefined> {
    if whole == 0 { Err(Undefined::because(reason)) } else { Ok(part as f64 / whole as f64) }
}
