//! Mistakes in models, endpoints and monitors.

use expect_test::expect;

use super::*;

#[test]
fn a_model_with_mistakes() {
    check(
        &with_head(
            "-- /m.yml
sources: [{name: outcomes, path: x}]
models:
  - name: late
    task: binary_clasification
    labels: {from: outcomes, time: at, target: is_late, keys: [id], predict_before: soon}
    features: [carrier_delays]
    split: {by: tim, test: 0d, validate: 30}
    train: {algorithm: auto, trials: 0, cross_validate: 2.5, python: train.py, seed: -1}
    gates: [0.5, roc_auc >= 0.6, [a]]
    retrain: {cron: '0 25 * * 1', on: [drft], cooldown: 2 weeks}
",
        ),
        expect![[r#"
            error[P0105]: `task` of model `late` is `binary_clasification`
               ╭─[m.yml:4:11]
             3 │   - name: late
             4 │     task: binary_clasification
               ·           ──────────┬─────────
               ·                     ╰── expected binary_classification or regression
             5 │     labels: {from: outcomes, time: at, target: is_late, keys: [id], predict_before: soon}
               ╰────
              help: did you mean `binary_classification`?

            error[P0107]: `predict_before` of `labels` of model `late` is `soon`, which is not a duration
               ╭─[m.yml:5:85]
             4 │     task: binary_clasification
             5 │     labels: {from: outcomes, time: at, target: is_late, keys: [id], predict_before: soon}
               ·                                                                                     ────
             6 │     features: [carrier_delays]
               ╰────
              help: write a whole number and a unit, such as 90s, 15m, 36h, 2d or 1w

            error[P0105]: model `late` uses `carrier_delays`, which is not a feature
               ╭─[m.yml:6:16]
             5 │     labels: {from: outcomes, time: at, target: is_late, keys: [id], predict_before: soon}
             6 │     features: [carrier_delays]
               ·                ───────┬──────
               ·                       ╰── expected `view.*` or `view.feature`
             7 │     split: {by: tim, test: 0d, validate: 30}
               ╰────

            error[P0105]: `by` of `split` of model `late` is `tim`
               ╭─[m.yml:7:17]
             6 │     features: [carrier_delays]
             7 │     split: {by: tim, test: 0d, validate: 30}
               ·                 ─┬─
               ·                  ╰── expected time
             8 │     train: {algorithm: auto, trials: 0, cross_validate: 2.5, python: train.py, seed: -1}
               ╰────
              help: did you mean `time`?

            error[P0109]: `test` of `split` of model `late` is zero
               ╭─[m.yml:7:28]
             6 │     features: [carrier_delays]
             7 │     split: {by: tim, test: 0d, validate: 30}
               ·                            ─┬
               ·                             ╰── expected more than 0s
             8 │     train: {algorithm: auto, trials: 0, cross_validate: 2.5, python: train.py, seed: -1}
               ╰────

            error[P0107]: `validate` of `split` of model `late` is `30`, which is not a duration
               ╭─[m.yml:7:42]
             6 │     features: [carrier_delays]
             7 │     split: {by: tim, test: 0d, validate: 30}
               ·                                          ──
             8 │     train: {algorithm: auto, trials: 0, cross_validate: 2.5, python: train.py, seed: -1}
               ╰────
              help: write a whole number and a unit, such as 90s, 15m, 36h, 2d or 1w

            error[P0109]: `trials` of `train` of model `late` is 0
               ╭─[m.yml:8:38]
             7 │     split: {by: tim, test: 0d, validate: 30}
             8 │     train: {algorithm: auto, trials: 0, cross_validate: 2.5, python: train.py, seed: -1}
               ·                                      ┬
               ·                                      ╰── expected from 1 to 100000
             9 │     gates: [0.5, roc_auc >= 0.6, [a]]
               ╰────

            error[P0104]: `cross_validate` of `train` of model `late` is a number, expected a whole number
               ╭─[m.yml:8:57]
             7 │     split: {by: tim, test: 0d, validate: 30}
             8 │     train: {algorithm: auto, trials: 0, cross_validate: 2.5, python: train.py, seed: -1}
               ·                                                         ─┬─
               ·                                                          ╰── expected a whole number
             9 │     gates: [0.5, roc_auc >= 0.6, [a]]
               ╰────

            error[P0102]: `train` of model `late` has unknown key `python`
               ╭─[m.yml:8:62]
             7 │     split: {by: tim, test: 0d, validate: 30}
             8 │     train: {algorithm: auto, trials: 0, cross_validate: 2.5, python: train.py, seed: -1}
               ·                                                              ──────
             9 │     gates: [0.5, roc_auc >= 0.6, [a]]
               ╰────
              detail: Known keys: algorithm, trials, cross_validate, metric, seed, search, registered.

            error[P0109]: `seed` of `train` of model `late` is -1
               ╭─[m.yml:8:86]
             7 │     split: {by: tim, test: 0d, validate: 30}
             8 │     train: {algorithm: auto, trials: 0, cross_validate: 2.5, python: train.py, seed: -1}
               ·                                                                                      ─┬
               ·                                                                                       ╰── expected at least 0
             9 │     gates: [0.5, roc_auc >= 0.6, [a]]
               ╰────

            error[P0104]: a gate of model `late` is a number, expected a comparison or an object
                ╭─[m.yml:9:13]
              8 │     train: {algorithm: auto, trials: 0, cross_validate: 2.5, python: train.py, seed: -1}
              9 │     gates: [0.5, roc_auc >= 0.6, [a]]
                ·             ─┬─
                ·              ╰── expected a comparison or an object
             10 │     retrain: {cron: '0 25 * * 1', on: [drft], cooldown: 2 weeks}
                ╰────

            error[P0104]: a gate of model `late` is a list, expected a comparison or an object
                ╭─[m.yml:9:34]
              8 │     train: {algorithm: auto, trials: 0, cross_validate: 2.5, python: train.py, seed: -1}
              9 │     gates: [0.5, roc_auc >= 0.6, [a]]
                ·                                  ┬
                ·                                  ╰── expected a comparison or an object
             10 │     retrain: {cron: '0 25 * * 1', on: [drft], cooldown: 2 weeks}
                ╰────

            error[P0108]: `cron` of `retrain` of model `late` is not a cron line
                ╭─[m.yml:10:21]
              9 │     gates: [0.5, roc_auc >= 0.6, [a]]
             10 │     retrain: {cron: '0 25 * * 1', on: [drft], cooldown: 2 weeks}
                ·                     ──────┬─────
                ·                           ╰── number out of bounds
                ╰────
              help: write five fields in UTC: minute hour day month weekday, such as `0 6 * * 1`

            error[P0105]: `on` of `retrain` of model `late` is `drft`
                ╭─[m.yml:10:40]
              9 │     gates: [0.5, roc_auc >= 0.6, [a]]
             10 │     retrain: {cron: '0 25 * * 1', on: [drft], cooldown: 2 weeks}
                ·                                        ──┬─
                ·                                          ╰── expected drift or performance
                ╰────
              help: did you mean `drift`?

            error[P0107]: `cooldown` of `retrain` of model `late` is `2 weeks`, which is not a duration
                ╭─[m.yml:10:57]
              9 │     gates: [0.5, roc_auc >= 0.6, [a]]
             10 │     retrain: {cron: '0 25 * * 1', on: [drft], cooldown: 2 weeks}
                ·                                                         ───────
                ╰────
              help: write a whole number and a unit, such as 90s, 15m, 36h, 2d or 1w

            15 errors, 0 warnings
        "#]],
    );
}

#[test]
fn cron_lines_have_five_fields() {
    check(
        &with_head(
            "-- /m.yml
sources: [{name: o, path: x}]
features: [{name: f, entity: a, from: o, time: t}]
models:
  - {name: m, task: regression, labels: {from: o, time: t, target: y, keys: [a]}, features: [f.*], retrain: {cron: '* * * * * *'}}
  - {name: n, task: regression, labels: {from: o, time: t, target: y, keys: [a]}, features: [f.*], retrain: {cron: daily}}
",
        ),
        expect![[r#"
            error[P0108]: `cron` of `retrain` of model `m` is not a cron line
               ╭─[m.yml:4:116]
             3 │ models:
             4 │   - {name: m, task: regression, labels: {from: o, time: t, target: y, keys: [a]}, features: [f.*], retrain: {cron: '* * * * * *'}}
               ·                                                                                                                    ──────┬──────
               ·                                                                                                                          ╰── expected five fields
             5 │   - {name: n, task: regression, labels: {from: o, time: t, target: y, keys: [a]}, features: [f.*], retrain: {cron: daily}}
               ╰────
              help: write five fields in UTC: minute hour day month weekday, such as `0 6 * * 1`

            error[P0108]: `cron` of `retrain` of model `n` is not a cron line
               ╭─[m.yml:5:116]
             4 │   - {name: m, task: regression, labels: {from: o, time: t, target: y, keys: [a]}, features: [f.*], retrain: {cron: '* * * * * *'}}
             5 │   - {name: n, task: regression, labels: {from: o, time: t, target: y, keys: [a]}, features: [f.*], retrain: {cron: daily}}
               ·                                                                                                                    ──┬──
               ·                                                                                                                      ╰── expected five fields
               ╰────
              help: write five fields in UTC: minute hour day month weekday, such as `0 6 * * 1`

            2 errors, 0 warnings
        "#]],
    );
}

#[test]
fn an_endpoint_and_a_monitor_with_mistakes() {
    check(
        &with_head(
            "-- /all.yml
sources: [{name: o, path: x}]
features: [{name: f, entity: a, from: o, time: t}]
models:
  - {name: m, task: regression, labels: {from: o, time: t, target: y, keys: [a]}, features: [f.*]}
endpoints:
  - name: e
    model: m@
    canary: {model: m@challenger, traffic: 120%}
    shadow: [m@a b, m]
    rollback: {when: 'error_rate > 1%', window: 0m}
  - {name: good, model: m, canary: {model: m@challenger, traffic: half}}
monitors:
  - name: w
    endpoint: good
    window: 1 week
    min_rows: 0
    drift: {share: 1.5, threshold: high}
    performance: {metric: rmse, min: 1, max: 2}
    then: [alert, restart]
    severity: critical
",
        ),
        expect![[r#"
            error[P0106]: a name is empty
               ╭─[all.yml:7:12]
             6 │   - name: e
             7 │     model: m@
               ·            ──
             8 │     canary: {model: m@challenger, traffic: 120%}
               ╰────
              help: use letters, digits and underscores, and start with a letter or underscore

            error[P0109]: `traffic` of `canary` of endpoint `e` is 120%
               ╭─[all.yml:8:44]
             7 │     model: m@
             8 │     canary: {model: m@challenger, traffic: 120%}
               ·                                            ──┬─
               ·                                              ╰── expected 0 to 1, or 0% to 100%
             9 │     shadow: [m@a b, m]
               ╰────

            error[P0106]: `a b` is not a name
                ╭─[all.yml:9:14]
              8 │     canary: {model: m@challenger, traffic: 120%}
              9 │     shadow: [m@a b, m]
                ·              ─────
             10 │     rollback: {when: 'error_rate > 1%', window: 0m}
                ╰────
              help: use letters, digits and underscores, and start with a letter or underscore

            warning[P0111]: `rollback` of endpoint `e` has no effect yet
                ╭─[all.yml:10:5]
              9 │     shadow: [m@a b, m]
             10 │     rollback: {when: 'error_rate > 1%', window: 0m}
                ·     ────────
             11 │   - {name: good, model: m, canary: {model: m@challenger, traffic: half}}
                ╰────
              help: watch the canary with a monitor, and go back with `baton rollback`

            error[P0109]: `window` of `rollback` of endpoint `e` is zero
                ╭─[all.yml:10:49]
              9 │     shadow: [m@a b, m]
             10 │     rollback: {when: 'error_rate > 1%', window: 0m}
                ·                                                 ─┬
                ·                                                  ╰── expected more than 0s
             11 │   - {name: good, model: m, canary: {model: m@challenger, traffic: half}}
                ╰────

            error[P0104]: `traffic` of `canary` of endpoint `good` is a text, expected a share such as 0.1 or 10%
                ╭─[all.yml:11:67]
             10 │     rollback: {when: 'error_rate > 1%', window: 0m}
             11 │   - {name: good, model: m, canary: {model: m@challenger, traffic: half}}
                ·                                                                   ──┬─
                ·                                                                     ╰── expected a share such as 0.1 or 10%
             12 │ monitors:
                ╰────

            error[P0107]: `window` of monitor `w` is `1 week`, which is not a duration
                ╭─[all.yml:15:13]
             14 │     endpoint: good
             15 │     window: 1 week
                ·             ──────
             16 │     min_rows: 0
                ╰────
              help: write a whole number and a unit, such as 90s, 15m, 36h, 2d or 1w

            error[P0109]: `min_rows` of monitor `w` is 0
                ╭─[all.yml:16:15]
             15 │     window: 1 week
             16 │     min_rows: 0
                ·               ┬
                ·               ╰── expected at least 1
             17 │     drift: {share: 1.5, threshold: high}
                ╰────

            error[P0109]: `share` of `drift` of monitor `w` is 1.5
                ╭─[all.yml:17:20]
             16 │     min_rows: 0
             17 │     drift: {share: 1.5, threshold: high}
                ·                    ─┬─
                ·                     ╰── expected 0 to 1, or 0% to 100%
             18 │     performance: {metric: rmse, min: 1, max: 2}
                ╰────

            error[P0104]: `threshold` of `drift` of monitor `w` is a text, expected a number
                ╭─[all.yml:17:36]
             16 │     min_rows: 0
             17 │     drift: {share: 1.5, threshold: high}
                ·                                    ──┬─
                ·                                      ╰── expected a number
             18 │     performance: {metric: rmse, min: 1, max: 2}
                ╰────

            error[P0103]: `performance` of monitor `w` needs one of `min` and `max`
                ╭─[all.yml:18:5]
             17 │     drift: {share: 1.5, threshold: high}
             18 │     performance: {metric: rmse, min: 1, max: 2}
                ·     ───────────
             19 │     then: [alert, restart]
                ╰────

            error[P0105]: `then` of monitor `w` is `restart`
                ╭─[all.yml:19:19]
             18 │     performance: {metric: rmse, min: 1, max: 2}
             19 │     then: [alert, restart]
                ·                   ───┬───
                ·                      ╰── expected alert or retrain
             20 │     severity: critical
                ╰────

            error[P0105]: `severity` of monitor `w` is `critical`
                ╭─[all.yml:20:15]
             19 │     then: [alert, restart]
             20 │     severity: critical
                ·               ────┬───
                ·                   ╰── expected error or warn
                ╰────

            12 errors, 1 warning
        "#]],
    );
}
