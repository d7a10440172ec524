//! Tables of SQL and Python that are made for each of some values.

use baton_testkit::project::TestProject;
use baton_testkit::python::interpreter;
use expect_test::expect;
use serde_json::Value;

use crate::answers::{json, ok, plan_is_empty, rows};
use crate::shop::{at, check, deliver_more, shop};

/// What each customer ordered, with the largest order first.
const LARGEST: &str = "\
{{ config(for_each={'as': 'customer', 'from': 'select customer from customers', 'parallel': 2}) }}
select $customer as who, order_id, amount -- not '$customer'
from orders where customer = $customer
order by amount desc limit 1
";

const CODE: &str = "\
config = {
    'columns': {'year': 'int', 'kind': 'string', 'orders': 'int'},
    'for_each': {'as': 'year', 'in': ['2023,2024'], 'type': 'int', 'parallel': 2},
}

def table(ctx, orders):
    import pyarrow as pa
    if ctx.var('broken', '') == str(ctx.each):
        raise ValueError(f'no rows of {ctx.each}')
    print('year', ctx.each)
    found = [at for at in orders['ordered_at'].to_pylist() if at.year == ctx.each]
    return pa.table({'year': [ctx.each], 'kind': [type(ctx.each).__name__], 'orders': [len(found)]})
";

fn largest() -> TestProject {
    shop().file("tables/largest.sql", LARGEST)
}

/// State and what came of each step of a table in the newest run.
fn timeline(project: &TestProject, table: &str) -> String {
    let shown = json(project, &["runs", "show", "-o", "json"]);
    let steps = shown["timeline"].as_array().unwrap().iter();
    let steps = steps.filter(|step| step["asset"].as_str().unwrap().starts_with(table));
    let line = |step: &Value| format!("{} {} {}\n", step["asset"], step["state"], step["detail"]);
    steps.map(line).collect::<String>().replace('"', "")
}

const ROWS: &str = "select * from largest order by who";

#[test]
fn a_query_is_run_for_each_value_and_all_rows_are_one_version() {
    let project = largest();
    ok(&project, &at(&["apply", "--yes"]));
    check(
        &rows(&project, ROWS),
        &expect![[r#"
        who,order_id,amount
        ada,1,12.5
        grace,2,99.75
    "#]],
    );
    check(
        &timeline(&project, "largest"),
        &expect![[r#"
        largest done 2 rows
        largest[ada] done 1 row
        largest[grace] done 1 row
    "#]],
    );
    assert!(plan_is_empty(&project, &at(&[])));
    let project = deliver_more(project);
    ok(&project, &["run", "--as-of", "2024-01-08"]);
    assert_eq!(rows(&project, ROWS), "who,order_id,amount\nada,1,12.5\nedsger,5,30.0\ngrace,2,99.75\n");
    let up = ok(&project, &["lineage", "largest", "--columns"]);
    assert!(up.contains("orders.amount") && up.contains("customers"), "{up}");
    let again = ok(&project, &["reproduce", "largest"]);
    assert!(again.contains("same"), "{again}");
}

#[test]
fn only_new_values_are_worked_on_while_what_the_query_reads_is_the_same() {
    let project = largest();
    let listed = |list: &str| LARGEST.replace("'from': 'select customer from customers'", &format!("'in': [{list}]"));
    project.write("tables/largest.sql", &listed("'ada'"));
    ok(&project, &at(&["apply", "--yes"]));
    assert_eq!(rows(&project, "select who from largest"), "who\nada\n");
    // Another list is another definition: what came of a value is kept with the one that it was made by.
    project.write("tables/largest.sql", &listed("'ada', 'grace', \"it's\""));
    ok(&project, &at(&["apply", "--yes"]));
    assert_eq!(rows(&project, "select who from largest order by 1"), "who\nada\ngrace\n");
    project.write("tables/largest.sql", &listed(""));
    ok(&project, &at(&["apply", "--yes"]));
    assert_eq!(rows(&project, "select * from largest"), "who,order_id,amount\n", "an empty list is an empty table");
}

#[test]
fn a_query_with_a_value_that_fails_leaves_the_others_done() {
    let sql = "{{ config(for_each={'as': 'by', 'in': [1, 0, 2], 'type': 'int'}) }}\nselect $by as by, 10 / $by as tenth from customers limit 1\n";
    let project = shop().file("tables/parts.sql", sql);
    let failed = project.output(&at(&["apply", "--yes"]));
    assert_eq!(failed.code, Some(1));
    assert!(failed.stdout.contains("1 of 3 values of `parts` failed: 0: "), "{}", failed.stdout);
    check(
        &timeline(&project, "parts"),
        &expect![[r#"
        parts failed 1 of 3 values of `parts` failed: 0: the query failed while running: Divide by zero error
        parts[0] failed the query failed while running: Divide by zero error
        parts[1] done 1 row
        parts[2] done 1 row
    "#]],
    );
    ok(&project, &["check"]);
    let wrong = project.output(&["query", "select * from parts"]);
    assert_eq!(wrong.code, Some(1), "{}", wrong.stdout);
}

#[test]
fn mistakes_around_values_are_told_at_their_place() {
    let of = |sql: &str| shop().file("tables/largest.sql", sql).output(&["check"]).stderr;
    let told = |sql: &str, expected: &str| assert!(of(sql).contains(expected), "{expected}\n{}", of(sql));
    told(&LARGEST.replace("$customer", "'ada'"), "table `largest`: the query does not use `$customer`");
    told(&LARGEST.replace("from customers'", "from nobody'"), "nobody");
    told(&LARGEST.replace("'select customer", "'select custmer"), "the query of `for_each`: ");
    told(&LARGEST.replace("amount desc", "amont desc"), "tables/largest.sql:4:10");
    told(
        &LARGEST.replace("config(", "config(materialize='view', "),
        "config() of table `largest` cannot be made for each value: it is kept as `view`",
    );
    told(&LARGEST.replace("'parallel': 2", "'in': ['x']"), "needs one of `from` and `in`");
}

#[test]
fn a_python_function_is_called_for_each_value_of_its_type() {
    let head = format!(
        "project: shop\nenvironments: {{dev: {{}}}}\nparams: {{broken: {{default: ''}}}}\npython: {{interpreter: '{}', lock: lock.txt}}\n",
        interpreter().display()
    );
    let project = shop().file("baton.yml", &head).file("lock.txt", "pyarrow==1\n").file("tables/years.py", CODE);
    ok(&project, &at(&["apply", "--yes"]));
    let all = "year,kind,orders\n2023,int,0\n2024,int,3\n";
    assert_eq!(rows(&project, "select * from years order by 1"), all);
    let log = ok(&project, &["runs", "show", "--log"]);
    assert!(log.contains("years[2023]") && log.contains("year 2024"), "{log}");
    let failed = project.output(&["run", "--as-of", "2024-01-05", "--param", "broken=2023"]);
    assert!(failed.stdout.contains("1 of 2 values of `years` failed: 2023: "), "{}", failed.stdout);
    assert!(failed.stdout.contains("tables/years.py:9"), "{}", failed.stdout);
    assert_eq!(rows(&project, "select * from years order by 1"), all, "readers keep the last good version");
    project.write("tables/years.py", &CODE.replace("2023,2024", "next"));
    let refused = project.output(&at(&["apply", "--yes"]));
    assert!(refused.stdout.contains("value `next` of `for_each` is no int"), "{}", refused.stdout);
    project.write("tables/years.py", &CODE.replace("ctx, orders", "orders"));
    let blind = project.output(&["check"]);
    assert!(blind.stderr.contains("the function has no parameter `ctx`"), "{}", blind.stderr);
}
