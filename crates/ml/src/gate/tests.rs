//! Tables of gates: text in, verdicts out.

use super::*;
use crate::evaluate::FairnessMetric;
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
            json!("expected_calibration_error <= 0.05"),
            json!({"fairness": {"group": "origin", "metric": "demographic_parity_ratio", "min": 0.8}}),
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
            expected_calibration_error <= 0.05
            demographic_parity_ratio over origin >= 0.8
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
            json!({"fairness": {"group": "carrier", "metric": "equal_oportunity", "max": 0.2}}),
            json!({"fairness": {"group": "carrier", "metric": "demographic_parity_ratio"}}),
            json!("auc >= 0.5"),
            json!("roc_auc >= champion.auc"),
            json!({"load_test": {"rps": 200}}),
            json!({"load_test": {"rps": "many", "p99_ms": 1}}),
            json!({"latency": {}}),
            json!({"fairness": 1}),
        ],
        expect![[r#"
            roc_auc => 0.65, column 9: one of `>=`, `>`, `<=`, `<` is expected here
            roc_auc >= , column 12: a number or `champion.` and a metric is expected here
            >= 0.65, column 1: a metric is expected here
            roc_auc >= 0.65 please, column 17: nothing more is expected here
            roc_auc >= champion., column 21: a metric of the champion is expected here
            roc_auc >= champion.roc_auc - x, column 31: a number is expected here
            size >= 5MB, column 8: a size has a greatest value, so `<=` is expected before it
            size <= 5 parsecs, column 11: one of B, KB, MB, GB is expected here
            größe >= 1, column 1: unknown metric `größe`; known are roc_auc, average_precision, log_loss, brier, accuracy, precision, recall, specificity, f1, rmse, mae, mape, r2, expected_calibration_error
            0.65, column 1: a gate is text or a mapping
            {"fairness":{"group":"carrier","metrc":"x","max":0.2}}, column 33: `fairness` takes group, metric, max, min
            {"fairness":{"group":"carrier","metric":"equal_oportunity","max":0.2}}, column 33: unknown fairness metric `equal_oportunity`; known are demographic_parity_difference, demographic_parity_ratio, equalized_odds_difference, equalized_odds_ratio, equal_opportunity_difference
            {"fairness":{"group":"carrier","metric":"demographic_parity_ratio"}}, column 3: `fairness` needs either `max` or, for a ratio, `min`
            auc >= 0.5, column 1: unknown metric `auc`; known are roc_auc, average_precision, log_loss, brier, accuracy, precision, recall, specificity, f1, rmse, mae, mape, r2, expected_calibration_error
            roc_auc >= champion.auc, column 21: unknown metric `auc`; known are roc_auc, average_precision, log_loss, brier, accuracy, precision, recall, specificity, f1, rmse, mae, mape, r2, expected_calibration_error
            {"load_test":{"rps":200}}, column 3: `load_test` needs `p99_ms`
            {"load_test":{"rps":"many","p99_ms":1}}, column 16: `rps` is a number
            {"latency":{}}, column 3: `fairness` or `load_test` is expected here
            {"fairness":1}, column 1: a mapping has one key, with a mapping below it
        "#]],
    );
}

#[test]
fn the_whole_message_lists_the_forms() {
    let error = Gate::parse_text("roc_auc").unwrap_err();
    expect!["gate `roc_auc`, column 8: one of `>=`, `>`, `<=`, `<` is expected here; a gate is written `roc_auc >= 0.65`, `roc_auc >= champion.roc_auc - 0.005`, `size <= 50MB`, `no_open_incidents`, `{fairness: {group: carrier, metric: equal_opportunity_difference, max: 0.2}}` or `{load_test: {rps: 200, p99_ms: 20}}`"].assert_eq(&error.to_string());
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
        json!("roc_auc >= champion.recall"),
        json!("f1 >= 0.5"),
        json!("size <= 1MB"),
        json!("no_open_incidents"),
        json!({"fairness": {"group": "carrier", "metric": "equal_opportunity_difference", "max": 0.2}}),
        json!({"fairness": {"group": "origin", "metric": "demographic_parity_ratio", "min": 0.8}}),
        json!({"load_test": {"rps": 200, "p99_ms": 20}}),
    ];
    let measured = GateInput {
        challenger: metrics(&[("roc_auc", 0.72)]),
        champion: Some(metrics(&[("roc_auc", 0.724)])),
        not_compared: None,
        fairness: [
            (("carrier".to_owned(), FairnessMetric::EqualOpportunityDifference), Ok(0.25)),
            (("origin".to_owned(), FairnessMetric::DemographicParityRatio), Err("one group only".to_owned())),
        ]
        .into(),
        load_test: Some(LoadTestResult { rps: 201.4, p99_ms: 3.5 }),
        model_bytes: 1_200_000,
        open_incidents: vec!["weather is late".to_owned()],
    };
    check_judge(
        &gates,
        &measured,
        expect![[r#"
            pass roc_auc >= 0.65: roc_auc is 0.7200; required is >= 0.6500
            FAIL roc_auc >= 0.75: roc_auc is 0.7200; required is >= 0.7500
            pass roc_auc >= champion.roc_auc - 0.005: roc_auc is 0.7200; required is >= 0.7190
            FAIL roc_auc >= champion.recall: the champion has no metric `recall`; it has roc_auc
            FAIL f1 >= 0.5: f1 was not measured
            FAIL size <= 1 MB: the model takes 1.2 MB, allowed are 1 MB
            FAIL no_open_incidents: the training data has open incidents: weather is late
            FAIL equal_opportunity_difference over carrier <= 0.2: equal_opportunity_difference over carrier is 0.2500; required is <= 0.2000
            FAIL demographic_parity_ratio over origin >= 0.8: demographic_parity_ratio over origin was not measured: one group only
            pass 200 requests/s with p99 <= 20 ms: 201 requests/s with p99 3.50 ms; required are 200 requests/s with p99 <= 20 ms
        "#]],
    );
    let first = GateInput { challenger: metrics(&[("roc_auc", f64::NAN)]), ..GateInput::default() };
    check_judge(
        &gates,
        &first,
        expect![[r#"
            FAIL roc_auc >= 0.65: roc_auc is NaN; required is >= 0.6500
            FAIL roc_auc >= 0.75: roc_auc is NaN; required is >= 0.7500
            pass roc_auc >= champion.roc_auc - 0.005: there is no champion yet, so there is nothing to compare with
            pass roc_auc >= champion.recall: there is no champion yet, so there is nothing to compare with
            FAIL f1 >= 0.5: f1 was not measured
            pass size <= 1 MB: the model takes 0 B, allowed are 1 MB
            pass no_open_incidents: the training data has no open incident
            FAIL equal_opportunity_difference over carrier <= 0.2: equal_opportunity_difference over carrier was not measured
            FAIL demographic_parity_ratio over origin >= 0.8: demographic_parity_ratio over origin was not measured
            FAIL 200 requests/s with p99 <= 20 ms: no load test ran
        "#]],
    );
}

#[test]
fn a_champion_that_cannot_read_the_rows_is_said_and_blocks_nothing() {
    let gate = Gate::parse(&json!("roc_auc >= champion.roc_auc")).unwrap();
    let input = GateInput {
        challenger: [("roc_auc".to_owned(), 0.7)].into(),
        not_compared: Some("the champion reads columns that are no longer there (`visib`)".to_owned()),
        ..GateInput::default()
    };
    let verdict = evaluate_gates(&[gate], &input).remove(0);
    assert!(verdict.passed);
    assert_eq!(verdict.message, "not compared: the champion reads columns that are no longer there (`visib`)");
}
