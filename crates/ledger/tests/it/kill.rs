//! `kill -9` of a process that appends: every acknowledged event is there, and the lock is free.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use baton_core::event::{EventFilter, EventKind, NewEvent};
use baton_core::ports::{Ledger as _, Operations as _};
use baton_core::time::timestamp_from_micros;
use baton_testkit::postgres::TestPostgres;

use crate::postgres::ledger_at;

const LEDGER: &str = "BATON_TEST_LEDGER";

/// Not a test of its own: the process that is killed. It prints each sequence number once it is acknowledged.
#[tokio::test]
#[ignore = "run by those below"]
#[expect(clippy::print_stderr, reason = "the parent process reads it")]
async fn append_until_killed() {
    let Some(place) = std::env::var_os(LEDGER) else { return };
    let ledger = ledger_at(place.to_str().unwrap()).await;
    let _guard = ledger.lock("prod", "baton apply").await.unwrap();
    for number in 0..1_000_000 {
        let event = NewEvent {
            at: timestamp_from_micros(number),
            as_of: timestamp_from_micros(number),
            environment: "prod".to_owned(),
            run: None,
            asset: None,
            kind: EventKind::StepFinished,
            key: number.to_string(),
            body: serde_json::Value::Null,
        };
        eprintln!("acknowledged {}", ledger.append(vec![event]).await.unwrap());
    }
}

#[tokio::test]
async fn acknowledged_events_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    survives(folder.path().join("ledger.sqlite").to_str().unwrap()).await;
}

#[tokio::test]
async fn acknowledged_events_survive_a_kill_on_a_server() {
    survives(&TestPostgres::shared().database()).await;
}

/// Kills processes that append to the ledger at `place`, one after the other.
async fn survives(place: &str) {
    let mut total = 0;
    for kill_after in [1, 17, 60] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "kill::append_until_killed", "--nocapture"])
            .env(LEDGER, place)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let acknowledged = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u64>().ok());
        let last = acknowledged.take(kill_after).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let ledger = ledger_at(place).await;
        ledger.lock("prod", "baton run").await.unwrap();
        // A server may still be at what the process sent last; the next to write waits for it.
        ledger.cancel_run("none").await.unwrap();
        let found = ledger.events(&EventFilter::default()).await.unwrap();
        assert!(last > total && found.len() as u64 >= last, "{} events, {last} acknowledged", found.len());
        assert_eq!(ledger.verify().await.unwrap().size, found.len() as u64);
        total = found.len() as u64;
    }
}
