//! The journal of a run: what it is doing, for those who watch, and what it did, for the history.
//!
//! Steps do not wait for it: a task writes what has come meanwhile in one transaction. What a step made is recorded by the
//! step itself, durably; the journal says how it went.

use std::sync::Arc;

use baton_core::ports::{LedgerError, Operations, RunChange};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::RunError;

/// Most changes in one transaction.
const MOST: usize = 1_000;

/// Where a run writes down how it goes.
pub(crate) struct Journal {
    changes: mpsc::UnboundedSender<RunChange>,
    writer: JoinHandle<Result<(), LedgerError>>,
}

impl Journal {
    /// Begins to write into `operations`.
    pub(crate) fn begin(operations: Arc<dyn Operations>) -> Self {
        let (changes, mut waiting) = mpsc::unbounded_channel();
        let writer = tokio::spawn(async move {
            let mut batch = Vec::new();
            while waiting.recv_many(&mut batch, MOST).await > 0 {
                operations.keep_runs(std::mem::take(&mut batch)).await?;
            }
            Ok(())
        });
        Self { changes, writer }
    }

    /// Writes a change down, soon.
    pub(crate) fn note(&self, change: RunChange) {
        // Where the writer has failed, the end of the run says so.
        let _failed_before = self.changes.send(change);
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// Those of the ledger.
    pub(crate) async fn end(self) -> Result<(), RunError> {
        drop(self.changes);
        let written = self.writer.await.map_err(|error| RunError::Worker(error.to_string()))?;
        Ok(written?)
    }
}
