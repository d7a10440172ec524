//! Keys that are needed and not there.

use expect_test::expect;

use super::*;

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
              help: add `path`: What to read: for `file` a glob relative to the project, for `s3` one like `s3://bucket/*.csv`, for `sqlite` and `duckdb` the file.

            error[P0103]: a table has no `name`
               ╭─[all.yml:2:10]
             1 │ sources: [{}]
             2 │ tables: [{owner: me}]
               ·          ─
             3 │ features: [{name: f}]
               ╰────
              help: add `name`: Name of the file without `.sql` or `.py`; with `command`, of the table that it makes.

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
