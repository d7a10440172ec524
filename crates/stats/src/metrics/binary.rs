//! Metrics of binary probabilities.

use super::Undefined;

/// Mean negative log likelihood; probabilities are kept one float step away from 0 and 1.
pub(super) fn log_loss(labels: &[f64], scores: &[f64]) -> Result<f64, Undefined> {
    require_probabilities(scores)?;
    let loss: f64 = labels
        .iter()
        .zip(scores)
        .map(|(label, score)| {
            let score = score.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
            -(if *label == 1.0 { score.ln() } else { (1.0 - score).ln() })
        })
        .sum();
    Ok(loss / labels.len() as f64)
}

/// Mean squared difference of probability and label.
pub(super) fn brier(labels: &[f64], scores: &[f64]) -> Result<f64, Undefined> {
    require_probabilities(scores)?;
    Ok(labels.iter().zip(scores).map(|(label, score)| (score - label).powi(2)).sum::<f64>() / labels.len() as f64)
}

fn require_probabilities(scores: &[f64]) -> Result<(), Undefined> {
    match scores.iter().find(|score| !(0.0..=1.0).contains(*score)) {
        Some(score) => Err(Undefined::because(format!("score {score} is not a probability"))),
        None => Ok(()),
    }
}
