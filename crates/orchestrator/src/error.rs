//! What can stop a run, in the words of the part that failed.

use baton_connectors::ConnectorError;
use baton_core::AssetName;
use baton_core::ports::{LedgerError, OnlineError};
use baton_engine::EngineError;
use baton_lake::LakeError;
use baton_ml::MlError;
use baton_stats::StatsError;

use crate::program::ProgramError;
use crate::python::PythonError;

/// A failure of a command or of one step.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A source could not be read.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// A query failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A table or artifact could not be written or read.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Training, a gate or a model failed.
    #[error(transparent)]
    Model(#[from] MlError),
    /// A version of a registered model does not come in.
    #[error("`{reference}` cannot be served: {reason}")]
    Registered {
        /// The version.
        reference: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// The online store failed.
    #[error(transparent)]
    Online(#[from] OnlineError),
    /// A profile, check or drift could not be computed.
    #[error(transparent)]
    Statistics(#[from] StatsError),
    /// A Python table could not be computed.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// A table could not be made by its command.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Rows could not be taken apart or put together.
    #[error("rows of `{asset}` cannot be handled: {source}")]
    Rows {
        /// Whose rows.
        asset: String,
        /// Why.
        source: arrow::error::ArrowError,
    },
    /// Checks with severity error did not hold: the version is not published.
    #[error("{failed} of `{asset}` did not hold: {summary}")]
    Checks {
        /// Whose checks.
        asset: AssetName,
        /// `1 check` or `3 checks`.
        failed: String,
        /// The first messages.
        summary: String,
    },
    /// Something that is asked for is not there.
    #[error("there is no {what} `{name}` in environment `{environment}`; {hint}")]
    Missing {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
        /// Where it was looked for.
        environment: String,
        /// What to do.
        hint: String,
    },
    /// An environment that nothing was applied to.
    #[error("environment `{environment}` has no commit yet: run `baton apply -e {environment}`")]
    NoCommit {
        /// The environment.
        environment: String,
    },
    /// A text that names no commit.
    #[error("`{text}` names no environment, tag or commit; {hint}")]
    UnknownReference {
        /// The text.
        text: String,
        /// What to do.
        hint: String,
    },
    /// A name for an environment or a tag that may not be used.
    #[error(
        "`{name}` cannot name {article} {what}: use letters, digits, `_`, `-` and `.`, beginning with a letter or digit",
        article = if *what == "environment" { "an" } else { "a" }
    )]
    BadName {
        /// `environment` or `tag`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A name that is given already.
    #[error("there is {article} {what} `{name}` already; {hint}", article = if *what == "environment" { "an" } else { "a" })]
    NameTaken {
        /// `environment` or `tag`.
        what: &'static str,
        /// The name.
        name: String,
        /// What to do.
        hint: String,
    },
    /// Files of a commit are no longer there.
    #[error("files of `{asset}` in commit {commit} are gone; the commit is older than what `baton gc` keeps")]
    Collected {
        /// The asset.
        asset: AssetName,
        /// The commit.
        commit: String,
    },
    /// The logical clock would go back.
    #[error(
        "environment `{environment}` is at {at} already and cannot go back in time; give a later --as-of, roll back with `baton rollback`, or use another environment"
    )]
    BackInTime {
        /// The environment.
        environment: String,
        /// Its clock.
        at: String,
    },
    /// A selection of assets means nothing here.
    #[error(transparent)]
    Selection(#[from] baton_plan::SelectError),
    /// The project cannot be run as it is.
    #[error("{0}")]
    Project(String),
    /// A file beside the lake could not be written.
    #[error("cannot write {path}: {reason}")]
    File {
        /// The path.
        path: String,
        /// Why.
        reason: String,
    },
    /// A step took longer than it may.
    #[error("the step of `{asset}` took longer than its timeout of {}", baton_core::duration::format_seconds(*seconds))]
    TimedOut {
        /// The asset.
        asset: AssetName,
        /// The timeout.
        seconds: i64,
    },
    /// Somebody did not let it be done, or nobody said anything in time.
    #[error("{reason}")]
    NotApproved {
        /// What was not done, and whose word it was.
        reason: String,
    },
    /// Somebody asked the run to stop where it can go on.
    #[error("run {run} is paused; `baton runs resume {run}` goes on with it")]
    Paused {
        /// The run.
        run: String,
    },
    /// Somebody ended the run.
    #[error("run {run} was cancelled; what was finished is kept, and the same command goes on from there")]
    Cancelled {
        /// The run.
        run: String,
    },
    /// A background task ended early.
    #[error("a worker thread ended before its work was done: {0}")]
    Worker(String),
}

impl RunError {
    /// Wraps an Arrow error with the asset whose rows were handled.
    pub(crate) fn rows(asset: &str) -> impl FnOnce(arrow::error::ArrowError) -> Self {
        let asset = asset.to_owned();
        move |source| Self::Rows { asset, source }
    }
}
