//! The port of sources that are asked for rows from a position on: databases, APIs, queues.
//!
//! A puller remembers nothing. Its caller hands it the [`Position`] that was recorded with the last rows, takes the rows
//! that follow, and records them and the new position in one commit. So whatever is killed when, no row is lost and none
//! comes twice. A puller that must be told what is safe, because its origin keeps things until then, hears it through
//! [`Puller::confirm`].

use std::path::PathBuf;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ConnectorError, PullSink};

/// One kind of source that is asked for rows. It holds no state between calls, so one value serves all sources.
#[async_trait]
pub trait Puller: Send + Sync {
    /// The word that selects this connector in a project file.
    fn kind(&self) -> &'static str;

    /// The JSON Schema of [`PullSource::options`], made from the connector's config struct: its doc comments are the
    /// reference documentation.
    fn options(&self) -> schemars::Schema;

    /// Names of options that do not decide which rows come, such as a token: a landed source whose project file says them
    /// anew goes on where it was.
    fn incidental(&self) -> &'static [&'static str] {
        &[]
    }

    /// Looks at what the project says, without connecting: unknown or wrong options, a missing table, a mode that this
    /// connector does not have. References to secrets are not resolved yet.
    ///
    /// # Errors
    /// The first mistake.
    fn examine(&self, source: &PullSource) -> Result<(), ConnectorError>;

    /// Connects, looks whether everything that a pull needs is there, and says what answered, such as
    /// `PostgreSQL 15.4, public.orders`. Changes nothing.
    ///
    /// # Errors
    /// What is missing or refused, and what to do.
    async fn check(&self, source: &PullSource) -> Result<String, ConnectorError>;

    /// The columns that a pull would yield, in their own types.
    ///
    /// # Errors
    /// No connection, no such table, a query that is refused.
    async fn describe(&self, source: &PullSource) -> Result<SchemaRef, ConnectorError>;

    /// Hands the rows (or changes) that follow `request.position` to `sink`, in order, and says how far that is.
    ///
    /// Stops at the end, or where a limit is reached and a position can be named: whole transactions, all rows of one
    /// cursor value. **On `Err` everything handed out must be discarded.**
    ///
    /// # Errors
    /// No connection, a position that the origin no longer has ([`ConnectorError::PositionLost`]), or those of `sink`.
    async fn pull(&self, request: &PullRequest, sink: &mut PullSink) -> Result<Pulled, ConnectorError>;

    /// Hears that everything up to `position` is recorded durably, so that the origin need not keep it.
    ///
    /// It may be called again, late, or never: [`Puller::pull`] must not rely on it.
    ///
    /// # Errors
    /// The origin could not be told; nothing is lost by that.
    async fn confirm(&self, source: &PullSource, position: &Position) -> Result<(), ConnectorError> {
        let _nothing_to_tell = (source, position);
        Ok(())
    }
}

/// How much is asked for each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All rows.
    Full,
    /// Rows whose cursor is not older than the newest that was pulled.
    Incremental,
    /// Every row once, then every change.
    Cdc,
}

/// A source as a puller sees it. Its `Debug` shows no options: they may hold secrets.
#[derive(Clone)]
pub struct PullSource {
    /// The source's name in the project.
    pub name: String,
    /// The project folder; relative paths start here.
    pub root: PathBuf,
    /// Tells this landing from others of the same source, such as those under an earlier contract; what is created at
    /// the origin (a slot, a consumer group) bears it in its name.
    pub lineage: String,
    /// The connector's own options, secrets resolved with [`crate::resolve_secrets`].
    pub options: Map<String, Value>,
    /// How much to ask for.
    pub mode: Mode,
    /// The column to go on by.
    pub cursor: Option<String>,
    /// Seconds before the newest cursor value from which to ask again.
    pub lag: i64,
    /// The columns that identify a row.
    pub key: Vec<String>,
}

impl std::fmt::Debug for PullSource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PullSource").field("name", &self.name).field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// Where a pull goes on: whatever the connector needs, opaque to everybody else. It must hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub Value);

impl Position {
    /// The position that `state` says.
    ///
    /// # Errors
    /// `state` has no JSON form.
    pub fn of(state: &impl Serialize) -> Result<Self, ConnectorError> {
        let value = serde_json::to_value(state);
        value.map(Self).map_err(|error| ConnectorError::position(format!("cannot be written down: {error}")))
    }

    /// Reads back what [`Position::of`] wrote.
    ///
    /// # Errors
    /// It was written by another connector or another mode.
    pub fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, ConnectorError> {
        serde_json::from_value(self.0.clone()).map_err(|error| ConnectorError::position(error.to_string()))
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// From where.
    pub source: PullSource,
    /// After what; `None` the first time.
    pub position: Option<Position>,
    /// How much at once, where it can be cut.
    pub limits: Limits,
}

/// How much is pulled at once; a pull ends at the first place after one of them where a position can be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows.
    pub rows: u64,
    /// Bytes of rows in memory.
    pub bytes: u64,
    /// How long to wait for rows that are still to come, in milliseconds; for queues and streams.
    pub wait_ms: u64,
    /// How long rows may be collected before they are recorded, in milliseconds, where there is a promise; for queues and
    /// streams.
    pub latency_ms: Option<u64>,
}

impl Limits {
    /// Whether what was collected for so long has to be recorded now.
    pub(crate) fn is_overdue(&self, collected: std::time::Duration) -> bool {
        self.latency_ms.is_some_and(|most| collected.as_millis() >= u128::from(most))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 500_000, bytes: 256 << 20, wait_ms: 2_000, latency_ms: None }
    }
}

/// How a pull ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Where the next one goes on.
    pub position: Position,
    /// Whether this was the end of what was there when the pull began; otherwise there is more to pull at once.
    pub complete: bool,
    /// Whether what was landed before is void: the rows stand for the whole.
    pub replaces: bool,
}
