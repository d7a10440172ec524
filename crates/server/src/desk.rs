//! What the server hands on: requests for schedules, and events of other tools. The binary brings who takes them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use baton_tracking::input::DatasetInput;

/// Why an event of another tool was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotTaken {
    /// It does not keep to the specification.
    Invalid(String),
    /// The ledger does not answer.
    Failed(String),
}

/// Takes events of OpenLineage.
#[async_trait]
pub trait LineageDesk: Send + Sync {
    /// Takes an event; what is news in it is durable when this returns.
    async fn take(&self, event: &serde_json::Value) -> Result<(), NotTaken>;
}

/// How a schedule was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It waits under this number; 0 when it waited already.
    Waits(u64),
    /// There is no schedule of this name; the nearest one is told.
    Unknown(Option<String>),
    /// The parameters are not those of the project, or not of their types.
    Refused(String),
    /// The ledger does not answer.
    Failed(String),
}

/// A figure about schedules, as Prometheus reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its name; figures of one name stand together.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// What it is about, by label.
    pub labels: Vec<(&'static str, String)>,
    /// How much.
    pub value: f64,
}

/// What somebody says to something that waits for approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The run.
    pub run: String,
    /// The asset or step; `None` for the whole run, or for the only thing that waits in it.
    pub step: Option<String>,
    /// The owner who says it.
    pub by: String,
    /// Whether it may be done.
    pub approves: bool,
    /// Why.
    pub reason: Option<String>,
}

/// How an answer was taken.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// It counts; what was waited for.
    Counts(serde_json::Value),
    /// There is no such run.
    Unknown(String),
    /// It does not count: nothing waits for this owner, or it is too late.
    Refused(String),
    /// The ledger does not answer.
    Failed(String),
}

/// Takes requests for schedules.
#[async_trait]
pub trait ScheduleDesk: Send + Sync {
    /// Asks for a run of the schedule `name` with values for the project's parameters, as people write them.
    async fn ask(&self, name: &str, parameters: BTreeMap<String, String>) -> Asked;

    /// What waits for somebody's word.
    async fn awaited(&self) -> Result<serde_json::Value, String>;

    /// Takes somebody's word for something that waits.
    async fn answer(&self, said: Said) -> Taken;

    /// How schedules and their queue stand; empty when the ledger does not answer.
    async fn figures(&self) -> Vec<Figure>;
}

/// In which form rows are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// A stream of Arrow's IPC.
    Arrow,
    /// A JSON array of objects.
    Json,
    /// CSV with a header.
    Csv,
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryAnswer {
    /// The rows, in the form that was asked for.
    pub body: Vec<u8>,
    /// The commit whose tables were read.
    pub commit: String,
    /// The table versions that were read.
    pub inputs: Vec<DatasetInput>,
}

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryRefusal {
    /// The query cannot be understood, or failed.
    Query(String),
    /// The ledger or the lake does not answer.
    Failed(String),
}

/// Answers queries over the environment.
#[async_trait]
pub trait QueryDesk: Send + Sync {
    /// Answers a read-only query; `at` is a commit, a tag or another environment.
    ///
    /// # Errors
    /// Why not.
    async fn query(&self, sql: &str, at: Option<&str>, format: RowFormat) -> Result<QueryAnswer, QueryRefusal>;
}
