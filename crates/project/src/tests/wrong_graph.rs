//! Names that mean nothing, the wrong thing, or each other in a circle.

use expect_test::expect;

use super::*;

#[test]
fn unknown_references_of_every_kind() {
    check(
        &with_head(
            "-- /tables/daily.sql\nselect 1 as one
-- /all.yml
features:
  - {name: delays, entity: [carrier], from: dayly, time: day}
models:
  - name: late
    task: regression
    labels: {from: outcomes, time: at, target: minutes, keys: [id]}
    features: [delay.*, delays.mean]
endpoints:
  - {name: serve, model: lat@champion, canary: {model: lated, traffic: 0.5}, score: {from: dail}}
monitors:
  - {name: watch, endpoint: server, drift: {}}
exposures:
  - {name: board, depends_on: [serve, wacht]}
tables:
  - {name: dailly, owner: me}
",
        ),
        expect![[r#"
            error[P0202]: feature view `delays` reads `dayly`, which does not exist
               ╭─[all.yml:2:45]
             1 │ features:
             2 │   - {name: delays, entity: [carrier], from: dayly, time: day}
               ·                                             ──┬──
               ·                                               ╰── no source or table of this name
             3 │ models:
               ╰────
              help: did you mean `daily`?

            error[P0202]: model `late` takes its labels from `outcomes`, which does not exist
               ╭─[all.yml:6:20]
             5 │     task: regression
             6 │     labels: {from: outcomes, time: at, target: minutes, keys: [id]}
               ·                    ────┬───
               ·                        ╰── no source or table of this name
             7 │     features: [delay.*, delays.mean]
               ╰────
              detail: There are: daily.

            error[P0202]: model `late` uses `delay`, which does not exist
               ╭─[all.yml:7:16]
             6 │     labels: {from: outcomes, time: at, target: minutes, keys: [id]}
             7 │     features: [delay.*, delays.mean]
               ·                ───┬───
               ·                   ╰── no feature view of this name
             8 │ endpoints:
               ╰────
              help: did you mean `delays`?

            error[P0202]: endpoint `serve` serves `lat`, which does not exist
                ╭─[all.yml:9:26]
              8 │ endpoints:
              9 │   - {name: serve, model: lat@champion, canary: {model: lated, traffic: 0.5}, score: {from: dail}}
                ·                          ─┬─
                ·                           ╰── no model of this name
             10 │ monitors:
                ╰────
              help: did you mean `late`?

            error[P0202]: endpoint `serve` serves `lated`, which does not exist
                ╭─[all.yml:9:56]
              8 │ endpoints:
              9 │   - {name: serve, model: lat@champion, canary: {model: lated, traffic: 0.5}, score: {from: dail}}
                ·                                                        ──┬──
                ·                                                          ╰── no model of this name
             10 │ monitors:
                ╰────
              help: did you mean `late`?

            error[P0202]: endpoint `serve` scores `dail`, which does not exist
                ╭─[all.yml:9:92]
              8 │ endpoints:
              9 │   - {name: serve, model: lat@champion, canary: {model: lated, traffic: 0.5}, score: {from: dail}}
                ·                                                                                            ──┬─
                ·                                                                                              ╰── no source or table of this name
             10 │ monitors:
                ╰────
              help: did you mean `daily`?

            error[P0202]: monitor `watch` watches `server`, which does not exist
                ╭─[all.yml:11:29]
             10 │ monitors:
             11 │   - {name: watch, endpoint: server, drift: {}}
                ·                             ───┬──
                ·                                ╰── no endpoint of this name
             12 │ exposures:
                ╰────
              help: did you mean `serve`?

            error[P0202]: exposure `board` depends on `wacht`, which does not exist
                ╭─[all.yml:13:39]
             12 │ exposures:
             13 │   - {name: board, depends_on: [serve, wacht]}
                ·                                       ──┬──
                ·                                         ╰── no asset of this name
             14 │ tables:
                ╰────
              detail: There are: board, daily, delays, late, serve, watch.

            error[P0202]: `tables` describes `dailly`, which does not exist
                ╭─[all.yml:15:12]
             14 │ tables:
             15 │   - {name: dailly, owner: me}
                ·            ───┬──
                ·               ╰── no file `dailly.sql` or `dailly.py` under `tables/`
                ╰────
              help: did you mean `daily`?

            9 errors, 0 warnings
        "#]],
    );
}

#[test]
fn references_to_the_wrong_kind() {
    check(
        &with_head(
            "-- /tables/daily.sql\nselect 1 as one
-- /all.yml
models:
  - name: late
    task: regression
    labels: {from: daily, time: at, target: minutes, keys: [id]}
    features: [daily.mean]
endpoints:
  - {name: serve, model: daily}
monitors:
  - {name: watch, endpoint: late, drift: {method: psi}}
",
        ),
        expect![[r#"
            error[P0203]: model `late` uses `daily`, which is a table
               ╭─[all.yml:5:16]
             4 │     labels: {from: daily, time: at, target: minutes, keys: [id]}
             5 │     features: [daily.mean]
               ·                ─────┬────
               ·                     ╰── expected a feature view
             6 │ endpoints:
               ╰────
              help: declare a feature view over it under `features:`

            error[P0203]: endpoint `serve` serves `daily`, which is a table
               ╭─[all.yml:7:26]
             6 │ endpoints:
             7 │   - {name: serve, model: daily}
               ·                          ──┬──
               ·                            ╰── expected a model
             8 │ monitors:
               ╰────

            error[P0203]: monitor `watch` watches `late`, which is a model
               ╭─[all.yml:9:29]
             8 │ monitors:
             9 │   - {name: watch, endpoint: late, drift: {method: psi}}
               ·                             ──┬─
               ·                               ╰── expected an endpoint
               ╰────

            3 errors, 0 warnings
        "#]],
    );
}

#[test]
fn an_unknown_feature_and_a_foreign_label() {
    check(
        &with_head(
            "-- /tables/daily.sql\nselect 1 as one
-- /all.yml
features:
  - {name: delays, entity: [carrier], from: daily, time: day, features: [mean_delay, flights]}
models:
  - name: late
    task: regression
    labels: {from: daily, time: at, target: minutes, keys: [id]}
    features: [delays.mean_dealy, delays.flights, delays]
endpoints:
  - {name: serve, model: late}
monitors:
  - {name: watch, endpoint: serve, performance: {label: daily.is_late, metric: rmse, max: 3}}
",
        ),
        expect![[r#"
            error[P0205]: model `late` uses `delays.mean_dealy`, which does not exist
               ╭─[all.yml:7:16]
             6 │     labels: {from: daily, time: at, target: minutes, keys: [id]}
             7 │     features: [delays.mean_dealy, delays.flights, delays]
               ·                ─────────────────
             8 │ endpoints:
               ╰────
              detail: Features of `delays`: mean_delay, flights.
              help: did you mean `mean_delay`?

            error[P0105]: model `late` uses `delays`, which is not a feature
               ╭─[all.yml:7:51]
             6 │     labels: {from: daily, time: at, target: minutes, keys: [id]}
             7 │     features: [delays.mean_dealy, delays.flights, delays]
               ·                                                   ───┬──
               ·                                                      ╰── expected `view.*` or `view.feature`
             8 │ endpoints:
               ╰────

            error[P0105]: monitor `watch` names label `daily.is_late`, and its model learns `daily.minutes`
                ╭─[all.yml:11:57]
             10 │ monitors:
             11 │   - {name: watch, endpoint: serve, performance: {label: daily.is_late, metric: rmse, max: 3}}
                ·                                                         ──────┬──────
                ·                                                               ╰── expected `daily.minutes`
                ╰────
              help: leave `label` out: it is always that of the endpoint's model

            3 errors, 0 warnings
        "#]],
    );
}

#[test]
fn what_is_broken_still_counts_as_declared() {
    check(
        &with_head(
            "-- /all.yml\nsources:\n  - {name: flights, pth: x}\nfeatures:\n  - {name: f, entity: a, from: flights, time: t}\n",
        ),
        expect![[r#"
            error[P0103]: source `flights` has no `path`
               ╭─[all.yml:2:12]
             1 │ sources:
             2 │   - {name: flights, pth: x}
               ·            ───────
             3 │ features:
               ╰────
              help: add `path`: What to read: for `file` a glob relative to the project, for `s3` one like `s3://bucket/*.csv`, for `sqlite` and `duckdb` the file.

            error[P0102]: source `flights` has unknown key `pth`
               ╭─[all.yml:2:21]
             1 │ sources:
             2 │   - {name: flights, pth: x}
               ·                     ───
             3 │ features:
               ╰────
              detail: Known keys: name, owner, description, tags, connector, path, url, table, query, mode, cursor, lag, key, deletes, latency, options, load, time, available_at, freshness, columns, select, on_schema_change, null_values, checks.
              help: did you mean `path`?

            2 errors, 0 warnings
        "#]],
    );
}

#[test]
fn what_a_broken_file_may_declare_is_not_called_unknown() {
    let fixture = with_head(
        "-- /a.yml\nsources: [{name: flights, path: x\n-- /b.yml\nsources: [{name: weather}]\nfeatures:\n  - {name: f, entity: a, from: flights, time: t}\n  - {name: g, entity: a, from: airports, time: t}\n-- /tables/daily.sql\nselect * from flights, weather, airport\n",
    );
    let (project, mut diagnostics) = load_texts(files(&fixture));
    let reads = sql_reads(&[("daily", &["flights", "weather", "airport"])]);
    diagnostics.extend(project.graph(&reads).1);
    let messages: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "file `a.yml` is not valid YAML",
            "source `weather` has no `path`",
            "feature view `g` reads `airports`, which does not exist",
            "table `daily` reads unknown table `airport`",
        ]
    );
}

#[test]
fn sql_that_reads_unknown_tables() {
    check_graph(
        &with_head(
            "-- /tables/daily.sql\n-- flight by day\nselect *\nfrom {{ ref('flight') }}\njoin weather using (hour)\n
-- /all.yml
sources: [{name: flights, path: x}]
features: [{name: weather, entity: hour, from: flights, time: hour}]
",
        ),
        &[("daily", &["flight", "weather", "nowhere"])],
        expect![[r#"
            error[S0102]: table `daily` reads unknown table `flight`
               ╭─[tables/daily.sql:3:14]
             2 │ select *
             3 │ from {{ ref('flight') }}
               ·              ───┬──
               ·                 ╰── no source or table of this name
             4 │ join weather using (hour)
               ╰────
              help: did you mean `flights`?

            error[S0102]: table `daily` reads unknown table `nowhere`
               ╭─[tables/daily.sql:1:1]
             1 │ -- flight by day
               · ▲
               · ╰── no source or table of this name
             2 │ select *
               ╰────

            error[P0203]: table `daily` reads `weather`, which is a feature view
               ╭─[tables/daily.sql:4:6]
             3 │ from {{ ref('flight') }}
             4 │ join weather using (hour)
               ·      ───┬───
               ·         ╰── a feature view, declared in all.yml
             5 │ 
               ╰────
              help: SQL reads sources and tables

            3 errors, 0 warnings
        "#]],
    );
}

#[test]
fn circles_are_all_found() {
    check_graph(
        &with_head(
            "-- /tables/a.sql\nselect * from b\n-- /tables/b.sql\nselect *\nfrom c\n-- /tables/c.sql\nselect * from a join c using (x)\n-- /tables/d.sql\nselect * from d\n",
        ),
        &[("a", &["b"]), ("b", &["c"]), ("c", &["a", "c"]), ("d", &["d"])],
        expect![[r#"
            error[P0204]: assets read each other in a circle: a -> b -> c -> a
               ╭─[tables/a.sql:1:15]
             1 │ select * from b
               ·               ┬
               ·               ╰── `a` reads `b`
               ╰────
               ╭─[tables/b.sql:2:6]
             1 │ select *
             2 │ from c
               ·      ┬
               ·      ╰── `b` reads `c`
               ╰────
               ╭─[tables/c.sql:1:15]
             1 │ select * from a join c using (x)
               ·               ┬
               ·               ╰── `c` reads `a`
               ╰────
              help: take one of these reads away

            error[P0204]: `c` reads itself
               ╭─[tables/c.sql:1:22]
             1 │ select * from a join c using (x)
               ·                      ┬
               ·                      ╰── `c` reads `c`
               ╰────
              help: take one of these reads away

            error[P0204]: `d` reads itself
               ╭─[tables/d.sql:1:15]
             1 │ select * from d
               ·               ┬
               ·               ╰── `d` reads `d`
               ╰────
              help: take one of these reads away

            3 errors, 0 warnings
        "#]],
    );
}
