//! The operations port: what is going on. Leases, runs that wait, run and ran, and messages that are to be delivered.
//!
//! Unlike events these records change and may be deleted; nothing that readers of data see follows from them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::LedgerError;
use crate::time::Timestamp;

/// The right to do what only one process may do at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// What it is for, such as `scheduler/prod`.
    pub name: String,
    /// Who has it.
    pub holder: String,
    /// Grows whenever the lease goes to another holder: writes under an older one are refused.
    pub token: u64,
    /// It is free from then on.
    pub until: Timestamp,
}

/// A run that a schedule or a hand asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewRequest {
    /// The schedule; or `runbook/NAME` for a runbook, or `resume/RUN` for a run that goes on. Names of schedules hold no `/`.
    pub schedule: String,
    /// What made it due: `cron`, `commit`, `manual`, …
    pub trigger: String,
    /// What tells it from other requests of the schedule; the same is asked for once.
    pub key: String,
    /// Since when it is due.
    pub due_at: Timestamp,
    /// The logical clock that it must run with; the clock of its start when `None`.
    pub as_of: Option<Timestamp>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Of two that wait, the greater goes first.
    pub priority: i64,
    /// Values for the project's parameters, as people write them.
    pub parameters: BTreeMap<String, String>,
    /// Whether a request of the schedule with the same parameters that waits already does as well.
    pub coalesces: bool,
}

/// How a schedule moves on.
#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    /// The schedule.
    pub schedule: String,
    /// What was dealt with of it, as its owner writes it.
    pub cursor: Value,
    /// The runs that are due.
    pub requests: Vec<NewRequest>,
}

/// Where a request or a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It waits.
    Queued,
    /// It goes on.
    Running,
    /// It ended, and no step failed.
    Succeeded,
    /// It ended with failed steps, or could not be begun.
    Failed,
    /// Somebody ended it.
    Cancelled,
    /// Its process ended before it did.
    Interrupted,
    /// It ended before a step that needs somebody's word, and goes on when it has it.
    #[serde(rename = "waiting_for_approval")]
    Waiting,
    /// Somebody held it back; it goes on when somebody says so.
    Paused,
}

impl RunState {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Interrupted,
        Self::Waiting,
        Self::Paused,
    ];

    /// The stored text.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Waiting => "waiting_for_approval",
            Self::Paused => "paused",
        }
    }

    /// Whether it is over for now and goes on as the same run.
    pub fn goes_on_later(self) -> bool {
        matches!(self, Self::Waiting | Self::Paused)
    }

    /// The state whose stored text is `word`.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A request in the queue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Request {
    /// Its number.
    pub id: u64,
    /// The environment.
    pub environment: String,
    /// What was asked for.
    #[serde(flatten)]
    pub asked: NewRequest,
    /// Where it stands.
    pub state: RunState,
    /// How often it was begun.
    pub attempts: u32,
    /// Why it is not done, in words.
    pub reason: Option<String>,
}

/// How a request that was begun ended.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestEnd {
    /// It is over.
    Ended {
        /// How.
        state: RunState,
        /// Why it is not done.
        reason: Option<String>,
    },
    /// It is to be begun again.
    Again {
        /// Not before this.
        not_before: Timestamp,
        /// Why.
        reason: String,
    },
}

/// A run as the history of runs keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its id, as in the events.
    pub id: String,
    /// The environment.
    pub environment: String,
    /// The command: `run`, `apply`, `backfill`, …
    pub command: String,
    /// The schedule that asked for it.
    pub schedule: Option<String>,
    /// What made the schedule due.
    pub trigger: Option<String>,
    /// Since when it was due.
    pub due_at: Option<Timestamp>,
    /// The logical clock.
    pub as_of: Timestamp,
    /// Who began it.
    pub author: String,
    /// When, on the machine's clock.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Where it stands.
    pub state: RunState,
    /// The commit that the environment pointed at when it ended.
    pub commit: Option<String>,
    /// Steps that it has.
    pub steps: u32,
    /// Steps that failed.
    pub failed: u32,
    /// The first thing that went wrong.
    pub cause: Option<String>,
    /// Values that it was given for the project's parameters, by name; those left out had their defaults.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Value>,
    /// What else the command was asked for, as far as it is needed to go on with the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// The run.
    pub run: String,
    /// When.
    pub at: Timestamp,
    /// How.
    pub state: RunState,
    /// See [`RunRecord::commit`].
    pub commit: Option<String>,
    /// See [`RunRecord::failed`].
    pub failed: u32,
    /// See [`RunRecord::cause`].
    pub cause: Option<String>,
}

/// A step of a run; the newest record of a number holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The run.
    pub run: String,
    /// Its place in the run, from 1.
    pub number: u32,
    /// The asset.
    pub asset: String,
    /// `build`, `train`, …
    pub verb: String,
    /// `running`, `done`, `reused`, `up_to_date`, `failed`, `skipped`, `waiting`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When the first try began.
    pub started_at: Timestamp,
    /// When the last try ended.
    pub finished_at: Option<Timestamp>,
    /// What came of it, in a line.
    pub detail: String,
    /// Whether its output was recorded already; `None` for steps without output.
    pub hit: Option<bool>,
    /// Rows that it made.
    pub rows: Option<u64>,
}

/// A line of a step's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// The run.
    pub run: String,
    /// The asset.
    pub asset: String,
    /// When.
    pub at: Timestamp,
    /// `info`, `warn`, `error`.
    pub level: String,
    /// What.
    pub text: String,
}

/// What a run writes down while it goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum RunChange {
    /// It began, or goes on. Runs of the environment that were going on did not end: their process did. (Runs that are a step
    /// of a runbook say nothing of that runbook's.)
    Started(RunRecord),
    /// The assets that it will work on.
    Planned {
        /// The run.
        run: String,
        /// The assets, by name.
        assets: Vec<String>,
    },
    /// A step began or ended.
    Step(StepRecord),
    /// A line of a step's log.
    Log(LogLine),
    /// It ended.
    Ended(RunEnd),
}

/// Something that waits for a slot of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiter {
    /// Who, unique on the ledger.
    pub holder: String,
    /// The greater comes first.
    pub priority: i64,
    /// Among equals, who waits longer comes first.
    pub since: Timestamp,
}

/// What somebody changed of how a project runs, for as long as it holds: nothing of it is in the project's files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adjustment {
    /// The environment; empty for what holds in all of them, as pools do.
    pub environment: String,
    /// What is changed: `schedule/nightly`, `export/crm`, `pool/warehouse`.
    pub subject: String,
    /// How: `{"paused": true}`, `{"slots": 4}`.
    pub value: Value,
    /// It no longer holds from then on.
    pub until: Option<Timestamp>,
    /// When it was made.
    pub at: Timestamp,
    /// Who made it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Which runs are asked for; absent fields match all. Newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this environment.
    pub environment: Option<String>,
    /// Of this schedule.
    pub schedule: Option<String>,
    /// In this state.
    pub state: Option<RunState>,
    /// With an id that begins like this.
    pub id: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// Something to tell somebody.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// The environment it is about.
    pub environment: String,
    /// The channel.
    pub channel: String,
    /// What it is about: messages of one cause are told once until it has ended.
    pub cause: String,
    /// Whether it says that the cause has ended.
    pub ends: bool,
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    pub body: Value,
}

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its number.
    pub id: u64,
    /// What is to be told.
    pub message: NewMessage,
    /// How often it was tried.
    pub attempts: u32,
}

/// How the delivery of a message went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It arrived.
    Delivered,
    /// It is to be tried again.
    Again {
        /// Not before this.
        not_before: Timestamp,
        /// Why, without secrets.
        reason: String,
    },
    /// It will never arrive.
    GivenUp {
        /// Why, without secrets.
        reason: String,
    },
}

/// Leases, the queue of runs, the history of runs, and the outbox.
///
/// Every write is one transaction and durable when it returns. Writes under a [`Lease`] fail with
/// [`LedgerError::LeaseLost`] when another holder has it since.
#[async_trait]
pub trait Operations: Send + Sync {
    /// A number that differs whenever somebody else wrote to the ledger since it was last asked for; leases that are taken and
    /// kept may not count. Its cost does not grow with what the ledger holds.
    async fn pulse(&self) -> Result<u64, LedgerError>;

    /// Takes the lease, or keeps it until `until`; answers with who has it now.
    async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, LedgerError>;

    /// The clock by which holders on several machines take and keep leases, so that theirs may differ; `None` where all are on
    /// one machine.
    async fn clock_of_leases(&self) -> Result<Option<Timestamp>, LedgerError> {
        Ok(None)
    }

    /// Gives the lease back, if it is still this one.
    async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError>;

    /// What was kept of a schedule, as its owner wrote it.
    async fn cursor(&self, environment: &str, schedule: &str) -> Result<Option<Value>, LedgerError>;

    /// Moves schedules on: keeps their cursors and puts their requests into the queue, all of it or nothing; answers how
    /// many requests are new.
    async fn advance(&self, lease: &Lease, environment: &str, advances: &[Advance]) -> Result<usize, LedgerError>;

    /// Puts a request into the queue by hand, and answers its number.
    async fn request(&self, environment: &str, request: &NewRequest) -> Result<u64, LedgerError>;

    /// The requests of an environment that wait or run, in the order in which they will be begun.
    async fn open_requests(&self, environment: &str) -> Result<Vec<Request>, LedgerError>;

    /// Whether a request waits in an environment that may begin now. Its cost does not grow with how many wait.
    async fn has_waiting(&self, environment: &str, now: Timestamp) -> Result<bool, LedgerError>;

    /// Begins the next request that may begin at `now`.
    async fn begin_request(
        &self,
        lease: &Lease,
        environment: &str,
        now: Timestamp,
    ) -> Result<Option<Request>, LedgerError>;

    /// Says how a request that was begun ended.
    async fn end_request(&self, lease: &Lease, id: u64, end: &RequestEnd) -> Result<(), LedgerError>;

    /// Puts requests that an earlier holder of the lease had begun back into the queue, and answers how many. One whose
    /// run ended well is over and not begun again.
    async fn recover_requests(&self, lease: &Lease, environment: &str) -> Result<usize, LedgerError>;

    /// Keeps what happened in runs, in order.
    async fn keep_runs(&self, changes: Vec<RunChange>) -> Result<(), LedgerError>;

    /// The runs that match, newest first.
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, LedgerError>;

    /// The steps of a run in order.
    async fn steps(&self, run: &str) -> Result<Vec<StepRecord>, LedgerError>;

    /// The assets that a run was to work on; empty when it did not come to know them.
    async fn planned(&self, run: &str) -> Result<Vec<String>, LedgerError>;

    /// Deletes runs that ended before `before` with their steps and logs, but for the newest `keep` of each environment;
    /// and requests and messages of before that are settled. Answers how many runs.
    async fn prune_runs(&self, before: Timestamp, keep: u32) -> Result<u64, LedgerError>;

    /// The log of a run in order.
    async fn log(&self, run: &str) -> Result<Vec<LogLine>, LedgerError>;

    /// Asks a run to end; answers whether it was going on.
    async fn cancel_run(&self, run: &str) -> Result<bool, LedgerError>;

    /// Whether somebody asked a run to end.
    async fn is_cancelled(&self, run: &str) -> Result<bool, LedgerError>;

    /// Asks a run to stop where it can go on later; answers whether it was going on.
    async fn pause_run(&self, run: &str) -> Result<bool, LedgerError>;

    /// Whether somebody asked a run to stop where it can go on later.
    async fn is_paused(&self, run: &str) -> Result<bool, LedgerError>;

    /// Takes a slot of a pool until `until`, when one is free and nobody who waits for one comes before `waiter`; else the
    /// waiter waits, until `until` unless it asks again. The lease is given back as any other.
    async fn take_slot(
        &self,
        pool: &str,
        slots: usize,
        waiter: &Waiter,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Lease>, LedgerError>;

    /// Makes an adjustment, in place of one of the same subject.
    async fn adjust(&self, adjustment: &Adjustment) -> Result<(), LedgerError>;

    /// Takes an adjustment back; answers whether there was one.
    async fn end_adjustment(&self, environment: &str, subject: &str) -> Result<bool, LedgerError>;

    /// The adjustments that hold in an environment at `now`, those of all environments among them, by subject.
    async fn adjustments(&self, environment: &str, now: Timestamp) -> Result<Vec<Adjustment>, LedgerError>;

    /// Puts messages into the outbox. A message about a cause that its channel was told of already is left out, and so is
    /// the end of a cause that it was not told of. Answers how many are new.
    async fn post(&self, messages: Vec<NewMessage>) -> Result<usize, LedgerError>;

    /// Messages that are to be delivered and may be tried at `now`, oldest first.
    async fn outbox(&self, now: Timestamp, limit: u32) -> Result<Vec<Message>, LedgerError>;

    /// Says how deliveries went.
    async fn settle_messages(&self, settled: Vec<(u64, Delivery)>) -> Result<(), LedgerError>;
}
