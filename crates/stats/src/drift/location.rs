//! Tests of a mean and of a proportion.

use super::Score;
use super::tail::{normal_survival, student_two_sided};

/// Student's t with pooled variance, two-sided. None without variance or degrees of freedom.
pub(super) fn pooled_t(reference: &[f64], current: &[f64]) -> Option<Score> {
    let (m, n) = (reference.len() as f64, current.len() as f64);
    let degrees = m + n - 2.0;
    let (reference_mean, reference_squares) = mean_and_squares(reference);
    let (current_mean, current_squares) = mean_and_squares(current);
    let variance = (reference_squares + current_squares) / degrees;
    if degrees <= 0.0 || variance <= 0.0 {
        return None;
    }
    let t = (reference_mean - current_mean) / (variance * (1.0 / m + 1.0 / n)).sqrt();
    student_two_sided(t, degrees).map(|p| Score::p_value(p, t))
}

/// Pooled two-sided z-test of the share of the first category against the rest.
pub(super) fn proportion_z(reference: &[f64], current: &[f64]) -> Option<Score> {
    let (m, n) = (reference.iter().sum::<f64>(), current.iter().sum::<f64>());
    let (p, q) = (reference.first()? / m, current.first()? / n);
    let pooled = (p * m + q * n) / (m + n);
    let error = (pooled * (1.0 - pooled) * (1.0 / m + 1.0 / n)).sqrt();
    if reference.len() == 1 || error == 0.0 {
        return Some(Score::p_value(1.0, 0.0).with_note("both samples hold one and the same value"));
    }
    let z = (q - p) / error;
    Some(Score::p_value(2.0 * normal_survival(z.abs()), z))
}

fn mean_and_squares(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, values.iter().map(|value| (value - mean).powi(2)).sum())
}
