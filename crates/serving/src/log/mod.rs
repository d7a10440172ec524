//! The prediction log: every prediction as one line of JSON, on disk before it is acknowledged.
//!
//! `<folder>/<endpoint>/<number>.jsonl`, append-only. One writer thread takes all requests that wait, writes them, syncs
//! each file once and only then answers them all (group commit). A process holds the OS lock of the segment it writes;
//! another process takes the next number, so `serve` and `run` may log at once. A line that a kill cut short was never
//! acknowledged: readers skip it, and the next writer of the segment cuts it off.

mod read;
mod record;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use baton_core::Timestamp;
use tokio::sync::oneshot;

use self::read::SegmentSpan;
pub use self::record::{PredictionRecord, ViewFreshness};
use self::writer::{Job, Lines, Outcome, Writer};
use crate::error::ServingError;

/// A segment is full beyond this length.
const SEGMENT_BYTES: u64 = 64 << 20;

/// Logs predictions durably and reads them back.
pub struct PredictionLog {
    folder: PathBuf,
    jobs: Option<Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    /// What is known of segments already read, so that a window reads only the segments it meets.
    spans: Mutex<HashMap<PathBuf, SegmentSpan>>,
}

impl PredictionLog {
    /// Opens the log in `folder`, and creates the folder when it is missing.
    ///
    /// # Errors
    /// [`ServingError::Log`] when the folder or the writer thread cannot be created.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, ServingError> {
        Self::open_with(folder.as_ref(), SEGMENT_BYTES)
    }

    fn open_with(folder: &Path, segment_bytes: u64) -> Result<Self, ServingError> {
        std::fs::create_dir_all(folder).map_err(|error| ServingError::log("create", folder, &error))?;
        let (jobs, waiting) = channel();
        let writer = Writer::new(folder.to_owned(), segment_bytes);
        let thread = std::thread::Builder::new().name("prediction-log".to_owned());
        let writer = thread.spawn(move || writer.run(&waiting));
        let writer = writer.map_err(|error| ServingError::log("start the writer of", folder, &error))?;
        Ok(Self { folder: folder.to_owned(), jobs: Some(jobs), writer: Some(writer), spans: Mutex::default() })
    }

    /// Logs `records`; they are on disk when this returns.
    ///
    /// # Errors
    /// [`ServingError::Log`] when they could not be written: none of them is in the log then.
    pub async fn append(&self, records: &[PredictionRecord]) -> Result<(), ServingError> {
        if records.is_empty() {
            return Ok(());
        }
        let done = self.enqueue(|reply| Job::Append { lines: encode(records), reply })?;
        finish(done.await)
    }

    /// As [`Self::append`], for callers outside of an async runtime.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_blocking(&self, records: &[PredictionRecord]) -> Result<(), ServingError> {
        if records.is_empty() {
            return Ok(());
        }
        let done = self.enqueue(|reply| Job::Append { lines: encode(records), reply })?;
        finish(done.blocking_recv())
    }

    /// Lets later records of every endpoint begin new segments. Call it at the end of a day: a window of time then reads
    /// the segments of its days only.
    ///
    /// # Errors
    /// [`ServingError::LogClosed`] when the writer has ended.
    pub fn rotate(&self) -> Result<(), ServingError> {
        self.enqueue(|reply| Job::Rotate { reply }).map(|_done| ())
    }

    /// All records of an endpoint, oldest segment first.
    ///
    /// # Errors
    /// [`ServingError::Log`] when a segment cannot be read.
    pub fn read_all(&self, endpoint: &str) -> Result<Vec<PredictionRecord>, ServingError> {
        read::all(&self.folder, endpoint)
    }

    /// The records of an endpoint whose time is at least `from` and before `until`.
    ///
    /// # Errors
    /// [`ServingError::Log`] when a segment cannot be read.
    pub fn read_between(
        &self,
        endpoint: &str,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<PredictionRecord>, ServingError> {
        let window = from.timestamp_micros()..until.timestamp_micros();
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        read::between(&self.folder, endpoint, &window, &mut spans)
    }

    /// The prediction with this id, of any endpoint.
    ///
    /// # Errors
    /// [`ServingError::Log`] when a segment cannot be read.
    pub fn find(&self, id: &str) -> Result<Option<PredictionRecord>, ServingError> {
        read::find(&self.folder, id)
    }

    fn enqueue(
        &self,
        job: impl FnOnce(oneshot::Sender<Outcome>) -> Job,
    ) -> Result<oneshot::Receiver<Outcome>, ServingError> {
        let (reply, done) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(ServingError::LogClosed)?;
        jobs.send(job(reply)).map_err(|_closed| ServingError::LogClosed)?;
        Ok(done)
    }
}

impl Drop for PredictionLog {
    fn drop(&mut self) {
        // The writer ends when nobody can send any more; waiting for it frees its locks before this returns.
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            let _its_panic_was_reported = writer.join();
        }
    }
}

fn encode(records: &[PredictionRecord]) -> Lines {
    let mut lines: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for record in records {
        let bytes = lines.entry(record.endpoint.clone()).or_default();
        // Text, numbers and maps of them always serialise.
        bytes.extend(serde_json::to_vec(record).unwrap_or_default());
        bytes.push(b'\n');
    }
    lines
}

fn finish(outcome: Result<Outcome, oneshot::error::RecvError>) -> Result<(), ServingError> {
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) => Err(failure.into()),
        Err(_closed) => Err(ServingError::LogClosed),
    }
}
