//! Tables that a command makes for each of some values: a list that is known only when they are made.

use baton_testkit::project::TestProject;
use expect_test::expect;
use serde_json::Value;

use crate::answers::{ok, rows};
use crate::shop::{at, check, deliver_more, shop};

/// A row for each customer, written by a shell; each run leaves a line in `runs.log`.
const EACH: &str = "\
tables:
  - name: greetings
    command: |
      echo $BATON_CUSTOMER >> runs.log
      test -e fail-$BATON_CUSTOMER && exit 3
      mkdir -p $BATON_OUTPUTS/parts
      printf 'customer,text\\n%s,hello\\n' $BATON_CUSTOMER > $BATON_OUTPUTS/parts/one.csv
    for_each: {as: customer, from: 'select customer from customers where amount > {{ var(\"least\") }}', parallel: 2}
    output: parts/*.csv
    columns:
      - {name: customer, type: string, checks: [not_null, unique]}
      - {name: text, type: string}
";

fn greetings(each: &str) -> TestProject {
    let head = "project: shop\nenvironments: {dev: {}}\nparams: {least: {type: float, default: 0}}\n\
                pools: {shell: 1}\nexecution: {steps: {greetings: {pool: shell, retries: {attempts: 2, backoff: 0s}}}}\n";
    shop().file("baton.yml", head).file("each.yml", each)
}

fn ran(project: &TestProject) -> String {
    let log = std::fs::read_to_string(project.path("runs.log")).unwrap_or_default();
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    lines.join(" ")
}

const GREETED: &str = "select customer, text from greetings order by 1";

fn timeline(project: &TestProject) -> String {
    let shown: Value = serde_json::from_str(&ok(project, &["runs", "show", "-o", "json"])).unwrap();
    let steps = shown["timeline"].as_array().unwrap().iter();
    let steps = steps.filter(|step| step["asset"].as_str().unwrap().starts_with("greetings"));
    let line = |step: &Value| format!("{} {} {}\n", step["asset"], step["state"], step["detail"]);
    steps.map(line).collect::<String>().replace('"', "")
}

#[test]
fn each_value_is_a_step_and_all_rows_are_one_version() {
    let project = greetings(EACH);
    ok(&project, &at(&["apply", "--yes"]));
    check(
        &rows(&project, GREETED),
        &expect![[r#"
        customer,text
        ada,hello
        grace,hello
    "#]],
    );
    check(
        &timeline(&project),
        &expect![[r#"
        greetings done 2 rows
        greetings[ada] done 1 row
        greetings[grace] done 1 row
    "#]],
    );
    assert_eq!(ran(&project), "ada grace");
    let project = deliver_more(project);
    ok(&project, &["run", "--as-of", "2024-01-08"]);
    check(
        &timeline(&project),
        &expect![[r#"
        greetings done 3 rows
        greetings[ada] reused 1 row
        greetings[edsger] done 1 row
        greetings[grace] reused 1 row
    "#]],
    );
    assert_eq!(ran(&project), "ada edsger grace", "only the new value is worked on");
    ok(&project, &["run", "--as-of", "2024-01-08", "--param", "least=1000"]);
    assert_eq!(rows(&project, GREETED), "customer,text\n", "an empty list is an empty table");
}

#[test]
fn a_value_that_fails_leaves_the_others_done_and_is_the_only_one_tried_again() {
    let project = greetings(EACH).file("fail-ada", "");
    let failed = project.output(&at(&["apply", "--yes"]));
    assert_eq!(failed.code, Some(1));
    assert!(failed.stdout.contains("1 of 2 values of `greetings` failed: ada: "), "{}", failed.stdout);
    assert_eq!(ran(&project), "ada grace", "code 3 asks for no other try");
    std::fs::remove_file(project.path("fail-ada")).unwrap();
    ok(&project, &at(&["apply", "--yes"]));
    assert_eq!(ran(&project), "ada ada grace");
    assert_eq!(rows(&project, "select count(*) as n from greetings"), "n\n2\n");
}

#[test]
fn a_run_killed_between_two_values_goes_on_with_those_that_are_left() {
    // A killed process keeps its slot for a while: here is none.
    let project = greetings(&EACH.replace("parallel: 2", "parallel: 1"));
    project.write("baton.yml", "project: shop\nenvironments: {dev: {}}\nparams: {least: {type: float, default: 0}}\n");
    let mut killed = project.command(&at(&["apply", "--yes"]));
    assert!(!killed.env("BATON_FAILPOINT", "build.value_staged").output().unwrap().status.success());
    assert_eq!(ran(&project), "ada");
    ok(&project, &at(&["apply", "--yes"]));
    assert_eq!(ran(&project), "ada grace");
    let told = timeline(&project);
    assert!(told.contains("reused 1 row") && told.contains("done 1 row"), "{told}");
}

#[test]
fn values_that_come_to_the_same_rows_keep_them_all() {
    let each = EACH.replace("'customer,text\\n%s,hello\\n' $BATON_CUSTOMER", "'customer,text\\nx,hello\\n'");
    let project = greetings(&each.replace(", unique", ""));
    ok(&project, &at(&["apply", "--yes"]));
    check(
        &rows(&project, GREETED),
        &expect![[r#"
        customer,text
        x,hello
        x,hello
    "#]],
    );
}

#[test]
fn a_list_may_be_written_down_or_come_from_a_parameter() {
    let each =
        EACH.replace("from: 'select customer from customers where amount > {{ var(\"least\") }}'", "in: [ada, 'x,y']");
    let project = greetings(&each);
    ok(&project, &at(&["apply", "--yes"]));
    assert_eq!(ran(&project), "ada x y");
    let wrong = greetings(&EACH.replace("parallel: 2", "in: [x]")).output(&["check"]);
    assert!(wrong.stderr.contains("`for_each` of table `greetings` needs one of `from` and `in`"), "{}", wrong.stderr);
    let unknown = greetings(&EACH.replace("from customers", "from nobody")).output(&["check"]);
    assert!(unknown.stderr.contains("nobody"), "{}", unknown.stderr);
    let column = greetings(&EACH.replace("select customer from", "select custmer from")).output(&["check"]);
    let expected = "table `greetings`: the query of `for_each`: ";
    assert!(column.stderr.contains(expected) && column.stderr.contains("`customer`"), "{}", column.stderr);
}

/// Two tables of one command.
const TWO: &str = "\
tables:
  - name: names
    command: |
      echo ran >> runs.log
      mkdir -p $BATON_OUTPUTS/names
      printf 'name\\nada\\n' > $BATON_OUTPUTS/names/a.csv
      printf 'name\\ngrace\\n' > $BATON_OUTPUTS/names/b.csv
      printf 'length\\n3\\n5\\n' > $BATON_OUTPUTS/lengths.csv
    inputs: [customers]
    output: names/
    columns: [{name: name, type: string, checks: [unique]}]
  - name: lengths
    command_of: names
    output: lengths.csv
    columns: [{name: length, type: int}]
";

#[test]
fn a_command_that_makes_several_tables_is_run_once() {
    let project = shop().file("two.yml", TWO);
    ok(&project, &at(&["apply", "-e", "dev", "--yes"]));
    let asked = |sql: &str| ok(&project, &["query", "-e", "dev", sql, "--format", "csv"]);
    assert_eq!(asked("select name from names order by 1"), "name\nada\ngrace\n", "all files of a folder");
    assert_eq!(asked("select sum(length) as length from lengths"), "length\n8\n");
    assert_eq!(ran(&project), "ran");
    let project = deliver_more(project);
    ok(&project, &["run", "-e", "dev", "--as-of", "2024-01-08"]);
    assert_eq!(ran(&project), "ran ran", "once more for new rows of its input");
    let wrong = shop().file("two.yml", &TWO.replace("command_of: names", "command_of: days")).output(&["check"]);
    assert!(wrong.stderr.contains("made by the command of `days`, which is made by no command"), "{}", wrong.stderr);
}

#[test]
fn other_inputs_of_a_command_are_noticed() {
    let project = greetings(EACH);
    ok(&project, &at(&["apply", "--yes"]));
    project.write(
        "each.yml",
        &EACH.replace(
            "select customer from customers where amount > {{ var(\"least\") }}",
            "select min(customer) as customer from orders",
        ),
    );
    ok(&project, &at(&["apply", "--yes"]));
    let up = ok(&project, &["lineage", "greetings"]);
    assert!(up.contains("orders source") && !up.contains("customers"), "{up}");
    assert_eq!(rows(&project, GREETED), "customer,text\nada,hello\n");
}
