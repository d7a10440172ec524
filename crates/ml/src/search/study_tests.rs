//! The rules: which point comes next, which trial stops.

use super::super::space::{Domain, Parameter, Range};
use super::*;
use expect_test::expect;
use serde_json::json;

fn parameters() -> Vec<Parameter> {
    vec![
        Parameter::new("x", Domain::Range(Range::linear(-5.0, 5.0))),
        Parameter::new("rate", Domain::Range(Range::log(1e-4, 1.0))),
        Parameter::new("depth", Domain::Range(Range::whole(1.0, 8.0))),
        Parameter::new(
            "kind",
            Domain::Choice { values: vec![json!("a"), json!("b"), json!("c")], probabilities: None },
        ),
    ]
}

fn study(method: Method) -> Study {
    Study {
        space: Space::of(parameters()),
        method,
        pruning: Pruning::Off,
        direction: Direction::LowerIsBetter,
        trials: Some(1000),
        patience: None,
        parallel: 1,
        seed: 5,
    }
}

/// Least, 0, at x = 2, rate = 0.01, depth = 3, kind = b.
fn loss(point: &Point) -> f64 {
    let number = |name: &str| point.settings[name].as_f64().unwrap();
    let kind = if point.settings["kind"] == json!("b") { 0.0 } else { 2.0 };
    (number("x") - 2.0).abs() + (number("rate").log10() + 2.0).abs() + (number("depth") - 3.0).abs() / 2.0 + kind
}

fn finished(number: usize, point: Point, value: f64) -> Observed {
    Observed { number, point, curve: vec![(1, value)], value: Some(value), state: TrialState::Finished }
}

fn optimised(study: &Study, trials: usize) -> Vec<Observed> {
    let mut seen = Vec::new();
    for number in 0..trials {
        let Some(point) = study.propose(number, &seen[study.visible(number)]).unwrap() else { break };
        let value = loss(&point);
        seen.push(finished(number, point, value));
    }
    seen
}

fn best(study: &Study) -> f64 {
    let seen = optimised(study, 100);
    seen[study.best(&seen).unwrap()].value.unwrap()
}

#[test]
fn tpe_finds_what_random_draws_do_not() {
    let mean = |method| (0..10).map(|seed| best(&Study { seed, ..study(method) })).sum::<f64>() / 10.0;
    let (random, tpe) = (mean(Method::Random), mean(Method::Tpe));
    assert!(tpe < random / 2.0, "tpe {tpe}, random {random}");
}

#[test]
fn a_point_depends_on_seed_number_and_what_was_seen_only() {
    for method in [Method::Random, Method::Tpe] {
        let study = study(method);
        let seen = optimised(&study, 30);
        // Asked again, in any order, each number has the point that it had.
        for number in [29, 3, 17, 0] {
            let again = study.propose(number, &seen[study.visible(number)]).unwrap();
            assert_eq!(again.as_ref(), Some(&seen[number].point), "{method:?} {number}");
        }
        let other = optimised(&Study { seed: 6, ..study.clone() }, 30);
        assert!(seen.iter().zip(&other).all(|(one, other)| one.point != other.point));
    }
}

/// What goes on is kept away from: asked for many at once, tpe does not try one place again and again.
#[test]
fn tpe_keeps_away_from_what_goes_on() {
    let study = study(Method::Tpe);
    let mut seen = optimised(&study, 40);
    let mut alone = Vec::new();
    for number in 40..70 {
        alone.push(study.propose(number, &seen[..40]).unwrap().unwrap());
        let point = study.propose(number, &seen).unwrap().unwrap();
        seen.push(Observed { number, point, curve: Vec::new(), value: None, state: TrialState::Running });
    }
    let spread = |points: Vec<&Point>| {
        let numbers: Vec<f64> = points.iter().map(|point| point.settings["x"].as_f64().unwrap()).collect();
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>()
    };
    let together = spread(seen[40..].iter().map(|trial| &trial.point).collect());
    assert!(together > spread(alone.iter().collect()), "the points of many at once lie farther apart");
}

#[test]
fn tpe_learns_from_the_stopped_and_shuns_the_failed() {
    let study = study(Method::Tpe);
    let mut seen = optimised(&study, 40);
    // All with kind b fail, so that it is not worth trying any more.
    for trial in seen.iter_mut().filter(|trial| trial.point.settings["kind"] == json!("b")) {
        (trial.state, trial.value) = (TrialState::Failed, None);
    }
    let kinds = (40..100).map(|number| study.propose(number, &seen).unwrap().unwrap().settings["kind"].clone());
    let failing = kinds.filter(|kind| *kind == json!("b")).count();
    assert!(failing < 20, "{failing} of 60 tried what always failed");
}

#[test]
fn a_grid_is_every_combination_once() {
    let values = |values: &[i64]| Domain::Choice {
        values: values.iter().map(|value| json!(value)).collect(),
        probabilities: None,
    };
    let space = Space::of(vec![
        Parameter::new("a", values(&[1, 2])),
        Parameter::new("b", Domain::Range(Range::whole(5.0, 7.0))),
    ]);
    let grid = Study { space, trials: None, ..study(Method::Grid) };
    let points = (0..).map_while(|number| grid.propose(number, &[]).unwrap());
    let shown: Vec<String> = points.map(|point| format!("{}{}", point.settings["a"], point.settings["b"])).collect();
    expect!["15 16 17 25 26 27"].assert_eq(&shown.join(" "));
    let message = study(Method::Grid).check().unwrap_err().to_string();
    expect!["parameter `x` cannot be searched: a grid needs a list of values, whole numbers, or a step"]
        .assert_eq(&message);
}

#[test]
fn patience_ends_a_study_that_gets_no_better() {
    let study = Study { patience: Some(3), ..study(Method::Random) };
    let point = study.propose(0, &[]).unwrap().unwrap();
    let of = |values: &[f64]| -> Vec<Observed> {
        values.iter().enumerate().map(|(number, value)| finished(number, point.clone(), *value)).collect()
    };
    assert!(study.propose(4, &of(&[1.0, 0.5, 0.6, 0.7])).unwrap().is_some());
    assert!(study.propose(5, &of(&[1.0, 0.5, 0.6, 0.7, 0.5])).unwrap().is_none());
    let mut running = of(&[1.0, 0.5, 0.6, 0.7, 0.5]);
    (running[4].state, running[4].value) = (TrialState::Running, None);
    assert!(study.propose(5, &running).unwrap().is_some(), "what goes on may still be better");
}

#[test]
fn the_median_rule_stops_what_is_worse_than_most() {
    let pruning = Pruning::Median { startup: 3, warmup: 1 };
    let trial = |number, curve: &[(u64, f64)]| Observed {
        curve: curve.to_vec(),
        ..finished(number, Point { branch: String::new(), settings: Default::default() }, curve[curve.len() - 1].1)
    };
    // The last converged at step 1: what it had then stands for step 2.
    let seen = [trial(0, &[(1, 9.0), (2, 5.0)]), trial(1, &[(1, 8.0), (2, 4.0)]), trial(2, &[(1, 3.0)])];
    let stops = |curve: &[(u64, f64)], seen: &[Observed]| pruning.stops(Direction::LowerIsBetter, curve, seen);
    assert!(!stops(&[(1, 99.0)], &seen), "none stops while it warms up");
    assert!(stops(&[(1, 9.0), (2, 4.5)], &seen));
    assert!(!stops(&[(1, 9.0), (2, 3.5)], &seen));
    assert!(!stops(&[(1, 3.9), (2, 99.0)], &seen), "its best so far counts");
    assert!(!stops(&[(1, 9.0), (2, 99.0)], &seen[..2]), "too few were seen");
    assert!(!pruning.stops(Direction::HigherIsBetter, &[(1, 9.0), (2, 4.5)], &seen));
}

/// By hand from Li et al. 2020: of `n` that came to a rung, the best `n / 3` go on, and at least one.
#[test]
fn halving_lets_the_best_third_go_on() {
    let pruning = Pruning::halving(2, 20, 3);
    assert_eq!(pruning, Pruning::Halving { rungs: vec![2, 6, 18], reduction: 3 });
    let point = Point { branch: String::new(), settings: Default::default() };
    let came = |number: usize, value: f64| Observed {
        curve: vec![(1, 0.0), (2, value)],
        ..finished(number, point.clone(), value)
    };
    let seen: Vec<Observed> = [0.5, 0.6, 0.7, 0.8, 0.9].iter().enumerate().map(|(n, value)| came(n, *value)).collect();
    let stops = |value: f64, seen: &[Observed]| pruning.stops(Direction::LowerIsBetter, &[(1, 0.0), (2, value)], seen);
    assert!(!stops(0.55, &seen), "second of six");
    assert!(stops(0.65, &seen), "third of six");
    assert!(!stops(9.0, &[]), "the first to come goes on");
    assert!(stops(9.0, &seen[..1]));
    assert!(!pruning.stops(Direction::LowerIsBetter, &[(1, 0.0)], &seen), "no rung at step 1");
    assert!(!pruning.stops(Direction::LowerIsBetter, &[(2, 0.0), (3, 99.0)], &seen), "no rung at step 3");
}

#[test]
fn rules_that_contradict_each_other_are_refused() {
    let refused = |study: Study| study.check().unwrap_err().to_string();
    expect!["the search cannot be run so: halving after the first fold compares all trials at once, so neither tpe nor patience can go by them; prune by median or halving"]
        .assert_eq(&refused(Study { pruning: Pruning::Half, ..study(Method::Tpe) }));
    expect!["the search cannot be run so: at least one trial must go on at a time"]
        .assert_eq(&refused(Study { parallel: 0, ..study(Method::Random) }));
    expect!["the search cannot be run so: halving keeps one of 1 at 0 steps, but needs one of two or more at one step or more"]
        .assert_eq(&refused(Study { pruning: Pruning::halving(1, 9, 1), ..study(Method::Random) }));
}
