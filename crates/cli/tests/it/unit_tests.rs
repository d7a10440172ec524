//! `baton test`: unit tests of tables and feature views.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::process::Stdio;
use std::time::Duration;

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
    check(
        &without_times(&project.run(&at(&["test"]))),
        &expect![[r#"
        exit: 0
        --- stdout
          ✓ customers            amounts_add_up  # ms
          ✓ days                 a_day_ends_at_midnight  # ms
        2 passed in # s
    "#]],
    );
    check(
        &without_times(&project.run(&at(&["test", "days", "-q"]))),
        &expect![[r#"
        exit: 0
        --- stdout
        1 passed in # s
    "#]],
    );
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
    check(
        &without_times(&project.run(&at(&["test", "--jobs", "2", "--junit", "out.xml"]))),
        &expect![[r#"
        exit: 1
        --- stdout
          ✗ customers            wrong_in_every_way  # ms
              tests/shop.yml:2:11
              expected 2 rows, found 2 rows: 1 changed, 1 missing, 1 unexpected
                 customer  orders  amount
              ─  ────────  ──────  ──────────────────
              ~  ada       1       1.5 (expected 3.0)
              -  linus     9       0.0
              +  grace     1       2.0
          ✗ customers            in_this_order  # ms
              tests/shop.yml:11:11
              expected 0 rows, found 1 row: 1 unexpected
                 customer  orders  amount
              ─  ────────  ──────  ──────
              +  a         1       1.0
          ✗ shares               divides_by_nothing  # ms
              tests/shop.yml:16:11
              `shares` cannot be built: the query failed while running: Divide by zero error
        0 passed, 3 failed in # s
        --- stderr
        error: 3 of 3 unit tests failed
    "#]],
    );
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
    check(
        &project.run(&at(&["check"])),
        &expect![[r#"
        exit: 1
        --- stderr
        error[P0112]: test `wrong` gives rows to `days`, which `customers` does not read
           ╭─[tests/shop.yml:6:7]
         5 │       orders: [{customer: ada, amonut: 1, order_id: first}]
         6 │       days: []
           ·       ──┬─
           ·         ╰── not upstream of `customers`
         7 │     expect: [{custommer: ada}]
           ╰────
          detail: Upstream of `customers`: orders.

        error[S0103]: `orders` of test `wrong`: there is no column `amonut`
           ╭─[tests/shop.yml:5:32]
         4 │     given:
         5 │       orders: [{customer: ada, amonut: 1, order_id: first}]
           ·                                ──────
         6 │       days: []
           ╰────
          detail: Columns: order_id, customer, amount, ordered_at, _available_at.
          help: did you mean `amount`?

        error[P0112]: `orders` of test `wrong`: `first` is no value of column `order_id` (int64)
           ╭─[tests/shop.yml:5:53]
         4 │     given:
         5 │       orders: [{customer: ada, amonut: 1, order_id: first}]
           ·                                                     ──┬──
           ·                                                       ╰── expected int64
         6 │       days: []
           ╰────

        error[S0103]: `expect` of test `wrong`: there is no column `custommer`
           ╭─[tests/shop.yml:7:15]
         6 │       days: []
         7 │     expect: [{custommer: ada}]
           ·               ─────────
         8 │   - name: clockless
           ╰────
          detail: Columns: customer, orders, amount, _available_at.
          help: did you mean `customer`?

        error[P0112]: test `clockless` has no `as_of`, and `ages` asks for the time
            ╭─[tests/shop.yml:9:12]
          8 │   - name: clockless
          9 │     table: ages
            ·            ────
         10 │     given: {orders: []}
            ╰────
          help: add `as_of: 2013-07-02`

        5 errors, 0 warnings
    "#]],
    );
}

#[test]
fn names_and_selections_pick_tests() {
    let project = with_tests(PASSING);
    check(
        &without_times(&project.run(&at(&["test", "--select", "days"]))),
        &expect![[r#"
        exit: 0
        --- stdout
          ✓ days                 a_day_ends_at_midnight  # ms
        1 passed in # s
    "#]],
    );
    check(
        &project.run(&at(&["test", "amounts_add_upp"])),
        &expect![[r#"
        exit: 1
        --- stderr
        error: there is no unit test `amounts_add_upp`, and no table or feature view of that name
        help: did you mean `amounts_add_up`?
    "#]],
    );
    check(
        &without_times(&project.run(&at(&["test", "orders"]))),
        &expect![[r#"
        exit: 0
        --- stdout
        there is no such unit test; write one under `tests:` in a .yml file
    "#]],
    );
}

#[test]
fn a_fixture_is_a_test_that_passes() {
    let project = shop();
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    let made =
        project.run(&["test", "--fixture", "customers", "--where", "customer = 'ada'", "--out", "tests/ada.yml"]);
    check(
        &made,
        &expect![[r#"
        exit: 0
    "#]],
    );
    check(
        &fs::read_to_string(project.path("tests/ada.yml")).unwrap(),
        &expect![[r#"
        tests:
          - name: customers_as_in_prod
            description: "Made from 1 row of prod where customer = 'ada'"
            table: customers
            as_of: 2024-01-05T00:00:00Z
            given:
              orders:
                - {order_id: 1, customer: ada, amount: 12.5, ordered_at: "2024-01-02T09:00:00Z"}
                - {order_id: 3, customer: ada, amount: 7.25, ordered_at: "2024-01-03T08:15:00Z"}
            expect:
              - {customer: ada, orders: 2, amount: 19.75}
    "#]],
    );
    check(
        &without_times(&project.run(&at(&["test"]))),
        &expect![[r#"
        exit: 0
        --- stdout
          ✓ customers            customers_as_in_prod  # ms
        1 passed in # s
    "#]],
    );
    check(
        &project.run(&["test", "--fixture", "orders"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `orders` is a source; a test can be made of tables
    "#]],
    );
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
    check(
        &without_times(&project.run(&at(&["test"]))),
        &expect![[r#"
        exit: 0
        --- stdout
          ✓ merged               newer_rows_take_the_place_of_those_with_the_same_key  # ms
          ✓ added                rows_that_come_again_come_once  # ms
          ✓ states               every_state_has_its_time  # ms
          ✓ taken                a_snapshot_a_day  # ms
          ✓ by_day               late_days_are_computed_again  # ms
        5 passed in # s
    "#]],
    );
}

/// The lines that a command prints, as they come.
struct Lines {
    process: std::process::Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Lines {
    /// Of both streams of `command`.
    fn of(mut command: std::process::Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = std::sync::mpsc::channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(process.stdout.take().unwrap()), Box::new(process.stderr.take().unwrap())];
        for stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                BufReader::new(stream).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
            });
        }
        Self { process, lines }
    }

    /// Those up to the one that says that it waits for changes, in the order of their text: they come by two streams.
    fn until_it_waits(&self) -> String {
        let mut found = Vec::new();
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(30)).unwrap();
            let is_last = line.starts_with("waiting for changes");
            found.push(line);
            if is_last {
                // What is printed before may come after by the other stream.
                std::thread::sleep(Duration::from_millis(200));
                found.extend(self.lines.try_iter());
                found.sort();
                return without_times(&format!("{}\n", found.join("\n")));
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _gone_already = self.process.kill().and_then(|()| self.process.wait());
    }
}

#[test]
fn a_watch_runs_what_a_change_concerns_and_outlives_mistakes() {
    let project = with_tests(PASSING);
    let watch = Lines::of(project.command(&at(&["test", "--watch"])));
    check(
        &watch.until_it_waits(),
        &expect![[r#"
              ✓ customers            amounts_add_up  # ms
              ✓ days                 a_day_ends_at_midnight  # ms
            2 passed in # s
            waiting for changes; end with Ctrl-C
        "#]],
    );
    // Only the test of the table whose query changed.
    project.write(
        "tables/customers.sql",
        "select customer, count(*) as orders, sum(amount) * 2 as amount\nfrom orders\ngroup by 1\n",
    );
    check(
        &watch.until_it_waits(),
        &expect![[r#"
                 customer  orders  amount
              expected 2 rows, found 2 rows: 1 changed
              tests/shop.yml:2:11
              ~  ada       2       7.0 (expected 3.5)
              ─  ────────  ──────  ──────────────────
          ✗ customers            amounts_add_up  # ms
        0 passed, 1 failed in # s
        waiting for changes; end with Ctrl-C
    "#]],
    );
    project.write("tables/customers.sql", "select customer, coun(*) as orders\nfrom orders\ngroup by 1\n");
    check(
        &watch.until_it_waits(),
        &expect![[r#"

           ·                  ────
           ╭─[tables/customers.sql:1:18]
           ╰────
          detail: Valid names here: count.
          help: did you mean `count`?
         1 │ select customer, coun(*) as orders
         2 │ from orders
        1 error, 0 warnings
        error[S0105]: table `customers`: there is no function `coun`
        waiting for changes; end with Ctrl-C
    "#]],
    );
    // Mended, and a test that is new.
    project.write(
        "tables/customers.sql",
        "select customer, count(*) as orders, sum(amount) as amount\nfrom orders\ngroup by 1\n",
    );
    check(
        &watch.until_it_waits(),
        &expect![[r#"
          ✓ customers            amounts_add_up  # ms
        1 passed in # s
        waiting for changes; end with Ctrl-C
    "#]],
    );
    let ended = std::process::Command::new("kill").args(["-INT", &watch.process.id().to_string()]).status().unwrap();
    assert!(ended.success());
    let mut watch = watch;
    assert_eq!(watch.process.wait().unwrap().code(), Some(130));
}
