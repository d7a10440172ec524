//! Evaluation against scikit-learn.

use super::*;
use expect_test::expect;

/// Golden: scikit-learn 1.9.1 `roc_auc_score`, `average_precision_score`, `log_loss`, `brier_score_loss`,
/// `f1_score`.
#[test]
fn figures_agree_with_scikit_learn() {
    let labels = [0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0];
    let scores = [0.1, 0.4, 0.35, 0.8, 0.2, 0.9, 0.6, 0.4];
    let found = evaluate(Task::BinaryClassification, &labels, &scores, &[]).unwrap();
    let expected = [
        ("roc_auc", 0.781_25),
        ("average_precision", 0.816_666_666_666_666_7),
        ("log_loss", 0.506_279_668_244_631_3),
        ("brier", 0.175_312_5),
        ("f1", 0.571_428_571_428_571_4),
    ];
    for (name, expected) in expected {
        assert!((found.metrics[name] - expected).abs() < 1e-12, "{name}: {}", found.metrics[name]);
    }
    assert_eq!(found.confusion.map(|counts| counts.true_positives), Some(2));
    assert!(!found.metrics.contains_key("rmse"));
    // By hand: one row a bin but for 0.4 to 0.5, which holds the scores 0.4 and 0.4 with the labels 0 and 1.
    let by_hand = (0.1 + 2.0 * 0.1 + 0.65 + 0.2 + 0.2 + 0.1 + 0.6) / 8.0;
    assert!((found.metrics[CALIBRATION_ERROR] - by_hand).abs() < 1e-12);
}

#[test]
fn slices_of_small_groups_have_no_figures() {
    let labels: Vec<f64> = (0..64).map(|row| f64::from(row % 2)).collect();
    let scores: Vec<f64> = labels.iter().map(|label| 0.2 + 0.6 * label).collect();
    let values: Vec<String> = (0..64).map(|row| if row < 60 { "AA" } else { "ZZ" }.to_owned()).collect();
    let column = SliceColumn { name: "carrier", values: &values };
    let found = evaluate(Task::BinaryClassification, &labels, &scores, &[column]).unwrap();
    let shown: Vec<_> = found
        .slices
        .iter()
        .map(|slice| format!("{} {} {:?}", slice.value, slice.n_rows, slice.metrics.get("roc_auc")))
        .collect();
    expect![[r#"
        AA 60 Some(1.0)
        ZZ 4 None"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn undefined_figures_are_left_out_and_shapes_checked() {
    let found = evaluate(Task::BinaryClassification, &[1.0, 1.0], &[0.5, 0.6], &[]).unwrap();
    assert!(!found.metrics.contains_key("roc_auc") && found.metrics.contains_key("log_loss"));
    assert!(evaluate(Task::Regression, &[1.0], &[1.0, 2.0], &[]).is_err());
    assert!(evaluate(Task::Regression, &[], &[], &[]).is_err());
    let short = SliceColumn { name: "x", values: &[] };
    assert!(evaluate(Task::Regression, &[1.0], &[1.0], &[short]).is_err());
}

#[test]
fn fairness_is_the_range_over_large_groups() {
    // 40 rows of each group; all labels 1; `b` is decided positive half as often as `a`.
    let values: Vec<String> = (0..84).map(|row| ["a", "b", "c"][row / 40].to_owned()).collect();
    let labels = vec![1.0; 84];
    let scores: Vec<f64> = (0..84).map(|row| if row < 60 { 0.9 } else { 0.1 }).collect();
    let column = SliceColumn { name: "carrier", values: &values };
    let metric = FairnessMetric::EqualOpportunityDifference;
    assert_eq!(fairness_figure(metric, &column, &labels, &scores).unwrap(), 0.5);
    let one = SliceColumn { name: "carrier", values: &values[..40] };
    let message = fairness_figure(metric, &one, &labels[..40], &scores[..40]).unwrap_err().to_string();
    expect!["metric `equal_opportunity_difference over carrier` cannot be computed: 1 groups have 30 rows or more; two are needed"]
        .assert_eq(&message);
}
