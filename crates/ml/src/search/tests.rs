//! The search: the same report every time, pruning, and honest failures.

use super::*;
use crate::testdata::{N_CATEGORIES, N_FEATURES, rows};
use crate::trainer::Watch;
use expect_test::expect;
use std::ops::ControlFlow;

fn run(config: &SearchConfig, n_rows: u64) -> Result<SearchReport> {
    let rows = rows(n_rows);
    let task = Task::BinaryClassification;
    let labelled = LabelledRows::new(&rows.values, &rows.classes, N_FEATURES)?;
    let data = SearchData { task, n_categories: &N_CATEGORIES, rows: &labelled, times: None };
    search(config, &data, &Unwatched)
}

fn config() -> SearchConfig {
    SearchConfig { trials: 6, folds: 2, ..SearchConfig::new(Task::BinaryClassification, 11) }
}

#[test]
fn the_report_is_the_same_on_any_number_of_threads() {
    let expected = run(&config(), 2000).unwrap();
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| run(&config(), 2000)).unwrap(), expected, "{threads} threads");
    }
    let other = run(&SearchConfig { seed: 12, ..config() }, 2000).unwrap();
    assert_ne!(other.trials, expected.trials);
}

#[test]
fn auto_tries_both_algorithms_and_prunes_the_worse_half() {
    let report = run(&config(), 2000).unwrap();
    let named = |name: &str| report.trials.iter().filter(|trial| trial.algorithm == name).count();
    assert_eq!((named("boosted_trees"), named("logistic")), (5, 1));
    let pruned = report.trials.iter().filter(|trial| trial.pruned).count();
    assert!((1..=3).contains(&pruned), "{pruned} pruned");
    for trial in &report.trials {
        assert_eq!(trial.fold_scores.len(), if trial.pruned { 1 } else { 2 });
        assert_eq!(trial.failure, None);
    }
    let best = report.best_trial();
    assert!(!best.pruned && best.score.unwrap() > 0.65, "{best:?}");
    let finished = report.trials.iter().filter(|trial| !trial.pruned);
    assert!(finished.filter_map(|trial| trial.score).all(|score| score <= best.score.unwrap()));
}

#[test]
fn fixed_parameters_are_never_drawn() {
    let fixed = Params::default().with("max_depth", 2.0);
    let named = SearchConfig { algorithm: "boosted_trees".to_owned(), fixed, ..config() };
    let report = run(&named, 1000).unwrap();
    assert!(report.trials.iter().all(|trial| trial.params.get("max_depth") == Some(2.0)));
    let mistaken = SearchConfig { fixed: Params::default().with("depth", 2.0), ..named };
    assert!(matches!(run(&mistaken, 1000), Err(MlError::Parameter { .. })));
}

#[test]
fn only_the_latest_rows_are_searched() {
    let report = run(&SearchConfig { search_rows: 700, ..config() }, 2000).unwrap();
    assert_eq!(report.n_rows, 700);
}

#[test]
fn the_best_trial_is_fitted_on_all_rows_with_its_rounds() {
    let report = run(&SearchConfig { algorithm: "boosted_trees".to_owned(), ..config() }, 2000).unwrap();
    let rows = rows(2000);
    let labelled = LabelledRows::new(&rows.values, &rows.classes, N_FEATURES).unwrap();
    let task = Task::BinaryClassification;
    let data = TrainingData { task, n_categories: &N_CATEGORIES, train: &labelled, validation: None };
    let model = fit_best(&report, &data, 11).unwrap();
    assert_eq!(model.rounds, Some(mean_rounds(&report.best_trial().fold_rounds) as usize));
}

#[test]
fn a_search_without_a_success_says_why() {
    let rows = rows(100);
    let labelled = LabelledRows::new(&rows.values, &rows.numbers, N_FEATURES).unwrap();
    let task = Task::BinaryClassification;
    let data = SearchData { task, n_categories: &N_CATEGORIES, rows: &labelled, times: None };
    let message = search(&config(), &data, &Unwatched).unwrap_err().to_string();
    assert!(message.contains("only 0 and 1 are allowed"), "{message}");
}

/// The points of a search that says nothing are those that it always had: models are reproduced by them.
#[test]
fn draws_stay_as_they_were() {
    let drawn = |config: &SearchConfig, number| {
        let study = study_of(config, Task::BinaryClassification).unwrap();
        Trial::planned(number, &study.propose(number, &[]).unwrap().unwrap()).unwrap()
    };
    let boosted = SearchConfig { algorithm: "boosted_trees".to_owned(), ..config() };
    expect![""].assert_eq(&drawn(&boosted, 0).params.to_string());
    expect!["colsample=0.602, lambda=1.51, learning_rate=0.082, max_depth=7, min_child_weight=37.8, subsample=0.856"]
        .assert_eq(&drawn(&boosted, 1).params.to_string());
    expect!["colsample=0.949, lambda=0.61, learning_rate=0.0907, max_depth=7, min_child_weight=20.2, subsample=0.735"]
        .assert_eq(&drawn(&boosted, 5).params.to_string());
}

#[test]
fn given_ranges_take_the_place_of_the_algorithms_own() {
    let parameters = vec![
        Parameter::new(
            "algorithm",
            Domain::Choice { values: vec!["boosted_trees".into(), "logistic".into()], probabilities: None },
        ),
        Parameter::new("max_depth", Domain::Range(Range::whole(2.0, 3.0))),
        Parameter::new("alpha", Domain::Range(Range::log(0.1, 10.0))),
    ];
    let given = SearchConfig {
        parameters: Some(parameters),
        method: Method::Tpe,
        pruning: Pruning::MEDIAN,
        trials: 16,
        ..config()
    };
    let report = run(&given, 600).unwrap();
    for trial in &report.trials {
        let names: Vec<&str> = trial.params.0.keys().map(String::as_str).collect();
        let expected = if trial.algorithm == "logistic" { ["alpha"] } else { ["max_depth"] };
        assert_eq!(names, expected, "{}", trial.algorithm);
    }
    let mistaken = |name: &str, range: Range| {
        let parameters = Some(vec![Parameter::new(name, Domain::Range(range))]);
        run(&SearchConfig { parameters, ..given.clone() }, 600).unwrap_err().to_string()
    };
    expect![[r#"parameter `depth` of `boosted_trees` or `logistic`: no such parameter; it takes alpha, colsample, early_stopping_rounds, gamma, lambda, learning_rate, max_bin, max_depth, max_iterations, min_child_weight, rounds, subsample"#]]
        .assert_eq(&mistaken("depth", Range::whole(2.0, 3.0)));
    expect!["parameter `max_depth` of `boosted_trees`: 40 is out of range; it takes 1 to 16"]
        .assert_eq(&mistaken("max_depth", Range::whole(2.0, 40.0)));
}

/// What a watched training reports is what the model of so many rounds scores, and watching changes no model.
#[test]
fn learning_curves_are_those_of_the_model() {
    let rows = rows(1500);
    let labelled = LabelledRows::new(&rows.values, &rows.classes, N_FEATURES).unwrap();
    let (train, validation) = (labelled.part(0..1000).unwrap(), labelled.part(1000..1500).unwrap());
    let task = Task::BinaryClassification;
    let data = TrainingData { task, n_categories: &N_CATEGORIES, train: &train, validation: Some(&validation) };
    let params = Params::default().with("rounds", 40.0).with("early_stopping_rounds", 1000.0);
    let boosted = trainer("boosted_trees", task).unwrap();
    let mut curve = Vec::new();
    let mut seen = |rounds: usize, value: f64| {
        curve.push((rounds, value));
        if rounds < 30 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let mut watch = Watch { metric: Metric::RocAuc, every: 10, seen: &mut seen };
    assert!(boosted.train_watched(&data, &params, 3, &mut watch).unwrap().is_none(), "it was broken off");
    for (rounds, value) in curve {
        let alone = TrainingData { validation: None, ..data };
        let model = boosted.train(&alone, &params.clone().with("rounds", rounds as f64), 3).unwrap();
        let predicted = model.predict(validation.values()).unwrap();
        let expected = crate::evaluate::score(Metric::RocAuc, &validation.labels_f64(), &predicted).unwrap();
        assert!((value - expected).abs() < 1e-6, "{rounds}: {value} is not {expected}");
    }
    let mut seen = |_, _| ControlFlow::Continue(());
    let mut watch = Watch { metric: Metric::RocAuc, every: 10, seen: &mut seen };
    let watched = boosted.train_watched(&data, &params, 3, &mut watch).unwrap().unwrap();
    let unwatched = boosted.train(&data, &params, 3).unwrap();
    assert_eq!(watched.predict(&rows.values).unwrap(), unwatched.predict(&rows.values).unwrap());
}

#[test]
fn every_way_of_searching_gives_the_same_report_again() {
    let ways = [
        (Method::Tpe, Pruning::MEDIAN),
        (Method::Tpe, Pruning::halving(3, CHECKPOINTS + 1, 3)),
        (Method::Random, Pruning::halving(3, CHECKPOINTS + 1, 3)),
    ];
    for (method, pruning) in ways {
        let config = SearchConfig { method, pruning, trials: 14, ..config() };
        let expected = run(&config, 1000).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        assert_eq!(pool.install(|| run(&config, 1000)).unwrap(), expected);
        assert!(expected.trials.iter().any(|trial| trial.pruned), "{config:?}");
    }
}
