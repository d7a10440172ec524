//! The journal of a run: what it is doing, for those who watch, and what it did, for the history.
//!
//! Steps do not wait for it: a task writes what has come meanwhile in one transaction. What a step made is recorded by the
//! step itself, durably; the journal says how it went.

use std::sync::Arc;

use baton_core::ports::{LedgerError, NewMessage, Operations, RunChange};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::RunError;

/// Most changes in one transaction.
const MOST: usize = 1_000;

/// What is written down.
enum Note {
    Change(RunChange),
    /// Something to tell somebody, by the outbox.
    Message(NewMessage),
}

/// Where a run writes down how it goes.
pub(crate) struct Journal {
    notes: mpsc::UnboundedSender<Note>,
    /// `None` for one that notes into another's.
    writer: Option<JoinHandle<Result<(), LedgerError>>>,
}

impl Journal {
    /// Begins to write into `operations`.
    pub(crate) fn begin(operations: Arc<dyn Operations>) -> Self {
        let (notes, mut waiting) = mpsc::unbounded_channel();
        let writer = tokio::spawn(async move {
            let mut batch = Vec::new();
            while waiting.recv_many(&mut batch, MOST).await > 0 {
                write(&*operations, std::mem::take(&mut batch)).await?;
            }
            Ok(())
        });
        Self { notes, writer: Some(writer) }
    }

    /// Notes into this journal, which ends only when the other has gone, too.
    pub(super) fn beside(&self) -> Self {
        Self { notes: self.notes.clone(), writer: None }
    }

    /// Writes a change down, soon.
    pub(crate) fn note(&self, change: RunChange) {
        // Where the writer has failed, the end of the run says so.
        let _failed_before = self.notes.send(Note::Change(change));
    }

    /// Puts a message into the outbox, soon.
    pub(crate) fn tell(&self, message: NewMessage) {
        let _failed_before = self.notes.send(Note::Message(message));
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// Those of the ledger.
    pub(crate) async fn end(self) -> Result<(), RunError> {
        drop(self.notes);
        let Some(writer) = self.writer else { return Ok(()) };
        let written = writer.await.map_err(|error| RunError::Worker(error.to_string()))?;
        Ok(written?)
    }
}

async fn write(operations: &dyn Operations, notes: Vec<Note>) -> Result<(), LedgerError> {
    let (mut changes, mut messages) = (Vec::new(), Vec::new());
    for note in notes {
        match note {
            Note::Change(change) => changes.push(change),
            Note::Message(message) => messages.push(message),
        }
    }
    operations.keep_runs(changes).await?;
    if !messages.is_empty() {
        operations.post(messages).await?;
    }
    Ok(())
}
