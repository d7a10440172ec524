//! Tables that are built side by side come out as those that are built one after another.

use baton_testkit::project::TestProject;
use serde_json::{Value, json};

use crate::answers::json as answer;
use crate::kills::kill_everywhere;
use crate::shop::{at, shop};

/// Tables that read the source only, tables that read those, and a check that reads another table.
fn wide() -> TestProject {
    let mut project = shop();
    for number in 1..=6 {
        let sql =
            format!("select order_id, customer, amount * {number} as amount from orders where order_id <> {number}");
        project = project.file(&format!("tables/part_{number}.sql"), &sql);
    }
    project
        .file("tables/all_parts.sql", "select * from part_1 union all select * from part_2")
        .file("tables/most.sql", "select customer, max(amount) as amount from part_3 group by customer")
        .file("tables/spent.sql", "select customer, sum(amount) as amount from part_4 group by customer")
        .file("tables/total.sql", "select sum(a.amount) as amount from all_parts a join most m on a.customer = m.customer")
        .file(
            "tables.yml",
            "tables:\n  - name: spent\n    columns:\n      - {name: customer, checks: [not_null, {relationships: {to: most, field: customer}}]}\n",
        )
}

fn apply(project: &TestProject, threads: &str) -> (Option<i32>, Value) {
    let mut command = project.command(&at(&["apply", "--yes", "-o", "json"]));
    let output = command.env("BATON_THREADS", threads).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = serde_json::from_str(&text).unwrap();
    (output.status.code(), report)
}

/// Of every step what it did, in the order of the report.
fn steps(report: &Value) -> Vec<Value> {
    let of = |step: &Value| json!([step["verb"], step["asset"], step["state"], step["rows"], step["detail"]]);
    report["steps"].as_array().unwrap().iter().map(of).collect()
}

/// Of every asset of the head its digest and its rows.
fn digests(project: &TestProject) -> Vec<(String, Value, Value)> {
    let log = answer(project, &["log", "-o", "json", "--limit", "1"]);
    let assets = log[0]["assets"].as_object().cloned().unwrap_or_default();
    assets.into_iter().map(|(name, pin)| (name, pin["digest"].clone(), pin["rows"].clone())).collect()
}

/// What the history of runs says: number, asset and state of each step.
fn history(project: &TestProject) -> Vec<Value> {
    let run = answer(project, &["runs", "show", "-o", "json"]);
    let steps = run["timeline"].as_array().unwrap();
    steps.iter().map(|step| json!([step["number"], step["asset"], step["state"]])).collect()
}

#[test]
fn on_any_number_of_threads_rows_reports_and_history_are_the_same() {
    let alone = wide();
    let (code, expected) = apply(&alone, "1");
    assert_eq!(code, Some(0), "{expected}");
    assert_eq!(steps(&expected).len(), 13);
    for threads in ["2", "4", "16"] {
        let project = wide();
        let (code, report) = apply(&project, threads);
        assert_eq!(code, Some(0), "{report}");
        assert_eq!(steps(&report), steps(&expected), "{threads} threads");
        assert_eq!(digests(&project), digests(&alone), "{threads} threads");
        assert_eq!(history(&project), history(&alone), "{threads} threads");
        assert_eq!(apply(&project, threads).1["steps"], json!([]), "nothing is left to do");
    }
}

#[test]
fn what_reads_a_table_that_failed_is_skipped_and_the_others_are_kept() {
    let broken =
        || wide().file("tables/part_3.sql", "select customer, order_id / (order_id - order_id) as amount from orders");
    let (code, expected) = apply(&broken(), "1");
    assert_eq!(code, Some(1), "{expected}");
    let project = broken();
    let (code, report) = apply(&project, "4");
    assert_eq!((code, steps(&report)), (Some(1), steps(&expected)));
    let state = |report: &Value, asset: &str| {
        let steps = report["steps"].as_array().unwrap();
        steps.iter().find(|step| step["asset"] == asset).unwrap()["state"].clone()
    };
    assert_eq!((state(&report, "part_3"), state(&report, "most")), (json!("failed"), json!("skipped")));
    assert_eq!((state(&report, "part_4"), state(&report, "part_6")), (json!("done"), json!("done")));
    project
        .write("tables/part_3.sql", "select order_id, customer, amount * 3 as amount from orders where order_id <> 3");
    let (code, mended) = apply(&project, "4");
    assert_eq!(code, Some(0), "{mended}");
    let whole = wide();
    apply(&whole, "1");
    assert_eq!(digests(&project), digests(&whole));
}

#[test]
fn after_a_failure_that_stops_the_run_nothing_is_begun() {
    let project = wide()
        .file("baton.yml", "project: shop\nenvironments:\n  dev: {}\n  prod: {}\nexecution: {on_failure: stop}\n")
        .file("tables/part_1.sql", "select customer, order_id, order_id / (order_id - order_id) as amount from orders");
    let (code, report) = apply(&project, "2");
    assert_eq!(code, Some(1), "{report}");
    let steps = report["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 13, "each step says how it came out: {report}");
    let skipped =
        |step: &&Value| step["state"] == "skipped" && step["detail"] == "part_1 failed, and the run stops then";
    // Beside the one that failed, another thread may have taken a few that are over sooner.
    assert!(steps.iter().filter(skipped).count() >= 4, "{report}");
    assert!(steps.iter().rev().take(2).all(|step| step["state"] == "skipped"), "{report}");
}

#[test]
fn apply_on_threads_killed_at_every_point_ends_as_if_it_had_not_been() {
    let ready = || {
        shop()
            .file(
                "tables/months.sql",
                "select date_trunc('month', day) as month, sum(amount) as amount from days group by 1",
            )
            .file("tables/most.sql", "select customer, max(amount) as amount from orders group by customer")
    };
    let points = kill_everywhere(ready, &at(&["apply", "--yes"]), "");
    assert!(points >= 20, "only {points} points were reached");
}

#[test]
fn equal_queries_side_by_side_are_built_again_in_no_environment() {
    let query = "select customer, count(*) as orders from orders group by customer";
    let mut project = shop();
    for name in ["one", "other", "third"] {
        project = project.file(&format!("tables/{name}.sql"), query);
    }
    let sql = "select a.customer, b.orders from one a join third b on a.customer = b.customer";
    let project = project.file("tables/both.sql", sql);
    let ran = |environment: &str, threads: &str| {
        let mut command = project.command(&at(&["apply", "--yes", "-e", environment, "-o", "json"]));
        let output = command.env("BATON_THREADS", threads).output().unwrap();
        steps(&serde_json::from_slice(&output.stdout).unwrap())
    };
    let states = |steps: Vec<Value>| steps.iter().map(|step| step[2].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert!(states(ran("dev", "2")).iter().all(|state| state == "done" || state == "reused"));
    assert!(states(ran("prod", "2")).iter().all(|state| state == "reused"), "each finds its own");
    for environment in ["dev", "prod"] {
        let again = answer(&project, &at(&["run", "-e", environment, "-o", "json"]));
        assert_eq!(again["moved"], false, "{environment}: {again}");
        assert!(states(steps(&again)).iter().all(|state| state == "up_to_date"), "{environment}: {again}");
    }
}

#[test]
fn a_table_that_shares_the_version_of_an_equal_query_is_up_to_date() {
    let query = "select customer, count(*) as orders from orders group by customer";
    let project = shop().file("tables/one.sql", query).file("tables/other.sql", query);
    apply(&project, "1");
    let again = answer(&project, &at(&["run", "-o", "json"]));
    assert_eq!(again["moved"], false, "{again}");
}
