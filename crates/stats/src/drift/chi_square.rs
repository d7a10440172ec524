//! Chi-square tests over paired category counts.

use super::Score;
use super::tail::chi_square_survival;

/// Tests the current counts against the reference's shares, scaled to the current size.
///
/// A category that only the current sample has is expected zero times: the statistic is
/// infinite and p is 0, reported without a statistic.
pub(super) fn goodness_of_fit(reference: &[f64], current: &[f64]) -> Option<Score> {
    let scale = current.iter().sum::<f64>() / reference.iter().sum::<f64>();
    let terms = reference.iter().zip(current).map(|(expected, observed)| {
        let expected = expected * scale;
        (observed - expected).powi(2) / expected
    });
    let statistic: f64 = terms.sum();
    if statistic.is_infinite() {
        let score = Score { statistic: None, ..Score::p_value(0.0, 0.0) };
        return Some(score.with_note("the current sample has a category that the reference lacks"));
    }
    p_value(statistic, reference.len())
}

/// Tests independence of sample and category in the 2 x k table, with Yates' correction for k = 2.
pub(super) fn independence(reference: &[f64], current: &[f64]) -> Option<Score> {
    let totals = [reference.iter().sum::<f64>(), current.iter().sum::<f64>()];
    let all = totals[0] + totals[1];
    let correction = if reference.len() == 2 { 0.5 } else { 0.0 };
    let term = |observed: f64, row_total: f64, column_total: f64| {
        let expected = row_total * column_total / all;
        let gap = (observed - expected).abs();
        (gap - gap.min(correction)).powi(2) / expected
    };
    let statistic: f64 =
        reference.iter().zip(current).map(|(p, q)| term(*p, totals[0], p + q) + term(*q, totals[1], p + q)).sum();
    p_value(statistic, reference.len())
}

/// One category has no degree of freedom: the samples cannot differ.
fn p_value(statistic: f64, categories: usize) -> Option<Score> {
    if categories <= 1 {
        return Some(Score::p_value(1.0, 0.0));
    }
    chi_square_survival(statistic, categories as f64 - 1.0).map(|p| Score::p_value(p, statistic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yates_correction_holds_for_two_categories() {
        // scipy 1.17.1: chi2_contingency([[30, 70], [45, 55]])
        let score = independence(&[30.0, 70.0], &[45.0, 55.0]).unwrap();
        assert!((score.statistic.unwrap() - 4.181333333333333).abs() < 1e-12);
        assert!((score.value - 0.04087153408900628).abs() < 1e-12);
    }

    #[test]
    fn new_category_is_certain_drift() {
        let score = goodness_of_fit(&[10.0, 0.0], &[9.0, 1.0]).unwrap();
        assert_eq!((score.value, score.statistic), (0.0, None));
    }
}
