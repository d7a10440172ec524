//! Runs as clients of MLflow know them: what a training or a program of a step logs, tied to the data, code and environment behind it.
//!
//! A training of Baton's own is a tracked run from its beginning. A program (a Python table, a command) is promised one: it finds its
//! address and id in its environment, and the run is there once the program speaks of it. What a run read are table versions.
//! Whatever goes wrong with tracking is said, and stops no step.

mod environment;
mod inputs;
mod program;
mod report;
mod study;
mod tie;
mod training;

use async_trait::async_trait;
use baton_tracking::run::PromisedRun;
use baton_tracking::{TrackingError, TrackingStore};

pub use inputs::inputs_of_query;
pub(crate) use program::Hosting;
pub use report::{DataNow, DataOfRun, EnvironmentOfRun, RunTies, ties_of_run};
pub(crate) use study::{KnownTrials, StudyKeeper, Told, known_trials};
pub(crate) use tie::Tie;

/// Where runs are tracked; the binary brings it.
#[async_trait]
pub trait RunTracking: Send + Sync {
    /// What is tracked beside the project; `None` where nothing is.
    ///
    /// # Errors
    /// Those of a store that can be neither opened nor made.
    async fn store(&self) -> Result<Option<TrackingStore>, TrackingError>;

    /// Opens an address at which a program tracks, until it is closed; `None` where nothing is tracked. The promised run is made when the
    /// program speaks of it, and what it begins beside it has the same tags and inputs.
    ///
    /// # Errors
    /// Why there is no address.
    async fn host(&self, promised: PromisedRun) -> Result<Option<Box<dyn HostedRun>>, TrackingError>;
}

/// An address at which a program tracks.
#[async_trait]
pub trait HostedRun: Send + Sync {
    /// The address, as `MLFLOW_TRACKING_URI`.
    fn address(&self) -> &str;

    /// Closes it when requests that have begun are answered. Whether the program connected.
    async fn close(self: Box<Self>) -> bool;
}

/// Nothing is tracked.
pub struct NoTracking;

#[async_trait]
impl RunTracking for NoTracking {
    async fn store(&self) -> Result<Option<TrackingStore>, TrackingError> {
        Ok(None)
    }

    async fn host(&self, _promised: PromisedRun) -> Result<Option<Box<dyn HostedRun>>, TrackingError> {
        Ok(None)
    }
}

/// What the step at hand tracks.
#[derive(Debug, Default)]
pub(crate) struct TrackedStep {
    /// What its programs' runs are tied to.
    pub(crate) tie: Option<Tie>,
    /// The run of its training, as long as that goes on.
    pub(crate) run: Option<String>,
}
