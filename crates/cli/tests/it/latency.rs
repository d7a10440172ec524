//! Streams whose latency is promised: a server lands them as often, and says how long rows waited.

use baton_testkit::project::TestProject;

use crate::answers::ok_by;
use crate::schedules::{Server, states, within};
use crate::shop::empty;

const SOURCES: &str = "
sources:
  - name: orders
    connector: push
    latency: 1s
    columns: [{name: id, type: int}]
    options: {token: \"${env:BATON_TOKEN}\"}
";

fn told(project: &TestProject, arguments: &[&str]) -> String {
    let mut command = project.command(arguments);
    command.env("BATON_TOKEN", "open-sesame");
    ok_by(command)
}

/// The value of a figure of the server.
fn figure(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|line| line.starts_with(&format!("{name}{{source=\"orders\"}}")));
    let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    assert!(value.is_some(), "no {name} in {metrics}");
    value.unwrap()
}

#[test]
fn a_server_lands_a_stream_as_often_as_it_promises() {
    let project = empty()
        .file("baton.yml", "project: shop\n")
        .file("sources.yml", SOURCES)
        .file("tables/count.sql", "select count(*) as n from orders\n")
        .file("schedules.yml", "schedules: [{name: follow, on: {commit: orders}, select: [count]}]\n");
    told(&project, &["apply", "--yes"]);
    let listed = told(&project, &["schedule", "list", "-e", "dev"]);
    assert!(listed.contains("orders_stream") && listed.contains("every 1s"), "{listed}");
    let server = Server::start(&project, "said.txt", None);
    server.waits_to_say("runs the schedules of `dev`");
    for id in 1..=3 {
        let answer = server.ask("POST", "/ingest/orders", &format!("{{\"id\":{id}}}\n"));
        assert!(answer.contains("200"), "{answer}");
        let count = || told(&project, &["query", "select n from count", "--format", "csv"]);
        within(20, "landed and followed", || (count() == format!("n\n{id}\n")).then_some(()));
    }
    let metrics = server.ask("GET", "/metrics", "");
    let waited = figure(&metrics, "baton_source_oldest_row_wait_seconds");
    assert!((0.0..20.0).contains(&waited), "{waited}");
    assert!(figure(&metrics, "baton_source_last_landing_timestamp_seconds") > 1.7e9);
    assert!(states(&project, "orders_stream").iter().all(|state| state != "failed"));
    let runs = told(&project, &["runs", "--schedule", "orders_stream", "-o", "json"]);
    let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
    let details: Vec<String> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|run| told(&project, &["runs", "show", run["id"].as_str().unwrap(), "-o", "json"]))
        .collect();
    assert_eq!(details.iter().filter(|shown| shown.contains("1 row, the oldest landed ")).count(), 3, "{details:?}");
}
