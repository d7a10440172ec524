//! The run that is promised to a program: it begins and ends with the program.

use baton_core::AssetName;
use baton_core::asset::Table;
use baton_tracking::run::RunChange;
use baton_tracking::{TrackingError, TrackingStore};

use super::{HostedRun, Tie};
use crate::execution::Execution;
use crate::python::TableCall;
use crate::services::Services;

/// A program's address and promised run, as long as it runs.
pub(crate) struct Hosting<'c> {
    services: &'c Services,
    asset: &'c AssetName,
    run_id: String,
    experiment: String,
    hosted: Box<dyn HostedRun>,
}

impl Execution<'_> {
    /// Says what the programs of the step at hand are tied to, if it has any.
    pub(crate) async fn tie_programs(&mut self, asset: &AssetName, table: &Table) {
        let runs_programs = table.python.is_some() || table.command.is_some();
        self.tracked.tie = if runs_programs { Some(self.tie_of(asset, "input").await) } else { None };
    }
}

impl<'c> Hosting<'c> {
    /// Promises a run to the program of a call; `None` where nothing is tracked, or outside of runs.
    pub(crate) async fn begin(call: &TableCall<'c>) -> Option<Self> {
        let tie: &Tie = call.tie?;
        let (services, asset) = (call.services, call.asset);
        let promised = tie.promised(call.label(), services.clock.now());
        let (run_id, experiment) = (promised.run_id.clone(), promised.experiment.clone());
        match services.tracking.host(promised).await {
            Ok(hosted) => hosted.map(|hosted| Self { services, asset, run_id, experiment, hosted }),
            Err(error) => {
                untracked(services, asset, &error);
                None
            }
        }
    }

    /// What the program finds in its environment.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        [
            ("MLFLOW_TRACKING_URI", self.hosted.address()),
            ("MLFLOW_RUN_ID", &self.run_id),
            ("MLFLOW_EXPERIMENT_NAME", &self.experiment),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    /// Closes the address; a run that the program left open ends as the program did.
    pub(crate) async fn end(self, went_well: bool) {
        if !self.hosted.close().await {
            return;
        }
        let (services, asset) = (self.services, self.asset);
        let ended = match services.tracking.store().await {
            Ok(Some(store)) => end_run(&store, services, self.run_id, went_well).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            untracked(services, asset, &error);
        }
    }
}

async fn end_run(
    store: &TrackingStore,
    services: &Services,
    run_id: String,
    went_well: bool,
) -> Result<(), TrackingError> {
    let run = match store.run(&run_id).await {
        // The program did not speak of it.
        Err(TrackingError::Missing(_)) => return Ok(()),
        found => found?,
    };
    // What it said of its end stands, but for a failure that came after it.
    if run.info.status == "RUNNING" || (!went_well && run.info.status == "FINISHED") {
        store.update_run(run_id, ended(services, went_well)).await?;
    }
    Ok(())
}

/// The end of a run, now.
pub(super) fn ended(services: &Services, went_well: bool) -> RunChange {
    let status = if went_well { "FINISHED" } else { "FAILED" };
    let end_time = Some(services.clock.now().timestamp_millis());
    RunChange { status: Some(status.to_owned()), end_time, name: None }
}

/// Says that something is not tracked; the step goes on.
pub(super) fn untracked(services: &Services, asset: &AssetName, error: &TrackingError) {
    services.progress.logged(asset, "warning", &format!("a run of `{asset}` is not tracked: {error}"));
}
