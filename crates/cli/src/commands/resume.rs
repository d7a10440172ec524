//! `baton runs resume`: what did not end well in a run, done again as that run would have done it.

use std::collections::BTreeSet;

use baton_core::AssetName;
use baton_core::ports::{RunRecord, RunState};
use baton_orchestrator::{Asked, unfinished};

use super::run::finish;
use super::runs::find;
use crate::args::ResumeArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;

/// Goes on with a run: its clock, its parameters, of its assets those that did not end well.
pub(super) async fn resume(context: &Context, arguments: &ResumeArguments) -> Result<Outcome, CliError> {
    let context = &context.explaining(arguments.explain);
    let workspace = Workspace::open(context, Access::Write).await?;
    let run = find(&workspace, arguments.run.as_deref()).await?;
    let left = left_to_do(&workspace, &run).await?;
    let context = &context.at(context.folder.clone(), &run.environment);
    let workspace = Workspace::open(context, Access::Write).await?.asked_by(asked(&workspace, &run));
    let _guard = workspace.lock("baton runs resume").await?;
    let workspace = workspace.given(run.parameters.clone())?;
    let (services, environment) = (workspace.services(), workspace.environment.as_str());
    // The environment may have moved since; it cannot go back.
    let head = services.ledger.head(environment).await?;
    let as_of = head.map_or(run.as_of, |commit| run.as_of.max(commit.as_of));
    let prepared = workspace.prepare(as_of).await?;
    let report = baton_orchestrator::run_selected(services, &prepared, environment, as_of, &left).await?;
    finish(context, &report)
}

/// The assets that are left to do; refused where there is nothing to go on with, or not by a run.
async fn left_to_do(workspace: &Workspace, run: &RunRecord) -> Result<BTreeSet<AssetName>, CliError> {
    let refused = |message: String, help: &str| Err(CliError::argument(message, help));
    if run.state == RunState::Running {
        return refused(format!("run {} goes on", run.id), "`baton runs cancel` ends it");
    }
    if run.command != "run" {
        let message = format!("run {} is of `baton {}`, which is not gone on with by a run", run.id, run.command);
        return refused(message, "give the command again: what it finished is taken from the cache");
    }
    let left = unfinished(workspace.services(), run).await?;
    if left.is_empty() {
        return refused(format!("run {} has nothing left to do", run.id), "`baton run` takes in new data");
    }
    Ok(left)
}

/// What asked for the run that is gone on with; its schedule's ways of trying, where it still exists.
fn asked(workspace: &Workspace, run: &RunRecord) -> Asked {
    let mut schedules = workspace.project.schedules.iter();
    let schedule = schedules.find(|schedule| Some(schedule.name.as_str()) == run.schedule.as_deref());
    Asked {
        schedule: run.schedule.clone(),
        trigger: Some(format!("resume of {}", run.id)),
        due_at: run.due_at,
        execution: schedule.map(|schedule| schedule.execution.clone()).unwrap_or_default(),
        parameters: Default::default(),
    }
}
