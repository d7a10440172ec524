//! The search: the same report every time, pruning, and honest failures.

use super::*;
use crate::testdata::{N_CATEGORIES, N_FEATURES, rows};

fn run(config: &SearchConfig, n_rows: u64) -> Result<SearchReport> {
    let rows = rows(n_rows);
    let task = Task::BinaryClassification;
    let labelled = LabelledRows::new(&rows.values, &rows.classes, N_FEATURES)?;
    let data = SearchData { task, n_categories: &N_CATEGORIES, rows: &labelled, times: None };
    search(config, &data, &mut |_| {})
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
    let message = search(&config(), &data, &mut |_| {}).unwrap_err().to_string();
    assert!(message.contains("only 0 and 1 are allowed"), "{message}");
}

#[test]
fn progress_reaches_its_plan() {
    let rows = rows(1000);
    let labelled = LabelledRows::new(&rows.values, &rows.classes, N_FEATURES).unwrap();
    let task = Task::BinaryClassification;
    let data = SearchData { task, n_categories: &N_CATEGORIES, rows: &labelled, times: None };
    let mut seen = Vec::new();
    search(&config(), &data, &mut |progress| seen.push(progress)).unwrap();
    let last = seen.last().unwrap();
    assert_eq!(last.done, last.planned);
    assert!(seen.windows(2).all(|pair| pair[0].done + 1 == pair[1].done));
}
