//! Python tables, by the real binary and a real interpreter: forms of rows, time, failures, fingerprints, unit tests.
//!
//! Needs `BATON_TEST_PYTHON`, a Python with the packages `pyarrow`, `polars` and `pandas`.

use std::fs;
use std::path::Path;

use baton_testkit::project::{Output, TestProject};
use baton_testkit::python::interpreter;
use expect_test::expect;

use crate::shop::{at, check, deliver_more, empty, shop};

fn head(more: &str) -> String {
    format!(
        "project: shop\nenvironments:\n  dev: {{}}\npython: {{interpreter: '{}', lock: lock.txt{more}}}\n",
        interpreter().display()
    )
}

/// The shop with a Python environment.
fn python_shop() -> TestProject {
    shop().file("baton.yml", &head("")).file("lock.txt", "pyarrow==1\n")
}

const DAYS: &str = "\
import pyarrow.compute as pc

config = dict(
    materialize='incremental', time='day', batch='1d', lookback='1d',
    columns={'day': 'timestamp', 'amount': 'float', 'orders': 'int'},
)

def table(ctx, orders):
    print(ctx.start.date(), orders.num_rows)
    if orders.num_rows == 0:
        return orders.select([]).append_column('day', [[]]).append_column('amount', [[]]).append_column('orders', [[]])
    import pyarrow as pa
    return pa.table({'day': [ctx.start], 'amount': [pc.sum(orders['amount'])], 'orders': [orders.num_rows]})
";

fn ok(project: &TestProject, arguments: &[&str]) -> Output {
    let output = project.output(&at(arguments));
    assert_eq!(output.code, Some(0), "{arguments:?}\n{}\n{}", output.stdout, output.stderr);
    output
}

fn rows(project: &TestProject, sql: &str) -> String {
    ok(project, &["query", sql, "--output", "json"]).stdout
}

#[test]
fn every_form_of_rows_gives_the_same_table() {
    let forms = [
        ("arrow", "pa.Table", "orders"),
        ("batches", "pa.RecordBatchReader", "orders"),
        ("polars", "pl.DataFrame", "orders.with_columns(pl.col('amount') + 0)"),
        ("lazy", "pl.LazyFrame", "orders.filter(pl.col('amount') > -1)"),
        ("pandas", "pd.DataFrame", "orders"),
        ("parts", "pa.Table", "(batch for batch in orders.to_batches())"),
    ];
    let mut project = python_shop();
    for (name, annotation, returned) in forms {
        let code = format!(
            "import pandas as pd\nimport polars as pl\nimport pyarrow as pa\nconfig = {{'columns': {{'order_id': 'int', \
             'customer': 'string', 'amount': 'float', 'ordered_at': 'timestamp'}}}}\n\
             def table(orders: {annotation}):\n    return {returned}\n"
        );
        project = project.file(&format!("tables/{name}.py"), &code);
    }
    ok(&project, &["apply", "--yes"]);
    let expected = rows(&project, "select * from orders order by order_id");
    for (name, ..) in forms {
        assert_eq!(rows(&project, &format!("select * from {name} order by order_id")), expected, "{name}");
    }
    let again = ok(&project, &["apply", "--yes"]);
    assert!(!again.stdout.contains("arrow"), "{}", again.stdout);
}

#[test]
fn an_incremental_table_is_called_for_each_interval_and_again_for_late_rows() {
    let sql = "{{ config(materialize='incremental', time='day', lookback='1d') }}\n\
               select date_trunc('day', ordered_at) as day, sum(amount) as amount, count(*) as orders from orders group by 1\n";
    let project = python_shop().file("tables/python_days.py", DAYS).file("tables/sql_days.sql", sql);
    let first = ok(&project, &["apply", "--yes"]);
    assert!(first.stderr.contains("python_days | 2024-01-0"), "{}", first.stderr);
    let compare = |project: &TestProject, as_of: &str| {
        let of = |table: &str| {
            let sql = format!("select *, _available_at from system.{table} order by day");
            project.output(&["query", &sql, "--output", "json", "--as-of", as_of]).stdout
        };
        assert_eq!(of("python_days"), of("sql_days"));
    };
    compare(&project, "2024-01-05");
    let project = deliver_more(project);
    let output = project.output(&["run", "--as-of", "2024-01-08"]);
    assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    compare(&project, "2024-01-08");
    let log = ok(&project, &["runs", "show", "--log"]).stdout;
    assert!(log.contains("print python_days: 2024-01-0"), "{log}");
}

#[test]
fn rows_are_kept_by_key_and_as_a_history_as_in_sql() {
    let kept = "def table(orders):\n    import pyarrow.compute as pc\n    newest = orders.group_by('customer').aggregate([('amount', 'sum')])\n    \
                return newest.rename_columns(['customer', 'amount'])\n";
    let config = |how: &str| {
        format!(
            "config = {{'columns': {{'customer': 'string', 'amount': 'float'}}, 'materialize': '{how}', 'grain': ['customer']}}\n"
        )
    };
    let sql = |how: &str| {
        format!(
            "{{{{ config(materialize='{how}', grain=['customer']) }}}}\nselect customer, sum(amount) as amount from orders group by 1\n"
        )
    };
    let mut project = python_shop();
    for how in ["merge", "history"] {
        project = project.file(&format!("tables/python_{how}.py"), &format!("{}{kept}", config(how)));
        project = project.file(&format!("tables/sql_{how}.sql"), &sql(how));
    }
    ok(&project, &["apply", "--yes"]);
    let project = deliver_more(project);
    let output = project.output(&["run", "--as-of", "2024-01-08"]);
    assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    for (how, order) in [("merge", "customer"), ("history", "customer, valid_from")] {
        let of = |kind: &str| {
            let sql = format!("select * from {kind}_{how} order by {order}");
            project.output(&["query", &sql, "--output", "json", "--as-of", "2024-01-08"]).stdout
        };
        assert!(of("python").contains("ada"), "{}", of("python"));
        assert_eq!(of("python"), of("sql"));
    }
}

#[test]
fn an_exception_names_file_and_line_and_leaves_the_rest_going_on() {
    let project = python_shop()
        .file("shared/amounts.py", "def share(amount, of):\n    return amount / of\n")
        .file(
            "tables/shares.py",
            "from shared.amounts import share\nconfig = {'columns': {'n': 'float'}}\ndef table(ctx, orders):\n    \
             print('so far')\n    return share(1, 0)\n",
        )
        .file(
            "tables/fine.py",
            "config = {'columns': {'order_id': 'int'}}\ndef table(orders):\n    return orders.select(['order_id'])\n",
        );
    check(
        &project.run(&at(&["apply", "--yes"])),
        &expect![[r#"
        exit: 1
        --- stdout
        Plan for environment `dev` as of 2024-01-05 00:00 UTC

          + source        orders                 new
          + table         customers              new
          + table         days                   new
          + table         fine                   new
          + table         shares                 new

          5 new

        Checks    5 checks on orders
          ✓ ingest      orders               1 delivery, 3 rows
          ✓ build       customers            2 rows
          ✓ build       days                 2 rows
          ✓ build       fine                 3 rows
          ✗ build       shares               ZeroDivisionError: division by zero
          tables/shares.py:5 in table
            return share(1, 0)
          shared/amounts.py:2 in share
            return amount / of
          inc-1 open since 2024-01-05, 1 alert: build shares failed: ZeroDivisionError: division by zero
          tables/shares.py:5 in table
            return share(1, 0)
          shared/amounts.py:2 in share
            return amount / of
        dev moved to [hash]; 5 checks hold
        --- stderr
        shares | so far
        ✗ build shares: ZeroDivisionError: division by zero
          tables/shares.py:5 in table
            return share(1, 0)
          shared/amounts.py:2 in share
            return amount / of
        error: 1 of 5 steps failed; environment `dev` keeps their last good versions
        help: mend what is named above and run the same command again
    "#]],
    );
    assert!(rows(&project, "select count(*) as n from days").contains("2"));
}

#[test]
fn a_worker_that_ends_fails_its_step_alone() {
    let ends = [
        ("leaves", "import os; os._exit(3)", "exited with code 3"),
        ("is_killed", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was ended by signal 9"),
        ("faults", "import ctypes; ctypes.string_at(0)", "was ended by signal 11"),
    ];
    let mut project = python_shop().file(
        "tables/zz_fine.py",
        "config = {'columns': {'order_id': 'int'}}\ndef table(orders):\n    return orders.select(['order_id'])\n",
    );
    for (name, code, _) in ends {
        let text = format!("config = {{'columns': {{'n': 'int'}}}}\ndef table(orders):\n    {code}\n");
        project = project.file(&format!("tables/{name}.py"), &text);
    }
    let output = project.output(&at(&["apply", "--yes"]));
    assert_eq!(output.code, Some(1), "{}{}", output.stdout, output.stderr);
    for (name, _, how) in ends {
        let told = format!("the Python worker {how}");
        assert!(output.stderr.contains(&told) && output.stderr.contains(name), "{told}\n{}", output.stderr);
    }
    assert!(output.stderr.contains("tables/faults.py\", line 3 in table"), "{}", output.stderr);
    assert!(output.stderr.contains("✓") || !output.stderr.contains("✗ build zz_fine"), "{}", output.stderr);
}

#[test]
fn time_and_memory_of_a_call_are_limited() {
    let project = shop()
        .file("baton.yml", &head(", memory_limit: 1GiB"))
        .file("lock.txt", "")
        .file(
            "tables/slow.py",
            "config = {'columns': {'n': 'int'}, 'timeout': '1s'}\ndef table(orders):\n    while True: pass\n",
        )
        .file(
            "tables/large.py",
            "import polars\nimport pyarrow as pa\nconfig = {'columns': {'n': 'int'}}\ndef table(orders):\n    \
             return pa.table({'n': pa.array([1] * 10).take(pa.array([0] * 300_000_000))})\n",
        );
    let output = project.output(&at(&["apply", "--yes"]));
    assert!(output.stderr.contains("the function of `slow` took longer than 1 s"), "{}", output.stderr);
    assert!(output.stderr.contains("a worker may use 1024 MiB"), "{}", output.stderr);
    assert!(output.stderr.contains("tables/large.py:5 in table"), "{}", output.stderr);
}

#[test]
fn what_is_returned_is_held_against_what_is_declared() {
    let returned = [
        ("nothing", "return None", "it returned NoneType"),
        ("less", "return orders.select(['order_id'])", "it returned no column amount; there are: order_id"),
        ("more", "return orders", "it returned customer, ordered_at besides the declared columns"),
        (
            "other",
            "return orders.select(['order_id']).append_column('amount', [['a'] * len(orders)])",
            "column amount is string",
        ),
    ];
    let mut project = python_shop();
    for (name, code, _) in returned {
        let text = format!(
            "config = {{'columns': {{'order_id': 'int', 'amount': 'float'}}}}\ndef table(orders):\n    {code}\n"
        );
        project = project.file(&format!("tables/{name}.py"), &text);
    }
    let output = project.output(&at(&["apply", "--yes"]));
    assert_eq!(output.code, Some(1));
    for (name, _, told) in returned {
        assert!(output.stderr.contains(told), "{name}: {told}\n{}", output.stderr);
    }
}

#[test]
fn an_interpreter_that_is_not_there_is_told_before_and_without_pyarrow_when_it_starts() {
    let table =
        "config = {'columns': {'order_id': 'int'}}\ndef table(orders):\n    return orders.select(['order_id'])\n";
    let project = shop().file("tables/ids.py", table).file("lock.txt", "").file(
        "baton.yml",
        "project: shop\nenvironments:\n  dev: {}\npython: {interpreter: .venv/bin/python, lock: lock.txt}\n",
    );
    check(
        &project.run(&at(&["check"])),
        &expect![[r#"
        exit: 0
        --- stdout
        shop: 4 assets, no errors
        --- stderr
        warning[P0405]: the Python interpreter `.venv/bin/python` of `python:` in baton.yml is not there
           ╭─[tables/ids.py:1:1]
         1 │ config = {'columns': {'order_id': 'int'}}
           · ─┬─
           ·  ╰── declared here
         2 │ def table(orders):
           ╰────
          help: make the environment, for example with `python3 -m venv .venv` and `.venv/bin/pip install -r requirements.txt`

        0 errors, 1 warning
    "#]],
    );
    let bare = format!("#!/bin/sh\nexec '{}' -S \"$@\"\n", interpreter().display());
    project.write(".venv/bin/python", &bare);
    let made = std::process::Command::new("chmod").arg("+x").arg(project.path(".venv/bin/python")).status().unwrap();
    assert!(made.success());
    let output = project.output(&at(&["apply", "--yes"]));
    assert!(output.stderr.contains("has no package `pyarrow`"), "{}", output.stderr);
}

#[test]
fn the_example_is_checked_tested_built_and_rebuilt_where_it_matters() {
    let project = empty();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/punctuality"), project.folder());
    let head = fs::read_to_string(project.path("baton.yml")).unwrap();
    project.write(
        "baton.yml",
        &head.replace("python:\n", &format!("python:\n  interpreter: '{}'\n", interpreter().display())),
    );
    let ok = |arguments: &[&str]| {
        let output = project.output(&[arguments, &["--as-of", "2013-07-02"]].concat());
        assert_eq!(output.code, Some(0), "{arguments:?}\n{}\n{}", output.stdout, output.stderr);
        output
    };
    check(
        &project.run(&["check", "--as-of", "2013-07-02"]),
        &expect![[r#"
        exit: 0
        --- stdout
        punctuality: 4 assets, no errors
    "#]],
    );
    assert!(ok(&["test"]).stdout.contains("2 passed"));
    assert!(ok(&["apply", "--yes"]).stderr.contains("alarms | info: 4 carriers"));
    check(
        &ok(&["query", "select * from worst_days order by carrier"]).stdout,
        &expect![[r#"
        carrier  alarm_days  above_usual
        ───────  ──────────  ───────────
        B6                7       208.16
        DL               11       138.12
        UA                9       173.83
        WN               16       228.29
        4 rows
    "#]],
    );
    check(
        &ok(&["lineage", "alarms", "--columns"]).stdout,
        &expect![[r#"
        alarms table
        └─ carrier_days table
           └─ delays source

        Columns
          carrier_days.carrier → alarms.above_usual
          carrier_days.carrier → alarms.alarm
          carrier_days.carrier → alarms.carrier
          carrier_days.day → alarms.above_usual
          carrier_days.day → alarms.alarm
          carrier_days.day → alarms.day
          carrier_days.minutes → alarms.above_usual
          carrier_days.minutes → alarms.alarm
          delays.carrier → carrier_days.carrier
          delays.day → carrier_days.day
          delays.minutes → carrier_days.minutes
    "#]],
    );
    assert!(ok(&["reproduce", "alarms"]).stdout.contains("same digest"));

    let alarms = fs::read_to_string(project.path("tables/alarms.py")).unwrap();
    project.write(
        "tables/alarms.py",
        &alarms
            .replace("threshold = ctx", "# minutes\n    threshold = ctx")
            .replace("    columns = ", "\n    columns   =  "),
    );
    assert!(ok(&["plan"]).stdout.contains("No changes"), "{}", ok(&["plan"]).stdout);
    let shared = fs::read_to_string(project.path("shared/control.py")).unwrap();
    project.write("shared/control.py", &shared.replace("total + value", "total + 2 * value"));
    let plan = ok(&["plan"]).stdout;
    assert!(plan.contains("alarms") && plan.contains("worst_days") && !plan.contains("carrier_days "), "{plan}");
    project.write("shared/control.py", &shared);
    project.write("requirements.txt", "pyarrow==99\n");
    assert!(ok(&["plan"]).stdout.contains("alarms"));
}

#[test]
fn a_failing_unit_test_shows_the_cells_of_a_python_table() {
    let project = python_shop()
        .file("tables/doubles.py", "config = {'columns': {'order_id': 'int', 'twice': 'float'}, 'grain': ['order_id']}\n\
              import polars as pl\ndef table(orders: pl.DataFrame):\n    return orders.select('order_id', twice=pl.col('amount') * 2)\n")
        .file("given.csv", "order_id,amount\n1,2.5\n2,4\n")
        .file("tests/doubles.yml", "tests:\n  - name: twice\n    table: doubles\n    given: {orders: {file: given.csv}}\n    \
              expect: [{order_id: 1, twice: 5}, {order_id: 2, twice: 9}]\n  - name: from_sql\n    table: doubles\n    \
              given: {orders: {sql: \"select 7 as order_id, 0.5 as amount\"}}\n    expect: [{order_id: 7, twice: 1}]\n");
    let output = project.output(&at(&["test"]));
    assert_eq!(output.code, Some(1), "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("✓ doubles") && output.stdout.contains("8"), "{}", output.stdout);
    let fixture = python_shop().file(
        "tables/doubles.py",
        "config = {'columns': {'order_id': 'int', 'twice': 'float'}, 'grain': ['order_id']}\n\
              def table(orders):\n    import pyarrow.compute as pc\n    \
              return orders.select(['order_id']).append_column('twice', pc.multiply(orders['amount'], 2))\n",
    );
    ok(&fixture, &["apply", "--yes"]);
    ok(&fixture, &["test", "--fixture", "doubles", "--limit", "2", "--out", "tests/made.yml"]);
    assert!(ok(&fixture, &["test"]).stdout.contains("1 passed"));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => fs::write(to.join(entry.file_name()), fs::read(entry.path()).unwrap()).unwrap(),
        }
    }
}
