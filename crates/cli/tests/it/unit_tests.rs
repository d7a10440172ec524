//! `baton test`: unit tests of tables and feature views.

use std::fs;

use baton_testkit::project::TestProject;
use expect_test::expect;

use crate::shop::{at, check, empty, shop};

/// An answer without the times that it took.
fn without_times(answer: &str) -> String {
    let is_time = |word: &&str| word.parse::<f64>().is_ok();
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            [.., number, "ms"] if is_time(number) => line.replace(&format!("{number} ms"), "# ms"),
            [.., "in", number, "s"] if is_time(number) => line.replace(&format!("in {number} s"), "in # s"),
            _ => line.to_owned(),
        }
    };
    answer.lines().map(|text| format!("{}\n", line(text))).collect()
}

fn with_tests(tests: &str) -> TestProject {
    shop().file("tests/shop.yml", tests)
}

const PASSING: &str = "\
tests:
  - name: amounts_add_up
    table: customers
    given:
      orders:
        - {order_id: 1, customer: ada, amount: 1.5}
        - {order_id: 2, customer: ada, amount: 2}
        - {order_id: 3, customer: grace}
    expect:
      - {customer: ada, orders: 2, amount: 3.5}
      - {customer: grace, orders: 1, amount: null}
  - name: a_day_ends_at_midnight
    table: days
    given:
      orders: {csv: \"ordered_at,amount\\n2024-01-01T23:59:59Z,1\\n2024-01-02,2\\n\"}
    expect: {ordered: false, rows: [{day: 2024-01-02, amount: 2}, {day: 2024-01-01, amount: 1}]}
";

#[test]
fn tests_pass_without_an_environment() {
    let project = with_tests(PASSING);
    check(&without_times(&project.run(&at(&["test"]))), &expect![[r#""#]]);
    check(&without_times(&project.run(&at(&["test", "days", "-q"]))), &expect![[r#""#]]);
    assert!(!project.path(".baton").exists());
}

#[test]
fn a_failure_shows_the_cells_that_differ() {
    let tests = "\
tests:
  - name: wrong_in_every_way
    table: customers
    given:
      orders:
        - {order_id: 1, customer: ada, amount: 1.5}
        - {order_id: 2, customer: grace, amount: 2}
    expect:
      - {customer: ada, orders: 1, amount: 3}
      - {customer: linus, orders: 9, amount: 0}
  - name: in_this_order
    table: customers
    given:
      orders: [{customer: a, amount: 1}]
    expect: {ordered: true, rows: []}
  - name: divides_by_nothing
    table: shares
    given:
      orders: [{order_id: 0, amount: 1}]
    expect: []
";
    let project = with_tests(tests).file("tables/shares.sql", "select 1 / order_id as share from orders\n");
    check(&without_times(&project.run(&at(&["test", "--jobs", "2", "--junit", "out.xml"]))), &expect![[r#""#]]);
    let junit = fs::read_to_string(project.path("out.xml")).unwrap();
    assert!(junit.contains("<testsuite name=\"customers\" tests=\"2\""), "{junit}");
    assert_eq!((junit.matches("<failure").count(), junit.matches("<error").count()), (2, 1), "{junit}");
    let json = project.output(&at(&["test", "wrong_in_every_way", "-o", "json"]));
    assert_eq!(json.code, Some(1));
    let reports: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(reports[0]["differences"][0]["changed"][0]["cells"][0]["expected"], "3.0");
}

#[test]
fn check_names_what_keeps_tests_from_running() {
    let tests = "\
tests:
  - name: wrong
    table: customers
    given:
      orders: [{customer: ada, amonut: 1, order_id: first}]
      days: []
    expect: [{custommer: ada}]
  - name: clockless
    table: ages
    given: {orders: []}
    expect: []
";
    let ages = "select order_id, now() - ordered_at as age from orders\n";
    let project = with_tests(tests).file("tables/ages.sql", ages);
    check(&project.run(&at(&["check"])), &expect![[r#""#]]);
}

#[test]
fn names_and_selections_pick_tests() {
    let project = with_tests(PASSING);
    check(&without_times(&project.run(&at(&["test", "--select", "days"]))), &expect![[r#""#]]);
    check(&project.run(&at(&["test", "amounts_add_upp"])), &expect![[r#""#]]);
    check(&without_times(&project.run(&at(&["test", "orders"]))), &expect![[r#""#]]);
}

#[test]
fn a_fixture_is_a_test_that_passes() {
    let project = shop();
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    let made = project.run(&["test", "--fixture", "customers", "--where", "customer = 'ada'", "--out", "tests/ada.yml"]);
    check(&made, &expect![[r#""#]]);
    check(&fs::read_to_string(project.path("tests/ada.yml")).unwrap(), &expect![[r#""#]]);
    check(&without_times(&project.run(&at(&["test"]))), &expect![[r#""#]]);
    check(&project.run(&["test", "--fixture", "orders"]), &expect![[r#""#]]);
}

#[test]
fn the_tests_of_the_flights_template_pass() {
    let project = empty();
    assert_eq!(project.output(&["init", "--template", "flights"]).code, Some(0));
    let output = project.output(&["test"]);
    assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.lines().count() >= 9, "{}", output.stdout);
}

/// Tables that keep rows over time, after batches with late and corrected rows.
const KEPT: &str = "\
tests:
  - name: newer_rows_take_the_place_of_those_with_the_same_key
    table: merged
    batches:
      - given: {orders: [{order_id: 1, customer: ada, amount: 1}, {order_id: 2, customer: grace, amount: 2}]}
        expect: [{order_id: 1, amount: 1}, {order_id: 2, amount: 2}]
      - given: {orders: {rows: [{order_id: 2, customer: grace, amount: 5}, {order_id: 3, amount: 3}], load: replace}}
    expect: [{order_id: 1, amount: 1}, {order_id: 2, amount: 5}, {order_id: 3, amount: 3}]
  - name: rows_that_come_again_come_once
    table: added
    batches:
      - given: {orders: [{order_id: 1, amount: 1}, {order_id: 2, amount: 2}]}
      - given: {orders: {rows: [{order_id: 2, amount: 2}, {order_id: 3, amount: 3}], load: replace}}
      - given: {orders: {rows: [{order_id: 1, amount: 1}], load: replace}}
    expect: {csv: \"order_id\\n1\\n2\\n3\\n\"}
  - name: every_state_has_its_time
    table: states
    batches:
      - as_of: 2024-01-10
        given: {orders: [{order_id: 1, amount: 1, ordered_at: 2024-01-01}, {order_id: 2, amount: 9, ordered_at: 2024-01-01}]}
        expect:
          - {order_id: 1, amount: 1, valid_from: 2024-01-01, valid_to: null}
          - {order_id: 2, amount: 9, valid_from: 2024-01-01, valid_to: null}
      - as_of: 2024-01-11
        given: {orders: {rows: [{order_id: 1, amount: 3, ordered_at: 2024-01-05}], load: replace}}
        expect:
          - {order_id: 1, amount: 1, valid_from: 2024-01-01, valid_to: 2024-01-05}
          - {order_id: 1, amount: 3, valid_from: 2024-01-05, valid_to: null}
          - {order_id: 2, amount: 9, valid_from: 2024-01-01, valid_to: 2024-01-11}
      - as_of: 2024-01-12
        given: {orders: {rows: [{order_id: 1, amount: 4, ordered_at: 2024-01-09}], load: replace}}
    expect:
      - {order_id: 1, amount: 1, valid_from: 2024-01-01, valid_to: 2024-01-05}
      - {order_id: 1, amount: 3, valid_from: 2024-01-05, valid_to: 2024-01-09}
      - {order_id: 1, amount: 4, valid_from: 2024-01-09, valid_to: null}
      - {order_id: 2, amount: 9, valid_from: 2024-01-01, valid_to: 2024-01-11}
  - name: a_snapshot_a_day
    table: taken
    batches:
      - as_of: 2024-01-10T06:00
        given: {orders: [{order_id: 1, amount: 1}]}
      - as_of: 2024-01-11T06:00
        given: {orders: {rows: [{order_id: 1, amount: 2}], load: replace}}
    expect:
      - {order_id: 1, amount: 1, snapshot_at: 2024-01-10T06:00}
      - {order_id: 1, amount: 2, snapshot_at: 2024-01-11T06:00}
  - name: late_days_are_computed_again
    table: by_day
    batches:
      - as_of: 2024-01-03
        given: {orders: [{amount: 1, ordered_at: 2024-01-01}, {amount: 2, ordered_at: 2024-01-02}]}
        expect: [{day: 2024-01-01, amount: 1}, {day: 2024-01-02, amount: 2}]
      - as_of: 2024-01-04
        given: {orders: [{amount: 10, ordered_at: 2024-01-01}]}
    expect: [{day: 2024-01-01, amount: 11}, {day: 2024-01-02, amount: 2}]
";

#[test]
fn tables_that_keep_rows_over_time() {
    let rows = "select order_id, customer, amount, ordered_at from orders\n";
    let query = |config: &str| format!("{{{{ config({config}) }}}}\n{rows}");
    let project = with_tests(KEPT)
        .file("tables/merged.sql", &query("materialize='merge', grain=['order_id']"))
        .file("tables/added.sql", &query("materialize='append', grain=['order_id']"))
        .file(
            "tables/states.sql",
            &query("materialize='history', grain=['order_id'], updated_at='ordered_at', deletes='close'"),
        )
        .file("tables/taken.sql", &query("materialize='snapshot', grain=['order_id'], batch='1d'"))
        .file(
            "tables/by_day.sql",
            "{{ config(materialize='incremental', time='day', grain=['day']) }}\n\
             select date_trunc('day', ordered_at) as day, sum(amount) as amount from orders group by 1\n",
        );
    check(&without_times(&project.run(&at(&["test"]))), &expect![[r#""#]]);
}
