//! What durable appends cost; the promise is 2,000 step transitions a second.

use std::time::Instant;

use baton_core::event::{EventKind, NewEvent};
use baton_core::ports::Ledger;
use baton_core::time::timestamp_from_micros;
use baton_testkit::postgres::TestPostgres;

use super::open;
use super::postgres::ledger_at;

fn event(number: usize) -> NewEvent {
    NewEvent {
        at: timestamp_from_micros(0),
        as_of: timestamp_from_micros(0),
        environment: "prod".to_owned(),
        run: Some("run-1".to_owned()),
        asset: None,
        kind: EventKind::StepFinished,
        key: format!("step-{number}"),
        body: serde_json::json!({"rows": number, "inputs": {"flights": "tables/flights/0123456789abcdef@3"}}),
    }
}

/// Appends a second in batches of 100, and milliseconds for a single one.
#[expect(clippy::print_stderr, reason = "the measured figures are worth reading")]
async fn measure(name: &str, ledger: &dyn Ledger) -> f64 {
    let start = Instant::now();
    for batch in 0..40 {
        ledger.append((0..100).map(|number| event(batch * 100 + number)).collect()).await.unwrap();
    }
    let batched = 4000.0 / start.elapsed().as_secs_f64();
    let start = Instant::now();
    for number in 0..200 {
        ledger.append(vec![event(number)]).await.unwrap();
    }
    let single = start.elapsed().as_secs_f64() * 1e3 / 200.0;
    eprintln!("{name}: {batched:.0} appends a second in batches of 100; {single:.2} ms for a single one");
    batched
}

#[tokio::test]
async fn batched_appends_keep_the_promise() {
    let (_folder, ledger) = open().await;
    let batched = measure("SQLite", &*ledger).await;
    assert!(batched >= 2000.0, "{batched:.0} appends a second");
}

/// The tests' own server does not wait for its disk; for a figure that holds, name an empty database of one that does in
/// `BATON_TEST_LEDGER_URL`.
#[tokio::test]
async fn batched_appends_keep_the_promise_on_a_server() {
    let named = std::env::var_os("BATON_TEST_LEDGER_URL").and_then(|url| url.into_string().ok());
    let url = named.unwrap_or_else(|| TestPostgres::shared().database());
    let batched = measure("PostgreSQL", &ledger_at(&url).await).await;
    assert!(batched >= 2000.0, "{batched:.0} appends a second");
}
