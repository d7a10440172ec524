//! Runs stored models: trees and linear models trained here in this process, other ONNX on ONNX Runtime, what only Python can run in a worker process.
//!
//! Knows formats, not algorithms. A loaded model is `Send + Sync` and answers from any thread.

mod linear;
mod onnx;
mod python;
mod trees;

pub use python::{OpenModel, PythonRuntime};

use crate::error::{MlError, Result};
use crate::model::{ModelFormat, StoredModel};
use std::path::PathBuf;

/// What a runtime needs from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeOptions {
    /// The ONNX Runtime library, for example of the PyPI wheel. One process loads one: the first that loads stays.
    pub onnxruntime: Option<PathBuf>,
    /// The Python of models that nothing else can run.
    pub python: Option<PythonRuntime>,
}

/// A model that is ready to answer.
pub trait Predictor: Send + Sync {
    /// Predicts `n_rows` row-major rows (NaN for missing): probabilities of 1, or numbers.
    ///
    /// # Errors
    ///
    /// [`MlError::Shape`] when `rows` is not `n_rows` rows, [`MlError::Prediction`] when the runtime fails.
    fn predict(&self, rows: &[f32], n_rows: usize) -> Result<Vec<f64>>;

    /// How many features a row has.
    fn n_features(&self) -> usize;

    /// Whether a prediction waits for another process, so that it must not be asked for where others wait behind it.
    fn waits(&self) -> bool {
        false
    }
}

/// Opens a stored model.
///
/// # Errors
///
/// [`MlError::ModelUnreadable`] for broken bytes, [`MlError::OnnxRuntimeMissing`] or
/// [`MlError::OnnxRuntimeUnloadable`] for an ONNX model from elsewhere without a runtime, [`MlError::PythonMissing`] or [`MlError::Python`]
/// for one that Python has to run.
pub fn load(model: &StoredModel, options: &RuntimeOptions) -> Result<Box<dyn Predictor>> {
    match model.format {
        ModelFormat::Ubjson => Ok(Box::new(trees::TreePredictor::load(model)?)),
        ModelFormat::Onnx => match linear::LinearPredictor::of_trained(model) {
            Some(linear) => Ok(Box::new(linear)),
            None => Ok(Box::new(onnx::OnnxPredictor::load(model, options)?)),
        },
        ModelFormat::Python => Ok(Box::new(python::PythonPredictor::load(model, options)?)),
    }
}

fn check_shape(rows: &[f32], n_rows: usize, n_features: usize) -> Result<()> {
    if rows.len() == n_rows * n_features {
        return Ok(());
    }
    Err(MlError::Shape {
        what: format!("a prediction of {n_rows} rows with {n_features} features"),
        expected: n_rows * n_features,
        found: rows.len(),
    })
}
