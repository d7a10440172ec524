//! What is asked of another tracker, piece by piece, so that never more than a few runs are in memory.

use std::path::Path;

use async_trait::async_trait;
use baton_ledger::database::{Database, Statement};
use baton_tracking::experiment::Experiment;
use baton_tracking::logged_model::LoggedModel;
use baton_tracking::registry::WholeModel;
use baton_tracking::run::WholeRun;
use baton_tracking::trace::WholeTrace;

use crate::aside::Aside;
use crate::error::{ExchangeError, Result};
use crate::files::Files;

/// Another tracker. Numbers of experiments are its own; artifact URIs are as they stand there.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// Its experiments.
    async fn experiments(&self, aside: &mut Aside) -> Result<Vec<Experiment>>;

    /// The ids of an experiment's runs.
    async fn run_ids(&self, experiment: &Experiment, aside: &mut Aside) -> Result<Vec<String>>;

    /// A run, as far as it can be read; none when nothing of it can.
    async fn run(&self, experiment: &Experiment, run_id: &str, aside: &mut Aside) -> Result<Option<WholeRun>>;

    /// An experiment's logged models, each with whether it was deleted.
    async fn logged_models(&self, experiment: &Experiment, aside: &mut Aside) -> Result<Vec<(LoggedModel, bool)>>;

    /// The ids of an experiment's traces.
    async fn trace_ids(&self, experiment: &Experiment, aside: &mut Aside) -> Result<Vec<String>>;

    /// A trace.
    async fn trace(&self, experiment: &Experiment, trace_id: &str, aside: &mut Aside) -> Result<Option<WholeTrace>>;

    /// Its registry.
    async fn registered_models(&self, aside: &mut Aside) -> Result<Vec<WholeModel>>;

    /// Where its files are.
    fn files(&self) -> &Files;
}

/// Opens another tracker's database for reading, and looks whether it is one.
pub(crate) async fn open_to_read(path: &Path) -> Result<Database> {
    let refused = |reason: String| ExchangeError::NotThere {
        path: path.to_owned(),
        reason: format!("cannot be read as a database of SQLite: {reason}"),
    };
    let database = Database::open_to_read(path).await.map_err(|error| refused(error.to_string()))?;
    let tables = database.one::<(i64,)>(Statement::new("SELECT count(*) FROM sqlite_master")).await;
    tables.map_err(|error| refused(error.to_string())).map(|_| database)
}
