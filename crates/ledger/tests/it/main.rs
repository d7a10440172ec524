//! The ledger on SQLite, held to the contract of its ports; in `postgres` the same on PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod breaks;
mod copy;
mod kill;
mod locks;
mod postgres;
mod throughput;

use std::sync::Arc;

use baton_core::ports::{Ledger, LogLine, Operations, RunChange};
use baton_ledger::SqlLedger;
use tempfile::TempDir;

async fn open() -> (TempDir, Arc<dyn Ledger>) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqlLedger::open_file(folder.path().join("ledger.sqlite")).await.unwrap();
    (folder, Arc::new(ledger))
}

baton_testkit::ledger_suite!(open);

async fn open_operations() -> (TempDir, Arc<dyn Operations>) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqlLedger::open_file(folder.path().join("ledger.sqlite")).await.unwrap();
    (folder, Arc::new(ledger))
}

baton_testkit::operations_suite!(open_operations);

#[tokio::test]
async fn the_pulse_tells_what_others_wrote_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    pulse_of(SqlLedger::open_file(&path).await.unwrap(), SqlLedger::open_file(&path).await.unwrap()).await;
}

/// Holds two ledgers on one database to what the pulse promises.
async fn pulse_of(ours: SqlLedger, theirs: SqlLedger) {
    let first = ours.pulse().await.unwrap();
    assert_eq!(ours.pulse().await.unwrap(), first);
    theirs.cancel_run("none").await.unwrap();
    assert_eq!(ours.pulse().await.unwrap(), first, "nothing was written");
    let at = baton_core::time::timestamp_from_micros(0);
    let [run, asset, level, text] = ["r", "days", "info", "begins"].map(str::to_owned);
    theirs.keep_runs(vec![RunChange::Log(LogLine { run, asset, at, level, text })]).await.unwrap();
    assert_ne!(ours.pulse().await.unwrap(), first);
}
