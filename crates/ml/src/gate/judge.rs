//! Judging gates against what was measured.

use super::{Bound, Comparison, Gate, bytes_text};
use crate::evaluate::FairnessMetric;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// A rate counts as kept when so much of it was answered: requests come at a constant rate, and the last answers after
/// the last of them.
const KEPT_RATE: f64 = 0.95;

/// What a load test measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LoadTestResult {
    /// Requests a second that were answered.
    pub rps: f64,
    /// The 99th percentile of the answer times, in milliseconds.
    pub p99_ms: f64,
}

/// Everything a challenger's gates may ask for. What was not measured is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GateInput {
    /// The challenger's metrics by name.
    pub challenger: BTreeMap<String, f64>,
    /// The champion's metrics on the same rows; `None` when there is no champion.
    pub champion: Option<BTreeMap<String, f64>>,
    /// Why the champion that there is has no metrics on these rows.
    pub not_compared: Option<String>,
    /// Fairness figures by (group, metric), or why there is none.
    pub fairness: HashMap<(String, FairnessMetric), Result<f64, String>>,
    /// The load test, if one ran.
    pub load_test: Option<LoadTestResult>,
    /// The size of the model file, in bytes.
    pub model_bytes: u64,
    /// Open incidents of the assets that the training data came from.
    pub open_incidents: Vec<String>,
}

/// The verdict on one gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateResult {
    /// The gate, as text.
    pub gate: String,
    /// Whether it lets the challenger pass.
    pub passed: bool,
    /// What was measured.
    pub observed: Option<f64>,
    /// What it was compared with.
    pub required: Option<f64>,
    /// One line for people.
    pub message: String,
}

/// Judges every gate, in order.
pub fn evaluate_gates(gates: &[Gate], input: &GateInput) -> Vec<GateResult> {
    gates.iter().map(|gate| judge(gate, input)).collect()
}

fn judge(gate: &Gate, input: &GateInput) -> GateResult {
    match gate {
        Gate::Metric { metric, comparison, bound } => judge_metric(gate, metric, *comparison, bound, input),
        Gate::Fairness { group, metric, comparison, bound } => {
            let name = format!("{metric} over {group}");
            match input.fairness.get(&(group.clone(), *metric)) {
                Some(Ok(value)) => compared(gate, &name, Some(*value), *comparison, *bound),
                Some(Err(reason)) => missing(gate, &format!("{name} was not measured: {reason}")),
                None => compared(gate, &name, None, *comparison, *bound),
            }
        }
        Gate::LoadTest { rps, p99_ms } => judge_load_test(gate, *rps, *p99_ms, input.load_test),
        Gate::Size { max_bytes } => GateResult {
            gate: gate.to_string(),
            passed: input.model_bytes <= *max_bytes,
            observed: Some(input.model_bytes as f64),
            required: Some(*max_bytes as f64),
            message: format!(
                "the model takes {}, allowed are {}",
                bytes_text(input.model_bytes),
                bytes_text(*max_bytes)
            ),
        },
        Gate::NoOpenIncidents => judge_incidents(gate, &input.open_incidents),
    }
}

fn judge_metric(gate: &Gate, metric: &str, comparison: Comparison, bound: &Bound, input: &GateInput) -> GateResult {
    let observed = input.challenger.get(metric).copied();
    match (bound, &input.champion) {
        (Bound::Number(bound), _) => compared(gate, metric, observed, comparison, *bound),
        (Bound::Champion { .. }, None) => GateResult {
            gate: gate.to_string(),
            passed: true,
            observed,
            required: None,
            message: match &input.not_compared {
                Some(reason) => format!("not compared: {reason}"),
                None => "there is no champion yet, so there is nothing to compare with".to_owned(),
            },
        },
        (Bound::Champion { metric: other, offset }, Some(champion)) => match champion.get(other) {
            Some(value) => compared(gate, metric, observed, comparison, value + offset),
            None => missing(gate, &format!("the champion has no metric `{other}`{}", known(champion))),
        },
    }
}

fn compared(gate: &Gate, name: &str, observed: Option<f64>, comparison: Comparison, required: f64) -> GateResult {
    let Some(observed) = observed else {
        return GateResult { required: Some(required), ..missing(gate, &format!("{name} was not measured")) };
    };
    let passed = comparison.holds(observed, required);
    GateResult {
        gate: gate.to_string(),
        passed,
        observed: Some(observed),
        required: Some(required),
        message: format!("{name} is {observed:.4}; required is {comparison} {required:.4}"),
    }
}

fn judge_load_test(gate: &Gate, rps: f64, p99_ms: f64, measured: Option<LoadTestResult>) -> GateResult {
    let Some(measured) = measured else {
        return GateResult { required: Some(p99_ms), ..missing(gate, "no load test ran") };
    };
    GateResult {
        gate: gate.to_string(),
        passed: measured.rps >= rps * KEPT_RATE && measured.p99_ms <= p99_ms,
        observed: Some(measured.p99_ms),
        required: Some(p99_ms),
        message: format!(
            "{:.0} requests/s with p99 {:.2} ms; required are {rps} requests/s with p99 <= {p99_ms} ms",
            measured.rps, measured.p99_ms
        ),
    }
}

fn judge_incidents(gate: &Gate, open: &[String]) -> GateResult {
    let message = match open {
        [] => "the training data has no open incident".to_owned(),
        open => format!("the training data has open incidents: {}", open.join(", ")),
    };
    GateResult {
        gate: gate.to_string(),
        passed: open.is_empty(),
        observed: Some(open.len() as f64),
        required: Some(0.0),
        message,
    }
}

fn missing(gate: &Gate, message: &str) -> GateResult {
    GateResult { gate: gate.to_string(), passed: false, observed: None, required: None, message: message.to_owned() }
}

fn known(metrics: &BTreeMap<String, f64>) -> String {
    let names: Vec<_> = metrics.keys().map(String::as_str).collect();
    format!("; it has {}", names.join(", "))
}
