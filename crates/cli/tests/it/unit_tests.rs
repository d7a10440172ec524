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
