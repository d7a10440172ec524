//! The ledger port: events, commits and environments.

use async_trait::async_trait;

use crate::commit::{Commit, CommitId};
use crate::event::{Event, EventFilter, NewEvent};

/// A name that points at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The name.
    pub name: String,
    /// What it points at.
    pub commit: CommitId,
}

/// A name that people gave to a commit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Tag {
    /// The name.
    pub name: String,
    /// What it stands for.
    pub commit: CommitId,
}

/// A commit in the graph of commits, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// The commit.
    pub id: CommitId,
    /// What its environment pointed at before.
    pub parent: Option<CommitId>,
    /// The commit of another environment that it took in, or the one that it went back to.
    pub merged: Option<CommitId>,
}

impl Ancestor {
    /// The commits that it goes on from.
    pub fn parents(&self) -> impl Iterator<Item = &CommitId> {
        self.parent.iter().chain(&self.merged)
    }
}

/// The state of the sealed log: RFC 6962 Merkle tree hash over all events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRoot {
    /// Events in the log.
    pub size: u64,
    /// The tree hash in hex.
    pub hash: String,
}

/// What can go wrong at the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Somebody else moved the environment first.
    #[error("environment `{environment}` has moved: expected {expected}, found {found}; plan again")]
    Moved {
        /// The environment.
        environment: String,
        /// What the caller saw.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Another process holds the lock.
    #[error("{holder} is working on environment `{environment}`; wait for it to end, or stop it and try again")]
    Locked {
        /// The environment.
        environment: String,
        /// Who, with process id.
        holder: String,
    },
    /// Another process works with the stored files, or deletes some.
    #[error("{holder} is at work on the project's files; wait for it to end, or stop it and try again")]
    StorageLocked {
        /// Who, with process id.
        holder: String,
    },
    /// A name that is to be given is given already.
    #[error("{what} `{name}` exists already; {hint}")]
    Exists {
        /// `environment` or `tag`.
        what: &'static str,
        /// The name.
        name: String,
        /// What to do.
        hint: String,
    },
    /// Another process has the lease by now.
    #[error("the lease `{name}` went to {holder}; what this process was about to write is theirs to do")]
    LeaseLost {
        /// The lease.
        name: String,
        /// Who has it, or `nobody`.
        holder: String,
    },
    /// Storage failed: full, read-only, unreachable, damaged.
    #[error("ledger cannot {action}: {reason}")]
    Storage {
        /// What was tried.
        action: String,
        /// Why it failed, and what to do.
        reason: String,
    },
    /// A stored record cannot be read.
    #[error("ledger holds a record that cannot be read ({what}): {reason}")]
    Damaged {
        /// Which record.
        what: String,
        /// Why.
        reason: String,
    },
}

/// Append-only events, immutable commits, environments that point at commits.
///
/// Every write is durable when it returns, and is one transaction: all of it or nothing.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Appends events in order and returns the sequence number of the last one (of the newest event when `events` is empty).
    async fn append(&self, events: Vec<NewEvent>) -> Result<u64, LedgerError>;

    /// As [`Ledger::append`], unless there is an event that matches `there`; answers whether it appended. Looking and
    /// appending are one transaction, so of several that race one wins.
    async fn append_unless(&self, there: &EventFilter, events: Vec<NewEvent>) -> Result<bool, LedgerError>;

    /// The events that match, oldest first.
    async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, LedgerError>;

    /// Stores `commit`, points its environment at it and appends `events`, in one transaction.
    ///
    /// Fails with [`LedgerError::Moved`] unless the environment points at `commit.parent` (does not exist, when `None`).
    async fn commit(&self, commit: &Commit, events: Vec<NewEvent>) -> Result<(), LedgerError>;

    /// The commit with this id.
    async fn read_commit(&self, id: &CommitId) -> Result<Option<Commit>, LedgerError>;

    /// Commits of an environment from its head along parents, newest first, at most `limit`.
    async fn history(&self, environment: &str, limit: u32) -> Result<Vec<Commit>, LedgerError>;

    /// All environments by name.
    async fn environments(&self) -> Result<Vec<Environment>, LedgerError>;

    /// Creates `name` (or moves it, when it exists) to a stored commit without the check of parents; for copies of environments.
    async fn point(&self, name: &str, commit: &CommitId, events: Vec<NewEvent>) -> Result<(), LedgerError>;

    /// Creates the environment of `commit` and points it at `commit`, which is stored if it is new, in one transaction.
    ///
    /// Unlike [`Ledger::commit`] its parent may be of any environment. Fails with [`LedgerError::Exists`] when there is
    /// an environment of that name.
    async fn start(&self, environment: &str, commit: &Commit, events: Vec<NewEvent>) -> Result<(), LedgerError>;

    /// Forgets the environment `name`; its commits stay. Fails with [`LedgerError::Moved`] unless it points at `head`.
    async fn remove(&self, name: &str, head: &CommitId, events: Vec<NewEvent>) -> Result<(), LedgerError>;

    /// The commit and all that it goes on from, through parents and merged commits, each once.
    async fn ancestry(&self, id: &CommitId) -> Result<Vec<Ancestor>, LedgerError>;

    /// The commits whose id begins with `prefix`, at most two of them: enough to know whether it names one.
    async fn commits_starting(&self, prefix: &str) -> Result<Vec<CommitId>, LedgerError>;

    /// All tags by name.
    async fn tags(&self) -> Result<Vec<Tag>, LedgerError>;

    /// Sets the tag `name` on a stored commit, wherever it was before.
    async fn tag(&self, name: &str, commit: &CommitId, events: Vec<NewEvent>) -> Result<(), LedgerError>;

    /// Deletes the tag `name`; answers whether there was one, and appends nothing if not.
    async fn untag(&self, name: &str, events: Vec<NewEvent>) -> Result<bool, LedgerError>;

    /// The head commit of an environment; `None` when it does not exist.
    async fn head(&self, environment: &str) -> Result<Option<Commit>, LedgerError> {
        for found in self.environments().await? {
            if found.name == environment {
                return self.read_commit(&found.commit).await;
            }
        }
        Ok(None)
    }

    /// Size and Merkle root of the event log.
    async fn root(&self) -> Result<LogRoot, LedgerError>;
}
