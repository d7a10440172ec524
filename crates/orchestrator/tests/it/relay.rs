//! Plan, apply, replay: from files to a watched prediction.

use baton_orchestrator::{ReplayOptions, apply, plan, replay};

use crate::flights::{Flights, day};

#[tokio::test(flavor = "multi_thread")]
async fn relay_runs_from_files_to_a_watched_prediction() {
    let flights = Flights::new().await;
    let as_of = day("2013-07-01");
    let prepared = flights.prepared("prod", as_of).await;
    let first = plan(&flights.services, &prepared, "prod", as_of).await.unwrap();
    println!("{}", baton_plan::render_text(&first));
    let began = std::time::Instant::now();
    let report = apply(&flights.services, &prepared, &first).await.unwrap();
    for step in &report.steps {
        println!("{:>8.2}s {:?} {} {} {}", step.seconds, step.state, step.verb, step.asset, step.detail);
    }
    for check in report.checks.iter().filter(|check| !check.passed) {
        println!("check {} {:?}: {}", check.check, check.severity, check.message);
    }
    println!("apply {:?}", began.elapsed());
    assert!(report.succeeded(), "{:?}", report.failures().collect::<Vec<_>>());
    let again = plan(&flights.services, &prepared, "prod", as_of).await.unwrap();
    assert!(again.is_empty(), "{}", baton_plan::render_text(&again));

    let began = std::time::Instant::now();
    let options = ReplayOptions { from: as_of, to: day("2013-07-15"), every: chrono::TimeDelta::days(1) };
    let replayed = replay(&flights.services, &prepared, "prod", &options).await.unwrap();
    println!("replay {:?} {replayed:#?}", began.elapsed());
    assert!(replayed.failures.is_empty());
    assert!(replayed.predictions > 10_000);
}
