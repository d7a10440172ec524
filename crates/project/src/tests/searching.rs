//! How a model's search is declared, and mistakes in it.

use baton_core::Definition;
use baton_core::asset::{SearchMethod, SearchPruning, Train};
use expect_test::expect;

use super::*;

fn with_train(train: &str) -> String {
    with_head(&format!(
        "-- /m.yml
sources: [{{name: outcomes, path: x}}]
features: [{{name: days, entity: [carrier], from: outcomes, time: at, ttl: 1d}}]
models:
  - name: late
    task: binary_classification
    labels: {{from: outcomes, time: at, target: is_late, keys: [carrier]}}
    features: [days.*]
    train: {train}
"
    ))
}

fn train(text: &str) -> Train {
    let project = load_good(&with_train(text));
    let Definition::Model(model) = &project.assets["late"].definition else { panic!("it is a model") };
    model.train.clone()
}

#[test]
fn a_search_is_read() {
    let ranges = "parameters: {max_depth: {min: 3, max: 9}, kind: {values: [a, b]}}";
    let read = train(&format!("{{trials: 40, search: {{method: tpe, prune: halving, patience: 9, {ranges}}}}}"));
    let search = read.search.unwrap();
    assert_eq!(
        (search.method, search.prune, search.patience),
        (SearchMethod::Tpe, Some(SearchPruning::Halving), Some(9))
    );
    assert_eq!(search.parameters.unwrap()["max_depth"], serde_json::json!({"min": 3, "max": 9}));
    assert_eq!((search.parallel, search.budget, read.trials), (4, None, 40));
}

#[test]
fn time_or_the_grid_decide_how_many_trials_there_are_where_no_number_is_written() {
    assert_eq!(train("{search: {budget: 10m}}").trials, 100_000);
    assert_eq!(train("{search: {method: grid, parameters: {max_depth: {min: 3, max: 9}}}}").trials, 100_000);
    assert_eq!(train("{search: {budget: 10m}, trials: 5}").trials, 5);
    assert_eq!(train("{search: {method: tpe}}").trials, 20);
    assert_eq!(train("{}").search, None);
}

#[test]
fn mistakes_in_a_search() {
    let parameters = "{max_depth: {min: 9, max: 3}, rate: {distribution: log, min: 1}, kind: {values: [a], low: 1}}";
    check(
        &with_train(&format!(
            "{{search: {{method: bayes, prune: half, patience: 3, parallel: 99, parameters: {parameters}}}}}"
        )),
        expect![[""]],
    );
}
