//! `baton show run`: one tracked run with what it was tied to, and what has changed since.

use std::collections::BTreeMap;

use baton_orchestrator::RunTies;
use baton_tracking::run::Run;
use serde::Serialize;

use super::{environment, run_called};
use crate::artifact_place::ArtifactPlace;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::{self, Access, Tracked};
use crate::{output, render};

/// A tracked run in full.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TrackedRun {
    /// Its id.
    pub(crate) run_id: String,
    /// Its name.
    pub(crate) name: String,
    /// The name of its experiment.
    pub(crate) experiment: String,
    /// `RUNNING`, `FINISHED`, `FAILED`, …
    pub(crate) status: String,
    /// Who started it.
    pub(crate) user: String,
    /// When it began, in milliseconds since 1970.
    pub(crate) start_time: i64,
    /// When it ended.
    pub(crate) end_time: Option<i64>,
    /// What it was tied to.
    #[serde(flatten)]
    pub(crate) ties: RunTies,
    /// Packages that its models say, with their versions.
    pub(crate) packages: BTreeMap<String, String>,
    /// Parameters.
    pub(crate) params: BTreeMap<String, String>,
    /// The last point of each metric.
    pub(crate) metrics: BTreeMap<String, f64>,
    /// Models that it made, by name and the place of their files.
    pub(crate) models: BTreeMap<String, String>,
}

/// Shows the run that is called so.
pub(in crate::commands) async fn show(context: &Context, called: &str) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Read).await?;
    let services = workspace.services();
    let Some(store) = services.tracking.store().await? else {
        return Err(CliError::NothingTracked { path: wire::tracking_file(&services.folder) });
    };
    let artifacts = ArtifactPlace::of_project(&services.folder, &workspace.project.settings.tracking).open()?;
    let tracked = Tracked { store, artifacts };
    let run = run_called(&tracked, called).await?;
    // A project with mistakes still has its runs; what it asks for now is not compared then.
    let (prepared, _) = workspace.examine(workspace.viewed_at().await?).await?;
    let ties = baton_orchestrator::ties_of_run(services, prepared.as_ref(), &workspace.environment, &run).await?;
    let whole = whole(&tracked, run, ties).await?;
    if context.is_json() {
        output::print_json(&whole)?;
    } else {
        output::print(&render::tracked_run(&whole))?;
    }
    Ok(Outcome::Fine)
}

async fn whole(tracked: &Tracked, run: Run, ties: RunTies) -> Result<TrackedRun, CliError> {
    let experiment = tracked.store.experiment(run.info.experiment).await?.name;
    let packages = environment::packages(tracked, &run).await;
    let mut models = BTreeMap::new();
    for output in &run.outputs {
        if let Ok(model) = tracked.store.logged_model(&output.model_id, true).await {
            models.insert(model.name, model.artifact_uri);
        }
    }
    Ok(TrackedRun {
        run_id: run.info.run_id,
        name: run.info.name,
        experiment,
        status: run.info.status,
        user: run.info.user_id,
        start_time: run.info.start_time,
        end_time: run.info.end_time,
        ties,
        packages,
        params: run.params.into_iter().map(|param| (param.key, param.value)).collect(),
        metrics: run.metrics.into_iter().map(|metric| (metric.key, metric.value)).collect(),
        models,
    })
}
