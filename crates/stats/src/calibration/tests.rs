//! Golden figures of NannyML 0.13.1 (contracts/statistics.md 5.9) and of scikit-learn 1.9.1.

use proptest::prelude::*;

use super::*;
use crate::drift::golden::{assert_close, uniform};
use crate::metrics::Metric;

struct Rows {
    labels: Vec<f64>,
    scores: Vec<f64>,
    predictions: Vec<bool>,
}

impl Rows {
    fn new(chances: &[f64], labels: Vec<f64>) -> Self {
        let scores: Vec<f64> = chances.iter().map(|chance| chance.powf(1.3)).collect();
        let predictions = scores.iter().map(|score| *score >= 0.5).collect();
        Self { labels, scores, predictions }
    }

    fn reference() -> Self {
        let chances = uniform(6000, 7919, 10007);
        let labels = uniform(6000, 5113, 10009).iter().zip(&chances).map(|(u, s)| f64::from(u < s)).collect();
        Self::new(&chances, labels)
    }

    fn analysis() -> Self {
        let chances: Vec<f64> = uniform(2000, 4639, 10009).iter().map(|u| (0.9 * u + 0.05).clamp(0.0, 1.0)).collect();
        let labels = uniform(2000, 6421, 10037).iter().zip(&chances).map(|(u, s)| f64::from(u < s)).collect();
        Self::new(&chances, labels)
    }

    fn view(&self) -> ReferenceRows<'_> {
        ReferenceRows { labels: &self.labels, scores: &self.scores, predictions: &self.predictions }
    }
}

#[test]
fn check_sums_agree() {
    let (reference, analysis) = (Rows::reference(), Rows::analysis());
    assert_close("sum p", reference.scores.iter().sum(), 2609.74443804689, 1e-12);
    assert_eq!(reference.labels.iter().sum::<f64>(), 3004.0);
    assert_eq!(analysis.labels.iter().sum::<f64>(), 997.0);
    assert_eq!(analysis.predictions.iter().filter(|prediction| **prediction).count(), 807);
}

#[test]
fn estimates_equal_nannyml() {
    let (reference, analysis) = (Rows::reference(), Rows::analysis());
    let expected = [
        (Metric::RocAuc, 0.7998575854480849, 0.008810652689938978, 0.8189609579773882, 0.8449376268329514),
        (Metric::F1, 0.6890037668603577, 0.026228716540034055, 0.7066102655323263, 0.7361100451560418),
        (Metric::Accuracy, 0.7197934829953754, 0.013777211457895082, 0.7333750725902319, 0.7572915940764346),
        (Metric::Precision, 0.7702108947530887, 0.01976346578257081, 0.7802138497561684, 0.8149224216404714),
        (Metric::Recall, 0.6232874964434723, 0.021193981783217353, 0.6447927969611763, 0.6721066134691803),
        (Metric::Specificity, 0.8155291565139302, 0.016713330250464307, 0.8207686696727835, 0.8441392115743115),
    ];
    for (metric, value, sampling_error, lower, upper) in expected {
        let fitted = Cbpe::fit(metric, reference.view(), 1000).unwrap();
        assert!(fitted.is_calibrated());
        let estimate = fitted.estimate(&analysis.scores[..1000], &analysis.predictions[..1000]).unwrap();
        assert_close(metric.name(), estimate.value, value, 1e-9);
        assert_close(metric.name(), estimate.sampling_error, sampling_error, 1e-9);
        assert_close(metric.name(), estimate.threshold.lower, lower, 1e-9);
        assert_close(metric.name(), estimate.threshold.upper, upper, 1e-9);
        assert!(estimate.alert, "{metric} is estimated below its threshold");
    }
}

#[test]
fn average_precision_is_estimated_with_a_resampled_error() {
    let (reference, analysis) = (Rows::reference(), Rows::analysis());
    let fitted = Cbpe::fit(Metric::AveragePrecision, reference.view(), 1000).unwrap();
    let estimate = fitted.estimate(&analysis.scores[..1000], &analysis.predictions[..1000]).unwrap();
    assert_close("estimate", estimate.value, 0.7904170085699316, 1e-9);
    assert_close("lower", estimate.threshold.lower, 0.8126465521383343, 1e-9);
    assert_close("upper", estimate.threshold.upper, 0.8570323245432069, 1e-9);
    // NannyML resamples without a seed; its own figure varies from run to run.
    assert_close("error", estimate.sampling_error, 0.015066190022540107, 0.25);
}

#[test]
fn realised_performance_of_the_window() {
    let analysis = Rows::analysis();
    let window = ReferenceRows {
        labels: &analysis.labels[..1000],
        scores: &analysis.scores[..1000],
        predictions: &analysis.predictions[..1000],
    };
    assert!((realised(Metric::RocAuc, window).unwrap() - 0.8037).abs() < 5e-5);
    assert!((realised(Metric::F1, window).unwrap() - 0.6867).abs() < 5e-5);
    assert!(realised(Metric::Rmse, window).is_err());
}

#[test]
fn isotonic_regression_equals_scikit_learn() {
    // IsotonicRegression(out_of_bounds='clip').fit(scores, labels).predict(points)
    let fitted =
        Isotonic::fit(&[0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0], &[0.1, 0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8]).unwrap();
    let points = [0.0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.45, 0.55, 0.7, 0.9];
    let expected = [
        0.0,
        0.0,
        0.1666666666666666,
        0.3333333333333333,
        0.3333333333333333,
        0.3333333333333333,
        0.41666666666666663,
        0.5,
        0.7500000000000002,
        1.0,
        1.0,
    ];
    for (actual, expected) in fitted.predict_all(&points).iter().zip(expected) {
        assert!((actual - expected).abs() < 1e-12, "{actual} is not {expected}");
    }
}

#[test]
fn reliability_finds_overconfidence() {
    let scores: Vec<f64> = (0..200).map(|row| if row < 100 { 0.95 } else { 0.15 }).collect();
    let labels: Vec<f64> = (0..200).map(|row| f64::from(row % 100 < if row < 100 { 75 } else { 15 })).collect();
    let table = reliability(&labels, &scores).unwrap();
    assert!((table.expected_calibration_error - 0.1).abs() < 1e-12);
    assert!((table.largest_gap - 0.2).abs() < 1e-12);
    assert_eq!((table.bins[9].rows, table.bins[9].positive_share), (100, Some(0.75)));
    assert_eq!((table.bins[4].rows, table.bins[4].mean_score), (0, None));
    assert!(reliability(&[1.0], &[1.2]).is_err());
}

#[test]
fn calibrated_scores_are_left_alone() {
    let chances = uniform(3000, 7919, 10007);
    let labels: Vec<f64> = uniform(3000, 5113, 10009).iter().zip(&chances).map(|(u, s)| f64::from(u < s)).collect();
    assert_eq!(improves_with_calibration(&vec![1.0; 3000], &chances), Ok(false));
    let squashed: Vec<f64> = chances.iter().map(|chance| chance.powi(3)).collect();
    assert_eq!(improves_with_calibration(&labels, &squashed), Ok(true));
    let perfect: Vec<f64> = labels.iter().map(|label| 0.3 + 0.4 * label).collect();
    assert_eq!(improves_with_calibration(&labels, &perfect), Ok(false));
}

proptest! {
    #[test]
    fn isotonic_fit_never_falls_and_keeps_the_mean(
        rows in prop::collection::vec((0_u8..2, 0_u8..30), 1..60),
    ) {
        let labels: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
        let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.1) / 30.0).collect();
        let fitted = Isotonic::fit(&labels, &scores).unwrap();
        let predicted = fitted.predict_all(&scores);
        prop_assert!((predicted.iter().sum::<f64>() - labels.iter().sum::<f64>()).abs() < 1e-9);
        let grid: Vec<f64> = (0..100).map(|step| fitted.predict(f64::from(step) / 99.0)).collect();
        prop_assert!(grid.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12));
    }
}
