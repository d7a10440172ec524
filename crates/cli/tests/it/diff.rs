//! Comparing two commits: figures against DuckDB, and whole answers on a small project.
//!
//! The oracle needs `BATON_TEST_PYTHON`, a Python with the package `duckdb`.

use baton_testkit::project::TestProject;
use baton_testkit::python::printed;
use expect_test::expect;
use serde_json::{Value, json};

use crate::answers::ok;
use crate::serve::{as_of, canteen};
use crate::shop::{at, check, deliver_more, empty, shop};

/// 2024-01-04T00:00:00Z
const ARRIVED: u64 = 1_704_326_400;

const SOURCE: &str = "\
sources:
  - name: readings
    connector: file
    path: landing/readings.csv
    load: replace
    columns:
      - {name: id, type: int}
      - {name: region, type: string}
      - {name: amount, type: float}
      - {name: taken_at, type: timestamp}
";

const KEYED: &str = "{{ config(grain=['id']) }}\nselect id, region, amount, taken_at from readings\n";
const LOOSE: &str = "select region, round(amount) as amount from readings\n";

/// Counts by DuckDB, from the deliveries themselves.
const ORACLE: &str = r"
import duckdb, json, sys
old, new = sys.argv[1:]
read = lambda path: f'''(select * from read_csv('{path}', nullstr='', columns={{'id': 'BIGINT', 'region': 'VARCHAR', 'amount': 'DOUBLE', 'taken_at': 'TIMESTAMPTZ'}}))'''
one = lambda query: duckdb.sql(query).fetchall()[0]
a, b = read(old), read(new)
added = one(f'select count(*) from {b} b anti join {a} a on a.id = b.id')[0]
removed = one(f'select count(*) from {a} a anti join {b} b on a.id = b.id')[0]
changed = {}
for column in ['region', 'amount', 'taken_at']:
    changed[column] = one(f'select count(*) from {a} a join {b} b on a.id = b.id where a.{column} is distinct from b.{column}')[0]
any_changed = one(f'select count(*) from {a} a join {b} b on a.id = b.id where a.region is distinct from b.region or a.amount is distinct from b.amount or a.taken_at is distinct from b.taken_at')[0]
loose = lambda side: f'select region, round(amount) as amount from {side}'
more = one(f'select count(*) from ({loose(b)} except all {loose(a)})')[0]
fewer = one(f'select count(*) from ({loose(a)} except all {loose(b)})')[0]
json.dump({'added': added, 'removed': removed, 'changed': any_changed, 'columns': changed, 'more': more, 'fewer': fewer}, sys.stdout)
";

/// Rows of two deliveries with nulls, repeated values, keys that come, go and change; from a fixed linear sequence.
fn readings(version: u64) -> String {
    let mut text = "id,region,amount,taken_at\n".to_owned();
    let mut state = 88_172_645_463_325_252_u64;
    for id in 0..4_000_u64 {
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        let (fate, region, amount, minute) = (draw() % 100, draw() % 6, draw() % 2_000, draw() % 1_440);
        if (version == 1 && fate < 3) || (version == 0 && fate >= 96) {
            continue;
        }
        let moved = version == 1 && (10..30).contains(&fate);
        let region = match (region + u64::from(moved && fate < 15)) % 6 {
            0 => String::new(),
            region => format!("region {region}"),
        };
        let amount = if amount < 100 { String::new() } else { format!("{}", (amount + u64::from(moved)) as f64 / 4.0) };
        text.push_str(&format!(
            "{id},{region},{amount},2024-01-0{}T{:02}:{:02}:00Z\n",
            1 + id % 3,
            minute / 60,
            minute % 60
        ));
    }
    text
}

/// Two versions of the readings in `prod`, and the two deliveries beside the landing folder.
fn measured() -> TestProject {
    let project = empty()
        .file("baton.yml", "project: readings\nenvironments:\n  prod: {}\n")
        .file("sources.yml", SOURCE)
        .file("tables/keyed.sql", KEYED)
        .file("tables/loose.sql", LOOSE)
        .file("kept/0.csv", &readings(0))
        .file("kept/1.csv", &readings(1))
        .delivery("landing/readings.csv", &readings(0), ARRIVED);
    let applied = project.output(&["apply", "--yes", "--as-of", "2024-01-05"]);
    assert_eq!(applied.code, Some(0), "{}", applied.stderr);
    let project = project.delivery("landing/readings.csv", &readings(1), ARRIVED + 2 * 86_400);
    let ran = project.output(&["run", "--as-of", "2024-01-07"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    project
}

fn diffed(project: &TestProject, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["-o", "json"]).collect();
    let answer = project.output(&arguments);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    serde_json::from_str(&answer.stdout).unwrap()
}

fn oracle(project: &TestProject) -> Value {
    serde_json::from_str(&printed(ORACLE, &[project.path("kept/0.csv"), project.path("kept/1.csv")])).unwrap()
}

#[test]
fn rows_are_counted_as_duckdb_counts_them() {
    let project = measured();
    let answer = diffed(&project, &["diff", "prod~1", "prod", "keyed", "loose"]);
    let expected = oracle(&project);
    let rows = |name: &str| {
        let assets = answer["assets"].as_array().unwrap();
        assets.iter().find(|asset| asset["name"] == name).unwrap()["rows"].clone()
    };
    let keyed = rows("keyed");
    assert_eq!(keyed["method"], "grain");
    for figure in ["added", "removed", "changed"] {
        assert!(keyed[figure].as_u64().unwrap() > 100, "{figure} tests little");
        assert_eq!(keyed[figure], expected[figure], "{figure}");
    }
    let columns: serde_json::Map<String, Value> = keyed["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| (column["column"].as_str().unwrap().to_owned(), column["changed"].clone()))
        .collect();
    for (column, changed) in expected["columns"].as_object().unwrap() {
        assert_eq!(columns.get(column).unwrap_or(&json!(0)), changed, "{column}");
    }
    let loose = rows("loose");
    assert_eq!((&loose["method"], &loose["added"]), (&json!("multiset"), &expected["more"]));
    assert_eq!(loose["removed"], expected["fewer"]);
    assert_eq!(loose["after"].as_i64().unwrap() - loose["before"].as_i64().unwrap(), {
        loose["added"].as_i64().unwrap() - loose["removed"].as_i64().unwrap()
    });
}

#[test]
fn samples_are_the_least_keys_whatever_order_rows_come_in() {
    let project = measured();
    let first = diffed(&project, &["diff", "prod~1", "prod", "keyed", "--limit", "4"]);
    let again = diffed(&project, &["diff", "prod~1", "prod", "keyed", "--limit", "4"]);
    assert_eq!(first, again);
    let sample = first["assets"][0]["rows"]["added_sample"].as_array().unwrap().clone();
    let ids: Vec<i64> = sample.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), 4);
    assert!(ids.is_sorted(), "{ids:?}");
    let only = diffed(&project, &["diff", "prod~1", "prod", "keyed", "--columns", "region"]);
    let columns = only["assets"][0]["rows"]["columns"].as_array().unwrap().clone();
    assert_eq!(columns.iter().map(|column| &column["column"]).collect::<Vec<_>>(), ["region"]);
}

#[test]
fn key_that_is_there_twice_is_said() {
    let project = measured();
    project.write(
        "tables/keyed.sql",
        "{{ config(grain=['region']) }}\nselect id, region, amount, taken_at from readings\n",
    );
    // Grain does not decide content, so the recorded versions stay, and are compared by the grain of the newer side.
    assert_eq!(project.output(&["apply", "--yes", "--as-of", "2024-01-07"]).code, Some(0));
    let answer = diffed(&project, &["diff", "prod~2", "prod", "keyed"]);
    let keyed = &answer["assets"][0];
    assert_eq!(keyed["rows"]["method"], "multiset");
    assert_eq!(keyed["notes"], json!(["region does not identify a row: rows were compared as a whole"]));
}

#[test]
fn what_a_run_brought_is_shown() {
    let project = deliver_more(shop());
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    assert_eq!(project.output(&["run", "--as-of", "2024-01-08"]).code, Some(0));
    check(
        &project.run(&["diff", "prod~1", "prod"]),
        &expect![[r#"
        exit: 0
        --- stdout
        prod~1 ([hash] as of 2024-01-05 00:00) → prod ([hash] as of 2024-01-08 00:00)

        source orders changed v0 → v1
          rows
            3 → 5: 2 added, 0 removed (as a whole; 1 shared file not read)
          added
            order_id  customer  amount  ordered_at
            ────────  ────────  ──────  ────────────────────
                   4  ada          1.5  2024-01-05T09:00:00Z
                   5  edsger        30  2024-01-05T10:30:00Z
          statistics
            column      nulls  distinct                                 mean                                  p50                                  p95  distance
            ──────────  ─────  ────────  ───────────────────────────────────  ───────────────────────────────────  ───────────────────────────────────  ────────  ───────
            order_id       0%     3 → 5                                2 → 3                                2 → 3                            2.9 → 4.8     0.833  drifted
            customer       0%     2 → 3                                                                                                                    0.280  drifted
            amount         0%     3 → 5                        39.833 → 30.2                                 12.5                        91.025 → 85.8     0.719  drifted
            ordered_at     0%     3 → 5  2024-01-02T17:15 → 2024-01-03T19:03  2024-01-02T10:30 → 2024-01-03T08:15  2024-01-03T06:04 → 2024-01-05T10:12     0.833  drifted

        table customers changed v0 → v1
          rows
            2 → 3: 2 added, 1 removed (as a whole)
          added
            customer  orders  amount
            ────────  ──────  ──────
            ada            3   21.25
            edsger         1      30
          removed
            customer  orders  amount
            ────────  ──────  ──────
            ada            2   19.75
          statistics
            column    nulls  distinct            mean         p50             p95  distance
            ────────  ─────  ────────  ──────────────  ──────────  ──────────────  ────────  ───────
            customer     0%     2 → 3                                                 0.364  drifted
            orders       0%         2    1.5 → 1.6667     1.5 → 1      1.95 → 2.8     0.833  drifted
            amount       0%     2 → 3  59.75 → 50.333  59.75 → 30  95.75 → 92.775     0.833  drifted

        table days changed v0 → v1
          rows
            2 → 3: 1 added, 0 removed (as a whole)
          added
            day                   amount
            ────────────────────  ──────
            2024-01-05T00:00:00Z    31.5
          statistics
            column  nulls  distinct                                 mean                                  p50                                  p95  distance
            ──────  ─────  ────────  ───────────────────────────────────  ───────────────────────────────────  ───────────────────────────────────  ────────  ───────
            day        0%     2 → 3  2024-01-02T12:00 → 2024-01-03T08:00  2024-01-02T12:00 → 2024-01-03T00:00  2024-01-02T22:48 → 2024-01-04T19:12     0.833  drifted
            amount     0%     2 → 3                       59.75 → 50.333                         59.75 → 31.5                         107 → 104.18     0.833  drifted

        3 assets differ, 0 are the same
    "#]],
    );
    check(
        &project.run(&["diff", "prod", "prod"]),
        &expect![[r#"
        exit: 0
        --- stdout
        prod ([hash] as of 2024-01-08 00:00) → prod ([hash] as of 2024-01-08 00:00)

        No differences: 3 assets are the same.
    "#]],
    );
    check(
        &project.run(&["diff", "prod~7", "prod"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `prod~7` names no environment, tag or commit; the history is not that long; see `baton log`
    "#]],
    );
}

#[test]
fn what_was_declared_otherwise_is_shown() {
    let project = shop();
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    project.write(
        "tables/customers.sql",
        "-- One row a customer\nselect customer, count(*) as orders, sum(amount) * 2 as amount, max(ordered_at) as newest\nfrom orders\ngroup by customer\n",
    );
    assert_eq!(project.output(&at(&["apply", "--yes", "-e", "dev"])).code, Some(0));
    check(
        &project.run(&["diff", "prod", "dev", "customers"]),
        &expect![[r#"
            exit: 0
            --- stdout
            prod ([hash] as of 2024-01-05 00:00) → dev ([hash] as of 2024-01-05 00:00)

            table customers changed v0
              definition
                @@ -11,5 +11,5 @@
                   batch: 86400
                 -- One row a customer
                -select customer, count(*) as orders, sum(amount) as amount
                +select customer, count(*) as orders, sum(amount) * 2 as amount, max(ordered_at) as newest
                 from orders
                 group by customer
              plan
                @@ -2,5 +2,6 @@
                     orders.customer
                     count(Int64(1)) AS count(*) AS orders
                -    sum(orders.amount) AS amount
                -  Aggregate: groupBy=[[orders.customer]], aggr=[[count(Int64(1)), sum(orders.amount)]]
                -    TableScan: orders projection=[customer, amount]
                +    sum(orders.amount) * Float64(2) AS amount
                +    max(orders.ordered_at) AS newest
                +  Aggregate: groupBy=[[orders.customer]], aggr=[[count(Int64(1)), sum(orders.amount), max(orders.ordered_at)]]
                +    TableScan: orders projection=[customer, amount, ordered_at]
              columns
                + newest Timestamp(µs, "UTC")
              rows
                2 → 2: 2 added, 2 removed (as a whole)
              added
                customer  orders  amount
                ────────  ──────  ──────
                ada            2    39.5
                grace          1   199.5
              removed
                customer  orders  amount
                ────────  ──────  ──────
                ada            2   19.75
                grace          1   99.75
              statistics
                column  nulls  distinct           mean            p50            p95  distance
                ──────  ─────  ────────  ─────────────  ─────────────  ─────────────  ────────  ───────
                amount     0%         2  59.75 → 119.5  59.75 → 119.5  95.75 → 191.5     0.833  drifted

            1 asset differs, 0 are the same
        "#]],
    );
    check(
        &project.run(&["diff", "prod", "dev", "--format", "markdown"]),
        &expect![[r#"
            exit: 0
            --- stdout
            ### prod ([hash] as of 2024-01-05 00:00) → dev ([hash] as of 2024-01-05 00:00)

            1 asset differs, 2 are the same

            <details><summary><b>table customers changed v0</b></summary>

            definition
            ```diff
            @@ -11,5 +11,5 @@
               batch: 86400
             -- One row a customer
            -select customer, count(*) as orders, sum(amount) as amount
            +select customer, count(*) as orders, sum(amount) * 2 as amount, max(ordered_at) as newest
             from orders
             group by customer
            ```

            plan
            ```diff
            @@ -2,5 +2,6 @@
                 orders.customer
                 count(Int64(1)) AS count(*) AS orders
            -    sum(orders.amount) AS amount
            -  Aggregate: groupBy=[[orders.customer]], aggr=[[count(Int64(1)), sum(orders.amount)]]
            -    TableScan: orders projection=[customer, amount]
            +    sum(orders.amount) * Float64(2) AS amount
            +    max(orders.ordered_at) AS newest
            +  Aggregate: groupBy=[[orders.customer]], aggr=[[count(Int64(1)), sum(orders.amount), max(orders.ordered_at)]]
            +    TableScan: orders projection=[customer, amount, ordered_at]
            ```

            columns
            ```text
            + newest Timestamp(µs, "UTC")
            ```

            rows
            ```text
            2 → 2: 2 added, 2 removed (as a whole)
            ```

            added
            ```text
            customer  orders  amount
            ────────  ──────  ──────
            ada            2    39.5
            grace          1   199.5
            ```

            removed
            ```text
            customer  orders  amount
            ────────  ──────  ──────
            ada            2   19.75
            grace          1   99.75
            ```

            statistics
            ```text
            column  nulls  distinct           mean            p50            p95  distance
            ──────  ─────  ────────  ─────────────  ─────────────  ─────────────  ────────  ───────
            amount     0%         2  59.75 → 119.5  59.75 → 119.5  95.75 → 191.5     0.833  drifted
            ```

            </details>
        "#]],
    );
}

#[test]
fn a_query_that_is_written_otherwise_is_told_from_one_that_computes_otherwise() {
    let project = shop();
    ok(&project, &at(&["apply", "--yes"]));
    project.write(
        "tables/customers.sql",
        "with all_of_them as (select * from orders)\nselect customer, count(*) as orders, sum(amount) as amount from all_of_them group by 1\n",
    );
    project.write("tables/days.sql", "select date_trunc('day', ordered_at) as day, sum(amount) as amount\nfrom orders\nwhere amount > 5\ngroup by 1\n");
    ok(&project, &at(&["apply", "--yes", "-e", "dev"]));
    check(
        &project.run(&["diff", "prod", "dev", "--format", "markdown"]),
        &expect![[r#"
            exit: 0
            --- stdout
            ### prod ([hash] as of 2024-01-05 00:00) → dev ([hash] as of 2024-01-05 00:00)

            2 assets differ, 1 are the same

            <details><summary><b>table customers changed v0</b></summary>

            definition
            ```diff
            @@ -10,6 +10,4 @@
               lookback: 0
               batch: 86400
            --- One row a customer
            -select customer, count(*) as orders, sum(amount) as amount
            -from orders
            -group by customer
            +with all_of_them as (select * from orders)
            +select customer, count(*) as orders, sum(amount) as amount from all_of_them group by 1
            ```

            rows
            ```text
            2 → 2: the same (as a whole; 1 shared file not read)
            ```

            notes
            ```text
            its query is written otherwise and computed alike
            ```

            </details>

            <details><summary><b>table days changed v0</b></summary>

            definition
            ```diff
            @@ -12,3 +12,4 @@
             select date_trunc('day', ordered_at) as day, sum(amount) as amount
             from orders
            +where amount > 5
             group by 1
            ```

            plan
            ```diff
            @@ -3,3 +3,4 @@
                 sum(orders.amount) AS amount
               Aggregate: groupBy=[[date_trunc(Utf8("day"), orders.ordered_at)]], aggr=[[sum(orders.amount)]]
            -    TableScan: orders projection=[amount, ordered_at]
            +    Filter: orders.amount > Float64(5)
            +      TableScan: orders projection=[amount, ordered_at]
            ```

            rows
            ```text
            2 → 2: the same (as a whole)
            ```

            </details>
        "#]],
    );
}

#[test]
fn models_are_compared_on_the_same_rows_and_by_what_they_look_at() {
    let project = canteen();
    let clock = as_of(40);
    ok(&project, &["apply", "-e", "prod", "--yes", "--as-of", &clock]);
    project.write(
        "tables/habits_table.sql",
        "select guest, eaten_at, price as last_price, length(guest) as letters from meals\n",
    );
    let assets = std::fs::read_to_string(project.path("assets.yml")).unwrap();
    project.write(
        "assets.yml",
        &assets.replace("features: [habits.last_price]", "features: [habits.last_price, habits.letters]"),
    );
    ok(&project, &["apply", "-e", "dev", "--yes", "--as-of", &clock]);
    check(
        &project.run(&["diff", "prod", "dev", "habits_table", "late_payer", "late"]),
        &expect![[r#"
            exit: 0
            --- stdout
            prod ([hash] as of 2024-02-10 00:00) → dev ([hash] as of 2024-02-10 00:00)

            table habits_table changed v0
              definition
                @@ -10,3 +10,3 @@
                   lookback: 0
                   batch: 86400
                -select guest, eaten_at, price as last_price from meals
                +select guest, eaten_at, price as last_price, length(guest) as letters from meals
              plan
                @@ -3,3 +3,4 @@
                     meals.eaten_at
                     meals.price AS last_price
                +    character_length(meals.guest) AS length(meals.guest) AS letters
                   TableScan: meals projection=[guest, eaten_at, price]
              columns
                + letters Int32
              rows
                800 → 800: the same (as a whole)

            model late_payer changed champion=1 → champion=2
              definition
                @@ -14,4 +14,5 @@
                   features:
                     - {"view":"habits","feature":"last_price"}
                +    - {"view":"habits","feature":"letters"}
                   split:
                     test: 691200
              versions
                champion: 1 → 2
                late_payer@1 boosted_trees of 2024-02-10, 800 rows → late_payer@2 boosted_trees of 2024-02-10, 800 rows
              metrics on the same rows
                160 rows of the test part of late_payer@2
                metric                      before   after  difference
                ──────────────────────────  ──────  ──────  ──────────
                accuracy                    1.0000  1.0000     +0.0000
                average_precision           1.0000  1.0000     +0.0000
                brier                       0.0003  0.0003     -0.0000
                expected_calibration_error  0.0176  0.0162     -0.0014
                f1                          1.0000  1.0000     +0.0000
                log_loss                    0.0177  0.0163     -0.0014
                precision                   1.0000  1.0000     +0.0000
                recall                      1.0000  1.0000     +0.0000
                roc_auc                     1.0000  1.0000     +0.0000
                specificity                 1.0000  1.0000     +0.0000
              importance
                feature             before   after
                ──────────────────  ──────  ──────
                habits__last_price  4.0098  4.0956
                habits__letters             0.0045

            endpoint late changed r1
              serves
                main: late_payer@1 → late_payer@2

            3 assets differ, 0 are the same
        "#]],
    );
}
