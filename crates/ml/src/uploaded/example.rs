//! The example that was logged with a model, and what the model makes of it in its own library.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::archive::write_all;
use crate::data::Task;
use crate::error::{MlError, Result};
use crate::runtime::{OpenModel, Predictor, RuntimeOptions};

/// The logged example and its predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Names of the model's inputs in its order; none when they have no names.
    pub inputs: Option<Vec<String>>,
    /// The rows, row-major, in the order of the inputs; NaN for missing.
    pub rows: Vec<f32>,
    /// What the model itself predicts: probabilities of true, or numbers.
    pub expected: Vec<f64>,
    /// The model's trees in an open format, where its library can write them down.
    pub trees: Option<Vec<u8>>,
}

/// How a served form differs from the model that was logged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The largest difference: absolute, relative to predictions beyond 1.
    pub largest: f64,
    /// The row where it is.
    pub row: usize,
    /// What the served form predicts there.
    pub served: f64,
    /// What the logged model predicts there.
    pub logged: f64,
}

/// As the worker answers.
#[derive(Deserialize)]
struct Answer {
    inputs: Option<Vec<String>>,
    rows: Vec<Vec<Option<f64>>>,
    expected: Vec<Option<f64>>,
    trees: Option<Vec<u8>>,
}

impl Example {
    /// The example, and the model as it was opened for it.
    pub(super) fn run(
        files: &BTreeMap<String, Vec<u8>>,
        task: Task,
        options: &RuntimeOptions,
    ) -> Result<(Self, OpenModel)> {
        let mut open = OpenModel::open(|folder| write_all(files, folder), task, options)?;
        let answer: Answer = serde_json::from_slice(&open.example()?).map_err(MlError::python)?;
        let known = |value: &Option<f64>| value.unwrap_or(f64::NAN);
        let rows = answer.rows.iter().flatten().map(|value| known(value) as f32).collect();
        let expected = answer.expected.iter().map(known).collect();
        Ok((Self { inputs: answer.inputs, rows, expected, trees: answer.trees }, open))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.expected.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.expected.is_empty()
    }

    /// How far `served` is from what the logged model predicts.
    ///
    /// # Errors
    ///
    /// Those of predicting, and [`MlError::Uploaded`] for an example without rows.
    pub fn difference(&self, served: &dyn Predictor) -> Result<Difference> {
        let predicted = served.predict(&self.rows, self.len())?;
        let differences = predicted.iter().zip(&self.expected).enumerate().map(|(row, (served, logged))| {
            let largest = (served - logged).abs() / logged.abs().max(1.0);
            let largest = if served.is_nan() && logged.is_nan() { 0.0 } else { largest };
            Difference {
                largest: if largest.is_nan() { f64::INFINITY } else { largest },
                row,
                served: *served,
                logged: *logged,
            }
        });
        let largest = differences.max_by(|one, other| one.largest.total_cmp(&other.largest));
        largest.ok_or_else(|| MlError::uploaded("the example that was logged with it has no rows"))
    }
}
