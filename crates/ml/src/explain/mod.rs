//! Which features moved a prediction, and by how much.
//!
//! Trees: SHAP values by path-dependent TreeSHAP (the `pred_contribs` of XGBoost). Linear models:
//! `weight * (value - mean)` summed over a feature's columns. Both are in units of the margin (log odds for
//! probabilities), and together with the bias they add up to it. Other ONNX models cannot be explained this way.

use crate::error::{MlError, Result};
use crate::linear_model::LinearModel;
use crate::model::{ModelFormat, StoredModel};
use crate::onnx::decode_linear;
use hessboost::data::DMatrix;
use hessboost::model::{BoostedModel, Iterations, ModelFormat as TreeFormat};
use serde::{Deserialize, Serialize};

/// A feature and how much it matters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureImportance {
    /// The feature's name.
    pub feature: String,
    /// The mean absolute contribution over the sampled rows, in units of the margin.
    pub importance: f64,
}

/// One prediction taken apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowExplanation {
    /// The margin before any feature is known.
    pub bias: f64,
    /// Each feature's contribution, in matrix order; with the bias they add up to the margin.
    pub contributions: Vec<(String, f64)>,
}

/// The mean absolute contribution of every feature over `rows` (row-major), largest first, ties in matrix order.
/// The cost grows with rows times trees: a sample of some thousand rows suffices.
///
/// # Errors
///
/// [`MlError::ModelUnreadable`] for a model that cannot be explained, [`MlError::Shape`] for rows of another width,
/// [`MlError::NotEnoughData`] without rows.
pub fn shap_importance(model: &StoredModel, rows: &[f32]) -> Result<Vec<FeatureImportance>> {
    let n_features = model.encoder.n_features();
    let contributions = contributions(model, rows)?;
    let n_rows = contributions.len() / (n_features + 1);
    let mut sums = vec![0.0; n_features];
    for row in contributions.chunks_exact(n_features + 1) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value.abs();
        }
    }
    let name = |(column, sum): (&crate::frame::FeatureColumn, f64)| FeatureImportance {
        feature: column.name.clone(),
        importance: sum / n_rows as f64,
    };
    let mut ranked: Vec<_> = model.encoder.features().iter().zip(sums).map(name).collect();
    ranked.sort_by(|a, b| b.importance.total_cmp(&a.importance));
    Ok(ranked)
}

/// Takes one prediction apart.
///
/// # Errors
///
/// As [`shap_importance`].
pub fn shap_row(model: &StoredModel, row: &[f32]) -> Result<RowExplanation> {
    let values = contributions(model, row)?;
    let n_features = model.encoder.n_features();
    if values.len() != n_features + 1 {
        return Err(MlError::Shape { what: "one row".to_owned(), expected: n_features, found: row.len() });
    }
    let names = model.encoder.features().iter().map(|column| column.name.clone());
    Ok(RowExplanation { bias: values[n_features], contributions: names.zip(values.iter().copied()).collect() })
}

/// Whether predictions of a model can be taken apart: those of trees and linear models can.
pub fn is_explainable(model: &StoredModel) -> bool {
    match model.format {
        ModelFormat::Ubjson => true,
        ModelFormat::Onnx => decode_linear(&model.bytes).is_ok(),
        ModelFormat::Python => false,
    }
}

/// One value a feature and the bias, for each row.
fn contributions(model: &StoredModel, rows: &[f32]) -> Result<Vec<f64>> {
    let n_features = model.encoder.n_features();
    if rows.is_empty() {
        return Err(MlError::NotEnoughData {
            purpose: "explain predictions".to_owned(),
            reason: "there are no rows".to_owned(),
        });
    }
    if !rows.len().is_multiple_of(n_features) {
        let expected = rows.len().next_multiple_of(n_features);
        return Err(MlError::Shape { what: "whole rows to explain".to_owned(), expected, found: rows.len() });
    }
    match model.format {
        ModelFormat::Ubjson => of_trees(model, rows, n_features),
        ModelFormat::Onnx => of_linear(&decode_linear(&model.bytes)?, rows, n_features),
        ModelFormat::Python => {
            Err(MlError::unreadable("a model that Python runs cannot be taken apart; trees and linear models can"))
        }
    }
}

fn of_trees(model: &StoredModel, rows: &[f32], n_features: usize) -> Result<Vec<f64>> {
    let trees = BoostedModel::decode(&model.bytes, TreeFormat::XgboostUbjson).map_err(MlError::unreadable)?;
    let matrix = DMatrix::from_dense(rows, rows.len() / n_features, n_features).map_err(MlError::prediction)?;
    let values = trees.predict_contribs(&matrix, Iterations::Best).map_err(MlError::prediction)?;
    Ok(values.as_slice().iter().map(|value| f64::from(*value)).collect())
}

fn of_linear(model: &LinearModel, rows: &[f32], n_features: usize) -> Result<Vec<f64>> {
    if model.n_features != n_features {
        return Err(MlError::Shape {
            what: "the linear model".to_owned(),
            expected: model.n_features,
            found: n_features,
        });
    }
    Ok(rows.chunks_exact(n_features).flat_map(|row| model.contributions(row)).collect())
}

#[cfg(test)]
mod tests;
