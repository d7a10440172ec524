//! Backfills of months as one run: slices that are published one after the other, paused, killed, and gone on with.

use std::process::Stdio;

use baton_testkit::project::TestProject;
use expect_test::expect;
use serde_json::Value;

use crate::answers::{ok, rows};
use crate::schedules::within;
use crate::shop::{check, empty};

/// 2024-06-01T00:00:00Z: when all orders had arrived.
const ARRIVED: u64 = 1_717_200_000;

const SOURCES: &str = "\
sources:
  - name: orders
    path: landing/orders-*.csv
    time: ordered_at
    columns: [{name: amount, type: float}, {name: ordered_at, type: timestamp}]
";

const BY_DAY: &str = "\
{{ config(materialize='incremental', time='day') }}
select date_trunc('day', ordered_at) as day, sum(amount) as amount from orders group by 1
";

/// An order a day from January to May 2024.
fn months() -> TestProject {
    let mut orders = "amount,ordered_at\n".to_owned();
    for (month, days) in [(1, 31), (2, 29), (3, 31), (4, 30), (5, 31)] {
        (1..=days).for_each(|day| orders.push_str(&format!("{day},2024-{month:02}-{day:02}T09:00:00Z\n")));
    }
    let project = empty()
        .file("baton.yml", "project: months\nenvironments: {prod: {}}\n")
        .file("sources.yml", SOURCES)
        .file("tables/by_day.sql", BY_DAY)
        .file("tables/total.sql", "select sum(amount) as amount, count(*) as days from by_day\n")
        .delivery("landing/orders-1.csv", &orders, ARRIVED);
    ok(&project, &["apply", "--yes", "--as-of", "2024-06-02"]);
    project
}

const ALL: [&str; 7] = ["backfill", "by_day", "--from", "2024-01-01", "--to", "2024-06-01", "--yes"];

fn json(project: &TestProject, arguments: &[&str]) -> Value {
    let output = project.output(&[arguments, &["-o", "json"]].concat());
    let answer = serde_json::from_str(&output.stdout);
    assert!(answer.is_ok(), "{arguments:?}: {}{}", output.stdout, output.stderr);
    answer.unwrap()
}

fn commits(project: &TestProject) -> usize {
    json(project, &["log", "--limit", "1000"]).as_array().unwrap().len()
}

/// The times of the built slices of the newest run, in order.
fn slices(project: &TestProject) -> Vec<String> {
    let shown = json(project, &["runs", "show"]);
    let built = shown["timeline"].as_array().unwrap().iter();
    let built = built.filter(|step| step["asset"] == "by_day" && step["state"] == "done");
    built.map(|step| step["detail"].as_str().unwrap().split(" for ").nth(1).unwrap()[1..11].to_owned()).collect()
}

#[test]
fn slices_are_published_one_after_the_other_the_latest_first_if_asked() {
    let project = months();
    let (before, expected) = (commits(&project), rows(&project, "select * from by_day order by 1"));
    let plan = ok(&project, &[&ALL[..6], &["--dry-run", "--every", "31d", "--latest-first"]].concat());
    check(
        &plan,
        &expect![[r#"
        Backfill of `by_day` in environment `prod`

          computes  [2024-01-01T00:00, 2024-06-01T00:00) in 152 batches
          restates  [2024-01-01T00:00, 2024-06-01T00:00)
          publishes 5 slices, first [2024-05-01T00:00, 2024-06-01T00:00)

          then
          > table         total                  is computed again
    "#]],
    );
    ok(&project, &[&ALL[..], &["--every", "31d", "--latest-first"]].concat());
    assert_eq!(slices(&project), ["2024-05-01", "2024-03-31", "2024-02-29", "2024-01-29", "2024-01-01"]);
    assert_eq!(commits(&project) - before, 5, "one a slice");
    assert_eq!(rows(&project, "select * from by_day order by 1"), expected);
    let runs = json(&project, &["runs"]);
    assert_eq!(runs.as_array().unwrap().len(), 2, "an apply and one backfill");
    let plan = ok(&project, &["plan", "--as-of", "2024-06-02"]);
    assert!(plan.contains("No changes"), "{plan}");
}

#[test]
fn a_paused_backfill_goes_on_as_the_same_run() {
    let project = months();
    let expected = rows(&project, "select * from by_day order by 1");
    let mut child = project
        .command(&[&ALL[..], &["--every", "2d"]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let run = within(60, "some slices are done", || {
        let runs = json(&project, &["runs", "--state", "running"]);
        let run = runs.as_array().unwrap().first()?["id"].as_str().unwrap().to_owned();
        (slices(&project).len() > 2).then_some(run)
    });
    ok(&project, &["runs", "pause", &run]);
    assert_eq!(child.wait().unwrap().code(), Some(4), "it goes on later");
    let shown = json(&project, &["runs", "show", &run]);
    let done = slices(&project);
    assert_eq!(shown["state"], "paused");
    assert!(done.len() < 76, "not all of it was done");
    let queried = rows(&project, "select * from by_day order by 1");
    assert_eq!(queried, expected, "readers see whole slices only");

    let resumed = json(&project, &["runs", "resume", &run]);
    assert_eq!(resumed["run"], run.as_str());
    let all = slices(&project);
    assert_eq!((all.len(), &all[..done.len()]), (76, done.as_slice()), "each slice once");
    assert_eq!(json(&project, &["runs", "show", &run])["state"], "succeeded");
    assert_eq!(rows(&project, "select * from by_day order by 1"), expected);
    let again = project.output(&["runs", "pause", &run]);
    assert!(again.stderr.contains("does not go on: it is succeeded"), "{}", again.stderr);
}

#[test]
fn a_killed_backfill_is_resumed_where_it_was() {
    let project = months();
    let expected = rows(&project, "select * from by_day order by 1");
    let arguments = [&ALL[..], &["--every", "31d"]].concat();
    for (place, left) in [("run.after_publish@2", 3), ("build.before_commit@2", 4), ("build.piece_staged@40", 4)] {
        let mut killed = project.command(&arguments);
        assert!(!killed.env("BATON_FAILPOINT", place).output().unwrap().status.success());
        let done = slices(&project).len();
        let resumed = json(&project, &["runs", "resume"]);
        let built = resumed["steps"].as_array().unwrap().iter().filter(|step| step["asset"] == "by_day").count();
        assert_eq!(built, left, "{place}: {done} were done");
        assert_eq!(json(&project, &["runs", "show"])["state"], "succeeded", "{place}");
        assert_eq!(rows(&project, "select * from by_day order by 1"), expected, "{place}");
    }
}
