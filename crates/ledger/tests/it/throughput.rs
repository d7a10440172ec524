//! What durable appends cost; the promise is 2,000 step transitions a second.

use std::time::Instant;

use baton_core::event::{EventKind, NewEvent};
use baton_core::time::timestamp_from_micros;

use super::open;

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

#[tokio::test]
#[expect(clippy::print_stderr, reason = "the measured figure is worth reading")]
async fn batched_appends_keep_the_promise() {
    let (_folder, ledger) = open().await;
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
    eprintln!("{batched:.0} appends a second in batches of 100; {single:.2} ms for a single one");
    assert!(batched >= 2000.0, "{batched:.0} appends a second");
}
