//! Parameters of a project: given to a run, checked, recorded, and no change of the project.

use baton_testkit::project::{Output, TestProject};
use serde_json::Value;

use crate::shop::{at, shop};

const HEAD: &str = "\
project: shop
environments:
  dev: {}
params:
  least: {type: float, default: 0, description: Smallest amount that counts}
  who: {default: everybody, values: [everybody, ada]}
";

const BIG: &str = "\
select order_id, amount from orders
where amount >= {{ var('least') }}{% if var('who') != 'everybody' %} and customer = '{{ var('who') }}'{% endif %}
";

fn project() -> TestProject {
    let project = shop()
        .file("baton.yml", HEAD)
        .file("tables/big.sql", BIG)
        .file("tables/counted.sql", "select count(*) as n from big\n")
        .file("schedules.yml", "schedules:\n  - {name: nightly, select: [counted, big]}\n");
    ok(&project, &["apply", "--yes"]);
    project
}

fn output(project: &TestProject, arguments: &[&str]) -> Output {
    project.output(&[&at(arguments)[..], &["-e", "dev"]].concat())
}

fn ok(project: &TestProject, arguments: &[&str]) -> String {
    let output = output(project, arguments);
    assert_eq!(output.code, Some(0), "{arguments:?}: {}{}", output.stdout, output.stderr);
    output.stdout
}

fn json(project: &TestProject, arguments: &[&str]) -> Value {
    serde_json::from_str(&ok(project, &[arguments, &["-o", "json"]].concat())).unwrap()
}

fn counted(project: &TestProject) -> String {
    ok(project, &["query", "select n from counted", "--format", "csv"]).lines().last().unwrap().to_owned()
}

/// The state of the step of an asset.
fn state(report: &Value, asset: &str) -> String {
    let steps = report["steps"].as_array().unwrap();
    steps.iter().find(|step| step["asset"] == asset).unwrap()["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_with_other_values_makes_other_rows_and_changes_nothing_of_the_project() {
    let project = project();
    assert_eq!(counted(&project), "3");
    let run = json(&project, &["run", "--param", "least=10"]);
    assert_eq!((state(&run, "big"), state(&run, "days")), ("done".to_owned(), "up_to_date".to_owned()));
    assert_eq!(counted(&project), "2");
    let recorded = &json(&project, &["runs", "show"])["parameters"];
    assert_eq!(recorded, &serde_json::json!({"least": 10.0}));
    assert!(ok(&project, &["runs", "show"]).contains("with least=10.0"));
    let plan = json(&project, &["plan"]);
    let changes: Vec<&Value> = plan["assets"].as_array().unwrap().iter().map(|asset| &asset["change"]).collect();
    assert!(changes.iter().all(|change| *change == "unchanged"), "{changes:?}");
    // The same values again are the same work, and so are those of before.
    assert_eq!(state(&json(&project, &["run", "--param", "least=10"]), "big"), "up_to_date");
    assert_eq!(state(&json(&project, &["run"]), "big"), "reused");
    assert_eq!(counted(&project), "3");
    assert_eq!(state(&json(&project, &["run", "--param", "who=ada", "--param", "least=10"]), "counted"), "done");
    assert_eq!(counted(&project), "1");
}

#[test]
fn a_change_of_the_project_still_waits_for_an_apply() {
    let project = project();
    ok(&project, &["run", "--param", "least=10"]);
    project.write("tables/big.sql", "select order_id, amount from orders where amount > {{ var('least') }} + 1\n");
    let run = json(&project, &["run", "--param", "least=20"]);
    assert_eq!(state(&run, "big"), "skipped");
    assert_eq!(counted(&project), "2");
}

#[test]
fn values_are_held_to_what_is_declared() {
    let project = project();
    for (given, message) in [
        ("leest=1", "there is no parameter `leest`"),
        ("least=much", "parameter `least` is `much`"),
        ("who=eve", "parameter `who` is `eve`"),
        ("least", "`--param least` gives no value"),
    ] {
        let refused = output(&project, &["run", "--param", given]);
        assert_eq!(refused.code, Some(2), "{given}: {}", refused.stderr);
        assert!(refused.stderr.contains(message), "{given}: {}", refused.stderr);
    }
    assert!(output(&project, &["run", "--param", "leest=1"]).stderr.contains("did you mean `least`?"));
    assert!(output(&project, &["run", "--param", "who=eve"]).stderr.contains("one of everybody, ada"));
    let wrong = shop().file("baton.yml", &HEAD.replace("default: 0", "default: none"));
    let checked = wrong.output(&["check"]);
    assert!(checked.stderr.contains("`default` of parameter `least` is `none`"), "{}", checked.stderr);
}

#[test]
fn a_saved_plan_keeps_its_values_and_schedules_take_them() {
    let project = project();
    ok(&project, &["plan", "--param", "least=10", "--out", "plan.json"]);
    assert!(ok(&project, &["query", "select n from counted", "--format", "csv"]).contains('3'));
    let file = project.path("plan.json");
    let applied = project.output(&["apply", file.to_str().unwrap(), "-e", "dev"]);
    assert_eq!(applied.code, Some(0), "{}", applied.stderr);
    assert_eq!(counted(&project), "2");
    ok(&project, &["run", "--schedule", "nightly", "--param", "who=ada"]);
    assert_eq!(counted(&project), "2", "two of ada");
    let run = json(&project, &["runs", "show"]);
    assert_eq!((&run["schedule"], &run["parameters"]["who"]), (&"nightly".into(), &"ada".into()));
}
