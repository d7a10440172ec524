//! Runs: what was tried once, with its parameters, metrics and tags.

mod change;
pub(crate) mod data;
mod log;
mod lookup;
mod promise;
pub mod search;
pub mod study;
#[cfg(test)]
mod tests;
mod transfer;

use baton_ledger::database::{Statement, Transaction};
use baton_ledger::record;

pub use self::change::{NewRun, RunChange};
pub use self::log::Batch;
pub use self::promise::PromisedRun;
pub use self::transfer::WholeRun;
use crate::error::{Result, TrackingError};
use crate::input::{DatasetInput, ModelOutput};
use crate::metric::Metric;
use crate::{Lifecycle, Param, Tag};

/// The tag that repeats a run's name.
pub(crate) const NAME_TAG: &str = "mlflow.runName";

/// What a run is at.
pub const STATUSES: [&str; 5] = ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"];

/// What a run is, without what it logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// Its id.
    pub run_id: String,
    /// The number of its experiment.
    pub experiment: i64,
    /// Its name.
    pub name: String,
    /// Who started it.
    pub user_id: String,
    /// One of [`STATUSES`].
    pub status: String,
    /// When it began, in milliseconds since 1970.
    pub start_time: i64,
    /// When it ended.
    pub end_time: Option<i64>,
    /// Whether it was deleted.
    pub lifecycle: Lifecycle,
    /// The URI under which its artifacts lie.
    pub artifact_uri: String,
}

/// A run with what it logged.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What it is.
    pub info: RunInfo,
    /// The last point of each metric, by key.
    pub metrics: Vec<Metric>,
    /// Its parameters by key.
    pub params: Vec<Param>,
    /// Its tags by key.
    pub tags: Vec<Tag>,
    /// Datasets that it read.
    pub datasets: Vec<DatasetInput>,
    /// Models that it read.
    pub models: Vec<String>,
    /// Models that it made.
    pub outputs: Vec<ModelOutput>,
}

record! {
    /// A run as it is stored.
    #[derive(Debug, Clone)]
    pub(crate) struct RunRow {
        pub(crate) id: i64,
        pub(crate) run_id: String,
        pub(crate) experiment: i64,
        pub(crate) name: String,
        pub(crate) user_id: String,
        pub(crate) status: String,
        pub(crate) start_time: i64,
        pub(crate) end_time: Option<i64>,
        pub(crate) lifecycle_stage: String,
        pub(crate) artifact_uri: String,
    }
}

/// The columns of a [`RunRow`], of `runs r`.
pub(crate) const COLUMNS: &str = "r.id, r.run_id, r.experiment, r.name, r.user_id, r.status, r.start_time, r.end_time, r.lifecycle_stage, \
                                  r.artifact_uri";

/// The same, by the places of its columns, where there are many rows.
pub(crate) type RunTuple = (i64, String, i64, String, String, String, i64, Option<i64>, String, String);

impl From<RunTuple> for RunRow {
    fn from(row: RunTuple) -> Self {
        let (id, run_id, experiment, name, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri) = row;
        Self { id, run_id, experiment, name, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri }
    }
}

impl RunRow {
    pub(crate) fn lifecycle(&self) -> Lifecycle {
        Lifecycle::parse(&self.lifecycle_stage)
    }

    pub(crate) fn into_info(self) -> RunInfo {
        RunInfo {
            lifecycle: self.lifecycle(),
            run_id: self.run_id,
            experiment: self.experiment,
            name: self.name,
            user_id: self.user_id,
            status: self.status,
            start_time: self.start_time,
            end_time: self.end_time,
            artifact_uri: self.artifact_uri,
        }
    }
}

/// The run `run_id`, whether it was deleted or not.
pub(crate) async fn find(transaction: &mut Transaction, run_id: &str) -> Result<RunRow> {
    let select = Statement::new(format!("SELECT {COLUMNS} FROM runs r WHERE r.run_id = $1")).bind(run_id);
    let found = transaction.one(select).await?;
    found.ok_or_else(|| TrackingError::missing(format!("Run with id={run_id} not found")))
}

/// The run `run_id`, which must not be deleted.
pub(crate) async fn active(transaction: &mut Transaction, run_id: &str) -> Result<RunRow> {
    let found = find(transaction, run_id).await?;
    match found.lifecycle() {
        Lifecycle::Active => Ok(found),
        Lifecycle::Deleted => Err(TrackingError::invalid(format!(
            "The run {run_id} must be in the 'active' state. Current state is deleted."
        ))),
    }
}
