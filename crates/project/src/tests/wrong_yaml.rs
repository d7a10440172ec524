//! Mistakes in YAML files.

use expect_test::expect;

use super::*;

#[test]
fn no_files_at_all() {
    check(
        "",
        expect![[r#"
        error[P0001]: there is no `baton.yml` in this folder
          help: write `project: name` into `baton.yml`, or run `baton init`

        1 error, 0 warnings
    "#]],
    );
}

#[test]
fn nothing_declared() {
    check(
        "-- /baton.yml\nproject: p\n-- /notes.yml\n# later\n",
        expect![[r#"
        warning[P0002]: the project declares no assets
           ╭─[baton.yml:1:1]
         1 │ project: p
           · ▲
           ╰────
          help: add `sources:` to a `.yml` file, or a query to `tables/`

        0 errors, 1 warning
    "#]],
    );
}

#[test]
fn a_head_with_mistakes() {
    check(
        "-- /baton.yml
environments:
  prod: {protcted: true}
  'my env': {}
  dev: yes
memory_limit: lots
server: {port: 84000, bnd: x}
warehouse: [a]
vars: 3
sorces: []
",
        expect![[r#"
            error[P0103]: file `baton.yml` has no `project`
               ╭─[baton.yml:1:1]
             1 │ environments:
               · ▲
             2 │   prod: {protcted: true}
               ╰────
              help: add `project`: Name of the project.

            error[P0102]: environment `prod` has unknown key `protcted`
               ╭─[baton.yml:2:10]
             1 │ environments:
             2 │   prod: {protcted: true}
               ·          ────────
             3 │   'my env': {}
               ╰────
              detail: Known keys: protected.
              help: did you mean `protected`?

            error[P0106]: `my env` is not a name of an environment
               ╭─[baton.yml:3:3]
             2 │   prod: {protcted: true}
             3 │   'my env': {}
               ·   ────┬───
               ·       ╰── letters, digits, `-`, `_` and `.`
             4 │   dev: yes
               ╰────

            error[P0104]: environment `dev` is a text, expected an object
               ╭─[baton.yml:4:8]
             3 │   'my env': {}
             4 │   dev: yes
               ·        ─┬─
               ·         ╰── expected an object
             5 │ memory_limit: lots
               ╰────

            error[P0105]: `memory_limit` of file `baton.yml` is `lots`, which is not an amount of memory
               ╭─[baton.yml:5:15]
             4 │   dev: yes
             5 │ memory_limit: lots
               ·               ──┬─
               ·                 ╰── expected for example 512MiB or 2GiB
             6 │ server: {port: 84000, bnd: x}
               ╰────

            error[P0109]: `port` of `server` of file `baton.yml` is 84000
               ╭─[baton.yml:6:16]
             5 │ memory_limit: lots
             6 │ server: {port: 84000, bnd: x}
               ·                ──┬──
               ·                  ╰── expected from 0 to 65535
             7 │ warehouse: [a]
               ╰────

            error[P0102]: `server` of file `baton.yml` has unknown key `bnd`
               ╭─[baton.yml:6:23]
             5 │ memory_limit: lots
             6 │ server: {port: 84000, bnd: x}
               ·                       ───
             7 │ warehouse: [a]
               ╰────
              detail: Known keys: bind, port.
              help: did you mean `bind`?

            error[P0104]: `warehouse` of file `baton.yml` is a list, expected a text
               ╭─[baton.yml:7:12]
             6 │ server: {port: 84000, bnd: x}
             7 │ warehouse: [a]
               ·            ┬
               ·            ╰── expected a text
             8 │ vars: 3
               ╰────

            error[P0104]: `vars` of file `baton.yml` is a whole number, expected an object
               ╭─[baton.yml:8:7]
             7 │ warehouse: [a]
             8 │ vars: 3
               ·       ┬
               ·       ╰── expected an object
             9 │ sorces: []
               ╰────

            error[P0102]: file `baton.yml` has unknown key `sorces`
               ╭─[baton.yml:9:1]
             8 │ vars: 3
             9 │ sorces: []
               · ──────
               ╰────
              detail: Known keys: project, environments, warehouse, ledger, online, memory_limit, server, vars, sources, tables, features, models, endpoints, monitors, exposures.
              help: did you mean `sources`?

            10 errors, 0 warnings
        "#]],
    );
}

#[test]
fn head_keys_belong_to_the_head() {
    check(
        &with_head("-- /other.yml\nproject: x\nenvironments: {}\nsources: [{name: a, path: b}]\n"),
        expect![[r#"
        error[P0102]: file `other.yml` has unknown key `project`
           ╭─[other.yml:1:1]
         1 │ project: x
           · ───────
         2 │ environments: {}
           ╰────
          detail: Known keys: sources, tables, features, models, endpoints, monitors, exposures.

        error[P0102]: file `other.yml` has unknown key `environments`
           ╭─[other.yml:2:1]
         1 │ project: x
         2 │ environments: {}
           · ────────────
         3 │ sources: [{name: a, path: b}]
           ╰────
          detail: Known keys: sources, tables, features, models, endpoints, monitors, exposures.

        2 errors, 0 warnings
    "#]],
    );
}

#[test]
fn broken_yaml_hides_no_other_file() {
    check(
        &with_head(
            "-- /a.yml\nsources: [{name: a, path: [}\n-- /b.yml\nsources:\n  - name: b\n   path: x\n-- /c.yml\nsources:\n  - {name: c}\n-- /d.yml\nsources: []\nsources: []\n-- /e.yml\n- just a list\n",
        ),
        expect![[r#"
            error[P0101]: file `a.yml` is not valid YAML
               ╭─[a.yml:1:27]
             1 │ sources: [{name: a, path: [}
               ·                           ┬
               ·                           ╰── mismatched bracket '[' closed by '}'
               ╰────

            error[P0101]: file `b.yml` is not valid YAML
               ╭─[b.yml:3:4]
             2 │   - name: b
             3 │    path: x
               ·    ┬
               ·    ╰── while parsing a block collection, did not find expected '-' indicator
               ╰────

            error[P0103]: source `c` has no `path`
               ╭─[c.yml:2:12]
             1 │ sources:
             2 │   - {name: c}
               ·            ─
               ╰────
              help: add `path`: What to read: for `file` a glob relative to the project.

            error[P0101]: file `d.yml` is not valid YAML
               ╭─[d.yml:2:1]
             1 │ sources: []
             2 │ sources: []
               · ───┬───
               ·    ╰── duplicate mapping key: sources
               ╰────

            error[P0104]: file `e.yml` is a list, expected an object
               ╭─[e.yml:1:1]
             1 │ - just a list
               · ▲
               · ╰── expected an object
               ╰────

            5 errors, 0 warnings
        "#]],
    );
}

#[test]
fn unknown_keys_and_wrong_words_in_a_source() {
    check(
        &with_head(
            "-- /sources.yml
sources:
  - name: flights
    conector: file
    path: landing/*.parquet
    load: apend
    freshness: {warn_after: 36 hours, eror_after: 72h}
    on_schema_change: evovle
    columns:
      - {name: tailnum, type: text}
      - {nam: dep_delay}
      - tailnum
      - {name: tailnum}
",
        ),
        expect![[r#"
            error[P0102]: source `flights` has unknown key `conector`
               ╭─[sources.yml:3:5]
             2 │   - name: flights
             3 │     conector: file
               ·     ────────
             4 │     path: landing/*.parquet
               ╰────
              detail: Known keys: name, owner, description, tags, connector, path, load, time, available_at, freshness, columns, select, on_schema_change, null_values, checks.
              help: did you mean `connector`?

            error[P0105]: `load` of source `flights` is `apend`
               ╭─[sources.yml:5:11]
             4 │     path: landing/*.parquet
             5 │     load: apend
               ·           ──┬──
               ·             ╰── expected append or replace
             6 │     freshness: {warn_after: 36 hours, eror_after: 72h}
               ╰────
              help: did you mean `append`?

            error[P0107]: `warn_after` of `freshness` of source `flights` is `36 hours`, which is not a duration
               ╭─[sources.yml:6:29]
             5 │     load: apend
             6 │     freshness: {warn_after: 36 hours, eror_after: 72h}
               ·                             ────────
             7 │     on_schema_change: evovle
               ╰────
              help: write a whole number and a unit, such as 90s, 15m, 36h, 2d or 1w

            error[P0102]: `freshness` of source `flights` has unknown key `eror_after`
               ╭─[sources.yml:6:39]
             5 │     load: apend
             6 │     freshness: {warn_after: 36 hours, eror_after: 72h}
               ·                                       ──────────
             7 │     on_schema_change: evovle
               ╰────
              detail: Known keys: warn_after, error_after.
              help: did you mean `error_after`?

            error[P0105]: `on_schema_change` of source `flights` is `evovle`
               ╭─[sources.yml:7:23]
             6 │     freshness: {warn_after: 36 hours, eror_after: 72h}
             7 │     on_schema_change: evovle
               ·                       ───┬──
               ·                          ╰── expected evolve, freeze or quarantine
             8 │     columns:
               ╰────
              help: did you mean `evolve`?

            error[P0105]: `type` of column `tailnum` of source `flights` is `text`
                ╭─[sources.yml:9:31]
              8 │     columns:
              9 │       - {name: tailnum, type: text}
                ·                               ──┬─
                ·                                 ╰── expected string, int, float, bool, date or timestamp
             10 │       - {nam: dep_delay}
                ╰────

            error[P0103]: a column of source `flights` has no `name`
                ╭─[sources.yml:10:9]
              9 │       - {name: tailnum, type: text}
             10 │       - {nam: dep_delay}
                ·         ─
             11 │       - tailnum
                ╰────
              help: add `name`: Name of the column.

            error[P0102]: a column of source `flights` has unknown key `nam`
                ╭─[sources.yml:10:10]
              9 │       - {name: tailnum, type: text}
             10 │       - {nam: dep_delay}
                ·          ───
             11 │       - tailnum
                ╰────
              detail: Known keys: name, type, description, tags, checks.
              help: did you mean `name`?

            error[P0104]: a column of source `flights` is a text, expected an object
                ╭─[sources.yml:11:9]
             10 │       - {nam: dep_delay}
             11 │       - tailnum
                ·         ───┬───
                ·            ╰── expected an object
             12 │       - {name: tailnum}
                ╰────

            error[P0105]: source `flights` has two columns `tailnum`
                ╭─[sources.yml:12:16]
             11 │       - tailnum
             12 │       - {name: tailnum}
                ·                ───┬───
                ·                   ╰── the second
                ╰────

            10 errors, 0 warnings
        "#]],
    );
}

#[test]
fn wrong_types() {
    check(
        &with_head(
            "-- /all.yml
sources:
  - flights
  - {name: {first: a}, path: x, columns: {a: string}}
  - {name: weather, path: [a, b], tags: {a: b}, freshness: 36h}
features: {name: delays, entity: [[a]], from: weather, time: 7, online: 'yes'}
",
        ),
        expect![[r#"
            error[P0104]: a source is a text, expected an object
               ╭─[all.yml:2:5]
             1 │ sources:
             2 │   - flights
               ·     ───┬───
               ·        ╰── expected an object
             3 │   - {name: {first: a}, path: x, columns: {a: string}}
               ╰────

            error[P0104]: `name` of a source is an object, expected a text
               ╭─[all.yml:3:12]
             2 │   - flights
             3 │   - {name: {first: a}, path: x, columns: {a: string}}
               ·            ┬
               ·            ╰── expected a text
             4 │   - {name: weather, path: [a, b], tags: {a: b}, freshness: 36h}
               ╰────

            error[P0103]: a column of a source has no `name`
               ╭─[all.yml:3:42]
             2 │   - flights
             3 │   - {name: {first: a}, path: x, columns: {a: string}}
               ·                                          ─
             4 │   - {name: weather, path: [a, b], tags: {a: b}, freshness: 36h}
               ╰────
              help: add `name`: Name of the column.

            error[P0102]: a column of a source has unknown key `a`
               ╭─[all.yml:3:43]
             2 │   - flights
             3 │   - {name: {first: a}, path: x, columns: {a: string}}
               ·                                           ─
             4 │   - {name: weather, path: [a, b], tags: {a: b}, freshness: 36h}
               ╰────
              detail: Known keys: name, type, description, tags, checks.

            error[P0104]: `path` of source `weather` is a list, expected a text
               ╭─[all.yml:4:27]
             3 │   - {name: {first: a}, path: x, columns: {a: string}}
             4 │   - {name: weather, path: [a, b], tags: {a: b}, freshness: 36h}
               ·                           ┬
               ·                           ╰── expected a text
             5 │ features: {name: delays, entity: [[a]], from: weather, time: 7, online: 'yes'}
               ╰────

            error[P0104]: `tags` of source `weather` is an object, expected a text
               ╭─[all.yml:4:41]
             3 │   - {name: {first: a}, path: x, columns: {a: string}}
             4 │   - {name: weather, path: [a, b], tags: {a: b}, freshness: 36h}
               ·                                         ┬
               ·                                         ╰── expected a text
             5 │ features: {name: delays, entity: [[a]], from: weather, time: 7, online: 'yes'}
               ╰────

            error[P0104]: `freshness` of source `weather` is a text, expected an object
               ╭─[all.yml:4:60]
             3 │   - {name: {first: a}, path: x, columns: {a: string}}
             4 │   - {name: weather, path: [a, b], tags: {a: b}, freshness: 36h}
               ·                                                            ─┬─
               ·                                                             ╰── expected an object
             5 │ features: {name: delays, entity: [[a]], from: weather, time: 7, online: 'yes'}
               ╰────

            error[P0104]: `entity` of feature view `delays` is a list, expected a text
               ╭─[all.yml:5:35]
             4 │   - {name: weather, path: [a, b], tags: {a: b}, freshness: 36h}
             5 │ features: {name: delays, entity: [[a]], from: weather, time: 7, online: 'yes'}
               ·                                   ┬
               ·                                   ╰── expected a text
               ╰────

            error[P0104]: `online` of feature view `delays` is a text, expected true or false
               ╭─[all.yml:5:73]
             4 │   - {name: weather, path: [a, b], tags: {a: b}, freshness: 36h}
             5 │ features: {name: delays, entity: [[a]], from: weather, time: 7, online: 'yes'}
               ·                                                                         ──┬──
               ·                                                                           ╰── expected true or false
               ╰────

            9 errors, 0 warnings
        "#]],
    );
}

#[test]
fn missing_keys_of_every_kind() {
    check(
        &with_head(
            "-- /all.yml
sources: [{}]
tables: [{owner: me}]
features: [{name: f}]
models: [{name: m, labels: {}, features: []}]
endpoints: [{name: e, canary: {}}]
monitors: [{name: w, performance: {}}, {name: v, endpoint: e}]
exposures: [{name: x}]
",
        ),
        expect![[r#"
            error[P0103]: a source has no `name`
               ╭─[all.yml:1:11]
             1 │ sources: [{}]
               ·           ─
             2 │ tables: [{owner: me}]
               ╰────
              help: add `name`: Name, unique in the project: letters, digits, underscores.

            error[P0103]: a source has no `path`
               ╭─[all.yml:1:11]
             1 │ sources: [{}]
               ·           ─
             2 │ tables: [{owner: me}]
               ╰────
              help: add `path`: What to read: for `file` a glob relative to the project.

            error[P0103]: a table has no `name`
               ╭─[all.yml:2:10]
             1 │ sources: [{}]
             2 │ tables: [{owner: me}]
               ·          ─
             3 │ features: [{name: f}]
               ╰────
              help: add `name`: Name of the SQL file without `.sql`.

            error[P0103]: feature view `f` has no `entity`
               ╭─[all.yml:3:19]
             2 │ tables: [{owner: me}]
             3 │ features: [{name: f}]
               ·                   ─
             4 │ models: [{name: m, labels: {}, features: []}]
               ╰────
              help: add `entity`: The columns that identify an entity.

            error[P0103]: feature view `f` has no `from`
               ╭─[all.yml:3:19]
             2 │ tables: [{owner: me}]
             3 │ features: [{name: f}]
               ·                   ─
             4 │ models: [{name: m, labels: {}, features: []}]
               ╰────
              help: add `from`: The table behind it.

            error[P0103]: feature view `f` has no `time`
               ╭─[all.yml:3:19]
             2 │ tables: [{owner: me}]
             3 │ features: [{name: f}]
               ·                   ─
             4 │ models: [{name: m, labels: {}, features: []}]
               ╰────
              help: add `time`: The event-time column.

            error[P0103]: model `m` has no `task`
               ╭─[all.yml:4:17]
             3 │ features: [{name: f}]
             4 │ models: [{name: m, labels: {}, features: []}]
               ·                 ─
             5 │ endpoints: [{name: e, canary: {}}]
               ╰────
              help: add `task`: What it learns to do.

            error[P0103]: `labels` of model `m` has no `from`
               ╭─[all.yml:4:20]
             3 │ features: [{name: f}]
             4 │ models: [{name: m, labels: {}, features: []}]
               ·                    ──────
             5 │ endpoints: [{name: e, canary: {}}]
               ╰────
              help: add `from`: The table of labels.

            error[P0103]: `labels` of model `m` has no `time`
               ╭─[all.yml:4:20]
             3 │ features: [{name: f}]
             4 │ models: [{name: m, labels: {}, features: []}]
               ·                    ──────
             5 │ endpoints: [{name: e, canary: {}}]
               ╰────
              help: add `time`: The column with the time of the labelled event.

            error[P0103]: `labels` of model `m` has no `target`
               ╭─[all.yml:4:20]
             3 │ features: [{name: f}]
             4 │ models: [{name: m, labels: {}, features: []}]
               ·                    ──────
             5 │ endpoints: [{name: e, canary: {}}]
               ╰────
              help: add `target`: The column to predict.

            error[P0103]: `labels` of model `m` has no `keys`
               ╭─[all.yml:4:20]
             3 │ features: [{name: f}]
             4 │ models: [{name: m, labels: {}, features: []}]
               ·                    ──────
             5 │ endpoints: [{name: e, canary: {}}]
               ╰────
              help: add `keys`: The columns that features are looked up by, and the row's identity.

            error[P0105]: `features` of model `m` is an empty list
               ╭─[all.yml:4:42]
             3 │ features: [{name: f}]
             4 │ models: [{name: m, labels: {}, features: []}]
               ·                                          ┬
               ·                                          ╰── expected at least one
             5 │ endpoints: [{name: e, canary: {}}]
               ╰────

            error[P0103]: endpoint `e` has no `model`
               ╭─[all.yml:5:20]
             4 │ models: [{name: m, labels: {}, features: []}]
             5 │ endpoints: [{name: e, canary: {}}]
               ·                    ─
             6 │ monitors: [{name: w, performance: {}}, {name: v, endpoint: e}]
               ╰────
              help: add `model`: The main version: `model@alias`; the alias is `champion` when left out.

            error[P0103]: `canary` of endpoint `e` has no `model`
               ╭─[all.yml:5:23]
             4 │ models: [{name: m, labels: {}, features: []}]
             5 │ endpoints: [{name: e, canary: {}}]
               ·                       ──────
             6 │ monitors: [{name: w, performance: {}}, {name: v, endpoint: e}]
               ╰────
              help: add `model`: Which version: `model@alias`.

            error[P0103]: `canary` of endpoint `e` has no `traffic`
               ╭─[all.yml:5:23]
             4 │ models: [{name: m, labels: {}, features: []}]
             5 │ endpoints: [{name: e, canary: {}}]
               ·                       ──────
             6 │ monitors: [{name: w, performance: {}}, {name: v, endpoint: e}]
               ╰────
              help: add `traffic`: Its share of requests, such as `10%`.

            error[P0103]: monitor `w` has no `endpoint`
               ╭─[all.yml:6:19]
             5 │ endpoints: [{name: e, canary: {}}]
             6 │ monitors: [{name: w, performance: {}}, {name: v, endpoint: e}]
               ·                   ─
             7 │ exposures: [{name: x}]
               ╰────
              help: add `endpoint`: What it watches.

            error[P0103]: `performance` of monitor `w` has no `metric`
               ╭─[all.yml:6:22]
             5 │ endpoints: [{name: e, canary: {}}]
             6 │ monitors: [{name: w, performance: {}}, {name: v, endpoint: e}]
               ·                      ───────────
             7 │ exposures: [{name: x}]
               ╰────
              help: add `metric`: The metric, such as `roc_auc`.

            error[P0103]: `performance` of monitor `w` needs one of `min` and `max`
               ╭─[all.yml:6:22]
             5 │ endpoints: [{name: e, canary: {}}]
             6 │ monitors: [{name: w, performance: {}}, {name: v, endpoint: e}]
               ·                      ───────────
             7 │ exposures: [{name: x}]
               ╰────

            error[P0103]: monitor `v` has neither `drift` nor `performance`
               ╭─[all.yml:6:47]
             5 │ endpoints: [{name: e, canary: {}}]
             6 │ monitors: [{name: w, performance: {}}, {name: v, endpoint: e}]
               ·                                               ┬
               ·                                               ╰── watches nothing
             7 │ exposures: [{name: x}]
               ╰────

            error[P0103]: exposure `x` has no `depends_on`
               ╭─[all.yml:7:20]
             6 │ monitors: [{name: w, performance: {}}, {name: v, endpoint: e}]
             7 │ exposures: [{name: x}]
               ·                    ─
               ╰────
              help: add `depends_on`: The assets it reads.

            20 errors, 0 warnings
        "#]],
    );
}

#[test]
fn names_with_other_letters() {
    check(
        &with_head(
            "-- /all.yml
sources: [{name: late-flights, path: x}, {name: ok, path: x}]
features: [{name: 1st, entity: a, from: 'ok ok', time: t}]
",
        ),
        expect![[r#"
            error[P0106]: `late-flights` is not a name
               ╭─[all.yml:1:18]
             1 │ sources: [{name: late-flights, path: x}, {name: ok, path: x}]
               ·                  ────────────
             2 │ features: [{name: 1st, entity: a, from: 'ok ok', time: t}]
               ╰────
              help: use letters, digits and underscores, and start with a letter or underscore

            error[P0106]: `1st` is not a name
               ╭─[all.yml:2:19]
             1 │ sources: [{name: late-flights, path: x}, {name: ok, path: x}]
             2 │ features: [{name: 1st, entity: a, from: 'ok ok', time: t}]
               ·                   ───
               ╰────
              help: use letters, digits and underscores, and start with a letter or underscore

            error[P0106]: `ok ok` is not a name
               ╭─[all.yml:2:41]
             1 │ sources: [{name: late-flights, path: x}, {name: ok, path: x}]
             2 │ features: [{name: 1st, entity: a, from: 'ok ok', time: t}]
               ·                                         ───────
               ╰────
              help: use letters, digits and underscores, and start with a letter or underscore

            3 errors, 0 warnings
        "#]],
    );
}

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
              detail: Known keys: algorithm, trials, cross_validate, metric, seed.

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

#[test]
fn checks_with_mistakes() {
    check(
        &with_head(
            "-- /s.yml
sources:
  - name: flights
    path: x
    columns:
      - name: carrier
        checks:
          - not_nul
          - between
          - {acepted_values: [a]}
          - {severity: warn}
          - {not_null: , unique: }
          - {row_count: {min: 1}}
          - {between: [1]}
          - {between: {}}
          - {between: 3}
          - {matches: '(a'}
          - {relationships: {to: airline}}
          - {accepted_values: {values: []}}
          - {not_null: , severity: wrn, tolerance: 2}
          - [not_null]
    checks:
      - not_null
      - unique
      - {between: [0, 1]}
      - {unique: }
      - {row_count: {min: -1}}
      - {freshness: {warn_after: 1d}}
      - {freshness: {}}
      - {sql: }
",
        ),
        expect![[r#"
            error[P0110]: check `freshness` of source `flights` has no time column to look at
               ╭─[s.yml:2:11]
             1 │ sources:
             2 │   - name: flights
               ·           ▲
             3 │     path: x
               ╰────
              help: write the check under a column, or say which column is the `time`

            error[P0110]: column `carrier` of source `flights` has check `not_nul`
               ╭─[s.yml:7:13]
             6 │         checks:
             7 │           - not_nul
               ·             ───┬───
               ·                ╰── expected not_null, unique, accepted_values, between, matches, relationships, row_count, freshness or sql
             8 │           - between
               ╰────
              help: did you mean `not_null`?

            error[P0110]: column `carrier` of source `flights` has check `between`
               ╭─[s.yml:8:13]
             7 │           - not_nul
             8 │           - between
               ·             ───┬───
               ·                ╰── needs arguments: write `between: ...`
             9 │           - {acepted_values: [a]}
               ╰────

            error[P0102]: a check of column `carrier` of source `flights` has unknown key `acepted_values`
                ╭─[s.yml:9:14]
              8 │           - between
              9 │           - {acepted_values: [a]}
                ·              ──────────────
             10 │           - {severity: warn}
                ╰────
              detail: Known keys: not_null, unique, accepted_values, between, matches, relationships, row_count, freshness, sql, severity, where, tolerance, name.
              help: did you mean `accepted_values`?

            error[P0110]: a check of column `carrier` of source `flights` has no rule
                ╭─[s.yml:10:13]
              9 │           - {acepted_values: [a]}
             10 │           - {severity: warn}
                ·             ┬
                ·             ╰── expected not_null, unique, accepted_values, between, matches, relationships, row_count, freshness or sql
             11 │           - {not_null: , unique: }
                ╰────

            error[P0110]: a check of column `carrier` of source `flights` has two rules
                ╭─[s.yml:11:26]
             10 │           - {severity: warn}
             11 │           - {not_null: , unique: }
                ·                          ───┬──
                ·                             ╰── write one check for each
             12 │           - {row_count: {min: 1}}
                ╰────

            error[P0110]: a check of column `carrier` of source `flights` counts rows under a column
                ╭─[s.yml:12:14]
             11 │           - {not_null: , unique: }
             12 │           - {row_count: {min: 1}}
                ·              ────┬────
                ·                  ╰── write it under `checks` of the table
             13 │           - {between: [1]}
                ╰────

            error[P0110]: a check of column `carrier` of source `flights` has not two ends
                ╭─[s.yml:13:23]
             12 │           - {row_count: {min: 1}}
             13 │           - {between: [1]}
                ·                       ┬
                ·                       ╰── expected `[min, max]`
             14 │           - {between: {}}
                ╰────

            error[P0110]: a check of column `carrier` of source `flights` is open at both ends
                ╭─[s.yml:14:14]
             13 │           - {between: [1]}
             14 │           - {between: {}}
                ·              ───┬───
                ·                 ╰── expected `[min, max]`
             15 │           - {between: 3}
                ╰────

            error[P0104]: `between` of a check of column `carrier` of source `flights` is a whole number, expected `[min, max]`
                ╭─[s.yml:15:23]
             14 │           - {between: {}}
             15 │           - {between: 3}
                ·                       ┬
                ·                       ╰── expected `[min, max]`
             16 │           - {matches: '(a'}
                ╰────

            error[P0110]: a check of column `carrier` of source `flights` has a pattern that is not a regular expression
                ╭─[s.yml:16:23]
             15 │           - {between: 3}
             16 │           - {matches: '(a'}
                ·                       ──┬─
                ·                         ╰── unclosed group
             17 │           - {relationships: {to: airline}}
                ╰────

            error[P0103]: `relationships` of a check of column `carrier` of source `flights` has no `field`
                ╭─[s.yml:17:14]
             16 │           - {matches: '(a'}
             17 │           - {relationships: {to: airline}}
                ·              ─────────────
             18 │           - {accepted_values: {values: []}}
                ╰────
              help: add `field`: The referenced column.

            error[P0202]: `relationships` of a check of column `carrier` of source `flights` refers to `airline`, which does not exist
                ╭─[s.yml:17:34]
             16 │           - {matches: '(a'}
             17 │           - {relationships: {to: airline}}
                ·                                  ───┬───
                ·                                     ╰── no source or table of this name
             18 │           - {accepted_values: {values: []}}
                ╰────
              detail: There are: flights.

            error[P0105]: `values` of `accepted_values` of a check of column `carrier` of source `flights` is an empty list
                ╭─[s.yml:18:40]
             17 │           - {relationships: {to: airline}}
             18 │           - {accepted_values: {values: []}}
                ·                                        ┬
                ·                                        ╰── expected at least one
             19 │           - {not_null: , severity: wrn, tolerance: 2}
                ╰────

            error[P0105]: `severity` of a check of column `carrier` of source `flights` is `wrn`
                ╭─[s.yml:19:36]
             18 │           - {accepted_values: {values: []}}
             19 │           - {not_null: , severity: wrn, tolerance: 2}
                ·                                    ─┬─
                ·                                     ╰── expected error or warn
             20 │           - [not_null]
                ╰────
              help: did you mean `warn`?

            error[P0109]: `tolerance` of a check of column `carrier` of source `flights` is 2
                ╭─[s.yml:19:52]
             18 │           - {accepted_values: {values: []}}
             19 │           - {not_null: , severity: wrn, tolerance: 2}
                ·                                                    ┬
                ·                                                    ╰── expected 0 to 1, or 0% to 100%
             20 │           - [not_null]
                ╰────

            error[P0104]: a check of column `carrier` of source `flights` is a list, expected an object
                ╭─[s.yml:20:13]
             19 │           - {not_null: , severity: wrn, tolerance: 2}
             20 │           - [not_null]
                ·             ┬
                ·             ╰── expected an object
             21 │     checks:
                ╰────

            error[P0110]: source `flights` has check `not_null`
                ╭─[s.yml:22:9]
             21 │     checks:
             22 │       - not_null
                ·         ────┬───
                ·             ╰── needs a column: write it under the column in `columns`
             23 │       - unique
                ╰────

            error[P0110]: source `flights` has check `unique`
                ╭─[s.yml:23:9]
             22 │       - not_null
             23 │       - unique
                ·         ───┬──
                ·            ╰── needs columns: write `unique: [column]`
             24 │       - {between: [0, 1]}
                ╰────

            error[P0110]: a check of source `flights` has rule `between` without a column
                ╭─[s.yml:24:10]
             23 │       - unique
             24 │       - {between: [0, 1]}
                ·          ───┬───
                ·             ╰── write it under the column
             25 │       - {unique: }
                ╰────

            error[P0110]: a check of source `flights` names no columns
                ╭─[s.yml:25:10]
             24 │       - {between: [0, 1]}
             25 │       - {unique: }
                ·          ───┬──
                ·             ╰── write `unique: [column]`
             26 │       - {row_count: {min: -1}}
                ╰────

            error[P0109]: `min` of `row_count` of a check of source `flights` is -1
                ╭─[s.yml:26:27]
             25 │       - {unique: }
             26 │       - {row_count: {min: -1}}
                ·                           ─┬
                ·                            ╰── expected at least 0
             27 │       - {freshness: {warn_after: 1d}}
                ╰────

            error[P0103]: `freshness` of a check of source `flights` has neither `warn_after` nor `error_after`
                ╭─[s.yml:28:10]
             27 │       - {freshness: {warn_after: 1d}}
             28 │       - {freshness: {}}
                ·          ─────────
             29 │       - {sql: }
                ╰────

            error[P0103]: a check of source `flights` has no `sql`
                ╭─[s.yml:29:10]
             28 │       - {freshness: {}}
             29 │       - {sql: }
                ·          ───
                ╰────
              help: add `sql`: A query whose rows are the failing rows.

            24 errors, 0 warnings
        "#]],
    );
}

#[test]
fn duplicates_within_and_across_kinds() {
    check(
        &with_head(
            "-- /a.yml
sources: [{name: flights, path: x}, {name: flights, path: y}]
-- /b.yml
features: [{name: flights, entity: a, from: flights, time: t}]
tables: [{name: t, owner: a}, {name: t, owner: b}]
-- /tables/t.sql
select 1 as one
",
        ),
        expect![[r#"
            error[P0201]: source `flights` has a name that is taken
               ╭─[a.yml:1:18]
             1 │ sources: [{name: flights, path: x}, {name: flights, path: y}]
               ·                  ───┬───                   ───┬───
               ·                     │                         ╰── the second
               ·                     ╰── the first
               ╰────
              help: rename one of them; assets of all kinds share one space of names

            error[P0201]: feature view `flights` has a name that is taken
               ╭─[b.yml:1:19]
             1 │ features: [{name: flights, entity: a, from: flights, time: t}]
               ·                   ───┬───
               ·                      ╰── the second
             2 │ tables: [{name: t, owner: a}, {name: t, owner: b}]
               ╰────
               ╭─[a.yml:1:18]
             1 │ sources: [{name: flights, path: x}, {name: flights, path: y}]
               ·                  ───┬───
               ·                     ╰── the first
               ╰────
              help: rename one of them; assets of all kinds share one space of names

            error[P0201]: table `t` has a name that is taken
               ╭─[b.yml:2:17]
             1 │ features: [{name: flights, entity: a, from: flights, time: t}]
             2 │ tables: [{name: t, owner: a}, {name: t, owner: b}]
               ·                 ┬                    ┬
               ·                 │                    ╰── the second
               ·                 ╰── the first
               ╰────
              help: rename one of them; assets of all kinds share one space of names

            3 errors, 0 warnings
        "#]],
    );
}

#[test]
fn checks_are_named_and_numbered() {
    let project = load_good(&with_head(
        "-- /s.yml
sources:
  - name: flights
    path: x
    columns: [{name: a, checks: [unique, {unique: [a, b]}, {matches: '^x', name: own}, {matches: y, name: own}]}]
    checks: [{sql: select 1}, {sql: select 2}]
",
    ));
    let names: Vec<&str> = project.assets["flights"].checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["unique_a", "unique_a_b", "own", "own_2", "sql", "sql_2"]);
}
