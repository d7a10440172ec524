//! Metrics of predicted numbers.

use super::Undefined;

/// Root of the mean squared error.
pub(super) fn rmse(labels: &[f64], predictions: &[f64]) -> f64 {
    mean(labels, predictions, |label, prediction| (label - prediction).powi(2)).sqrt()
}

/// Mean absolute error.
pub(super) fn mae(labels: &[f64], predictions: &[f64]) -> f64 {
    mean(labels, predictions, |label, prediction| (label - prediction).abs())
}

/// Mean absolute relative error. A label of zero leaves it undefined; scikit-learn would divide
/// by the float epsilon there and report a meaningless large number.
pub(super) fn mape(labels: &[f64], predictions: &[f64]) -> Result<f64, Undefined> {
    if labels.contains(&0.0) {
        return Err(Undefined::because("a label is zero, so its relative error is undefined"));
    }
    Ok(mean(labels, predictions, |label, prediction| ((label - prediction) / label).abs()))
}

/// One minus the squared error over that of the mean label.
pub(super) fn r2(labels: &[f64], predictions: &[f64]) -> Result<f64, Undefined> {
    let centre = labels.iter().sum::<f64>() / labels.len() as f64;
    let total: f64 = labels.iter().map(|label| (label - centre).powi(2)).sum();
    if labels.len() < 2 || total == 0.0 {
        return Err(Undefined::because("the labels do not vary"));
    }
    let residual: f64 = labels.iter().zip(predictions).map(|(label, value)| (label - value).powi(2)).sum();
    Ok(1.0 - residual / total)
}

fn mean(labels: &[f64], predictions: &[f64], loss: impl Fn(f64, f64) -> f64) -> f64 {
    labels.iter().zip(predictions).map(|(label, value)| loss(*label, *value)).sum::<f64>() / labels.len() as f64
}
