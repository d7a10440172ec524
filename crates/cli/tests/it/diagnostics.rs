//! Mistakes in a project: each with file, line, column and what to do, all at once.

use expect_test::expect;

use crate::shop::{at, check, empty, shop};

#[test]
fn wrong_key_is_shown_with_its_place() {
    let project = shop();
    project.write("more.yml", "sources:\n  - name: refunds\n    conector: file\n    path: landing/refunds.csv\n");
    check(
        &project.run(&at(&["check"])),
        &expect![[r#"
            exit: 1
            --- stderr
            error[P0102]: source `refunds` has unknown key `conector`
               ╭─[more.yml:3:5]
             2 │   - name: refunds
             3 │     conector: file
               ·     ────────
             4 │     path: landing/refunds.csv
               ╰────
              detail: Known keys: name, owner, description, tags, connector, path, url, table, query, mode, cursor, lag, key, deletes, latency, options, load, time, available_at, freshness, columns, select, on_schema_change, null_values, checks.
              help: did you mean `connector`?

            error[C0102]: `landing/refunds.csv` does not exist; mend the path of the source, or use a pattern if files arrive later
               ╭─[more.yml:2:11]
             1 │ sources:
             2 │   - name: refunds
               ·           ───┬───
               ·              ╰── declared here
             3 │     conector: file
               ╰────

            2 errors, 0 warnings
        "#]],
    );
}

#[test]
fn wrong_sql_column_names_the_nearest() {
    let project = shop();
    project.write("tables/days.sql", "select date_trunc('day', orderd_at) as day from orders\n");
    check(
        &project.run(&at(&["check"])),
        &expect![[r#"
        exit: 1
        --- stderr
        error[S0103]: table `days`: there is no column `orderd_at`
           ╭─[tables/days.sql:1:26]
         1 │ select date_trunc('day', orderd_at) as day from orders
           ·                          ─────────
           ╰────
          detail: Valid names here: amount, customer, order_id, ordered_at.
          help: did you mean `ordered_at`?

        1 error, 0 warnings
    "#]],
    );
}

#[test]
fn cycle_is_shown_with_all_its_places() {
    let project = shop();
    project.write("tables/one.sql", "select * from two\n");
    project.write("tables/two.sql", "select * from one\n");
    check(
        &project.run(&at(&["check"])),
        &expect![[r#"
            exit: 1
            --- stderr
            error[P0204]: assets read each other in a circle: one -> two -> one
               ╭─[tables/one.sql:1:15]
             1 │ select * from two
               ·               ─┬─
               ·                ╰── `one` reads `two`
               ╰────
               ╭─[tables/two.sql:1:15]
             1 │ select * from one
               ·               ─┬─
               ·                ╰── `two` reads `one`
               ╰────
              help: take one of these reads away

            1 error, 0 warnings
        "#]],
    );
}

#[test]
fn a_target_that_is_text_is_refused() {
    let project = shop();
    project.write(
        "models.yml",
        "models:
  - name: spender
    task: binary_classification
    labels: {from: orders, time: ordered_at, target: customer, keys: [order_id]}
    features: [days.amount]
    split: {by: time, test: 1d, validate: 1d}
features:
  - name: days
    entity: [order_id]
    from: orders
    time: ordered_at
    ttl: 1d
    features: [amount]
",
    );
    let answer = project.run(&at(&["check"]));
    assert!(answer.contains("error[M0110]"), "{answer}");
    assert!(answer.contains("labels.target of model `spender` is `orders.customer`, which is Utf8"), "{answer}");
}

#[test]
fn several_mistakes_are_all_reported() {
    let project = shop();
    project.write("more.yml", "sources:\n  - name: refunds\n    connector: fil\n    path: landing/refunds.csv\n");
    project.write("tables/days.sql", "select nothing from order\n");
    let answer = project.output(&at(&["check"]));
    assert_eq!(answer.code, Some(1));
    assert!(answer.stderr.contains("more.yml:3") && answer.stderr.contains("tables/days.sql:1"), "{}", answer.stderr);
}

#[test]
fn diagnostics_as_json_are_the_answer() {
    let project = shop();
    project.write("baton.yml", "project: shop\nenviroments: {dev: {}}\n");
    check(
        &project.run(&at(&["check", "-o", "json"])),
        &expect![[r#"
            exit: 1
            --- stdout
            {
              "diagnostics": [
                {
                  "code": "P0102",
                  "title": "a key is not known here",
                  "severity": "error",
                  "message": "file `baton.yml` has unknown key `enviroments`",
                  "labels": [
                    {
                      "file": "baton.yml",
                      "line": 2,
                      "column": 1,
                      "length": 11,
                      "text": ""
                    }
                  ],
                  "detail": "Known keys: project, environments, warehouse, ledger, online, memory_limit, server, python, tracking, policies, vars, params, pools, execution, sources, tables, features, models, endpoints, monitors, exposures, exports, tests, schedules, channels, runbooks.",
                  "help": [
                    "did you mean `environments`?"
                  ]
                }
              ],
              "errors": 1,
              "warnings": 0
            }
        "#]],
    );
}

#[test]
fn source_without_files_is_named() {
    let project = empty()
        .file("baton.yml", "project: shop\n")
        .file("sources.yml", "sources:\n  - name: orders\n    connector: file\n    path: landing/orders-*.csv\n");
    check(
        &project.run(&at(&["check"])),
        &expect![[r#"
        exit: 1
        --- stderr
        error[C0102]: `landing` is not a folder; create it, or mend the path of the source
           ╭─[sources.yml:2:11]
         1 │ sources:
         2 │   - name: orders
           ·           ───┬──
           ·              ╰── declared here
         3 │     connector: file
           ╰────

        1 error, 0 warnings
    "#]],
    );
}

#[test]
fn check_changes_nothing() {
    let project = shop();
    check(
        &project.run(&at(&["check"])),
        &expect![[r#"
        exit: 0
        --- stdout
        shop: 3 assets, no errors
    "#]],
    );
    assert!(!project.path(".baton").exists());
}

#[test]
fn what_cannot_be_computed_again_and_what_has_the_wrong_type_have_codes_of_their_own() {
    let project = shop();
    project.write("tables/customers.sql", "select uuid() as id, customer from orders\n");
    project.write("tables/days.sql", "select order_id from orders where customer\n");
    project.write("tables/wrong.sql", "selec 1\n");
    check(
        &project.run(&at(&["check"])),
        &expect![[r#"
        exit: 1
        --- stderr
        error[S0101]: table `wrong`: expected an SQL statement, found selec
           ╭─[tables/wrong.sql:1:1]
         1 │ selec 1
           · ─────
           ╰────

        error[S0108]: table `customers`: `uuid()` gives another value each time, so the table could not be built again: derive the value from columns
           ╭─[tables/customers.sql:1:8]
         1 │ select uuid() as id, customer from orders
           ·        ────
           ╰────

        error[S0104]: table `days`: `customer` is Utf8 and stands where a condition has to be: compare it with something
           ╭─[tables/days.sql:1:35]
         1 │ select order_id from orders where customer
           ·                                   ────────
           ╰────

        3 errors, 0 warnings
    "#]],
    );
}
