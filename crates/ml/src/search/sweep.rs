//! Sweeps as Weights & Biases writes them (<https://docs.wandb.ai/models/sweeps/define-sweep-configuration>): `method`,
//! `metric`, `parameters`, `early_terminate`, `run_cap`.
//!
//! Works on a tree of JSON; who reads YAML is not its business. Keys that say how to start a program (`program`,
//! `command`, `project`, …) are taken and left aside: here a model or a client trains.

use super::pruning::Pruning;
use super::space::{Domain, Parameter, Range, Scale};
use super::study::Method;
use crate::error::{MlError, Result};
use crate::evaluate::Metric;
use baton_stats::metrics::Direction;
use serde_json::{Map, Value};

/// What a sweep asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// How points are chosen.
    pub method: Method,
    /// The metric that decides.
    pub metric: Option<SweepMetric>,
    /// What is searched.
    pub parameters: Vec<Parameter>,
    /// Which trials stop early, where it says so.
    pub pruning: Option<Pruning>,
    /// The most trials.
    pub trials: Option<usize>,
    /// The model that it says is to be trained, by the key `program`.
    pub program: Option<String>,
}

/// The metric of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepMetric {
    /// Its name.
    pub name: String,
    /// The way in which it is said to improve.
    pub goal: Option<Direction>,
}

impl SweepMetric {
    /// The way in which it improves. Where nothing is said, Weights & Biases minimises; nobody who searches by a metric such
    /// as ROC AUC wants its worst, so one that is known improves the way it does.
    pub fn direction(&self) -> Direction {
        let own = || self.name.parse().map_or(Direction::LowerIsBetter, |metric: Metric| metric.direction());
        self.goal.unwrap_or_else(own)
    }

    /// Whether Weights & Biases would search the other way.
    pub fn is_turned(&self) -> bool {
        self.goal.is_none() && self.direction() == Direction::HigherIsBetter
    }
}

/// Keys that say how a program is started and where it reports.
const LEFT_ASIDE: [&str; 6] = ["command", "project", "entity", "controller", "description", "version"];
/// Keys that are read.
const READ: [&str; 7] = ["name", "method", "metric", "parameters", "early_terminate", "run_cap", "program"];
/// Brackets are counted up to this step.
const LAST_STEP: u64 = 1_000_000;
/// Brackets of the hyperband of a sweep that gives none.
const ETA: usize = 3;

/// Reads a sweep.
///
/// # Errors
///
/// [`MlError::Sweep`] with the key, what is wrong and what is taken.
pub fn read(sweep: &Value) -> Result<Sweep> {
    let Some(sweep) = sweep.as_object() else {
        return Err(wrong("", "a sweep is an object with `method` and `parameters`"));
    };
    let known = |key: &&String| !READ.contains(&key.as_str()) && !LEFT_ASIDE.contains(&key.as_str());
    if let Some(key) = sweep.keys().find(known) {
        return Err(wrong(key, format!("no such key; the keys are {}", READ.join(", "))));
    }
    let method = match text(sweep, "method")?.as_deref() {
        Some("random") => Method::Random,
        Some("grid") => Method::Grid,
        Some("bayes") => Method::Tpe,
        other => {
            let found = other.map_or_else(|| "nothing".to_owned(), |other| format!("`{other}`"));
            return Err(wrong("method", format!("it must be `random`, `grid` or `bayes`, and is {found}")));
        }
    };
    let parameters = sweep.get("parameters").and_then(Value::as_object);
    let parameters = parameters.ok_or_else(|| wrong("parameters", "a sweep needs an object of parameters"))?;
    Ok(Sweep {
        name: text(sweep, "name")?,
        method,
        metric: metric(sweep)?,
        parameters: read_parameters(parameters)?,
        pruning: sweep.get("early_terminate").map(early_terminate).transpose()?,
        trials: count(sweep, "run_cap")?,
        program: text(sweep, "program")?,
    })
}

/// Reads the parameters of a sweep, in the order of their names' letters, which is the order of drawing.
///
/// # Errors
///
/// As [`read`].
pub fn read_parameters(parameters: &Map<String, Value>) -> Result<Vec<Parameter>> {
    if parameters.is_empty() {
        return Err(wrong("parameters", "there is nothing to search"));
    }
    let mut read = Vec::new();
    for (name, value) in parameters {
        let key = format!("parameters.{name}");
        let said =
            value.as_object().ok_or_else(|| wrong(&key, "it must be an object such as `{min: 0.01, max: 0.3}`"))?;
        read.push(Parameter::new(name, domain(&key, said)?));
    }
    read.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(read)
}

fn metric(sweep: &Map<String, Value>) -> Result<Option<SweepMetric>> {
    let Some(metric) = sweep.get("metric") else { return Ok(None) };
    let metric = metric.as_object().ok_or_else(|| wrong("metric", "it must be an object with `name` and `goal`"))?;
    let name = text(metric, "name")?.ok_or_else(|| wrong("metric.name", "the metric needs a name"))?;
    let goal = match text(metric, "goal")?.as_deref() {
        None => None,
        Some("minimize") => Some(Direction::LowerIsBetter),
        Some("maximize") => Some(Direction::HigherIsBetter),
        Some(other) => {
            return Err(wrong("metric.goal", format!("it must be `minimize` or `maximize`, and is `{other}`")));
        }
    };
    Ok(Some(SweepMetric { name, goal }))
}

/// Hyperband as Weights & Biases has it: at each bracket a run goes on among the best 1/`eta`. Iterations are the steps
/// that trials report.
fn early_terminate(said: &Value) -> Result<Pruning> {
    let said = said.as_object().ok_or_else(|| wrong("early_terminate", "it must be an object with `type`"))?;
    match text(said, "type")?.as_deref() {
        Some("hyperband") => {}
        other => return Err(wrong("early_terminate.type", format!("it must be `hyperband`, and is {}", shown(other)))),
    }
    let within = |error: MlError| match error {
        MlError::Sweep { key, reason } => MlError::Sweep { key: format!("early_terminate.{key}"), reason },
        other => other,
    };
    let reduction = count(said, "eta").map_err(within)?.unwrap_or(ETA);
    let least = count(said, "min_iter").map_err(within)?;
    let most = count(said, "max_iter").map_err(within)?;
    let brackets = count(said, "s").map_err(within)?;
    if reduction < 2 {
        return Err(wrong("early_terminate.eta", "it must be 2 or more"));
    }
    match (least, most) {
        (Some(least), _) => Ok(Pruning::halving(least as u64, LAST_STEP, reduction)),
        (None, Some(most)) => {
            let divided = |bracket: u32| most as u64 / (reduction as u64).saturating_pow(bracket).max(1);
            let brackets = brackets.unwrap_or(1).min(60) as u32;
            let mut rungs: Vec<u64> = (1..=brackets).rev().map(divided).filter(|rung| *rung > 0).collect();
            rungs.dedup();
            Ok(Pruning::Halving { rungs, reduction })
        }
        (None, None) => Err(wrong("early_terminate", "it needs `min_iter`, or `max_iter` with `s`")),
    }
}

fn domain(key: &str, said: &Map<String, Value>) -> Result<Domain> {
    let keys = ["value", "values", "probabilities", "distribution", "min", "max", "q", "mu", "sigma"];
    if said.contains_key("parameters") {
        return Err(wrong(
            key,
            "parameters within parameters are not taken; give each a name of its own, such as `optimizer.rate`",
        ));
    }
    if let Some(other) = said.keys().find(|other| !keys.contains(&other.as_str())) {
        return Err(wrong(&format!("{key}.{other}"), format!("no such key; the keys are {}", keys.join(", "))));
    }
    if let Some(value) = said.get("value") {
        return Ok(Domain::constant(value.clone()));
    }
    if let Some(values) = said.get("values") {
        let values = values.as_array().ok_or_else(|| wrong(&format!("{key}.values"), "it must be a list"))?;
        let probabilities = said.get("probabilities").map(|shares| numbers(key, shares)).transpose()?;
        return Ok(Domain::Choice { values: values.clone(), probabilities });
    }
    Ok(Domain::Range(range(key, said)?))
}

fn numbers(key: &str, shares: &Value) -> Result<Vec<f64>> {
    let list: Option<Vec<f64>> = shares.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
    list.ok_or_else(|| wrong(&format!("{key}.probabilities"), "it must be a list of numbers"))
}

/// A range of numbers by its distribution; without one, whole bounds mean whole numbers.
fn range(key: &str, said: &Map<String, Value>) -> Result<Range> {
    let is_whole = |name: &str| said.get(name).is_some_and(|value| value.is_i64() || value.is_u64());
    let whole = is_whole("min") && is_whole("max");
    let distribution = text(said, "distribution")?;
    let distribution = distribution.as_deref().unwrap_or(if whole { "int_uniform" } else { "uniform" });
    let (name, is_stepped) = match distribution.strip_prefix("q_") {
        Some(name) => (name, true),
        None => (distribution, false),
    };
    let number = |name: &str| number(key, said, name);
    let step = is_stepped.then(|| number("q").map(|step| step.unwrap_or(1.0))).transpose()?;
    let needed = |name: &str| {
        let given = number(name)?;
        given.ok_or_else(|| wrong(&format!("{key}.{name}"), format!("`{distribution}` needs it")))
    };
    let normal = |log: bool| -> Result<Range> {
        Ok(Range::normal(number("mu")?.unwrap_or(0.0), number("sigma")?.unwrap_or(1.0), log))
    };
    let made = match name {
        "int_uniform" => Range::whole(needed("min")?, needed("max")?),
        "uniform" => Range::linear(needed("min")?, needed("max")?),
        // The bounds of this one are exponents of e.
        "log_uniform" => Range::log(needed("min")?.exp(), needed("max")?.exp()),
        "log_uniform_values" => Range { scale: Scale::Log, ..Range::log(needed("min")?, needed("max")?) },
        "normal" => normal(false)?,
        "log_normal" => normal(true)?,
        _ => {
            let known = "constant, categorical, int_uniform, uniform, q_uniform, log_uniform, log_uniform_values, q_log_uniform, \
                         q_log_uniform_values, normal, q_normal, log_normal, q_log_normal";
            return Err(wrong(&format!("{key}.distribution"), format!("`{distribution}` is none of {known}")));
        }
    };
    // Multiples of a whole number are whole.
    let whole = made.whole || step.is_some_and(|step| step.fract() == 0.0);
    Ok(Range { step, whole, ..made })
}

fn number(key: &str, said: &Map<String, Value>, name: &str) -> Result<Option<f64>> {
    let Some(value) = said.get(name) else { return Ok(None) };
    // YAML 1.1 reads `1e-4` as a text, and so do those who wrote it.
    let read = value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    read.map(Some).ok_or_else(|| wrong(&format!("{key}.{name}"), format!("it must be a number, and is {value}")))
}

fn text(said: &Map<String, Value>, key: &str) -> Result<Option<String>> {
    match said.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong(key, format!("it must be a text, and is {other}"))),
    }
}

fn count(said: &Map<String, Value>, key: &str) -> Result<Option<usize>> {
    let Some(value) = said.get(key).filter(|value| !value.is_null()) else { return Ok(None) };
    let count = value.as_u64().filter(|count| *count > 0).and_then(|count| usize::try_from(count).ok());
    count.map(Some).ok_or_else(|| wrong(key, format!("it must be a whole number above 0, and is {value}")))
}

fn shown(found: Option<&str>) -> String {
    found.map_or_else(|| "missing".to_owned(), |found| format!("`{found}`"))
}

fn wrong(key: &str, reason: impl Into<String>) -> MlError {
    MlError::Sweep { key: if key.is_empty() { "the sweep".to_owned() } else { key.to_owned() }, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn check(domain: &Value, expected: Expect) {
        let said = json!({"rate": domain});
        let shown = match read_parameters(said.as_object().unwrap()) {
            Ok(read) => serde_json::to_string(&read[0].domain).unwrap(),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn distributions_are_those_of_the_documentation() {
        check(&json!({"value": 3}), expect![[r#"{"choice":{"values":[3]}}"#]]);
        check(
            &json!({"values": ["adam", "sgd"], "probabilities": [0.8, 0.2]}),
            expect![[r#"{"choice":{"values":["adam","sgd"],"probabilities":[0.8,0.2]}}"#]],
        );
        check(
            &json!({"min": 3, "max": 9}),
            expect![[r#"{"range":{"low":3.0,"high":9.0,"scale":"linear","whole":true}}"#]],
        );
        check(
            &json!({"min": 0.5, "max": 1}),
            expect![[r#"{"range":{"low":0.5,"high":1.0,"scale":"linear","whole":false}}"#]],
        );
        check(
            &json!({"distribution": "log_uniform_values", "min": "1e-4", "max": 0.1}),
            expect![[r#"{"range":{"low":0.0001,"high":0.1,"scale":"log","whole":false}}"#]],
        );
        check(
            &json!({"distribution": "log_uniform", "min": 0, "max": 1}),
            expect![[r#"{"range":{"low":1.0,"high":2.718281828459045,"scale":"log","whole":false}}"#]],
        );
        check(
            &json!({"distribution": "q_uniform", "min": 16, "max": 256, "q": 16}),
            expect![[r#"{"range":{"low":16.0,"high":256.0,"scale":"linear","step":16.0,"whole":true}}"#]],
        );
        check(
            &json!({"distribution": "q_log_uniform_values", "min": 8, "max": 64, "q": 8}),
            expect![[r#"{"range":{"low":8.0,"high":64.0,"scale":"log","step":8.0,"whole":true}}"#]],
        );
        check(
            &json!({"distribution": "normal", "mu": 10, "sigma": 2}),
            expect![[
                r#"{"range":{"low":2.0,"high":18.0,"scale":{"normal":{"mean":10.0,"deviation":2.0,"log":false}},"whole":false}}"#
            ]],
        );
    }

    #[test]
    fn mistakes_name_their_key() {
        check(
            &json!(3),
            expect!["`parameters.rate` of the sweep: it must be an object such as `{min: 0.01, max: 0.3}`"],
        );
        check(&json!({"min": 3}), expect!["`parameters.rate.max` of the sweep: `uniform` needs it"]);
        check(
            &json!({"distribution": "beta", "min": 3}),
            expect![
                "`parameters.rate.distribution` of the sweep: `beta` is none of constant, categorical, int_uniform, uniform, q_uniform, log_uniform, log_uniform_values, q_log_uniform, q_log_uniform_values, normal, q_normal, log_normal, q_log_normal"
            ],
        );
        check(
            &json!({"low": 3}),
            expect![
                "`parameters.rate.low` of the sweep: no such key; the keys are value, values, probabilities, distribution, min, max, q, mu, sigma"
            ],
        );
    }

    #[test]
    fn a_whole_sweep_is_read() {
        let sweep = json!({
            "program": "train.py", "project": "delays", "name": "depth", "method": "bayes", "run_cap": 40,
            "metric": {"name": "roc_auc", "goal": "maximize"},
            "parameters": {"max_depth": {"min": 3, "max": 9}, "algorithm": {"values": ["boosted_trees"]}},
            "early_terminate": {"type": "hyperband", "min_iter": 3, "eta": 3},
        });
        let read = read(&sweep).unwrap();
        assert_eq!((read.method, read.trials, read.name.as_deref()), (Method::Tpe, Some(40), Some("depth")));
        assert_eq!(
            read.metric,
            Some(SweepMetric { name: "roc_auc".to_owned(), goal: Some(Direction::HigherIsBetter) })
        );
        assert_eq!(read.pruning, Some(Pruning::halving(3, LAST_STEP, 3)));
        assert_eq!(read.parameters.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["algorithm", "max_depth"]);
    }

    #[test]
    fn a_metric_without_a_goal_improves_its_own_way() {
        let improves = |name: &str, goal: Option<Direction>| {
            let metric = SweepMetric { name: name.to_owned(), goal };
            (metric.direction(), metric.is_turned())
        };
        assert_eq!(improves("roc_auc", None), (Direction::HigherIsBetter, true));
        assert_eq!(improves("log_loss", None), (Direction::LowerIsBetter, false));
        assert_eq!(improves("val_loss", None), (Direction::LowerIsBetter, false));
        assert_eq!(improves("roc_auc", Some(Direction::LowerIsBetter)), (Direction::LowerIsBetter, false));
    }

    /// As the documentation's example: `max_iter: 27, s: 2` with `eta: 3` has the brackets 3 and 9.
    #[test]
    fn brackets_of_hyperband_are_counted_from_either_end() {
        let from_the_end = json!({"type": "hyperband", "max_iter": 27, "s": 2});
        assert_eq!(early_terminate(&from_the_end).unwrap(), Pruning::Halving { rungs: vec![3, 9], reduction: 3 });
        let message = early_terminate(&json!({"type": "hyperband"})).unwrap_err().to_string();
        assert_eq!(message, "`early_terminate` of the sweep: it needs `min_iter`, or `max_iter` with `s`");
    }
}
