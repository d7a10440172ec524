//! What is asked of another tracker, piece by piece, so that never more than one run is in memory.

use async_trait::async_trait;
use baton_tracking::experiment::Experiment;
use baton_tracking::logged_model::LoggedModel;
use baton_tracking::registry::WholeModel;
use baton_tracking::run::WholeRun;
use baton_tracking::trace::WholeTrace;

use crate::aside::Aside;
use crate::error::Result;
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
