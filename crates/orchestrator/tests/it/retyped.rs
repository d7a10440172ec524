//! Features that go away or change their type: training and scoring go on, and say what they did not compare.

use baton_orchestrator::{RunReport, StepState, apply, plan, query, run};

use crate::flights::{Flights, day, lines};

async fn applied(flights: &Flights, as_of: &str) -> RunReport {
    let prepared = flights.prepared("prod", day(as_of)).await;
    let planned = plan(&flights.services, &prepared, "prod", day(as_of)).await.unwrap();
    let report = apply(&flights.services, &prepared, &planned).await.unwrap();
    assert!(report.succeeded(), "{:?}", report.failures().collect::<Vec<_>>());
    report
}

/// What the training of an apply says.
fn trained(report: &RunReport) -> String {
    let step = report.steps.iter().find(|step| step.verb == "train" && step.state == StepState::Done);
    step.unwrap_or_else(|| panic!("nothing was trained: {:?}", report.steps)).detail.clone()
}

async fn tick(flights: &Flights, as_of: &str) -> u64 {
    let prepared = flights.prepared("prod", day(as_of)).await;
    let report = run(&flights.services, &prepared, "prod", day(as_of)).await.unwrap();
    assert!(report.succeeded(), "{:?}", report.failures().collect::<Vec<_>>());
    report.steps.iter().filter(|step| step.verb == "score").filter_map(|step| step.rows).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_goes_on_when_features_are_removed_or_retyped() {
    let flights = Flights::small(&["2013-02", "2013-03"]).await;
    applied(&flights, "2013-03-10").await;
    assert!(tick(&flights, "2013-03-11").await > 500);

    flights.edit("features.yml", "precip, visib]", "precip]");
    let without = trained(&applied(&flights, "2013-03-11").await);
    assert!(without.contains("now champion"), "{without}");
    assert!(without.ends_with("columns that are no longer there (`origin_weather__visib`)"), "{without}");

    let weekday = "date_part('dow', s.time_hour - interval '5 hours')";
    flights.edit("tables/scheduled_flights.sql", weekday, &format!("cast({weekday} as varchar)"));
    let retyped = trained(&applied(&flights, "2013-03-11").await);
    assert!(retyped.contains("`flight_plan__local_weekday` with another type"), "{retyped}");

    // Scoring goes on with the new type, in a folder where it can be read.
    assert!(tick(&flights, "2013-03-12").await > 500);
    assert!(tick(&flights, "2013-03-13").await > 500);
    let sql = "select model_version, count(*) > 1000 as many, min(arrow_typeof(flight_plan__local_weekday)) as type \
               from delay_predictions group by model_version";
    assert_eq!(lines(query(&flights.services, "prod", None, sql).await.unwrap()), ["3,true,Utf8"]);
}
