//! The ledger on SQLite, held to the contract of its port.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::sync::Arc;

use baton_core::ports::Ledger;
use baton_ledger::SqliteLedger;
use tempfile::TempDir;

async fn open() -> (TempDir, Arc<dyn Ledger>) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(folder.path().join("ledger.sqlite")).await.unwrap();
    (folder, Arc::new(ledger))
}

baton_testkit::ledger_suite!(open);

mod kill;
mod throughput;
