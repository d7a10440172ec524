//! Plans: what they reach, as comments on pull requests, in files, limited, approved.

use baton_testkit::project::TestProject;
use expect_test::expect;

use crate::shop::{at, check, empty, shop};

/// The shop with an owner for every table, an exposure, and owners who must approve what breaks in prod.
pub(crate) fn guarded() -> TestProject {
    shop()
        .file(
            "baton.yml",
            "project: shop\nenvironments:\n  dev: {}\n  prod: {protected: true}\npolicies:\n  breaking: {approval: owner}\n  tags: [person]\n",
        )
        .file(
            "tables.yml",
            "tables:\n  - {name: customers, owner: crm@example.com, checks: [{unique: [customer]}]}\n  - {name: days, owner: finance@example.com}\n",
        )
        .file("exposures.yml", "exposures:\n  - {name: board, owner: boss@example.com, depends_on: [days]}\n")
}

fn applied(project: TestProject) -> TestProject {
    let answer = project.output(&at(&["apply", "--yes"]));
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    project
}

pub(crate) const DAYS_OF_MOST: &str =
    "select date_trunc('day', ordered_at) as day, max(amount) as amount\nfrom orders\ngroup by 1\n";
pub(crate) const DAYS_WITH_COUNT: &str =
    "select date_trunc('day', ordered_at) as day, sum(amount) as amount, count(*) as orders\nfrom orders\ngroup by 1\n";

#[test]
fn plan_tells_what_a_breaking_change_reaches() {
    let project = applied(guarded());
    project.write("tables/days.sql", DAYS_OF_MOST);
    check(
        &project.run(&at(&["plan"])),
        &expect![[r#"
        exit: 0
        --- stdout
        Plan for environment `prod` as of 2024-01-05 00:00 UTC

          ~ table         days                   breaking: changes amount

          3 unchanged, 1 breaking

        Blast radius
          exposures      board
          owners to ask  boss@example.com (board), finance@example.com (days)

        Estimate  2 rows, 1.1 kB, [time]
        Approval  needed from boss@example.com (board), finance@example.com (days)
        Undo      baton rollback -e prod [hash]
    "#]],
    );
}

#[test]
fn plan_as_markdown_is_a_comment() {
    let project = applied(guarded());
    project.write("tables/days.sql", DAYS_OF_MOST);
    check(
        &project.run(&at(&["plan", "--format", "markdown"])),
        &expect![[r#"
        exit: 0
        --- stdout
        ### Baton plan for `prod`

        **3 unchanged, 1 breaking** as of 2024-01-05 00:00 UTC

        | | asset | kind | change | why |
        |---|---|---|---|---|
        | `~` | `days` | table | **breaking** | changes amount |

        <details><summary>Blast radius: 1 downstream</summary>

        - ask boss@example.com (board)
        - ask finance@example.com (days)
        - exposures: board

        </details>

        - Estimate: 2 rows, 1.1 kB, [time]
        - Approval: needed from boss@example.com (board), finance@example.com (days)
        - Undo: `baton rollback -e prod [hash]`
    "#]],
    );
}

#[test]
fn a_column_that_nobody_reads_reaches_nothing() {
    let project = applied(guarded().file(
        "tables/weeks.sql",
        "select date_trunc('week', day) as week, sum(amount) as amount from days group by 1\n",
    ));
    project.write("tables/days.sql", DAYS_WITH_COUNT);
    let plan: serde_json::Value = serde_json::from_str(&project.output(&at(&["plan", "-o", "json"])).stdout).unwrap();
    let reached = plan["blast_radius"]["outputs"].as_array().unwrap();
    assert_eq!(reached.len(), 1, "{reached:?}");
    assert_eq!(reached[0]["asset"], "days");
    assert_eq!(plan["approvals"], serde_json::json!([]));
    let report = project.output(&at(&["apply", "--yes", "-o", "json"]));
    let report: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
    let built: Vec<&str> =
        report["steps"].as_array().unwrap().iter().map(|step| step["asset"].as_str().unwrap()).collect();
    assert_eq!(built, ["days"], "weeks is not built again");
    check(
        &project.run(&at(&["plan", "--detailed-exitcode"])),
        &expect![[r#"
        exit: 0
        --- stdout
        Plan for environment `prod` as of 2024-01-05 00:00 UTC

          No changes: the environment is what the project asks for.
    "#]],
    );
    check(
        &project.run(&at(&["run"])),
        &expect![[r#"
        exit: 0
        --- stdout
        prod stays at [hash]
    "#]],
    );
}

#[test]
fn a_formatted_query_changes_nothing() {
    let project = applied(guarded());
    project.write(
        "tables/days.sql",
        "-- what came in by day\nwith kept as (SELECT * FROM orders WHERE true)\nSELECT\n  date_trunc('day', o.ordered_at) AS day,\n  sum(o.amount) AS amount\nFROM kept o\nGROUP BY 1\n",
    );
    assert_eq!(project.output(&at(&["plan", "--detailed-exitcode"])).code, Some(0));
}

#[test]
fn a_new_flow_of_a_tagged_column_is_named() {
    let project = applied(guarded());
    project.write(
        "tables/days.sql",
        "select date_trunc('day', ordered_at) as day, sum(amount) as amount, min(customer) as first_customer\nfrom orders\ngroup by 1\n",
    );
    let text = project.output(&at(&["plan"])).stdout;
    assert!(text.contains("new flow       person orders.customer -> days.first_customer"), "{text}");
}

#[test]
fn saved_plan_is_executed_exactly_and_once() {
    let project = applied(guarded());
    project.write("tables/days.sql", DAYS_WITH_COUNT);
    assert_eq!(project.output(&at(&["plan", "--out", "plan.json"])).code, Some(0));
    check(
        &project.run(&["apply", "plan.json"]),
        &expect![[r#"
        exit: 0
        --- stdout
        Plan for environment `prod` as of 2024-01-05 00:00 UTC

          ~ table         days                   additive: adds orders

          3 unchanged, 1 additive

        Estimate  2 rows, 1.1 kB, [time]
        Undo      baton rollback -e prod [hash]
          ✓ build       days                 2 rows
        prod moved to [hash]
    "#]],
    );
    check(
        &project.run(&["apply", "plan.json"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `plan.json` cannot be applied: environment `prod` has moved since it was made, from [hash] to [hash]
        help: plan again with `baton plan --out plan.json`
    "#]],
    );
}

#[test]
fn saved_plan_is_refused_when_the_project_has_changed() {
    let project = applied(guarded());
    project.write("tables/days.sql", DAYS_WITH_COUNT);
    assert_eq!(project.output(&at(&["plan", "--out", "plan.json"])).code, Some(0));
    project.write("tables/customers.sql", "select customer, count(*) as orders from orders group by customer\n");
    check(
        &project.run(&["apply", "plan.json"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `plan.json` cannot be applied: the project has changed since it was made
        help: plan again with `baton plan --out plan.json`
    "#]],
    );
}

#[test]
fn changed_older_and_other_files_are_refused() {
    let project = applied(guarded());
    project.write("tables/days.sql", DAYS_WITH_COUNT);
    assert_eq!(project.output(&at(&["plan", "--out", "plan.json"])).code, Some(0));
    let text = std::fs::read_to_string(project.path("plan.json")).unwrap();
    project.write("plan.json", &text.replacen("additive", "breaking", 1));
    check(
        &project.run(&["apply", "plan.json"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `plan.json` was changed after it was saved: its digest does not match
        help: plan again with `baton plan --out plan.json`
    "#]],
    );
    project.write("plan.json", &text.replacen("\"version\": 1", "\"version\": 9", 1));
    check(
        &project.run(&["apply", "plan.json"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `plan.json` is a saved plan of version 9, and this program reads version 1
        help: plan again with `baton plan --out plan.json`
    "#]],
    );
    project.write("plan.json", "select 1");
    check(
        &project.run(&["apply", "plan.json"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `plan.json` is not a saved plan: expected value at line 1 column 1
        help: plan again with `baton plan --out plan.json`
    "#]],
    );
    check(
        &project.run(&["apply", "missing.json"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: cannot read `missing.json`: No such file or directory (os error 2)
    "#]],
    );
    project.write("plan.json", &text);
    check(
        &project.run(&["apply", "plan.json", "-e", "dev"]),
        &expect![[r#"
        exit: 2
        --- stderr
        error: the plan is for environment `prod`, not `dev`
        help: leave out --env, or plan for the other environment
    "#]],
    );
    check(
        &project.run(&["apply", "plan.json", "--as-of", "2024-01-09"]),
        &expect![[r#"
        exit: 2
        --- stderr
        error: the plan is as of 2024-01-05T00:00:00+00:00, and --as-of asks for another time
        help: leave out --as-of, or plan again
    "#]],
    );
}

/// Both owners approve a saved plan, which is applied only then; `what` is how messages name it.
pub(crate) fn owners_approve(project: &TestProject, file: &str, what: &str) {
    let refused = |missing: &str| {
        format!(
            "error: {what} breaks what others answer for, and they have not approved it: {missing}\n\
             help: each of them runs `baton approve {file} --as OWNER`\n"
        )
    };
    let apply = || {
        let answer = project.output(&["apply", file]);
        assert_eq!(answer.code, Some(1));
        answer.stderr
    };
    let approve = |owner: &str| project.run(&["approve", file, "--as", owner]);
    assert_eq!(apply(), refused("boss@example.com (board), finance@example.com (days)"));
    check(
        &approve("crm@example.com"),
        &expect![[r#"
        exit: 1
        --- stderr
        error: the plan does not need the approval of `crm@example.com`, but that of boss@example.com, finance@example.com
    "#]],
    );
    check(
        &approve("finance@example.com"),
        &expect![[r#"
        exit: 0
        --- stdout
        approved by finance@example.com; still missing: boss@example.com (board)
    "#]],
    );
    assert_eq!(apply(), refused("boss@example.com (board)"));
    let last = format!("approved by boss@example.com; all owners have approved; `baton apply {file}` goes on\n");
    assert_eq!(approve("boss@example.com"), format!("exit: 0\n--- stdout\n{last}"));
}

#[test]
fn owners_approve_what_breaks_before_it_is_applied() {
    let project = applied(guarded());
    project.write("tables/days.sql", DAYS_OF_MOST);
    check(
        &project.run(&at(&["apply", "--yes", "-q"])),
        &expect![[r#"
        exit: 1
        --- stdout
        Plan for environment `prod` as of 2024-01-05 00:00 UTC

          ~ table         days                   breaking: changes amount

          3 unchanged, 1 breaking

        Blast radius
          exposures      board
          owners to ask  boss@example.com (board), finance@example.com (days)

        Estimate  2 rows, 1.1 kB, [time]
        Approval  needed from boss@example.com (board), finance@example.com (days)
        Undo      baton rollback -e prod [hash]
        --- stderr
        error: the plan for environment `prod` breaks what others answer for, and they have not approved it: boss@example.com (board), finance@example.com (days)
        help: save the plan with `baton plan --out plan.json`, have each of them run `baton approve plan.json --as OWNER`, then `baton apply plan.json`
    "#]],
    );
    assert_eq!(project.output(&at(&["plan", "--out", "plan.json"])).code, Some(0));
    assert_eq!(project.output(&["apply", "plan.json"]).stdout, "", "it was shown before");
    owners_approve(&project, "plan.json", "the plan for environment `prod`");
    assert_eq!(project.output(&["apply", "plan.json"]).code, Some(0));
    assert_eq!(project.output(&at(&["apply", "-e", "dev"])).code, Some(0), "dev asks nobody");
}

#[test]
fn a_selection_leaves_the_rest_as_recorded() {
    let project = applied(guarded().file(
        "tables/weeks.sql",
        "select date_trunc('week', day) as week, sum(amount) as amount from days group by 1\n",
    ));
    project.write(
        "tables/days.sql",
        "select date_trunc('day', ordered_at) as day, sum(amount * 10) as amount\nfrom orders\ngroup by 1\n",
    );
    project.write(
        "tables/weeks.sql",
        "select date_trunc('week', day) as week, max(amount) as amount from days group by 1\n",
    );
    check(
        &project.run(&at(&["plan", "-e", "dev", "--select", "weeks"])),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `weeks` is selected and reads `days`, which the environment does not have yet and which is not selected; select it too, as with `+weeks`
    "#]],
    );
    assert_eq!(project.output(&at(&["apply", "--yes", "-e", "dev", "--exclude", "board"])).code, Some(0));
    project.write("baton.yml", "project: shop\nenvironments:\n  dev: {}\n  prod: {protected: true}\n");
    check(
        &project.run(&at(&["apply", "--yes", "--select", "weeks"])),
        &expect![[r#"
        exit: 0
        --- stdout
        Plan for environment `prod` as of 2024-01-05 00:00 UTC

          ~ table         weeks                  breaking: changes amount; is built on `days` as recorded: what changes there is not selected

          4 unchanged, 1 breaking
          Not selected, stay as recorded though they have changes: days

        Estimate  1 row, 1.1 kB, [time]
        Undo      baton rollback -e prod [hash]
          ✓ build       weeks                1 row
        prod moved to [hash]
    "#]],
    );
    check(
        &project.run(&["query", "select amount from weeks"]),
        &expect![[r#"
        exit: 0
        --- stdout
        amount
        ──────
        112.25
        1 row
    "#]],
    );
    check(
        &project.run(&at(&["apply", "--yes"])),
        &expect![[r#"
            exit: 0
            --- stdout
            Plan for environment `prod` as of 2024-01-05 00:00 UTC

              ~ table         days                   breaking: changes amount
              ~ table         weeks                  breaking: changes amount

              3 unchanged, 2 breaking

            Blast radius
              tables         weeks (amount)
              exposures      board
              owners to ask  boss@example.com (board), finance@example.com (days)

            Estimate  3 rows, 2.2 kB, [time]
            Undo      baton rollback -e prod [hash]
              = build       days                 built before: 2 rows
              = build       weeks                built before: 1 row
            prod moved to [hash]
        "#]],
    );
    check(
        &project.run(&["query", "select amount from weeks"]),
        &expect![[r#"
        exit: 0
        --- stdout
        amount
        ──────
        1122.5
        1 row
    "#]],
    );
}

#[test]
fn a_selection_that_cannot_stand_is_refused() {
    let project = guarded();
    check(
        &project.run(&at(&["plan", "--select", "days"])),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `days` is selected and reads `orders`, which the environment does not have yet and which is not selected; select it too, as with `+days`
    "#]],
    );
    check(
        &project.run(&at(&["plan", "--select", "dayz"])),
        &expect![[r#"
        exit: 2
        --- stderr
        error: there is no asset `dayz`, at character 1 of selection `dayz`
        help: did you mean `days`?
    "#]],
    );
}

#[test]
fn a_full_refresh_makes_incremental_tables_from_nothing() {
    let project = applied(empty().file("baton.yml", "project: shop\n").file(
        "sources.yml",
        "sources:\n  - {name: orders, path: landing/orders.csv, time: at, available_at: at, columns: [{name: at, type: timestamp}, {name: amount, type: float}]}\n",
    ).file(
        "tables/days.sql",
        "{{ config(materialize='incremental', time='day', batch='1d') }}\nselect date_trunc('day', at) as day, sum(amount) as amount from orders group by 1\n",
    ).delivery("landing/orders.csv", "at,amount\n2024-01-02T09:00:00Z,1.5\n2024-01-03T09:00:00Z,2.5\n", 1_704_326_400));
    assert_eq!(project.output(&at(&["plan", "--detailed-exitcode"])).code, Some(0));
    check(
        &project.run(&at(&["plan", "--full-refresh"])),
        &expect![[r#"
        exit: 0
        --- stdout
        Plan for environment `dev` as of 2024-01-05 00:00 UTC

          > table         days                   new data: is made from nothing (--full-refresh)

          1 unchanged, 1 new data

        Estimate  2 rows, 1.1 kB, [time]
        Undo      baton rollback -e dev [hash]
    "#]],
    );
    check(
        &project.run(&at(&["apply", "--full-refresh", "--yes"])),
        &expect![[r#"
        exit: 0
        --- stdout
        Plan for environment `dev` as of 2024-01-05 00:00 UTC

          > table         days                   new data: is made from nothing (--full-refresh)

          1 unchanged, 1 new data

        Estimate  2 rows, 1.1 kB, [time]
        Undo      baton rollback -e dev [hash]
          ✓ build       days                 2 rows
        dev moved to [hash]
    "#]],
    );
    check(
        &project.run(&at(&["plan", "--recreate", "days"])),
        &expect![[r#"
        exit: 0
        --- stdout
        Plan for environment `dev` as of 2024-01-05 00:00 UTC

          No changes: the environment is what the project asks for.
          Note: `days` is no stateful table, so --recreate does nothing to it
    "#]],
    );
}

/// What a plan says before its closing lines.
fn planned(project: &TestProject) -> String {
    let text = project.run(&at(&["plan"]));
    let body = text.split("--- stdout\n").nth(1).unwrap();
    body.split("\nEstimate").next().unwrap().to_owned()
}

#[test]
fn plan_tries_what_is_small_and_says_what_comes_out_the_same() {
    let project = applied(
        guarded()
            .file("tables/late.sql", "select order_id, ordered_at from orders where amount > 5\n")
            .file("tables/latest.sql", "select max(ordered_at) as at from late\n"),
    );
    project.write("tables/late.sql", "select order_id, ordered_at from orders where amount > 6\n");
    check(
        &planned(&project),
        &expect![[r#"
        Plan for environment `prod` as of 2024-01-05 00:00 UTC

          ~ table         late                   breaking: made again, to the same result: tried on the recorded rows
          ~ table         latest                 breaking: made again, to the same result: nothing that it reads changes

          4 unchanged, 2 breaking; 2 of them to the same result

        Blast radius
          same result    late, latest (made again)
    "#]],
    );
    let sources = std::fs::read_to_string(project.path("sources.yml")).unwrap();
    project.write("tables/late.sql", "select order_id, ordered_at from orders where amount > 5\n");
    project.write("sources.yml", &sources.replace("{name: order_id, type: int,", "{name: order_id, type: string,"));
    check(
        &planned(&project),
        &expect![[r#"
        Plan for environment `prod` as of 2024-01-05 00:00 UTC

          ~ source        orders                 breaking: how it is read differs, so every delivery is landed again; changes order_id; the rows stay: tried on what was delivered
          ~ table         customers              breaking: made again, to the same result: nothing that it reads changes
          ~ table         days                   breaking: made again, to the same result: nothing that it reads changes
          ~ table         late                   breaking: changes order_id; the rows stay: nothing that decides them changes
          ~ table         latest                 breaking: made again, to the same result: nothing that it reads changes

          1 unchanged, 5 breaking; 3 of them to the same result

        Blast radius
          tables         late (order_id)
          same result    customers, days, latest (made again)
          owners to ask  shop@example.com (orders)

        Checks    6 checks on orders, customers"#]],
    );
}
