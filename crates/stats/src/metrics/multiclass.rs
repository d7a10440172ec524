//! Metrics of more than two classes.

use super::Undefined;

/// Share of rows whose predicted class is the label. Classes are indices.
///
/// # Errors
/// Without rows or with unequal lengths.
pub fn multiclass_accuracy(labels: &[usize], predictions: &[usize]) -> Result<f64, Undefined> {
    require_rows(labels.len(), predictions.len())?;
    let right = labels.iter().zip(predictions).filter(|(label, prediction)| label == prediction).count();
    Ok(right as f64 / labels.len() as f64)
}

/// Mean negative log of the probability given to the label; one row of class probabilities per
/// label. Rows are normalised and kept one float step away from 0 and 1, as scikit-learn does.
///
/// # Errors
/// Without rows, with unequal lengths, or when a row has no probability for its label.
pub fn multiclass_log_loss(labels: &[usize], probabilities: &[Vec<f64>]) -> Result<f64, Undefined> {
    require_rows(labels.len(), probabilities.len())?;
    let mut loss = 0.0;
    for (label, row) in labels.iter().zip(probabilities) {
        let total: f64 = row.iter().sum();
        let Some(share) = row.get(*label).map(|given| given / total).filter(|share| share.is_finite()) else {
            return Err(Undefined::because(format!("a row has no probability for class {label}")));
        };
        loss -= share.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln();
    }
    Ok(loss / labels.len() as f64)
}

fn require_rows(labels: usize, predictions: usize) -> Result<(), Undefined> {
    match (labels, labels == predictions) {
        (0, _) => Err(Undefined::because("there are no rows")),
        (_, false) => Err(Undefined::because(format!("{labels} labels do not match {predictions} predictions"))),
        _ => Ok(()),
    }
}
