//! Runbooks: their steps shown, done, approved, gone on with after a kill, and done by themselves when an incident opens.

use baton_testkit::project::TestProject;
use expect_test::expect;
use serde_json::Value;

use crate::answers::ok;
use crate::schedules::{Server, within};
use crate::shop::{at, check, deliver_more, shop};

const BOOKS: &str = "\
runbooks:
  - name: mend
    owner: ann
    description: Late orders
    steps:
      - {name: is late, check: select count(*) = 3 from orders, safe: true}
      - {rerun: [+days], safe: true}
      - {pause: {schedule: nightly, for: 2h}}
      - {scale: {pool: warehouse, slots: 4, for: 1h}, if: select false}
      - {notify: [ops], message: orders came late}
      - {name: came, check: select count(*) = 5 from orders}
  - name: back
    owner: ann
    steps:
      - {rollback: previous, approve: owner}
      - {resume: {schedule: nightly}}
  - name: broken
    steps:
      - {check: select 0}
      - {rerun: [days]}
channels:
  - {name: ops, kind: webhook, url: 'http://127.0.0.1:9/'}
schedules:
  - {name: nightly, cron: 0 3 1 1 *}
";

fn books() -> TestProject {
    let project = shop()
        .file("baton.yml", "project: shop\nenvironments: {dev: {}}\npools: {warehouse: 1}\n")
        .file("runbooks/mend.yml", BOOKS);
    ok(&project, &at(&["apply", "--yes"]));
    deliver_more(project)
}

fn json(project: &TestProject, arguments: &[&str]) -> Value {
    let output = project.output(&[arguments, &["-o", "json"]].concat());
    let answer = serde_json::from_str(&output.stdout);
    assert!(answer.is_ok(), "{arguments:?}: {}{}", output.stdout, output.stderr);
    answer.unwrap()
}

/// Name, state and what came of each step; ids of runs and commits are left out.
fn steps(report: &Value, of: &str) -> String {
    let line = |step: &Value| {
        let text = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
        let detail = text("detail");
        let words = detail.split(' ').map(|word| match word.trim_matches([';', ',', ')', '(', ':']) {
            inner if inner.len() >= 8 && inner.chars().all(|sign| sign.is_ascii_hexdigit()) => {
                word.replace(inner, "ID")
            }
            _ => word.to_owned(),
        });
        format!("{} {}: {}\n", text("asset"), text("state"), words.collect::<Vec<_>>().join(" "))
    };
    report[of].as_array().unwrap().iter().map(line).collect()
}

const LATER: [&str; 2] = ["--as-of", "2024-01-08"];

#[test]
fn a_dry_run_asks_and_changes_nothing() {
    let project = books();
    let would = ok(&project, &["runbook", "run", "mend", "--dry-run"]);
    check(
        &format!("steps\n{would}"),
        &expect![[r#"
            steps
              > check       is late              holds now
              > rerun       rerun                would run days, orders
              > pause       pause                would hold schedule/nightly back for 2h
              - scale       scale                its condition does not hold now: it is false
              > notify      notify               would tell ops: orders came late
              > check       came                 does not hold now: it is false
        "#]],
    );
    assert!(!json(&project, &["runs"]).to_string().contains("runbook"));
    let listed = ok(&project, &["runbook", "list"]);
    check(
        &listed,
        &expect![[r#"
            runbook  owner  for incidents  steps
            ───────  ─────  ─────────────  ────────────────────────────────────────────────────────
            mend     ann    by hand        is late (safe), rerun (safe), pause, scale, notify, came
            back     ann    by hand        rollback (approved), resume
            broken          by hand        check, rerun
        "#]],
    );
}

#[test]
fn steps_are_done_in_order_and_each_is_in_the_history() {
    let project = books();
    let done = json(&project, &["runbook", "run", "mend", LATER[0], LATER[1]]);
    check(
        &steps(&done, "steps"),
        &expect![[r#"
            is late done: holds
            rerun done: run ID: 2 of 2 steps did something; dev is at ID
            pause done: schedule/nightly is held back for 2h
            scale skipped: its condition does not hold: it is false
            notify done: 1 message waits for ops
            came done: holds
        "#]],
    );
    let runs = json(&project, &["runs"]);
    let book = runs.as_array().unwrap().iter().find(|run| run["command"] == "runbook").unwrap();
    assert_eq!((&book["state"], &book["trigger"]), (&Value::from("succeeded"), &Value::from("mend")));
    let shown = json(&project, &["runs", "show", book["id"].as_str().unwrap()]);
    assert_eq!(shown["timeline"].as_array().unwrap().len(), 6);
    assert!(shown["log"].to_string().contains("build days: 3 rows"), "{shown}");
    let held = json(&project, &["schedule", "list"]);
    assert_eq!((&held[0]["paused"], &held[0]["held"]["reason"]), (&Value::from(true), &Value::from("runbook mend")));
    ok(&project, &["schedule", "resume", "nightly"]);
    assert_eq!(json(&project, &["schedule", "list"])[0]["paused"], false);
}

#[test]
fn a_check_that_does_not_hold_ends_it_and_a_wrong_name_is_told() {
    let project = books();
    let broken = project.output(&["runbook", "run", "broken", "-o", "json"]);
    assert_eq!(broken.code, Some(1));
    check(
        &steps(&serde_json::from_str(&broken.stdout).unwrap(), "steps"),
        &expect![[r#"
        check failed: does not hold: it is 0
        rerun skipped: check failed
    "#]],
    );
    let unknown = project.output(&["runbook", "run", "mand"]);
    assert!(unknown.stderr.contains("there is no runbook `mand`; did you mean `mend`?"), "{}", unknown.stderr);
    let incident = project.output(&["runbook", "run", "mend", "--incident", "inc-7"]);
    assert!(
        incident.stderr.contains("there is no incident `inc-7` in environment `dev`; none is open"),
        "{}",
        incident.stderr
    );
}

#[test]
fn a_step_that_changes_production_waits_for_its_owner() {
    let project = books();
    ok(&project, &["run", LATER[0], LATER[1]]);
    let waits = project.output(&["runbook", "run", "back"]);
    assert_eq!(waits.code, Some(4), "{}{}", waits.stdout, waits.stderr);
    let run = json(&project, &["runs", "show"])["id"].as_str().unwrap().to_owned();
    ok(&project, &["approve", &format!("{run}/rollback"), "--as", "ann"]);
    let resumed = json(&project, &["runs", "resume", &run]);
    assert_eq!(resumed["moved"], true, "{resumed}");
    check(
        &steps(&resumed, "steps"),
        &expect![[r#"
        rollback done: dev is at ID (rollback to ID); ID is undone
        resume done: schedule/nightly was not held back
    "#]],
    );
    let rows = ok(&project, &["query", "select count(*) as n from orders", "--format", "csv"]);
    assert_eq!(rows, "n\n3\n");
    assert_eq!(json(&project, &["runs", "show", &run])["state"], "succeeded");
}

#[test]
fn a_killed_runbook_goes_on_behind_its_last_step() {
    let project = books();
    let mut killed = project.command(&["runbook", "run", "mend", LATER[0], LATER[1]]);
    assert!(!killed.env("BATON_FAILPOINT", "runbook.step_begun@4").output().unwrap().status.success());
    let runs = json(&project, &["runs"]);
    let book = runs.as_array().unwrap().iter().find(|run| run["command"] == "runbook").unwrap()["id"].clone();
    // The newest run is the one of the rerun, which is part of it.
    let resumed = json(&project, &["runs", "resume"]);
    check(
        &steps(&resumed, "steps"),
        &expect![[r#"
            is late reused: holds
            rerun reused: run ID: 2 of 2 steps did something; dev is at ID
            pause reused: schedule/nightly is held back for 2h
            scale skipped: its condition does not hold: it is false
            notify done: 1 message waits for ops
            came done: holds
        "#]],
    );
    assert_eq!(json(&project, &["runs", "show", book.as_str().unwrap()])["state"], "succeeded");
}

#[test]
fn a_rollback_to_what_was_before_does_not_undo_the_runbook_itself() {
    let again = "runbooks:
  - {name: again, steps: [{rerun: [+days]}, {check: select count(*) = 5 from orders}, {rollback: previous}]}
";
    let project = books().file("again.yml", again);
    project.write(
        "tables/days.sql",
        "select date_trunc('day', ordered_at) as day, sum(amount) as total from orders group by 1",
    );
    ok(&project, &at(&["apply", "--yes"]));
    let before = json(&project, &["log"]);
    let book = json(&project, &["runbook", "run", "again", "--yes", LATER[0], LATER[1]]);
    assert!(steps(&book, "steps").contains("rollback done: "), "{book}");
    let log = json(&project, &["log"]);
    let commits = log.as_array().unwrap();
    assert_eq!(commits.len(), before.as_array().unwrap().len() + 2, "the rerun and the rollback");
    assert_eq!(commits[0]["assets"], before[1]["assets"], "what was there before the runbook's own start was undone");
}

#[test]
fn an_incident_does_the_safe_steps_and_asks_for_the_others() {
    let automatic = "runbooks:
  - name: recover
    owner: ann
    on: {assets: [days], signals: [check]}
    steps:
      - {name: look, check: select count(*) > 0 from orders, safe: true}
      - {name: back, rollback: previous}
schedules:
  - {name: nightly, cron: 0 3 1 1 *}
tables:
  - {name: days, checks: [{row_count: {max: 2}}]}
";
    let project = shop().file("auto.yml", automatic);
    ok(&project, &["apply", "-e", "dev", "--yes"]);
    project.write("landing/orders-2.csv", "order_id,customer,amount,ordered_at\n9,ada,1.0,2024-01-05T09:00:00Z\n");
    let _server = Server::start(&project, "server.txt", None);
    ok(&project, &["schedule", "trigger", "nightly", "-e", "dev", "--wait"]);
    let book = within(30, "the runbook waits", || {
        let runs = json(&project, &["runs", "-e", "dev", "--state", "waiting-for-approval"]);
        runs.as_array().unwrap().first().cloned()
    });
    assert_eq!((&book["command"], &book["trigger"]), (&Value::from("runbook"), &Value::from("recover for inc-1")));
    let shown = json(&project, &["runs", "show", "-e", "dev", book["id"].as_str().unwrap()]);
    let timeline = steps(&shown, "timeline");
    assert!(timeline.starts_with("look done: holds\nback waiting: back of runbook recover waits"), "{timeline}");
    let why = ok(&project, &["why", "inc-1", "-e", "dev"]);
    assert!(why.contains("`baton runbook run recover --incident inc-1 --dry-run` shows its steps"), "{why}");
    ok(&project, &["schedule", "trigger", "nightly", "-e", "dev", "--wait"]);
    let runs = json(&project, &["runs", "-e", "dev"]);
    let books = runs.as_array().unwrap().iter().filter(|run| run["command"] == "runbook").count();
    assert_eq!(books, 1, "once an incident");
}

#[test]
fn an_export_that_is_held_back_delivers_nothing_until_it_goes_on() {
    let exports = "exports:
  - {name: crm, from: days, to: {connector: file, path: out/days.csv}}
runbooks:
  - {name: hold, steps: [{pause: {export: crm, for: 2h}}]}
  - {name: free, steps: [{resume: {export: crm}}]}
";
    let project = books().file("exports.yml", exports);
    ok(&project, &["runbook", "run", "hold", "--yes"]);
    ok(&project, &["apply", "--yes", LATER[0], LATER[1]]);
    assert!(!project.path("out/days.csv").exists());
    let held = json(&project, &["run", LATER[0], LATER[1]]);
    assert!(steps(&held, "steps").contains("crm skipped: held back by tester (runbook hold) until"), "{held}");
    ok(&project, &["runbook", "run", "free", "--yes"]);
    ok(&project, &["run", LATER[0], LATER[1]]);
    assert_eq!(std::fs::read_to_string(project.path("out/days.csv")).unwrap().lines().count(), 4);
}
