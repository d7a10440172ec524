//! Tables of gates: text in, verdicts out.

use super::*;
use expect_test::{Expect, expect};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn check_parse(values: &[Value], expected: Expect) {
    let line = |value: &Value| match Gate::parse(value) {
        Ok(gate) => format!("{gate}\n"),
        Err(error) => format!("{}, column {}: {}\n", error.text, error.column, error.reason),
    };
    expected.assert_eq(&values.iter().map(line).collect::<String>());
}

#[test]
fn valid_forms() {
    check_parse(
        &[
            json!("roc_auc >= 0.65"),
            json!("  log_loss<.5 "),
            json!("rmse <= 1e3"),
            json!("roc_auc >= champion.roc_auc - 0.005"),
            json!("roc_auc > champion.roc_auc"),
            json!("log_loss <= champion.log_loss+0.01"),
            json!("size <= 50MB"),
            json!("size <= 1500 b"),
            json!("no_open_incidents"),
            json!({"fairness": {"group": "carrier", "metric": "equal_opportunity_difference", "max": 0.2}}),
            json!({"load_test": {"rps": 200, "p99_ms": 20}}),
        ],
        expect![[r#"
            roc_auc >= 0.65
            log_loss < 0.5
            rmse <= 1000
            roc_auc >= champion.roc_auc - 0.005
            roc_auc > champion.roc_auc
            log_loss <= champion.log_loss + 0.01
            size <= 50 MB
            size <= 1.5 KB
            no_open_incidents
            equal_opportunity_difference over carrier <= 0.2
            200 requests/s with p99 <= 20 ms
        "#]],
    );
}

#[test]
fn mistakes_are_placed() {
    check_parse(
        &[
            json!("roc_auc => 0.65"),
            json!("roc_auc >= "),
            json!(">= 0.65"),
            json!("roc_auc >= 0.65 please"),
            json!("roc_auc >= champion."),
            json!("roc_auc >= champion.roc_auc - x"),
            json!("size >= 5MB"),
            json!("size <= 5 parsecs"),
            json!("größe >= 1"),
            json!(0.65),
            json!({"fairness": {"group": "carrier", "metrc": "x", "max": 0.2}}),
            json!({"load_test": {"rps": 200}}),
            json!({"load_test": {"rps": "many", "p99_ms": 1}}),
            json!({"latency": {}}),
            json!({"fairness": 1}),
        ],
        expect![[r#""#]],
    );
}

#[test]
fn the_whole_message_lists_the_forms() {
    let error = Gate::parse_text("auc").unwrap_err();
    expect![[r#""#]].assert_eq(&error.to_string());
}

fn metrics(values: &[(&str, f64)]) -> BTreeMap<String, f64> {
    values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

fn check_judge(gates: &[Value], input: &GateInput, expected: Expect) {
    let gates: Vec<_> = gates.iter().map(|gate| Gate::parse(gate).unwrap()).collect();
    let line = |result: &GateResult| {
        format!("{} {}: {}\n", if result.passed { "pass" } else { "FAIL" }, result.gate, result.message)
    };
    expected.assert_eq(&evaluate_gates(&gates, input).iter().map(line).collect::<String>());
}

#[test]
fn verdicts() {
    let gates = [
        json!("roc_auc >= 0.65"),
        json!("roc_auc >= 0.75"),
        json!("roc_auc >= champion.roc_auc - 0.005"),
        json!("roc_auc >= champion.auc"),
        json!("f1 >= 0.5"),
        json!("size <= 1MB"),
        json!("no_open_incidents"),
        json!({"fairness": {"group": "carrier", "metric": "equal_opportunity_difference", "max": 0.2}}),
        json!({"load_test": {"rps": 200, "p99_ms": 20}}),
    ];
    let measured = GateInput {
        challenger: metrics(&[("roc_auc", 0.72)]),
        champion: Some(metrics(&[("roc_auc", 0.724)])),
        fairness: [(("carrier".to_owned(), "equal_opportunity_difference".to_owned()), 0.25)].into(),
        load_test: Some(LoadTestResult { rps: 201.4, p99_ms: 3.5 }),
        model_bytes: 1_200_000,
        open_incidents: vec!["weather is late".to_owned()],
    };
    check_judge(&gates, &measured, expect![[r#""#]]);
    let first = GateInput { challenger: metrics(&[("roc_auc", f64::NAN)]), ..GateInput::default() };
    check_judge(&gates, &first, expect![[r#""#]]);
}
