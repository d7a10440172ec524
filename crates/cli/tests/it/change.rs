//! Plan, apply, run, replay, roll back.

use baton_testkit::project::TestProject;
use expect_test::expect;

use crate::shop::{at, check, deliver_more, empty, shop};

#[test]
fn plan_apply_and_then_nothing_is_left_to_do() {
    let project = shop();
    check(
        &project.run(&at(&["plan", "--detailed-exitcode"])),
        &expect![[r#"
            exit: 3
            --- stdout
            Plan for environment `prod` as of 2024-01-05 00:00 UTC

              + source        orders                 new
              + table         customers              new
              + table         days                   new

              3 new

            Checks    5 checks on orders
        "#]],
    );
    assert!(!project.path(".baton").exists(), "a plan writes nothing");
    check(
        &project.run(&at(&["apply", "--yes"])),
        &expect![[r#"
            exit: 0
            --- stdout
            Plan for environment `prod` as of 2024-01-05 00:00 UTC

              + source        orders                 new
              + table         customers              new
              + table         days                   new

              3 new

            Checks    5 checks on orders
              ✓ ingest      orders               1 delivery, 3 rows
              ✓ build       customers            2 rows
              ✓ build       days                 2 rows
            prod moved to [hash]; 5 checks hold
        "#]],
    );
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
        &project.run(&at(&["apply", "--yes"])),
        &expect![[r#"
            exit: 0
            --- stdout
            Plan for environment `prod` as of 2024-01-05 00:00 UTC

              No changes: the environment is what the project asks for.
        "#]],
    );
}

#[test]
fn protected_environment_wants_a_yes() {
    let project = shop();
    let answer = project.output(&at(&["apply"]));
    assert_eq!(answer.code, Some(1));
    assert_eq!(
        answer.stderr,
        "error: environment `prod` is protected, and there is no terminal to ask on\nhelp: look at `baton plan`, then give --yes\n"
    );
    assert_eq!(project.output(&at(&["apply", "-e", "dev"])).code, Some(0));
}

#[test]
fn changed_column_says_what_it_breaks() {
    let project = shop();
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    project.write(
        "tables/days.sql",
        "select date_trunc('day', ordered_at) as day, max(amount) as amount\nfrom orders\ngroup by 1\n",
    );
    check(
        &project.run(&at(&["plan"])),
        &expect![[r#"
            exit: 0
            --- stdout
            Plan for environment `prod` as of 2024-01-05 00:00 UTC

              ~ table         days                   breaking: changes amount

              2 unchanged, 1 breaking

            Estimate  2 rows, 1.1 kB, [time]
            Undo      baton rollback -e prod [hash]
        "#]],
    );
}

#[test]
fn run_takes_in_what_arrived() {
    let project = deliver_more(shop());
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    check(
        &project.run(&["run", "--as-of", "2024-01-08"]),
        &expect![[r#"
            exit: 0
            --- stdout
              ✓ ingest      orders               1 delivery, 2 rows
              ✓ build       customers            3 rows
              ✓ build       days                 3 rows
            prod moved to [hash]; 5 checks hold
        "#]],
    );
    check(
        &project.run(&["query", "select * from customers order by customer"]),
        &expect![[r#"
        exit: 0
        --- stdout
        customer  orders  amount
        ────────  ──────  ──────
        ada            3   21.25
        edsger         1    30.0
        grace          1   99.75
        3 rows
    "#]],
    );
}

#[test]
fn replay_drives_the_clock() {
    let project = deliver_more(shop());
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    check(
        &project.run(&["replay", "--from", "2024-01-05", "--to", "2024-01-08"]),
        &expect![[r#"
            exit: 0
            --- stdout
            3 ticks, 1 commits, 0 predictions, 5 checks (0 did not hold)
        "#]],
    );
    check(
        &project.run(&["log"]),
        &expect![[r#"
        exit: 0
        --- stdout
        commit      as of                 made                  by      assets  why
        ──────────  ────────────────────  ────────────────────  ──────  ──────  ─────
        [hash]  2024-01-06 00:00 UTC  [now]  tester       3  run
        [hash]  2024-01-05 00:00 UTC  [now]  tester       3  apply
    "#]],
    );
}

#[test]
fn rollback_brings_back_what_was() {
    let project = deliver_more(shop());
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    assert_eq!(project.output(&["run", "--as-of", "2024-01-08"]).code, Some(0));
    check(
        &project.run(&["rollback", "--yes"]),
        &expect![[r#"
        exit: 0
        --- stdout
        prod: rollback to [hash] ([hash], as of 2024-01-05 00:00 UTC)
        [hash] is undone; `baton rollback -e prod [hash]` brings it back
    "#]],
    );
    check(
        &project.run(&["query", "select count(*) as customers from customers"]),
        &expect![[r#"
        exit: 0
        --- stdout
        customers
        ─────────
                2
        1 row
    "#]],
    );
    check(
        &project.run(&["rollback", "--yes", "feed"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: there is no commit `feed` in environment `prod`; see `baton log` for the commits there are
    "#]],
    );
}

#[test]
fn broken_delivery_is_named_and_the_rest_lands() {
    let project = shop();
    project.write("landing/orders-9.csv", "order_id,customer,amount,ordered_at\nnine,ada,1.0,2024-01-02T09:00:00Z\n");
    check(
        &project.run(&["apply", "--yes", "-e", "dev", "--as-of", "2030-01-01"]),
        &expect![[r#"
            exit: 0
            --- stdout
            Plan for environment `dev` as of [now]

              + source        orders                 new
              + table         customers              new
              + table         days                   new

              3 new

            Checks    5 checks on orders
              ✓ ingest      orders               2 deliveries, 3 rows
              ✓ build       customers            2 rows
              ✓ build       days                 2 rows
              inc-1 open since 2030-01-01, 1 alert: set aside of orders: landing/orders-9.csv: 1 row set aside: row 2, column `order_id`: `nine` is not a whole number (int64)
            dev moved to [hash]; 5 checks hold
        "#]],
    );
}

/// A column of whole numbers, of others, of nothing, and with a text among them: what landed first says the type.
#[test]
fn columns_without_a_declared_type_keep_the_one_that_they_landed_with() {
    let project = empty()
        .file("baton.yml", "project: plain\n")
        .file("sources.yml", "sources:\n  - {name: orders, connector: file, path: landing/*.csv}\n")
        .delivery("landing/1.csv", "id,amount,note\n1,5,a\n", 1_704_326_400)
        .delivery("landing/2.csv", "id,amount,note\n2,5.5,b\n3,6,c\n", 1_704_326_401);
    let first = project.output(&["apply", "--yes"]);
    assert!(first.stdout.contains("2 deliveries, 2 rows"), "{}{}", first.stdout, first.stderr);
    let told = "landing/2.csv: 1 row set aside: row 2, column `amount`: `5.5` is not a whole number (int64); \
                `amount` is landed with another type: declare the one that fits all under `columns`";
    assert!(first.stdout.contains(told), "{}", first.stdout);

    project.write("landing/3.csv", "id,amount,note\n4,,d\n");
    project.write("landing/4.csv", "id,amount,more\n5,oops,x\n6,7,y\n");
    let next = project.output(&["run"]);
    assert!(next.stdout.contains("2 deliveries, 2 rows"), "{}{}", next.stdout, next.stderr);
    let rows = project.output(&["query", "select * from orders order by id", "--format", "csv"]);
    assert_eq!(rows.stdout, "id,amount,note,more\n1,5,a,\n3,6,c,\n4,,d,\n6,7,,y\n");
    // It is reproduced with the same types.
    let again = project.output(&["reproduce", "orders"]);
    assert_eq!(again.code, Some(0), "{}{}", again.stdout, again.stderr);

    project.write(
        "sources.yml",
        "sources:\n  - {name: orders, connector: file, path: landing/*.csv, columns: [{name: amount, type: float}]}\n",
    );
    let declared = project.output(&["apply", "--yes"]);
    assert!(declared.stdout.contains("4 deliveries, 5 rows"), "{}{}", declared.stdout, declared.stderr);
}

#[test]
fn columns_that_must_not_change_are_those_that_are_landed() {
    for policy in ["freeze", "quarantine"] {
        let source = format!("{{name: orders, connector: file, path: landing/*.csv, on_schema_change: {policy}}}");
        let project = empty()
            .file("baton.yml", "project: plain\n")
            .file("sources.yml", &format!("sources:\n  - {source}\n"))
            .delivery("landing/1.csv", "id,amount\n1,5\n", 1_704_326_400);
        assert_eq!(project.output(&["apply", "--yes"]).code, Some(0));
        project.write("landing/2.csv", "id,amount,more\n2,6,x\n");
        let run = project.output(&["run"]);
        let told = format!("{}{}", run.stdout, run.stderr);
        assert!(told.contains("new column `more`"), "{policy}: {told}");
        let rows = project.output(&["query", "select * from orders", "--format", "csv"]).stdout;
        assert_eq!(rows, "id,amount\n1,5\n", "{policy}");
    }
}

/// What `baton status` counts as open.
fn open_incidents(project: &TestProject) -> String {
    let status = project.output(&["status", "-e", "dev"]).stdout;
    status.lines().find_map(|line| line.trim().strip_prefix("incidents")).unwrap_or_default().trim().to_owned()
}

#[test]
fn an_incident_is_over_when_what_failed_is_well_again() {
    let project = shop();
    project.output(&["apply", "--yes", "-e", "dev"]);
    let query = std::fs::read_to_string(project.path("tables/days.sql")).unwrap();
    project.write("landing/orders-2.csv", "order_id,customer,amount,ordered_at\n7,ada,5000,2024-01-02T09:00:00Z\n");
    project.output(&["run", "-e", "dev"]);
    assert_eq!(open_incidents(&project), "1 open, 1 in all", "a check keeps the delivery back");
    project.output(&["run", "-e", "dev"]);
    assert_eq!(open_incidents(&project), "1 open, 1 in all", "nothing new came");
    project.write("landing/orders-3.csv", "order_id,customer,amount,ordered_at\n8,ada,5,2024-01-02T09:00:00Z\n");
    project.output(&["run", "-e", "dev"]);
    assert_eq!(open_incidents(&project), "0 open, 1 in all");

    project.write("tables/days.sql", &query.replace("sum(amount)", "sum(1 / (order_id - order_id))"));
    std::fs::remove_file(project.path("landing/orders-2.csv")).unwrap();
    let failed = project.output(&["apply", "--yes", "-e", "dev"]);
    assert_eq!((failed.code, open_incidents(&project).as_str()), (Some(1), "1 open, 2 in all"), "{}", failed.stdout);
    project.write("tables/days.sql", &query);
    project.output(&["apply", "--yes", "-e", "dev"]);
    project.output(&["run", "-e", "dev"]);
    assert_eq!(open_incidents(&project), "0 open, 2 in all");
}
