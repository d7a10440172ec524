//! Tree models, run in this process.

use super::{Predictor, check_shape};
use crate::error::{MlError, Result};
use crate::model::StoredModel;
use hessboost::model::{BoostedModel, Iterations, ModelFormat};

/// A loaded tree model.
pub(super) struct TreePredictor {
    model: BoostedModel,
}

impl TreePredictor {
    pub(super) fn load(model: &StoredModel) -> Result<Self> {
        let read = BoostedModel::decode(&model.bytes, ModelFormat::XgboostUbjson).map_err(MlError::unreadable)?;
        if read.prediction_width() != 1 {
            return Err(MlError::unreadable(format!(
                "it predicts {} values a row, but one is needed",
                read.prediction_width()
            )));
        }
        let predictor = Self { model: read };
        // The first single-row prediction lays the trees out; do it now, not in the first request.
        predictor.predict(&vec![f32::NAN; predictor.n_features()], 1)?;
        Ok(predictor)
    }
}

impl Predictor for TreePredictor {
    fn predict(&self, rows: &[f32], n_rows: usize) -> Result<Vec<f64>> {
        check_shape(rows, n_rows, self.n_features())?;
        if n_rows == 1 {
            let value = self.model.predict_row(rows, Iterations::Best).map_err(MlError::prediction)?;
            return Ok(vec![f64::from(value)]);
        }
        let predicted = self.model.predict_rows(rows, Iterations::Best).map_err(MlError::prediction)?;
        Ok(predicted.as_slice().iter().map(|value| f64::from(*value)).collect())
    }

    fn n_features(&self) -> usize {
        self.model.n_features()
    }
}
