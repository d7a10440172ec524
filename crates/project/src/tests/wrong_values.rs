//! Wrong keys, types, words and names.

use expect_test::expect;

use super::*;

#[test]
fn freshness_is_that_of_a_column() {
    check(
        &with_head(
            "-- /sources.yml
sources:
  - name: flights
    connector: file
    path: landing/*.parquet
    freshness: {warn_after: 36h}
",
        ),
        expect![[r#"
            error[P0103]: source `flights` has `freshness` and no `time`
               ╭─[sources.yml:5:5]
             4 │     path: landing/*.parquet
             5 │     freshness: {warn_after: 36h}
               ·     ────┬────
               ·         ╰── the column that says how new a row is
               ╰────

            1 error, 0 warnings
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
              detail: Known keys: name, owner, description, tags, connector, path, url, table, query, mode, cursor, lag, key, deletes, latency, options, load, time, available_at, freshness, columns, select, on_schema_change, null_values, checks.
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
