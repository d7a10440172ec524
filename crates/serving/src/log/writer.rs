//! The writer thread: takes all that waits, writes it, syncs each file once, answers everybody.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use tokio::sync::oneshot;

use super::segment::Segment;
use crate::error::ServingError;

/// Whole lines by endpoint.
pub(super) type Lines = BTreeMap<String, Vec<u8>>;

/// What the writer answers.
pub(super) type Outcome = Result<(), Failure>;

/// Something for the writer to do.
pub(super) enum Job {
    /// Write lines.
    Append { lines: Lines, reply: oneshot::Sender<Outcome> },
    /// Begin new segments.
    Rotate { reply: oneshot::Sender<Outcome> },
}

/// A failure that several waiting requests share.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    action: String,
    path: String,
    reason: String,
}

impl From<ServingError> for Failure {
    fn from(error: ServingError) -> Self {
        match error {
            ServingError::Log { action, path, reason } => Self { action, path, reason },
            error => Self { action: "write".to_owned(), path: String::new(), reason: error.to_string() },
        }
    }
}

impl From<Failure> for ServingError {
    fn from(failure: Failure) -> Self {
        Self::Log { action: failure.action, path: failure.path, reason: failure.reason }
    }
}

/// Owns the open segments.
pub(super) struct Writer {
    folder: PathBuf,
    segment_bytes: u64,
    open: HashMap<String, Segment>,
    /// The least number that an endpoint's next segment may have.
    next: HashMap<String, u64>,
}

impl Writer {
    /// A writer that has opened nothing yet.
    pub(super) fn new(folder: PathBuf, segment_bytes: u64) -> Self {
        Self { folder, segment_bytes, open: HashMap::new(), next: HashMap::new() }
    }

    /// Works until nobody can send any more.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut appends = Vec::new();
            for job in std::iter::once(first).chain(jobs.try_iter()) {
                match job {
                    Job::Append { lines, reply } => appends.push((lines, reply)),
                    Job::Rotate { reply } => {
                        self.append(std::mem::take(&mut appends));
                        self.rotate();
                        answer(reply, Ok(()));
                    }
                }
            }
            self.append(appends);
        }
    }

    /// Writes each endpoint's lines of all requests, then answers each request by what became of its endpoints.
    fn append(&mut self, appends: Vec<(Lines, oneshot::Sender<Outcome>)>) {
        let mut together: Lines = BTreeMap::new();
        for (endpoint, lines) in appends.iter().flat_map(|(lines, _)| lines) {
            together.entry(endpoint.clone()).or_default().extend_from_slice(lines);
        }
        let outcomes: HashMap<&str, Outcome> = together
            .iter()
            .map(|(endpoint, lines)| (endpoint.as_str(), self.write(endpoint, lines).map_err(Failure::from)))
            .collect();
        for (lines, reply) in &mut appends.into_iter() {
            let failed = lines.keys().find_map(|endpoint| outcomes.get(endpoint.as_str())?.as_ref().err());
            answer(reply, failed.map_or(Ok(()), |failure| Err(failure.clone())));
        }
    }

    fn write(&mut self, endpoint: &str, lines: &[u8]) -> Result<(), ServingError> {
        let mut segment = match self.open.remove(endpoint) {
            Some(segment) if segment.length < self.segment_bytes => segment,
            full => {
                let after_full = full.map_or(0, |segment| segment.number + 1);
                let at_least = after_full.max(self.next.get(endpoint).copied().unwrap_or(0));
                Segment::open(&endpoint_folder(&self.folder, endpoint), at_least)?
            }
        };
        match segment.write(lines).and_then(|()| segment.sync()) {
            Ok(()) => {
                self.open.insert(endpoint.to_owned(), segment);
                Ok(())
            }
            Err(error) => {
                segment.take_back();
                Err(error)
            }
        }
    }

    fn rotate(&mut self) {
        self.next.extend(self.open.drain().map(|(endpoint, segment)| (endpoint, segment.number + 1)));
    }
}

fn answer(reply: oneshot::Sender<Outcome>, outcome: Outcome) {
    // Who stopped waiting does not need the answer.
    let _caller_went_away = reply.send(outcome);
}

/// Where an endpoint's segments are. Names of assets are plain; any other byte is written as its number.
pub(super) fn endpoint_folder(folder: &Path, endpoint: &str) -> PathBuf {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let encode = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") };
    folder.join(endpoint.bytes().map(encode).collect::<String>())
}
