//! Golden figures from scikit-learn 1.9.1 on sequences that any language can make: scores are
//! u(500, 7919, 10007) rounded to two decimals (many ties), labels u(500, 5113, 10009) < score;
//! regression labels are 1 + 9 u(500, 7919, 10007), predictions label + u(500, 4639, 10009) - 0.4.

use proptest::prelude::*;

use super::*;
use crate::drift::golden::{assert_close, uniform};

fn binary_rows() -> (Vec<f64>, Vec<f64>) {
    let scores: Vec<f64> =
        uniform(500, 7919, 10007).iter().map(|score| (score * 100.0).round_ties_even() / 100.0).collect();
    let labels = uniform(500, 5113, 10009).iter().zip(&scores).map(|(u, score)| f64::from(u < score)).collect();
    (labels, scores)
}

fn regression_rows() -> (Vec<f64>, Vec<f64>) {
    let labels: Vec<f64> = uniform(500, 7919, 10007).iter().map(|u| 1.0 + 9.0 * u).collect();
    let predictions = uniform(500, 4639, 10009).iter().zip(&labels).map(|(u, label)| label + u - 0.4).collect();
    (labels, predictions)
}

#[test]
fn binary_metrics_equal_scikit_learn() {
    let (labels, scores) = binary_rows();
    let expected = [
        (Metric::RocAuc, 0.8413771583107967),
        (Metric::AveragePrecision, 0.8460636526380406),
        (Metric::LogLoss, 0.48519727544642216),
        (Metric::Brier, 0.1626918),
        (Metric::Accuracy, 0.752),
        (Metric::Precision, 0.7529411764705882),
        (Metric::Recall, 0.758893280632411),
        (Metric::Specificity, 0.7449392712550608),
        (Metric::F1, 0.7559055118110236),
    ];
    for (metric, value) in expected {
        assert_close(metric.name(), evaluate(metric, &labels, &scores).unwrap(), value, 1e-12);
    }
}

#[test]
fn regression_metrics_equal_scikit_learn() {
    let (labels, predictions) = regression_rows();
    let expected = [
        (Metric::Rmse, 0.3053112381456671),
        (Metric::Mae, 0.2596423618743131),
        (Metric::Mape, 0.06653348947791202),
        (Metric::R2, 0.9861656374595068),
    ];
    for (metric, value) in expected {
        assert_close(metric.name(), evaluate(metric, &labels, &predictions).unwrap(), value, 1e-12);
    }
}

#[test]
fn multiclass_metrics_equal_scikit_learn() {
    let labels = [0, 2, 1, 2];
    let probabilities = [vec![0.7, 0.2, 0.1], vec![0.1, 0.3, 0.6], vec![0.2, 0.5, 0.3], vec![0.5, 0.5, 0.0]];
    let loss = multiclass_log_loss(&labels, &probabilities).unwrap();
    assert_close("log loss", loss, 9.401075284345456, 1e-12);
    assert_eq!(multiclass_accuracy(&labels, &[0, 2, 0, 0]), Ok(0.5));
    assert!(multiclass_log_loss(&[5], &[vec![1.0]]).is_err());
}

#[test]
fn undefined_figures_say_why() {
    let reason = |metric, labels: &[f64], scores: &[f64]| evaluate(metric, labels, scores).unwrap_err().reason;
    let reasons = [
        reason(Metric::RocAuc, &[1.0, 1.0], &[0.2, 0.4]),
        reason(Metric::AveragePrecision, &[0.0, 0.0], &[0.2, 0.4]),
        reason(Metric::Precision, &[1.0, 0.0], &[0.2, 0.4]),
        reason(Metric::Recall, &[0.0], &[0.9]),
        reason(Metric::Accuracy, &[2.0], &[0.9]),
        reason(Metric::Brier, &[1.0], &[1.5]),
        reason(Metric::R2, &[3.0, 3.0], &[2.0, 3.0]),
        reason(Metric::Mape, &[0.0, 3.0], &[2.0, 3.0]),
        reason(Metric::Mae, &[], &[]),
        reason(Metric::Mae, &[1.0], &[f64::NAN]),
    ];
    expect_test::expect![[r#"
        all labels are of one class
        there is no positive label
        no row is predicted positive
        there is no positive label
        label 2 is neither 0 nor 1
        score 1.5 is not a probability
        the labels do not vary
        a label is zero, so its relative error is undefined
        there are no rows
        a label or score is not a finite number"#]]
    .assert_eq(&reasons.join("\n"));
}

#[test]
fn slices_leave_small_groups_without_a_figure() {
    let (labels, scores) = binary_rows();
    let groups: Vec<&str> = (0..500).map(|row| if row < 29 { "small" } else { "large" }).collect();
    let found = slices(Metric::Accuracy, &groups, &labels, &scores, 0.5, MINIMUM_GROUP_ROWS).unwrap();
    assert_eq!((found[0].group.as_str(), found[0].rows), ("large", 471));
    assert_eq!(found[0].value, evaluate(Metric::Accuracy, &labels[29..], &scores[29..]));
    assert_eq!(found[1].value.as_ref().unwrap_err().reason, "29 rows are fewer than 30");
}

#[test]
fn names_read_back() {
    for (metric, name) in Metric::ALL {
        assert_eq!(name.parse::<Metric>().unwrap(), metric);
    }
    assert!("auc".parse::<Metric>().is_err());
    assert!(Metric::Rmse.is_better(1.0, 2.0) && Metric::RocAuc.is_better(0.9, 0.8));
}

proptest! {
    /// The definition of the area: won pairs plus half of the tied ones.
    #[test]
    fn roc_auc_is_the_share_of_won_pairs(rows in prop::collection::vec((0_u8..2, 0_u8..6), 2..40)) {
        let labels: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
        let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.1)).collect();
        let (mut won, mut pairs) = (0.0, 0.0);
        for positive in rows.iter().filter(|row| row.0 == 1) {
            for negative in rows.iter().filter(|row| row.0 == 0) {
                pairs += 1.0;
                won += f64::from(positive.1 > negative.1) + f64::from(positive.1 == negative.1) / 2.0;
            }
        }
        match evaluate(Metric::RocAuc, &labels, &scores) {
            Ok(area) => prop_assert!((area - won / pairs).abs() < 1e-12),
            Err(_) => prop_assert_eq!(pairs, 0.0),
        }
    }
}
