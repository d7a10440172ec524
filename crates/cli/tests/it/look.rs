//! Looking: lists, one asset, lineage, queries, status.

use expect_test::expect;

use crate::shop::{at, check, empty, shop};

fn applied() -> baton_testkit::project::TestProject {
    let project = shop();
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    project
}

#[test]
fn ls_before_and_after_the_first_apply() {
    let project = shop();
    check(
        &project.run(&at(&["ls"])),
        &expect![[r#"
        exit: 0
        --- stdout
        kind    name       version      rows  owner             description
        ──────  ─────────  ───────────  ────  ────────────────  ────────────────
        source  orders     not applied        shop@example.com  What was ordered
        table   customers  not applied
        table   days       not applied
    "#]],
    );
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    check(
        &project.run(&["ls", "tables"]),
        &expect![[r#"
        exit: 0
        --- stdout
        kind   name       version  rows  owner  description
        ─────  ─────────  ───────  ────  ─────  ───────────
        table  customers  v0          2
        table  days       v0          2
    "#]],
    );
}

#[test]
fn show_is_the_asset_from_all_sides() {
    check(
        &applied().run(&["show", "orders"]),
        &expect![[r#"
            exit: 0
            --- stdout
            source orders
              What was ordered
              version    v0, 3 rows
              owner      shop@example.com
              feeds      customers, days

            Columns
              column      type                  tags    description
              ──────────  ────────────────────  ──────  ───────────
              order_id    Int64
              customer    Utf8                  person
              amount      Float64
              ordered_at  Timestamp(µs, "UTC")

            Profile
              3 rows, 4 columns
              column      type                  nulls  distinct  min                   p50                   max                   mean                  histogram
              order_id    Int64                 0%     3         1                     2                     3                     2                     ███
              customer    Utf8                  0%     2         ada                                         grace                                       █▄
              amount      Float64               0%     3         7.25                  12.5                  99.75                 39.833                ██                 █
              ordered_at  Timestamp(µs, "UTC")  0%     3         2024-01-02T09:00:00Z  2024-01-02T10:30:00Z  2024-01-03T08:15:00Z  2024-01-02T17:15:00Z  ██                 █

            Checks
              ✓ all 3 rows have `order_id`
              ✓ all 3 rows have `customer`
              ✓ `amount` between 0 and 1000: all 3 rows inside
              ✓ all 3 rows have `ordered_at`
              ✓ unique_order_id: 0 of 3 rows of orders share their order_id

            Versions
              commit      as of                 version  rows
              ──────────  ────────────────────  ───────  ────
              [hash]  2024-01-05 00:00 UTC  v0          3
        "#]],
    );
}

#[test]
fn lineage_goes_both_ways() {
    let project = applied();
    check(
        &project.run(&["lineage", "customers", "--columns"]),
        &expect![[r#"
        exit: 0
        --- stdout
        customers table
        └─ orders source

        Columns
          orders.amount → customers.amount
          orders.customer → customers.customer
    "#]],
    );
    check(
        &project.run(&["lineage", "orders", "--down"]),
        &expect![[r#"
        exit: 0
        --- stdout
        orders source
        ├─ customers table
        └─ days table
    "#]],
    );
}

#[test]
fn query_answers_in_three_forms() {
    let project = applied();
    let sql = "select customer, orders, amount from customers order by customer";
    check(
        &project.run(&["query", sql]),
        &expect![[r#"
        exit: 0
        --- stdout
        customer  orders  amount
        ────────  ──────  ──────
        ada            2   19.75
        grace          1   99.75
        2 rows
    "#]],
    );
    check(
        &project.run(&["query", sql, "-o", "json"]),
        &expect![[r#"
        exit: 0
        --- stdout
        [{"customer":"ada","orders":2,"amount":19.75},{"customer":"grace","orders":1,"amount":99.75}]
    "#]],
    );
    check(
        &project.run(&["query", sql, "--format", "csv"]),
        &expect![[r#"
        exit: 0
        --- stdout
        customer,orders,amount
        ada,2,19.75
        grace,1,99.75
    "#]],
    );
}

#[test]
fn wrong_query_says_where() {
    let project = applied();
    check(
        &project.run(&["query", "select custmer from customers"]),
        &expect![[r#"
            exit: 1
            --- stderr
            error: the SQL is wrong: line 1, column 8: there is no column `custmer`
            help: did you mean `customer`?
        "#]],
    );
    check(
        &project.run(&["query", "drop table customers"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `DROP` is not allowed here: only SELECT, WITH, EXPLAIN, SHOW and DESCRIBE read without changing anything
    "#]],
    );
}

#[test]
fn rows_that_become_known_are_seen_when_only_the_clock_advances() {
    let project = empty()
        .file("baton.yml", "project: shop\n")
        .file(
            "sources.yml",
            "sources:
  - name: orders
    connector: file
    path: landing/orders.csv
    load: append
    available_at: ordered_at
    columns:
      - {name: order_id, type: int}
      - {name: ordered_at, type: timestamp}
",
        )
        .delivery(
            "landing/orders.csv",
            "order_id,ordered_at\n1,2024-01-04T09:00:00Z\n2,2024-01-06T09:00:00Z\n",
            1_704_326_400,
        );
    let count = |project: &baton_testkit::project::TestProject| {
        let answer = project.output(&["query", "select count(*) as n from orders", "-o", "json"]);
        answer.stdout.split_whitespace().collect::<String>()
    };
    assert_eq!(project.output(&["apply", "--yes", "--as-of", "2024-01-05"]).code, Some(0));
    assert_eq!(count(&project), "[{\"n\":1}]");
    let run = project.output(&["run", "--as-of", "2024-01-07"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(count(&project), "[{\"n\":2}]");
    // Nothing more becomes known: the environment stays where it is.
    let before = project.output(&["log", "-o", "json"]).stdout;
    assert_eq!(project.output(&["run", "--as-of", "2024-01-08"]).code, Some(0));
    assert_eq!(project.output(&["log", "-o", "json"]).stdout, before);
}

#[test]
fn query_before_the_first_apply_says_what_to_do() {
    check(
        &shop().run(&["query", "select 1"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: environment `prod` has no commit yet: run `baton apply -e prod`
    "#]],
    );
}

#[test]
fn status_is_a_screen() {
    check(
        &applied().run(&["status"]),
        &expect![[r#"
            exit: 0
            --- stdout
            environment prod
              commit     [hash], as of 2024-01-05 00:00 UTC
              assets     1 source, 2 tables
              rows       7
              models     none
              ledger     12 events, root [hash]
              incidents  0 open, 0 in all
        "#]],
    );
}

#[test]
fn log_shows_who_and_why() {
    check(
        &applied().run(&["log"]),
        &expect![[r#"
        exit: 0
        --- stdout
        commit      as of                 made                  by      assets  why
        ──────────  ────────────────────  ────────────────────  ──────  ──────  ─────
        [hash]  2024-01-05 00:00 UTC  [now]  tester       3  apply
    "#]],
    );
}

#[test]
fn why_of_a_healthy_asset() {
    check(
        &applied().run(&["why", "customers"]),
        &expect![[r#"
        exit: 0
        --- stdout
        Why customers, as of 2024-01-05 00:00 UTC
          no incident is known of it

        1. unknown (0 %): the recorded evidence does not decide
           since  2024-01-05 00:00 UTC
           do     look at `baton log` and `baton show` of the assets upstream
    "#]],
    );
}

#[test]
fn json_answers_are_one_document() {
    let project = applied();
    for arguments in [vec!["ls"], vec!["show", "orders"], vec!["lineage", "customers"], vec!["status"], vec!["log"]] {
        let mut with_form = arguments.clone();
        with_form.extend(["-o", "json"]);
        let answer = project.output(&with_form);
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&answer.stdout);
        assert!(parsed.is_ok(), "{arguments:?}: {}", answer.stdout);
    }
}
