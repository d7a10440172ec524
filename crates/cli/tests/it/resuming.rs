//! Going on with a run from the step that failed, and what a selection makes of the last run.

use baton_testkit::project::TestProject;
use serde_json::Value;

use crate::shop::{at, deliver_more, shop};

const LATER: [&str; 2] = ["--as-of", "2024-01-08"];

fn json(project: &TestProject, arguments: &[&str]) -> Value {
    let output = project.output(&[arguments, &["-e", "dev", "-o", "json"]].concat());
    let answer = serde_json::from_str(&output.stdout);
    assert!(answer.is_ok(), "{arguments:?}: {}{}", output.stdout, output.stderr);
    answer.unwrap()
}

fn names(project: &TestProject, selection: &str) -> String {
    let lines = json(project, &["ls", "--select", selection]);
    lines.as_array().unwrap().iter().map(|line| line["name"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

/// Asset and state of each step.
fn steps(report: &Value) -> String {
    let steps = report["steps"].as_array().unwrap().iter();
    steps.map(|step| format!("{} {}", step["asset"], step["state"]).replace('"', "")).collect::<Vec<_>>().join(", ")
}

fn most_days(project: &TestProject, days: u32) {
    let notes = format!("tables:\n  - {{name: days, checks: [{{row_count: {{max: {days}}}}}]}}\n");
    project.write("tables.yml", &notes);
}

/// A shop whose newest run failed at `days`, which `weeks` reads.
fn failed_at_days() -> TestProject {
    let project = shop().file("tables/weeks.sql", "select count(*) as days from days\n");
    most_days(&project, 2);
    assert_eq!(project.output(&at(&["apply", "-e", "dev", "--yes"])).code, Some(0));
    let project = deliver_more(project);
    assert_eq!(project.output(&[&["run", "-e", "dev"][..], &LATER].concat()).code, Some(1));
    project
}

#[test]
fn a_failed_run_is_gone_on_with_from_the_step_that_failed() {
    let project = failed_at_days();
    assert_eq!(names(&project, "result:error"), "days");
    assert_eq!(names(&project, "result:error+"), "days weeks");
    assert_eq!(names(&project, "result:skipped"), "weeks");
    assert_eq!(names(&project, "result:success"), "orders customers");
    let again = json(&project, &["runs", "resume"]);
    assert_eq!(steps(&again), "days failed, weeks skipped");
    most_days(&project, 10);
    let resumed = json(&project, &["runs", "resume"]);
    assert_eq!(steps(&resumed), "days done, weeks done");
    assert_eq!(resumed["as_of"], "2024-01-08T00:00:00Z", "with the clock of the run");
    let shown = json(&project, &["runs", "show"]);
    assert!(shown["trigger"].as_str().unwrap().starts_with("resume of "), "{shown}");
    let nothing = project.output(&["runs", "resume", "-e", "dev"]);
    assert_eq!(nothing.code, Some(2));
    assert!(nothing.stderr.contains("has nothing left to do"), "{}", nothing.stderr);
}

#[test]
fn a_run_of_what_failed_last_does_nothing_else() {
    let project = failed_at_days();
    most_days(&project, 10);
    let run = json(&project, &["run", "--select", "result:error+", LATER[0], LATER[1]]);
    assert_eq!(steps(&run), "days done, weeks done");
    let none = project.output(&["run", "-e", "dev", "--select", "result:error+", LATER[0], LATER[1]]);
    assert_eq!(none.code, Some(0));
    assert!(none.stderr.contains("`result:error+` selects nothing"), "{}", none.stderr);
}

#[test]
fn of_a_run_that_was_killed_everything_is_gone_through_and_taken_from_the_cache() {
    let project = shop();
    assert_eq!(project.output(&at(&["apply", "-e", "dev", "--yes"])).code, Some(0));
    let project = deliver_more(project);
    let mut killed = project.command(&["run", "-e", "dev", LATER[0], LATER[1]]);
    assert!(!killed.env("BATON_FAILPOINT", "run.before_publish").output().unwrap().status.success());
    assert_eq!(names(&project, "result:success"), "", "nothing of it came into the environment");
    let resumed = json(&project, &["runs", "resume"]);
    assert_eq!(steps(&resumed), "orders reused, customers reused, days reused");
    let days = project.output(&["query", "-e", "dev", "select count(*) as n from days", "--format", "csv"]);
    assert_eq!(days.stdout, "n\n3\n");
}

#[test]
fn old_runs_are_pruned() {
    let project = failed_at_days();
    let count = |project: &TestProject| json(project, &["runs"]).as_array().unwrap().len();
    assert_eq!(count(&project), 2);
    assert_eq!(json(&project, &["runs", "prune"])["runs"], 0);
    assert_eq!(json(&project, &["runs", "prune", "--older-than", "0s", "--keep", "1"])["runs"], 1);
    assert_eq!(count(&project), 1);
    assert_eq!(names(&project, "result:error"), "days");
}
