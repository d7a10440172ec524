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
        expect![[r#""#]],
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
        expect![[r#""#]],
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
        expect![[r#""#]],
    );
}
