//! Linear models that were trained here, run in this process: their ONNX file is read back, so that no runtime is needed.

use super::{Predictor, check_shape};
use crate::error::Result;
use crate::linear_model::LinearModel;
use crate::model::StoredModel;
use crate::onnx::decode_linear;

/// A linear model.
pub(super) struct LinearPredictor(LinearModel);

impl LinearPredictor {
    /// The model, if its file is one that was written here for so many features.
    pub(super) fn of_trained(model: &StoredModel) -> Option<Self> {
        let trained_here = ["logistic", "linear"].contains(&model.algorithm.as_str());
        let linear = trained_here.then(|| decode_linear(&model.bytes).ok()).flatten()?;
        (linear.n_features == model.encoder.n_features()).then_some(Self(linear))
    }
}

impl Predictor for LinearPredictor {
    fn predict(&self, rows: &[f32], n_rows: usize) -> Result<Vec<f64>> {
        check_shape(rows, n_rows, self.0.n_features)?;
        Ok(self.0.predict(rows))
    }

    fn n_features(&self) -> usize {
        self.0.n_features
    }
}
