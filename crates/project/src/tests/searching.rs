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
        expect![[r#"
            error[P0105]: `method` of `search` of `train` of model `late` is `bayes`
               ╭─[m.yml:8:30]
             7 │     features: [days.*]
             8 │     train: {search: {method: bayes, prune: half, patience: 3, parallel: 99, parameters: {max_depth: {min: 9, max: 3}, rate: {distribution: log, min: 1}, kind: {values: [a], low: 1}}}}
               ·                              ──┬──
               ·                                ╰── expected random, grid or tpe
               ╰────

            error[P0105]: `prune` of `search` of `train` of model `late` is `half`, which compares all trials at once; `patience` needs their results one by one
               ╭─[m.yml:8:44]
             7 │     features: [days.*]
             8 │     train: {search: {method: bayes, prune: half, patience: 3, parallel: 99, parameters: {max_depth: {min: 9, max: 3}, rate: {distribution: log, min: 1}, kind: {values: [a], low: 1}}}}
               ·                                            ──┬─
               ·                                              ╰── expected median, halving or none
               ╰────

            error[P0109]: `parallel` of `search` of `train` of model `late` is 99
               ╭─[m.yml:8:73]
             7 │     features: [days.*]
             8 │     train: {search: {method: bayes, prune: half, patience: 3, parallel: 99, parameters: {max_depth: {min: 9, max: 3}, rate: {distribution: log, min: 1}, kind: {values: [a], low: 1}}}}
               ·                                                                         ─┬
               ·                                                                          ╰── expected from 1 to 64
               ╰────

            error[P0109]: `min` of `max_depth` of `parameters` of `search` of `train` of model `late` is 9, but its greatest number is 3
               ╭─[m.yml:8:107]
             7 │     features: [days.*]
             8 │     train: {search: {method: bayes, prune: half, patience: 3, parallel: 99, parameters: {max_depth: {min: 9, max: 3}, rate: {distribution: log, min: 1}, kind: {values: [a], low: 1}}}}
               ·                                                                                                           ┬
               ·                                                                                                           ╰── expected less than `max`
               ╰────

            error[P0103]: `rate` of `parameters` of `search` of `train` of model `late` has no `max`
               ╭─[m.yml:8:119]
             7 │     features: [days.*]
             8 │     train: {search: {method: bayes, prune: half, patience: 3, parallel: 99, parameters: {max_depth: {min: 9, max: 3}, rate: {distribution: log, min: 1}, kind: {values: [a], low: 1}}}}
               ·                                                                                                                       ────
               ╰────
              help: add `max`: The greatest number.

            error[P0105]: `distribution` of `rate` of `parameters` of `search` of `train` of model `late` is `log`
               ╭─[m.yml:8:140]
             7 │     features: [days.*]
             8 │     train: {search: {method: bayes, prune: half, patience: 3, parallel: 99, parameters: {max_depth: {min: 9, max: 3}, rate: {distribution: log, min: 1}, kind: {values: [a], low: 1}}}}
               ·                                                                                                                                            ─┬─
               ·                                                                                                                                             ╰── expected uniform, int_uniform, q_uniform, log_uniform, log_uniform_values, q_log_uniform, q_log_uniform_values, normal, q_normal, log_normal or q_log_normal
               ╰────

            error[P0102]: `kind` of `parameters` of `search` of `train` of model `late` has unknown key `low`
               ╭─[m.yml:8:174]
             7 │     features: [days.*]
             8 │     train: {search: {method: bayes, prune: half, patience: 3, parallel: 99, parameters: {max_depth: {min: 9, max: 3}, rate: {distribution: log, min: 1}, kind: {values: [a], low: 1}}}}
               ·                                                                                                                                                                              ───
               ╰────
              detail: Known keys: value, values, probabilities, distribution, min, max, q, mu, sigma.

            7 errors, 0 warnings
        "#]],
    );
}
