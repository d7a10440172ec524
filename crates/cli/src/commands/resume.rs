//! `baton runs resume`: what did not end well in a run, done again as that run would have done it; or a run that waited or
//! was paused, gone on with under its own id.

use std::collections::BTreeSet;

use baton_core::AssetName;
use baton_core::ports::{RunRecord, RunState};
use baton_orchestrator::{Asked, Continued, RunReport, unfinished};

use super::run::finish_or_stop;
use super::runbook::not_before_head;
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
    finish_or_stop(context, resumed(context, &run, None).await)
}

/// Goes on with a run; `trigger` says who asks, where it is not a hand.
///
/// # Errors
/// [`CliError::argument`] for a run that cannot be gone on with; those of preparing and running.
pub(crate) async fn resumed(context: &Context, run: &RunRecord, trigger: Option<&str>) -> Result<RunReport, CliError> {
    let context = &context.at(context.folder.clone(), &run.environment);
    let workspace = Workspace::open(context, Access::Write).await?;
    if run.state == RunState::Running {
        return Err(CliError::argument(format!("run {} goes on", run.id), "`baton runs cancel` ends it"));
    }
    match run.command.as_str() {
        "run" => resumed_run(workspace, run).await,
        "backfill" => resumed_backfill(workspace, run).await,
        "runbook" => resumed_runbook(workspace, run, trigger).await,
        command => {
            let message = format!("run {} is of `baton {command}`, which is not gone on with by a run", run.id);
            Err(CliError::argument(message, "give the command again: what it finished is taken from the cache"))
        }
    }
}

async fn resumed_run(workspace: Workspace, run: &RunRecord) -> Result<RunReport, CliError> {
    let left = left_to_do(&workspace, run).await?;
    let asked = asked(&workspace, run).await?;
    let workspace = workspace.asked_by(asked);
    let _guard = workspace.lock("baton runs resume").await?;
    let workspace = workspace.given(run.parameters.clone())?;
    let as_of = not_before_head(&workspace, run.as_of).await?;
    let prepared = workspace.prepare(as_of).await?;
    let (services, environment) = (workspace.services(), workspace.environment.as_str());
    Ok(baton_orchestrator::run_selected(services, &prepared, environment, as_of, &left).await?)
}

async fn resumed_backfill(workspace: Workspace, run: &RunRecord) -> Result<RunReport, CliError> {
    if run.state == RunState::Succeeded {
        return Err(nothing_left(run));
    }
    let continues = Some(continued(&workspace, run).await?);
    let workspace = workspace.asked_by(Asked { trigger: run.trigger.clone(), continues, ..Asked::default() });
    let _guard = workspace.lock("baton runs resume").await?;
    let as_of = not_before_head(&workspace, run.as_of).await?;
    let prepared = workspace.prepare(as_of).await?;
    let services = workspace.services();
    let plan = baton_orchestrator::resume_backfill(services, &prepared, as_of, run).await?;
    Ok(baton_orchestrator::backfill(services, &prepared, &plan).await?)
}

async fn resumed_runbook(workspace: Workspace, run: &RunRecord, trigger: Option<&str>) -> Result<RunReport, CliError> {
    if run.state == RunState::Succeeded {
        return Err(nothing_left(run));
    }
    let trigger = Some(trigger.map_or_else(|| format!("runbook run {}", run.id), str::to_owned));
    let workspace = workspace.asked_by(Asked { trigger, ..Asked::default() });
    let _guard = workspace.lock("baton runs resume").await?;
    let as_of = not_before_head(&workspace, run.as_of).await?;
    let prepared = workspace.prepare(as_of).await?;
    Ok(baton_orchestrator::resume_runbook(workspace.services(), &prepared, as_of, run).await?)
}

fn nothing_left(run: &RunRecord) -> CliError {
    CliError::argument(format!("run {} has nothing left to do", run.id), "`baton run` takes in new data")
}

/// The assets that are left to do.
async fn left_to_do(workspace: &Workspace, run: &RunRecord) -> Result<BTreeSet<AssetName>, CliError> {
    let left = unfinished(workspace.services(), run).await?;
    if left.is_empty() { Err(nothing_left(run)) } else { Ok(left) }
}

/// The run that is gone on with under its own id.
async fn continued(workspace: &Workspace, run: &RunRecord) -> Result<Continued, CliError> {
    let steps = workspace.services().operations.steps(&run.id).await?;
    let steps = steps.iter().map(|step| step.number).max().unwrap_or(0);
    Ok(Continued { run: run.id.clone(), began: run.started_at, steps: usize::try_from(steps).unwrap_or(0) })
}

/// What asked for the run that is gone on with; its schedule's ways of trying, where it still exists. One that waited goes on
/// as itself.
async fn asked(workspace: &Workspace, run: &RunRecord) -> Result<Asked, CliError> {
    let mut schedules = workspace.project.schedules.iter();
    let schedule = schedules.find(|schedule| Some(schedule.name.as_str()) == run.schedule.as_deref());
    let goes_on = run.state.goes_on_later();
    Ok(Asked {
        schedule: run.schedule.clone(),
        trigger: if goes_on { run.trigger.clone() } else { Some(format!("resume of {}", run.id)) },
        due_at: run.due_at,
        execution: schedule.map(|schedule| schedule.execution.clone()).unwrap_or_default(),
        parameters: Default::default(),
        approval: schedule.and_then(|schedule| schedule.approval.clone()),
        continues: if goes_on { Some(continued(workspace, run).await?) } else { None },
    })
}
