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
