//! Points of searches against Optuna's: how they are drawn, and how soon tpe finds what is good.
//!
//! Needs `BATON_TEST_MLFLOW`, a Python with the packages of `xtask/requirements-mlflow.txt`.

use std::path::PathBuf;
use std::process::Command;

use baton_ml::search::{
    Direction, Domain, Method, Observed, Parameter, Point, Pruning, Range, Scale, Space, Study, TrialState,
};
use serde_json::{Value, json};

/// A difference of this probability is no accident any more.
const ACCIDENT: f64 = 0.001;

fn python() -> PathBuf {
    std::env::var_os("BATON_TEST_MLFLOW").map(PathBuf::from).expect(
        "set BATON_TEST_MLFLOW to a Python interpreter with the packages of `xtask/requirements-mlflow.txt` (`cargo xtask \
         test` does)",
    )
}

/// Runs a script that finds `ours` in its folder, and reads what it prints.
fn compared(script: &str, ours: &Value) -> Value {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ours.json"), ours.to_string()).unwrap();
    let output = Command::new(python()).arg("-c").arg(script).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn study(parameters: Vec<Parameter>, method: Method, seed: u64) -> Study {
    Study {
        space: Space::of(parameters),
        method,
        pruning: Pruning::Off,
        direction: Direction::LowerIsBetter,
        trials: None,
        patience: None,
        parallel: 1,
        seed,
    }
}

fn ranges(ranges: &[(&str, Range)]) -> Vec<Parameter> {
    ranges.iter().map(|(name, range)| Parameter::new(name, Domain::Range(*range))).collect()
}

fn choice(name: &str, values: &[&str], probabilities: Option<Vec<f64>>) -> Parameter {
    let values = values.iter().map(|value| json!(value)).collect();
    Parameter::new(name, Domain::Choice { values, probabilities })
}

/// Whether 10,000 draws of either look as drawn from one distribution: Kolmogorov and Smirnov's test for numbers, chi-square
/// for what can be counted.
const DRAWS: &str = r#"
import json
import numpy as np
import scipy.stats
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
ours = json.load(open("ours.json"))
sampler, study = optuna.samplers.RandomSampler(seed=1), optuna.create_study()
space = {
    "linear": FloatDistribution(-3.0, 5.0),
    "log": FloatDistribution(1e-4, 1.0, log=True),
    "whole": IntDistribution(3, 9),
    "whole_log": IntDistribution(1, 64, log=True),
    "stepped": FloatDistribution(0.0, 1.0, step=0.25),
    "choice": CategoricalDistribution(["a", "b", "c"]),
}
theirs = {name: [sampler.sample_independent(study, None, name, one) for _ in range(10_000)] for name, one in space.items()}
generator = np.random.default_rng(1)
theirs["weighted"] = generator.choice(["a", "b", "c"], size=10_000, p=[0.7, 0.2, 0.1]).tolist()
theirs["normal"] = generator.normal(10.0, 2.0, size=10_000).tolist()
theirs["log_normal"] = generator.lognormal(1.0, 0.5, size=10_000).tolist()

def p(name):
    one, other = ours[name], theirs[name]
    values = sorted(set(one) | set(other))
    if len(values) > 100:
        return scipy.stats.ks_2samp(one, other).pvalue
    return scipy.stats.chi2_contingency([[side.count(value) for value in values] for side in (one, other)]).pvalue

print(json.dumps({name: float(p(name)) for name in theirs}))
"#;

#[test]
fn draws_are_distributed_as_those_of_optuna() {
    let mut parameters = ranges(&[
        ("linear", Range::linear(-3.0, 5.0)),
        ("log", Range::log(1e-4, 1.0)),
        ("whole", Range::whole(3.0, 9.0)),
        ("whole_log", Range { scale: Scale::Log, ..Range::whole(1.0, 64.0) }),
        ("stepped", Range { step: Some(0.25), ..Range::linear(0.0, 1.0) }),
        ("normal", Range::normal(10.0, 2.0, false)),
        ("log_normal", Range::normal(1.0, 0.5, true)),
    ]);
    parameters.push(choice("choice", &["a", "b", "c"], None));
    parameters.push(choice("weighted", &["a", "b", "c"], Some(vec![0.7, 0.2, 0.1])));
    let of_seed = |seed| study(parameters.clone(), Method::Random, seed);
    let points: Vec<Point> = (0..200)
        .map(of_seed)
        .flat_map(|study| (0..50).map(move |number| study.propose(number, &[]).unwrap().unwrap()))
        .collect();
    let of = |name: &str| points.iter().map(|point| point.settings[name].clone()).collect::<Vec<_>>();
    let ours: serde_json::Map<_, _> = parameters.iter().map(|one| (one.name.clone(), json!(of(&one.name)))).collect();
    let told = compared(DRAWS, &Value::Object(ours));
    let likely = told.as_object().unwrap();
    assert_eq!(likely.len(), parameters.len());
    for (name, p) in likely {
        assert!(p.as_f64().unwrap() > ACCIDENT, "`{name}` is not drawn as by Optuna: p = {p}");
    }
}

/// What a function comes to at a point, of which numbers are asked by name.
type Loss = fn(&dyn Fn(&str) -> f64, &Point) -> f64;

/// A function to minimise.
struct Function {
    name: &'static str,
    parameters: Vec<Parameter>,
    loss: Loss,
}

/// Branin and Hojnacki 1972: least, 0.397887, at three points.
fn branin(number: &dyn Fn(&str) -> f64, _: &Point) -> f64 {
    use std::f64::consts::PI;
    let (x, y) = (number("x"), number("y"));
    (y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0).powi(2) + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0
}

/// Hartman 1973, of six numbers: least, -3.32237, at one of six low points.
fn hartmann(number: &dyn Fn(&str) -> f64, _: &Point) -> f64 {
    const SCALES: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const PLACES: [[f64; 6]; 4] = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ];
    let point: Vec<f64> = (0..6).map(|place| number(&format!("x{place}"))).collect();
    let hill = |scales: &[f64; 6], places: &[f64; 6]| {
        let squares = point.iter().zip(scales).zip(places).map(|((x, scale), place)| scale * (x - place).powi(2));
        (-squares.sum::<f64>()).exp()
    };
    let heights = [1.0, 1.2, 3.0, 3.2].iter().zip(SCALES.iter().zip(&PLACES));
    -heights.map(|(height, (scales, places))| height * hill(scales, places)).sum::<f64>()
}

/// Numbers of every kind and a choice: least, 0, at x = 2, rate = 0.01, depth = 3, width = 32, kind = b.
fn mixed(number: &dyn Fn(&str) -> f64, point: &Point) -> f64 {
    let away = (number("rate").log10() + 2.0).abs() + (number("width").log2() - 5.0).abs() / 2.0;
    let kind = if point.settings["kind"] == json!("b") { 0.0 } else { 2.0 };
    (number("x") - 2.0).abs() + away + (number("depth") - 3.0).abs() / 2.0 + kind
}

fn functions() -> Vec<Function> {
    let unit = ["x0", "x1", "x2", "x3", "x4", "x5"].map(|name| (name, Range::linear(0.0, 1.0)));
    let mut all_kinds = ranges(&[
        ("x", Range::linear(-5.0, 5.0)),
        ("rate", Range::log(1e-4, 1.0)),
        ("depth", Range::whole(1.0, 8.0)),
        ("width", Range { scale: Scale::Log, ..Range::whole(1.0, 256.0) }),
    ]);
    all_kinds.push(choice("kind", &["a", "b", "c"], None));
    let plane = ranges(&[("x", Range::linear(-5.0, 10.0)), ("y", Range::linear(0.0, 15.0))]);
    vec![
        Function { name: "branin", parameters: plane, loss: branin },
        Function { name: "hartmann", parameters: ranges(&unit), loss: hartmann },
        Function { name: "mixed", parameters: all_kinds, loss: mixed },
    ]
}

impl Function {
    /// The least after so many trials by tpe.
    fn best(&self, trials: usize, seed: u64) -> f64 {
        let study = study(self.parameters.clone(), Method::Tpe, seed);
        let mut seen = Vec::new();
        for number in 0..trials {
            let point = study.propose(number, &seen).unwrap().unwrap();
            let value = (self.loss)(&|name| point.settings[name].as_f64().unwrap(), &point);
            seen.push(Observed { number, point, curve: Vec::new(), value: Some(value), state: TrialState::Finished });
        }
        seen.iter().filter_map(|trial| trial.value).fold(f64::INFINITY, f64::min)
    }
}

/// How likely it is that ours are as bad as they are or worse, were they drawn as Optuna's (Mann and Whitney's test), and
/// medians of either for those who read it.
const SOON: &str = r#"
import json, math, warnings
import numpy as np
import optuna
import scipy.stats

warnings.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
ours = json.load(open("ours.json"))

def branin(trial):
    x, y = trial.suggest_float("x", -5, 10), trial.suggest_float("y", 0, 15)
    return (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10

SCALES = np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]])
PLACES = 1e-4 * np.array([[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991], [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]])

def hartmann(trial):
    x = np.array([trial.suggest_float(f"x{place}", 0, 1) for place in range(6)])
    return -float(np.array([1, 1.2, 3, 3.2]) @ np.exp(-(SCALES * (x - PLACES) ** 2).sum(axis=1)))

def mixed(trial):
    x, rate = trial.suggest_float("x", -5, 5), trial.suggest_float("rate", 1e-4, 1, log=True)
    depth, width = trial.suggest_int("depth", 1, 8), trial.suggest_int("width", 1, 256, log=True)
    kind = 0 if trial.suggest_categorical("kind", ["a", "b", "c"]) == "b" else 2
    return abs(x - 2) + abs(math.log10(rate) + 2) + abs(math.log2(width) - 5) / 2 + abs(depth - 3) / 2 + kind

def best(function, seed):
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(function, n_trials=ours["trials"])
    return study.best_value

told = {}
for function in (branin, hartmann, mixed):
    one, other = ours[function.__name__], [best(function, seed) for seed in range(ours["seeds"])]
    p = scipy.stats.mannwhitneyu(one, other, alternative="greater").pvalue
    told[function.__name__] = {"p": float(p), "ours": float(np.median(one)), "theirs": float(np.median(other))}
print(json.dumps(told))
"#;

#[test]
fn tpe_finds_what_is_good_as_soon_as_that_of_optuna() {
    let (trials, seeds) = (40, 24);
    let mut ours = json!({"trials": trials, "seeds": seeds});
    for function in functions() {
        ours[function.name] = (0..seeds).map(|seed| function.best(trials, seed)).collect();
    }
    let told = compared(SOON, &ours);
    for function in functions() {
        let told = &told[function.name];
        assert!(told["p"].as_f64().unwrap() > 0.01, "`{}`: {told}", function.name);
    }
}
