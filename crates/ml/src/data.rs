//! Rows with labels, as trainers take them: borrowed slices of a row-major matrix, with the forms that trainers
//! derive from them built once and shared by every trial.
//!
//! Knows no algorithm's parameters. Row order is the caller's; [`crate::search`] reads it as time order.

use crate::error::{MlError, Result};
use hessboost::data::DMatrix;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::OnceLock;

/// What a model predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// The probability that a label of 0 or 1 is 1.
    BinaryClassification,
    /// A number.
    Regression,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BinaryClassification => "binary_classification",
            Self::Regression => "regression",
        })
    }
}

/// Encoded rows and their labels.
#[derive(Debug)]
pub struct LabelledRows<'a> {
    values: &'a [f32],
    labels: &'a [f32],
    n_features: usize,
    matrix: OnceLock<DMatrix>,
}

impl<'a> LabelledRows<'a> {
    /// Rows from a row-major matrix of `n_features` columns (NaN for missing) and one label a row.
    ///
    /// # Errors
    ///
    /// [`MlError::Shape`] when the lengths disagree, [`MlError::NotEnoughData`] when there is no row,
    /// [`MlError::Labels`] when a label is not finite.
    pub fn new(values: &'a [f32], labels: &'a [f32], n_features: usize) -> Result<Self> {
        if labels.is_empty() || n_features == 0 {
            return Err(MlError::NotEnoughData {
                purpose: "train or judge a model".to_owned(),
                reason: format!("{} rows with {n_features} features", labels.len()),
            });
        }
        if values.len() != labels.len() * n_features {
            return Err(MlError::Shape {
                what: format!("a matrix of {} rows with {n_features} features", labels.len()),
                expected: labels.len() * n_features,
                found: values.len(),
            });
        }
        if labels.iter().any(|label| !label.is_finite()) {
            return Err(MlError::Labels {
                task: "any".to_owned(),
                reason: "a label is missing or infinite; drop such rows first".to_owned(),
            });
        }
        Ok(Self { values, labels, n_features, matrix: OnceLock::new() })
    }

    /// The rows `range` of these rows, sharing their storage.
    ///
    /// # Errors
    ///
    /// [`MlError::NotEnoughData`] when the range is empty, [`MlError::Shape`] when it reaches past the rows.
    pub fn part(&self, range: std::ops::Range<usize>) -> Result<Self> {
        if range.end > self.n_rows() {
            return Err(MlError::Shape {
                what: "a part of the rows".to_owned(),
                expected: range.end,
                found: self.n_rows(),
            });
        }
        let start = range.start.min(range.end);
        Self::new(
            &self.values[start * self.n_features..range.end * self.n_features],
            &self.labels[start..range.end],
            self.n_features,
        )
    }

    /// The row-major matrix.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// One label a row.
    pub fn labels(&self) -> &'a [f32] {
        self.labels
    }

    /// The labels as `f64`, as metrics take them.
    pub fn labels_f64(&self) -> Vec<f64> {
        self.labels.iter().map(|label| f64::from(*label)).collect()
    }

    /// How many rows.
    pub fn n_rows(&self) -> usize {
        self.labels.len()
    }

    /// How many features a row has.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// The rows as the boosting library's matrix, built once. Its histogram bins are kept with it, so trials that
    /// share the rows share the binning.
    pub(crate) fn matrix(&self) -> Result<&DMatrix> {
        if self.matrix.get().is_none() {
            let built = DMatrix::from_dense(self.values, self.n_rows(), self.n_features)
                .and_then(|matrix| matrix.with_labels(self.labels))
                .map_err(|error| MlError::training("trees", error))?;
            // Another thread may have been first: both built the same matrix.
            let _ = self.matrix.set(built);
        }
        self.matrix.get().ok_or_else(|| MlError::training("trees", "the matrix was not built"))
    }

    /// Refuses labels that the task cannot learn from.
    pub(crate) fn check_task(&self, task: Task) -> Result<()> {
        if task == Task::Regression {
            return Ok(());
        }
        let refuse = |reason: String| Err(MlError::Labels { task: task.to_string(), reason });
        if let Some(other) = self.labels.iter().find(|label| **label != 0.0 && **label != 1.0) {
            return refuse(format!("a label is {other}, but only 0 and 1 are allowed"));
        }
        let positives = self.labels.iter().filter(|label| **label == 1.0).count();
        if positives == 0 || positives == self.n_rows() {
            return refuse(format!("all {} labels are {}", self.n_rows(), self.labels[0]));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_share_rows_and_shapes_are_checked() {
        let values: Vec<f32> = (0..8u8).map(f32::from).collect();
        let labels = [0.0, 1.0, 0.0, 1.0];
        let rows = LabelledRows::new(&values, &labels, 2).unwrap();
        let part = rows.part(1..3).unwrap();
        assert_eq!(part.values(), &[2.0, 3.0, 4.0, 5.0]);
        assert_eq!(part.labels(), &[1.0, 0.0]);
        assert!(matches!(rows.part(3..5), Err(MlError::Shape { .. })));
        assert!(matches!(rows.part(2..2), Err(MlError::NotEnoughData { .. })));
        assert!(matches!(LabelledRows::new(&values, &labels, 3), Err(MlError::Shape { .. })));
    }

    #[test]
    fn labels_must_fit_the_task() {
        let values = [0.0, 1.0, 2.0];
        let same = [1.0, 1.0, 1.0];
        let rows = LabelledRows::new(&values, &same, 1).unwrap();
        assert!(rows.check_task(Task::BinaryClassification).is_err());
        assert!(rows.check_task(Task::Regression).is_ok());
        let other = [0.0, 1.0, 2.0];
        let rows = LabelledRows::new(&values, &other, 1).unwrap();
        let message = rows.check_task(Task::BinaryClassification).unwrap_err().to_string();
        assert!(message.contains("a label is 2"), "{message}");
    }
}
