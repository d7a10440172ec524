//! Mistakes in unit tests.

use expect_test::expect;

use super::*;

const PROJECT: &str = "-- /s.yml
sources:
  - {name: flights, path: x}
features:
  - {name: delays, entity: [carrier], from: daily, time: day_end}
-- /tables/daily.sql
select carrier from flights
";

fn check_tests(tests: &str, expected: Expect) {
    check(&with_head(&format!("{PROJECT}-- /tests/t.yml\n{tests}")), expected);
}

#[test]
fn targets_and_inputs_that_do_not_exist() {
    check_tests(
        "tests:
  - {name: a, table: dayly, given: {flihts: []}, expect: []}
  - {name: b, table: flights, given: {delays: []}, expect: []}
  - {name: b, feature_view: daily, at: [], expect: []}
  - {name: c, table: daily, feature_view: delays, expect: []}
  - {name: d, expect: []}
",
        expect![[r#"
            error[P0202]: test `a` tests `dayly`, which does not exist
               ╭─[tests/t.yml:2:22]
             1 │ tests:
             2 │   - {name: a, table: dayly, given: {flihts: []}, expect: []}
               ·                      ──┬──
               ·                        ╰── no table of this name
             3 │   - {name: b, table: flights, given: {delays: []}, expect: []}
               ╰────
              help: did you mean `daily`?

            error[P0202]: test `a` is given `flihts`, which does not exist
               ╭─[tests/t.yml:2:37]
             1 │ tests:
             2 │   - {name: a, table: dayly, given: {flihts: []}, expect: []}
               ·                                     ───┬──
               ·                                        ╰── no source or table of this name
             3 │   - {name: b, table: flights, given: {delays: []}, expect: []}
               ╰────
              help: did you mean `flights`?

            error[P0203]: test `b` tests `flights`, which is a source
               ╭─[tests/t.yml:3:22]
             2 │   - {name: a, table: dayly, given: {flihts: []}, expect: []}
             3 │   - {name: b, table: flights, given: {delays: []}, expect: []}
               ·                      ───┬───
               ·                         ╰── expected a table
             4 │   - {name: b, feature_view: daily, at: [], expect: []}
               ╰────

            error[P0203]: test `b` is given `delays`, which is a feature view
               ╭─[tests/t.yml:3:39]
             2 │   - {name: a, table: dayly, given: {flihts: []}, expect: []}
             3 │   - {name: b, table: flights, given: {delays: []}, expect: []}
               ·                                       ───┬──
               ·                                          ╰── expected a source or table
             4 │   - {name: b, feature_view: daily, at: [], expect: []}
               ╰────

            error[P0112]: test `b` has a name that is taken
               ╭─[tests/t.yml:3:12]
             2 │   - {name: a, table: dayly, given: {flihts: []}, expect: []}
             3 │   - {name: b, table: flights, given: {delays: []}, expect: []}
               ·            ┬
               ·            ╰── the first
             4 │   - {name: b, feature_view: daily, at: [], expect: []}
               ·            ┬
               ·            ╰── the second
             5 │   - {name: c, table: daily, feature_view: delays, expect: []}
               ╰────
              help: rename one of them

            error[P0203]: test `b` tests `daily`, which is a table
               ╭─[tests/t.yml:4:29]
             3 │   - {name: b, table: flights, given: {delays: []}, expect: []}
             4 │   - {name: b, feature_view: daily, at: [], expect: []}
               ·                             ──┬──
               ·                               ╰── expected a feature view
             5 │   - {name: c, table: daily, feature_view: delays, expect: []}
               ╰────
              help: declare a feature view over it under `features:`

            error[P0112]: test `c` tests two things
               ╭─[tests/t.yml:5:43]
             4 │   - {name: b, feature_view: daily, at: [], expect: []}
             5 │   - {name: c, table: daily, feature_view: delays, expect: []}
               ·                                           ───┬──
               ·                                              ╰── write `table` or `feature_view`
             6 │   - {name: d, expect: []}
               ╰────

            error[P0103]: test `d` has no `table`
               ╭─[tests/t.yml:6:12]
             5 │   - {name: c, table: daily, feature_view: delays, expect: []}
             6 │   - {name: d, expect: []}
               ·            ─
               ╰────
              help: add `table`: The table that is tested; this, or `feature_view`.

            8 errors, 0 warnings
        "#]],
    );
}

#[test]
fn rows_in_no_form_or_in_two() {
    check_tests(
        "tests:
  - name: a
    table: daily
    given:
      flights: {csv: x, sql: select 1}
    expect: {}
  - {name: b, table: daily, given: {flights: [1]}, expect: nothing}
  - {name: c, table: daily, given: [flights], expect: {row: []}}
  - {name: d, table: daily, given: {flights: {rows: [{carrier: UA}], load: merge}}, expect: []}
  - {name: e, table: daily}
",
        expect![[r#"
            error[P0112]: `flights` given to test `a` must have its rows in exactly one form
               ╭─[tests/t.yml:5:7]
             4 │     given:
             5 │       flights: {csv: x, sql: select 1}
               ·       ───┬───
               ·          ╰── expected a list of rows, or one of rows, csv, file or sql
             6 │     expect: {}
               ╰────

            error[P0112]: `expect` of test `a` must have its rows in exactly one form
               ╭─[tests/t.yml:6:5]
             5 │       flights: {csv: x, sql: select 1}
             6 │     expect: {}
               ·     ───┬──
               ·        ╰── expected a list of rows, or one of rows, csv, file or sql
             7 │   - {name: b, table: daily, given: {flights: [1]}, expect: nothing}
               ╰────

            error[P0104]: a row of `flights` given to test `b` is a whole number, expected an object: column to value
               ╭─[tests/t.yml:7:47]
             6 │     expect: {}
             7 │   - {name: b, table: daily, given: {flights: [1]}, expect: nothing}
               ·                                               ┬
               ·                                               ╰── expected an object: column to value
             8 │   - {name: c, table: daily, given: [flights], expect: {row: []}}
               ╰────

            error[P0104]: `expect` of test `b` is a text, expected a list of rows
               ╭─[tests/t.yml:7:60]
             6 │     expect: {}
             7 │   - {name: b, table: daily, given: {flights: [1]}, expect: nothing}
               ·                                                            ───┬───
               ·                                                               ╰── expected a list of rows
             8 │   - {name: c, table: daily, given: [flights], expect: {row: []}}
               ╰────

            error[P0104]: `given` of test `c` is a list, expected an object: input to rows
               ╭─[tests/t.yml:8:36]
             7 │   - {name: b, table: daily, given: {flights: [1]}, expect: nothing}
             8 │   - {name: c, table: daily, given: [flights], expect: {row: []}}
               ·                                    ┬
               ·                                    ╰── expected an object: input to rows
             9 │   - {name: d, table: daily, given: {flights: {rows: [{carrier: UA}], load: merge}}, expect: []}
               ╰────

            error[P0102]: `expect` of test `c` has unknown key `row`
               ╭─[tests/t.yml:8:56]
             7 │   - {name: b, table: daily, given: {flights: [1]}, expect: nothing}
             8 │   - {name: c, table: daily, given: [flights], expect: {row: []}}
               ·                                                        ───
             9 │   - {name: d, table: daily, given: {flights: {rows: [{carrier: UA}], load: merge}}, expect: []}
               ╰────
              detail: Known keys: rows, csv, file, sql, ordered, tolerance.
              help: did you mean `rows`?

            error[P0105]: `load` of `flights` given to test `d` is `merge`
                ╭─[tests/t.yml:9:76]
              8 │   - {name: c, table: daily, given: [flights], expect: {row: []}}
              9 │   - {name: d, table: daily, given: {flights: {rows: [{carrier: UA}], load: merge}}, expect: []}
                ·                                                                            ──┬──
                ·                                                                              ╰── expected append or replace
             10 │   - {name: e, table: daily}
                ╰────

            error[P0103]: test `e` has no `expect`
                ╭─[tests/t.yml:10:12]
              9 │   - {name: d, table: daily, given: {flights: {rows: [{carrier: UA}], load: merge}}, expect: []}
             10 │   - {name: e, table: daily}
                ·            ─
                ╰────
              help: add `expect`: The rows that must be there after the last run: all of them.

            8 errors, 0 warnings
        "#]],
    );
}

#[test]
fn clocks_and_batches() {
    check_tests(
        "tests:
  - {name: a, table: daily, as_of: soon, expect: []}
  - {name: b, table: daily, given: {flights: []}, batches: [{expect: []}]}
  - {name: c, table: daily, batches: [{as_of: 2013-07-02, expect: []}, {as_of: 2013-07-01}], expect: []}
  - {name: d, table: daily, batches: [{expect: []}], expect: []}
  - {name: e, feature_view: delays, expect: []}
  - {name: f, table: daily, at: [], expect: []}
  - {name: g, table: daily, batches: [], expect: []}
",
        expect![[r#"
            error[P0105]: `as_of` of test `a` is `soon`, which is not a time
               ╭─[tests/t.yml:2:36]
             1 │ tests:
             2 │   - {name: a, table: daily, as_of: soon, expect: []}
               ·                                    ──┬─
               ·                                      ╰── expected for example 2013-07-02T06:00
             3 │   - {name: b, table: daily, given: {flights: []}, batches: [{expect: []}]}
               ╰────

            error[P0112]: test `b` has both `given` and `batches`
               ╭─[tests/t.yml:3:51]
             2 │   - {name: a, table: daily, as_of: soon, expect: []}
             3 │   - {name: b, table: daily, given: {flights: []}, batches: [{expect: []}]}
               ·                                                   ───┬───
               ·                                                      ╰── write what is given under the batches
             4 │   - {name: c, table: daily, batches: [{as_of: 2013-07-02, expect: []}, {as_of: 2013-07-01}], expect: []}
               ╰────

            error[P0112]: a batch of test `c` goes back in time
               ╭─[tests/t.yml:4:72]
             3 │   - {name: b, table: daily, given: {flights: []}, batches: [{expect: []}]}
             4 │   - {name: c, table: daily, batches: [{as_of: 2013-07-02, expect: []}, {as_of: 2013-07-01}], expect: []}
               ·                                                                        ┬
               ·                                                                        ╰── its `as_of` is before that of the batch above
             5 │   - {name: d, table: daily, batches: [{expect: []}], expect: []}
               ╰────

            error[P0112]: test `d` expects twice after its last batch
               ╭─[tests/t.yml:5:40]
             4 │   - {name: c, table: daily, batches: [{as_of: 2013-07-02, expect: []}, {as_of: 2013-07-01}], expect: []}
             5 │   - {name: d, table: daily, batches: [{expect: []}], expect: []}
               ·                                        ───┬──
               ·                                           ╰── write `expect` here, or for the whole test
             6 │   - {name: e, feature_view: delays, expect: []}
               ╰────

            error[P0103]: test `e` has no `at`
               ╭─[tests/t.yml:6:12]
             5 │   - {name: d, table: daily, batches: [{expect: []}], expect: []}
             6 │   - {name: e, feature_view: delays, expect: []}
               ·            ─
             7 │   - {name: f, table: daily, at: [], expect: []}
               ╰────
              help: add `at`: What a feature view is asked for: the columns of its entity, and `time`.

            error[P0112]: test `f` has `at`, and is about a table
               ╭─[tests/t.yml:7:29]
             6 │   - {name: e, feature_view: delays, expect: []}
             7 │   - {name: f, table: daily, at: [], expect: []}
               ·                             ─┬
               ·                              ╰── only feature views are asked at a time
             8 │   - {name: g, table: daily, batches: [], expect: []}
               ╰────

            error[P0105]: `batches` of test `g` is an empty list
               ╭─[tests/t.yml:8:38]
             7 │   - {name: f, table: daily, at: [], expect: []}
             8 │   - {name: g, table: daily, batches: [], expect: []}
               ·                                      ┬
               ·                                      ╰── expected at least one
               ╰────

            7 errors, 0 warnings
        "#]],
    );
}
