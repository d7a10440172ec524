//! Runs that somebody pauses: they stop behind the step at hand, publish nothing, and go on under their own id.

use std::process::{Child, Stdio};

use baton_testkit::project::TestProject;
use serde_json::Value;

use crate::answers::{json, ok, rows};
use crate::schedules::{Server, within};
use crate::shop::{at, deliver_more, shop};

/// A step that goes on until there is a file, and one behind it; each run of them leaves a line.
const STEPS: &str = "\
tables:
  - name: first
    command: |
      echo first >> done.log
      while test ! -e go; do sleep 0.05; done
      printf 'n\\n1\\n' > $BATON_OUTPUTS/rows.csv
    inputs: [days]
    output: rows.csv
    columns: [{name: n, type: int}]
  - name: second
    command: |
      echo second >> done.log
      printf 'n\\n2\\n' > $BATON_OUTPUTS/rows.csv
    inputs: [first]
    output: rows.csv
    columns: [{name: n, type: int}]
schedules:
  - {name: nightly, cron: 0 3 1 1 *}
";

/// The project with one delivery published and another one that waits.
fn project() -> TestProject {
    let head = "project: shop\nenvironments: {dev: {}}\n";
    let project = shop().file("baton.yml", head).file("steps.yml", STEPS).file("go", "");
    ok(&project, &at(&["apply", "--yes"]));
    std::fs::remove_file(project.path("go")).unwrap();
    std::fs::remove_file(project.path("done.log")).unwrap();
    deliver_more(project)
}

fn done(project: &TestProject) -> String {
    std::fs::read_to_string(project.path("done.log")).unwrap_or_default().replace('\n', " ")
}

/// Waits until the first of the steps is at work; answers with the run.
fn at_work(project: &TestProject) -> String {
    within(60, "the first step is at work", || {
        let runs = json(project, &["runs", "--state", "running", "-o", "json"]);
        let run = runs.as_array()?.first()?["id"].as_str()?.to_owned();
        (done(project) == "first ").then_some(run)
    })
}

fn begin(project: &TestProject, arguments: &[&str]) -> Child {
    let mut command = project.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn shown(project: &TestProject, run: &str) -> Value {
    json(project, &["runs", "show", run, "-o", "json"])
}

const ORDERS: &str = "select count(*) as n from orders";

#[test]
fn a_paused_run_publishes_nothing_and_goes_on_as_the_same_run() {
    let project = project();
    let mut run = begin(&project, &["run", "--as-of", "2024-01-08"]);
    let id = at_work(&project);
    let told = ok(&project, &["runs", "pause", &id]);
    assert!(told.contains("was asked to pause"), "{told}");
    project.write("go", "");
    assert_eq!(run.wait().unwrap().code(), Some(4), "it goes on later");
    assert_eq!((shown(&project, &id)["state"].as_str(), done(&project).as_str()), (Some("paused"), "first "));
    assert_eq!(rows(&project, ORDERS), "n\n3\n", "readers see what was there before");

    let resumed = json(&project, &["runs", "resume", &id, "-o", "json"]);
    assert_eq!(resumed["run"], id.as_str());
    assert_eq!(done(&project), "first second ", "what was finished is taken as it is");
    assert_eq!(shown(&project, &id)["state"], "succeeded");
    assert_eq!(rows(&project, ORDERS), "n\n5\n");
    let again = project.output(&["runs", "pause", &id]);
    assert!(again.stderr.contains("does not go on: it is succeeded"), "{}", again.stderr);
}

#[test]
fn a_run_of_a_server_is_paused_and_gone_on_with_by_hand() {
    let project = project();
    let _server = Server::start(&project, "server.txt", None);
    ok(&project, &["schedule", "trigger", "nightly", "-e", "dev"]);
    let id = at_work(&project);
    ok(&project, &["runs", "pause", &id]);
    project.write("go", "");
    within(60, "the run is paused", || (shown(&project, &id)["state"] == "paused").then_some(()));
    let listed = ok(&project, &["runs", "--state", "paused"]);
    assert!(listed.contains("nightly (manual)"), "{listed}");
    ok(&project, &["runs", "resume", &id]);
    assert_eq!(shown(&project, &id)["state"], "succeeded");
    assert_eq!(done(&project), "first second ");
}

#[test]
fn a_runbook_pauses_between_its_steps_and_an_apply_does_not() {
    let books = "runbooks:\n  - {name: mend, steps: [{rerun: [+first]}, {check: select count(*) = 5 from orders}]}\n";
    let project = project().file("book.yml", books);
    let mut book = begin(&project, &["runbook", "run", "mend", "--yes", "--as-of", "2024-01-08"]);
    within(60, "the step is at work", || (done(&project) == "first ").then_some(()));
    let runs = json(&project, &["runs", "--state", "running", "-o", "json"]);
    let of_book = runs.as_array().unwrap().iter().find(|run| run["command"] == "runbook").unwrap();
    let id = of_book["id"].as_str().unwrap().to_owned();
    ok(&project, &["runs", "pause", &id]);
    project.write("go", "");
    assert_eq!(book.wait().unwrap().code(), Some(4));
    assert_eq!(shown(&project, &id)["state"], "paused");
    let rerun = shown(&project, &id)["timeline"][0]["state"].clone();
    assert_eq!(rerun, "done");
    let resumed = json(&project, &["runs", "resume", &id, "-o", "json"]);
    assert_eq!(resumed["steps"][1]["detail"], "holds");

    std::fs::remove_file(project.path("go")).unwrap();
    std::fs::remove_file(project.path("done.log")).unwrap();
    project.write("steps.yml", &STEPS.replace("echo first", "echo  first"));
    let mut apply = begin(&project, &["apply", "--yes", "--as-of", "2024-01-09"]);
    let id = at_work(&project);
    let refused = project.output(&["runs", "pause", &id]);
    assert!(refused.stderr.contains("is of `baton apply`, which cannot be paused"), "{}", refused.stderr);
    project.write("go", "");
    assert!(apply.wait().unwrap().success());
}
