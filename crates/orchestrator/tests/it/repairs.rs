//! What a run must not lose: checks and alerts of work that was done before, late and mended deliveries, changed checks.

use baton_core::check::{CheckResult, Severity};
use baton_orchestrator::{Prepared, RunReport, StepState, apply, list, plan, prepare, query, run, show};
use expect_test::expect;

use crate::flights::{Flights, day, days, lines, set_arrival};

const FEBRUARY: &str = "landing/flights/2013-02.parquet";
const MARCH: &str = "landing/flights/2013-03.parquet";

async fn two_months() -> Flights {
    Flights::small(&["2013-02", "2013-03"]).await
}

async fn tried(flights: &Flights, prepared: &Prepared, environment: &str, as_of: &str) -> RunReport {
    let planned = plan(&flights.services, prepared, environment, day(as_of)).await.unwrap();
    apply(&flights.services, prepared, &planned).await.unwrap()
}

async fn count(flights: &Flights, sql: &str) -> u64 {
    let rows = query(&flights.services, "prod", None, &format!("select count(*) from {sql}")).await.unwrap();
    lines(rows).remove(0).parse().unwrap()
}

fn checks(report: &RunReport) -> Vec<(String, bool, u64, u64)> {
    let check = |check: &CheckResult| (check.check.clone(), check.passed, check.rows, check.failed_rows);
    report.checks.iter().map(check).collect()
}

/// Checks of single rows of a source are reported and raise alerts; so they are when another environment takes the
/// same work over, and a reused version has the same checks as a made one.
#[tokio::test(flavor = "multi_thread")]
async fn relay_keeps_checks_of_sources_and_of_reused_steps() {
    let flights = two_months().await;
    flights.edit("sources.yml", "{between: [0, 120], severity: warn}", "{between: [0, 5], severity: warn}");
    let prepared = flights.prepared("dev", day("2013-03-10")).await;
    let first = tried(&flights, &prepared, "dev", "2013-03-10").await;
    assert!(first.succeeded(), "{:?}", first.failures().collect::<Vec<_>>());
    let wind = first.checks.iter().find(|check| check.check == "between_wind_speed").unwrap();
    assert!(!wind.passed && wind.severity == Severity::Warn && wind.failed_rows > 1_000, "{wind:?}");
    let is_of_flights = |check: &CheckResult| check.check == "not_null_carrier" && check.rows > 20_000;
    assert!(first.checks.iter().any(|check| is_of_flights(check) && check.passed), "{:?}", first.checks);
    assert!(first.incidents.iter().any(|found| found.asset.as_str() == "weather"), "{:?}", first.incidents);

    let second = tried(&flights, &prepared, "prod", "2013-03-10").await;
    let reused = second.steps.iter().filter(|step| step.state == StepState::Reused).count();
    assert!(reused > 10, "{:?}", second.steps);
    assert_eq!(checks(&first), checks(&second));
    assert!(second.incidents.iter().any(|found| found.asset.as_str() == "weather"), "{:?}", second.incidents);
    let shown = show(&flights.services, &prepared, "prod", "weather").await.unwrap();
    assert!(shown.checks.iter().any(|check| check.check == "between_wind_speed" && !check.passed));

    // Rows of the future are neither counted nor described.
    let known = count(&flights, "weather").await;
    let listed = list(&flights.services, &prepared, "prod", None).await.unwrap();
    let weather = listed.iter().find(|line| line.name.as_str() == "weather").unwrap();
    assert_eq!((weather.rows, shown.profile.map(|profile| profile.rows)), (Some(known), Some(known)));
}

/// A delivery that a check refused is tried again under a changed check, and what was refused is called so.
#[tokio::test(flavor = "multi_thread")]
async fn relay_tries_refused_deliveries_again_under_changed_checks() {
    let flights = two_months().await;
    flights.edit("sources.yml", "between: [-120, 2000]", "between: [-1, 1]");
    let prepared = flights.prepared("prod", day("2013-03-10")).await;
    for _ in 0..2 {
        let refused = tried(&flights, &prepared, "prod", "2013-03-10").await;
        let ingest = refused.failures().find(|step| step.asset == "departures").unwrap();
        assert!(ingest.detail.contains("of `departures` that have arrived were set aside"), "{}", ingest.detail);
    }
    flights.edit("sources.yml", "between: [-1, 1]", "between: [-120, 2000]");
    let prepared = flights.prepared("prod", day("2013-03-10")).await;
    let mended = tried(&flights, &prepared, "prod", "2013-03-10").await;
    assert!(mended.succeeded(), "{:?}", mended.failures().collect::<Vec<_>>());

    // A new check is held against the rows that are there, in a source and in a table.
    flights.edit("sources.yml", "{between: [10, 6000]}", "{between: [10, 100]}");
    flights.edit(
        "tables.yml",
        "- {name: is_late, checks: [not_null]}",
        "- {name: is_late, checks: [not_null, {accepted_values: [true]}]}",
    );
    let prepared = flights.prepared("prod", day("2013-03-10")).await;
    for _ in 0..2 {
        let broken = tried(&flights, &prepared, "prod", "2013-03-10").await;
        let failed: Vec<&str> = broken.failures().map(|step| step.asset.as_str()).collect();
        assert_eq!(failed, ["schedule", "outcomes"], "{:?}", broken.steps);
    }
    flights.edit("sources.yml", "{between: [10, 100]}", "{between: [10, 6001]}");
    flights.edit("tables.yml", "{accepted_values: [true]}", "{accepted_values: [true, false]}");
    let prepared = flights.prepared("prod", day("2013-03-10")).await;
    let held = tried(&flights, &prepared, "prod", "2013-03-10").await;
    assert!(held.succeeded(), "{:?}", held.failures().collect::<Vec<_>>());
    assert!(
        held.checks.iter().any(|check| check.check == "accepted_values_is_late" && check.passed),
        "{:?}",
        held.checks
    );
    let again = plan(&flights.services, &prepared, "prod", day("2013-03-10")).await.unwrap();
    assert!(again.is_empty(), "{}", baton_plan::render_text(&again));
}

/// A month that arrives after the next one reaches every table built on it, however short their lookback; a corrected
/// month takes the place of its former self.
#[tokio::test(flavor = "multi_thread")]
async fn relay_builds_late_and_corrected_deliveries_into_every_table() {
    let flights = two_months().await;
    let (february, away) = (flights.path(FEBRUARY), flights.path("february"));
    std::fs::rename(&february, &away).unwrap();
    // The number of rows of all time, though a tick computes a few days only.
    flights.edit(
        "tables.yml",
        "  - name: flights\n    owner: dataops@example.com\n    checks:\n",
        "  - name: flights\n    owner: dataops@example.com\n    checks:\n      - row_count: {min: 10000}\n",
    );
    let prepared = flights.applied("prod", day("2013-03-20")).await;
    assert_eq!(count(&flights, "outcomes where scheduled_at < timestamp '2013-03-01T00:00:00Z'").await, 0);
    std::fs::rename(&away, &february).unwrap();
    set_arrival(&february, day("2013-03-20"));
    let late = run(&flights.services, &prepared, "prod", day("2013-03-21")).await.unwrap();
    assert!(late.succeeded(), "{:?}", late.failures().collect::<Vec<_>>());
    let of = "timestamp '2013-02-02T00:00:00Z' and timestamp '2013-02-27T00:00:00Z'";
    let departed = count(&flights, &format!("departures where time_hour between {of}")).await;
    assert!(departed > 20_000, "{departed}");
    let built = count(&flights, &format!("flights where scheduled_at between {of}")).await;
    assert!(built.abs_diff(departed) < 200, "{built} of {departed}");
    assert!(count(&flights, &format!("outcomes where scheduled_at between {of}")).await > 20_000);
    assert!(count(&flights, &format!("carrier_daily where day_end between {of}")).await > 300);
    let rows = late.checks.iter().find(|check| check.check.starts_with("row_count")).unwrap();
    assert!(rows.passed && rows.rows > 30_000, "{rows:?}");

    let before = count(&flights, "departures").await;
    let american =
        count(&flights, "departures where carrier = 'AA' and time_hour >= timestamp '2013-03-01T10:00:00Z'").await;
    flights.rewrite(MARCH, "select * from delivery where carrier <> 'AA'", day("2013-03-21")).await;
    flights.ticks(&prepared, "prod", &days("2013-03-21", "2013-03-22", 1)).await;
    let after =
        count(&flights, "departures where carrier = 'AA' and time_hour >= timestamp '2013-03-01T10:00:00Z'").await;
    assert!(american > 1_000 && after == 0, "{american} {after}");
    assert!(count(&flights, "departures").await < before);
    let built =
        count(&flights, "flights where carrier = 'AA' and scheduled_at >= timestamp '2013-03-02T00:00:00Z'").await;
    assert_eq!(built, 0);
}

/// One cause, one failure: what only waits for it is skipped.
#[tokio::test(flavor = "multi_thread")]
async fn relay_skips_the_endpoint_of_a_model_that_failed() {
    let flights = two_months().await;
    let prepared = flights.prepared("prod", day("2013-12-01")).await;
    let report = tried(&flights, &prepared, "prod", "2013-12-01").await;
    let failed: Vec<&str> = report.failures().map(|step| step.asset.as_str()).collect();
    assert_eq!(failed, ["arrival_delay"], "{:?}", report.steps);
    let endpoint = report.steps.iter().find(|step| step.verb == "deploy").unwrap();
    assert_eq!((endpoint.state, endpoint.detail.as_str()), (StepState::Skipped, "arrival_delay failed"));
}

/// Typing mistakes in the SQL of YAML files are found before anything runs, at the asset that holds them.
#[tokio::test(flavor = "multi_thread")]
async fn relay_finds_mistakes_in_expressions_of_yaml() {
    let flights = two_months().await;
    flights.edit("sources.yml", "available_at: time_hour\n", "available_at: time_hours\n");
    flights.edit("tables.yml", "where arrived_at < departed_at", "where arrived < departed_at");
    flights.edit("tables.yml", "to: airlines, field: carrier", "to: airlines, field: code");
    flights.edit("tables.yml", "to: airports, field: faa", "to: airport, field: faa");
    let path = flights.path("tables/delay_predictions.sql");
    std::fs::write(path, "select carrier from airlines").unwrap();
    let loaded = baton_project::load(flights.folder.path());
    let (prepared, found) = prepare(&flights.services, loaded.project, "prod", day("2013-03-10")).await.unwrap();
    assert!(prepared.is_none());
    let messages: Vec<String> = found
        .iter()
        .map(|found| format!("{}:{} {}", found.labels[0].file, found.labels[0].line, found.message))
        .collect();
    expect![[r#"
        endpoints.yml:2 `delay_predictions` is where endpoint `delay` keeps its predictions
        tables/flights.sql:1 check `arrives_after_departure` of table `flights`: there is no column `arrived`
        tables/scheduled_flights.sql:1 check `relationships_carrier` of table `scheduled_flights` names the unknown column `code`
        tables/scheduled_flights.sql:1 check `relationships_dest` of table `scheduled_flights` reads `airport`, which is not declared
        sources.yml:74 available_at of source `weather`: there is no column `time_hours`"#]]
    .assert_eq(&messages.join("\n"));
}
