//! Isotonic regression by pooling adjacent violators, with scikit-learn's semantics.
//!
//! Equal scores are averaged first; between fitted points the prediction is linear; outside
//! their range it is that of the nearest point (`out_of_bounds='clip'`).

use serde::{Deserialize, Serialize};

use crate::metrics::Undefined;

/// A fitted non-decreasing map from score to probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Isotonic {
    /// Scores, strictly ascending: both ends of every level.
    scores: Vec<f64>,
    /// The value at each score, non-decreasing.
    values: Vec<f64>,
}

/// Neighbouring scores that share one fitted value.
struct Level {
    first: f64,
    last: f64,
    sum: f64,
    rows: f64,
}

impl Isotonic {
    /// Fits labels over scores.
    ///
    /// # Errors
    /// Without rows, with unequal lengths, or with a value that is not finite.
    pub fn fit(labels: &[f64], scores: &[f64]) -> Result<Self, Undefined> {
        if labels.is_empty() || labels.len() != scores.len() {
            return Err(Undefined::because(format!(
                "{} labels and {} scores cannot be fitted",
                labels.len(),
                scores.len()
            )));
        }
        if labels.iter().chain(scores).any(|value| !value.is_finite()) {
            return Err(Undefined::because("a label or score is not a finite number"));
        }
        Ok(Self::from_levels(&pool(distinct_scores(labels, scores))))
    }

    /// Returns the fitted value at a score.
    pub fn predict(&self, score: f64) -> f64 {
        let above = self.scores.partition_point(|known| *known <= score);
        let Some(below) = above.checked_sub(1) else {
            return self.values[0];
        };
        if above == self.scores.len() || self.scores[below] == score {
            return self.values[below];
        }
        let slope = (self.values[above] - self.values[below]) / (self.scores[above] - self.scores[below]);
        self.values[below] + slope * (score - self.scores[below])
    }

    /// Returns the fitted values at many scores.
    pub fn predict_all(&self, scores: &[f64]) -> Vec<f64> {
        scores.iter().map(|score| self.predict(*score)).collect()
    }

    fn from_levels(levels: &[Level]) -> Self {
        let mut fitted = Self { scores: Vec::new(), values: Vec::new() };
        for level in levels {
            let value = level.mean();
            fitted.scores.push(level.first);
            fitted.values.push(value);
            if level.last > level.first {
                fitted.scores.push(level.last);
                fitted.values.push(value);
            }
        }
        fitted
    }
}

impl Level {
    fn mean(&self) -> f64 {
        self.sum / self.rows
    }

    fn absorb(&mut self, next: &Self) {
        self.last = next.last;
        self.sum += next.sum;
        self.rows += next.rows;
    }
}

fn distinct_scores(labels: &[f64], scores: &[f64]) -> Vec<Level> {
    let mut rows: Vec<(f64, f64)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    rows.sort_by(|left, right| left.0.total_cmp(&right.0));
    rows.chunk_by(|left, right| left.0 == right.0)
        .map(|tied| Level {
            first: tied[0].0,
            last: tied[0].0,
            sum: tied.iter().map(|(_, label)| label).sum(),
            rows: tied.len() as f64,
        })
        .collect()
}

/// Merges a level into the one before while it is not above it; linear in the number of scores.
fn pool(points: Vec<Level>) -> Vec<Level> {
    let mut levels: Vec<Level> = Vec::with_capacity(points.len());
    for mut point in points {
        while let Some(before) = levels.pop_if(|before| before.mean() >= point.mean()) {
            let mut merged = before;
            merged.absorb(&point);
            point = merged;
        }
        levels.push(point);
    }
    levels
}
