//! The journal of a run: what it is doing, for those who watch, and what it did, for the history.
//!
//! Steps do not wait for it: a task writes what has come meanwhile in one transaction, and not more often than people can
//! see, as steps want to write, too. What a step made is recorded by the step itself, durably; the journal says how it went.

use std::sync::Arc;
use std::time::Duration;

use baton_core::ports::{LedgerError, NewMessage, Operations, RunChange};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::error::RunError;

/// Most changes in one transaction.
const MOST: usize = 1_000;
/// Time from one transaction to the next, where notes come all the time: a chain of short steps would otherwise wait for two
/// syncs of the journal beside its own.
const PACE: Duration = Duration::from_millis(50);

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
            let mut not_before = Instant::now();
            while waiting.recv_many(&mut batch, MOST).await > 0 {
                gather(&mut waiting, &mut batch, not_before).await;
                not_before = Instant::now() + PACE;
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

/// Takes in what comes until then, or until nobody notes anything any more.
async fn gather(waiting: &mut mpsc::UnboundedReceiver<Note>, batch: &mut Vec<Note>, until: Instant) {
    while batch.len() < MOST {
        let rest = MOST - batch.len();
        match timeout_at(until, waiting.recv_many(batch, rest)).await {
            Ok(taken) if taken > 0 => {}
            _ => return,
        }
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

#[cfg(test)]
mod tests {
    use baton_core::ports::{LogLine, MemoryOperations};
    use baton_core::time::timestamp_from_micros;

    use super::*;

    fn line(text: &str) -> RunChange {
        let [run, asset, level] = ["r", "days", "info"].map(str::to_owned);
        RunChange::Log(LogLine { run, asset, at: timestamp_from_micros(0), level, text: text.to_owned() })
    }

    #[tokio::test]
    async fn later_notes_are_written_together() {
        let operations = Arc::new(MemoryOperations::default());
        let journal = Journal::begin(Arc::clone(&operations) as Arc<dyn Operations>);
        let n_lines = async || operations.log("r").await.unwrap().len();
        let began = Instant::now();
        journal.note(line("one"));
        while n_lines().await < 1 {
            tokio::task::yield_now().await;
        }
        journal.note(line("two"));
        journal.note(line("three"));
        while n_lines().await < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(n_lines().await, 3, "they waited for each other");
        assert!(began.elapsed() >= PACE);
        journal.note(line("four"));
        journal.end().await.unwrap();
        assert_eq!(n_lines().await, 4, "the end takes what waits");
    }
}
