//! Rows that both sides of a promotion took in, merged by key.

use baton_testkit::project::TestProject;
use expect_test::expect;

use crate::kills::kill_everywhere;
use crate::shop::{at, check, deliver_more, shop};

/// Orders are kept by key: what each environment took in is told apart by key.
pub(crate) fn kept_in_two() -> TestProject {
    let project = shop().file(
        "tables/kept.sql",
        "{{ config(materialize='merge', grain=['order_id']) }}\nselect order_id, customer, amount from orders\n",
    );
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    assert_eq!(project.output(&["env", "create", "dev", "--from", "prod"]).code, Some(0));
    let project = deliver_more(project);
    assert_eq!(project.output(&["run", "-e", "dev", "--as-of", "2024-01-08"]).code, Some(0));
    std::fs::remove_file(project.path("landing/orders-2.csv")).unwrap();
    project
}

/// 2024-01-07T00:00:00Z.
pub(crate) const LATER: u64 = 1_704_585_600;

#[test]
fn rows_that_both_sides_took_in_are_merged_by_key() {
    let project = kept_in_two().delivery(
        "landing/orders-3.csv",
        "order_id,customer,amount,ordered_at\n6,alan,8.0,2024-01-06T09:00:00Z\n",
        LATER,
    );
    assert_eq!(project.output(&["run", "--as-of", "2024-01-08"]).code, Some(0));
    check(
        &project.run(&["promote", "dev", "prod", "--yes"]),
        &expect![[r#"
        exit: 0
        --- stdout
        Promotion of `dev` into `prod`: both come from [hash]

          ~ table         kept                   rows merged by key

        prod moved to [hash], as of 2024-01-08 00:00 UTC
    "#]],
    );
    check(
        &project.run(&["query", "select * from kept order by order_id"]),
        &expect![[r#"
        exit: 0
        --- stdout
        order_id  customer  amount
        ────────  ────────  ──────
               1  ada         12.5
               2  grace      99.75
               3  ada         7.25
               4  ada          1.5
               5  edsger      30.0
               6  alan         8.0
        6 rows
    "#]],
    );
}

#[test]
fn same_key_on_both_sides_conflicts_with_the_rows() {
    let project = kept_in_two().delivery(
        "landing/orders-3.csv",
        "order_id,customer,amount,ordered_at\n4,ada,99.0,2024-01-05T09:00:00Z\n5,edsger,30.0,2024-01-05T10:30:00Z\n",
        LATER,
    );
    assert_eq!(project.output(&["run", "--as-of", "2024-01-08"]).code, Some(0));
    check(
        &project.run(&["promote", "dev", "prod", "--yes"]),
        &expect![[r#"
        exit: 1
        --- stdout
        Promotion of `dev` into `prod`: both come from [hash]

          ! table         kept                   both sides changed the rows of 1 key
              dev: tester at [now] in [hash] (run): v0 of c3ee47e7 → v1 of c3ee47e7, 3 → 5 rows
              prod: tester at [now] in [hash] (run): v0 of c3ee47e7 → v2 of c3ee47e7, 3 → 5 rows
              key {"order_id":4}
                before null
                source {"order_id":4,"customer":"ada","amount":1.5}
                target {"order_id":4,"customer":"ada","amount":99.0}
        --- stderr
        error: 1 conflict between `dev` and `prod`; nothing moved
        help: agree on one version, apply it in both environments, and promote again
        help: or decide for one side with --prefer source or --prefer target
    "#]],
    );
}

#[test]
fn merge_killed_at_every_point_ends_as_if_it_had_not_been() {
    let ready = || {
        let order = "order_id,customer,amount,ordered_at\n6,alan,8.0,2024-01-06T09:00:00Z\n";
        let project = kept_in_two().delivery("landing/orders-3.csv", order, LATER);
        assert_eq!(project.output(&["run", "--as-of", "2024-01-08"]).code, Some(0));
        project
    };
    let points = kill_everywhere(ready, &["promote", "dev", "prod", "--yes"], "");
    assert!(points >= 6, "only {points} points were reached");
}
