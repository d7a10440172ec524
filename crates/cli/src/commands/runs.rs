//! `baton runs`: the history of runs, one run over time, and its end.

use std::time::Duration;

use baton_core::ports::{LogLine, RunChange, RunEnd, RunFilter, RunRecord, RunState, StepRecord};
use chrono::TimeDelta;
use serde::Serialize;

use super::gc::duration;
use super::resume::resume;
use super::tracked;
use crate::args::{PruneArguments, RunsArguments, RunsCommand, RunsListArguments, RunsShowArguments, StateName};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// How often a run that is followed is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Among so many runs the newest that somebody asked for is looked for; a runbook has fewer of its own.
const NEWEST: u32 = 100;
/// Commands whose runs are gone on with by `runs resume`, under their own id.
const CAN_PAUSE: [&str; 3] = ["run", "backfill", "runbook"];

/// Lists, shows or ends runs.
pub(super) async fn runs(context: &Context, arguments: &RunsArguments) -> Result<Outcome, CliError> {
    super::end_at_interrupt();
    match &arguments.command {
        None => list(context, &arguments.list).await,
        Some(RunsCommand::Ls(arguments)) => tracked::list(context, arguments).await,
        Some(RunsCommand::Diff(arguments)) => tracked::diff(context, arguments).await,
        Some(RunsCommand::Plot(arguments)) => tracked::plot(context, arguments).await,
        Some(RunsCommand::Show(arguments)) => show(context, arguments).await,
        Some(RunsCommand::Cancel(arguments)) => cancel(context, &arguments.run).await,
        Some(RunsCommand::Pause(arguments)) => pause(context, &arguments.run).await,
        Some(RunsCommand::Resume(arguments)) => resume(context, arguments).await,
        Some(RunsCommand::Prune(arguments)) => prune(context, arguments).await,
    }
}

async fn list(context: &Context, arguments: &RunsListArguments) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Read).await?;
    let filter = RunFilter {
        environment: Some(workspace.environment.clone()),
        schedule: arguments.schedule.clone(),
        state: arguments.state.map(state_of),
        id: None,
        limit: arguments.limit,
    };
    let runs = workspace.services().operations.runs(&filter).await?;
    let runs = as_they_stand(&workspace, runs).await;
    if context.is_json() {
        output::print_json(&runs)?;
    } else {
        output::print(&render::runs(&workspace.environment, &runs))?;
    }
    Ok(Outcome::Fine)
}

async fn as_they_stand(workspace: &Workspace, runs: Vec<RunRecord>) -> Vec<RunRecord> {
    let mut stand = Vec::with_capacity(runs.len());
    for run in runs {
        stand.push(as_it_stands(workspace, run).await);
    }
    stand
}

/// A run whose process ended without saying so goes on in the records only: nobody holds its environment.
async fn as_it_stands(workspace: &Workspace, run: RunRecord) -> RunRecord {
    let is_over =
        run.state == RunState::Running && workspace.lock_environment(&run.environment, "baton runs").await.is_ok();
    RunRecord { state: if is_over { RunState::Interrupted } else { run.state }, ..run }
}

/// A run with all that is known of it.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    run: RunRecord,
    timeline: Vec<StepRecord>,
    log: Vec<LogLine>,
}

async fn show(context: &Context, arguments: &RunsShowArguments) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Read).await?;
    if let Some(called) = &arguments.run
        && is_tracked_only(&workspace, called).await?
    {
        return tracked::show(context, called).await;
    }
    let mut run = find(&workspace, arguments.run.as_deref()).await?;
    let operations = &workspace.services().operations;
    if arguments.follow && !context.is_json() {
        run = follow(&workspace, run).await?;
    }
    let (timeline, log) = (operations.steps(&run.id).await?, operations.log(&run.id).await?);
    if context.is_json() {
        output::print_json(&Whole { run, timeline, log })?;
    } else {
        let now = workspace.services().clock.now();
        output::print(&render::one_run(&run, &timeline, now))?;
        if arguments.log {
            output::print(&render::run_log(&log))?;
        }
    }
    Ok(Outcome::Fine)
}

/// Whether no run of Baton's own is called so, where others are tracked.
async fn is_tracked_only(workspace: &Workspace, called: &str) -> Result<bool, CliError> {
    let services = workspace.services();
    let filter = RunFilter { id: Some(called.to_owned()), limit: 1, ..RunFilter::default() };
    Ok(services.operations.runs(&filter).await?.is_empty() && services.tracking.store().await?.is_some())
}

/// The run whose id begins like this, or the newest that somebody asked for: what a runbook runs is part of it.
pub(crate) async fn find(workspace: &Workspace, id: Option<&str>) -> Result<RunRecord, CliError> {
    let environment = id.is_none().then(|| workspace.environment.clone());
    let limit = if id.is_some() { 2 } else { NEWEST };
    let filter = RunFilter { id: id.map(str::to_owned), environment, limit, ..RunFilter::default() };
    let is_part = |run: &RunRecord| {
        let by_runbook = run.trigger.as_ref().is_some_and(|trigger| trigger.starts_with("runbook "));
        id.is_none() && by_runbook && run.command != "runbook"
    };
    let found = workspace.services().operations.runs(&filter).await?.into_iter();
    let mut found = found.filter(|run| !is_part(run));
    match (found.next(), found.next(), id) {
        (Some(_), Some(_), Some(id)) => {
            Err(CliError::argument(format!("several runs begin with `{id}`"), "give more digits of its id"))
        }
        (Some(run), _, _) => Ok(as_it_stands(workspace, run).await),
        (None, _, Some(id)) => {
            Err(CliError::argument(format!("there is no run `{id}`"), "`baton runs` lists the newest runs"))
        }
        (None, _, None) => {
            let message = format!("nothing was run in environment `{}` yet", workspace.environment);
            Err(CliError::argument(message, "`baton run` takes in new data"))
        }
    }
}

/// Prints steps and log lines as they come, until the run has ended.
async fn follow(workspace: &Workspace, mut run: RunRecord) -> Result<RunRecord, CliError> {
    let operations = &workspace.services().operations;
    let (mut told, mut lines) = (0, 0);
    loop {
        let steps = operations.steps(&run.id).await?;
        for step in steps.iter().filter(|step| step.finished_at.is_some()).skip(told) {
            output::print(&render::step_of_run(step))?;
            told += 1;
        }
        let log = operations.log(&run.id).await?;
        output::print(&render::run_log(log.get(lines..).unwrap_or_default()))?;
        lines = log.len();
        if run.state != RunState::Running {
            return Ok(run);
        }
        tokio::time::sleep(LOOK).await;
        run = find(workspace, Some(&run.id)).await?;
    }
}

async fn cancel(context: &Context, id: &str) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Write).await?;
    let run = find(&workspace, Some(id)).await?;
    if run.state.goes_on_later() {
        return end(context, &workspace, run).await;
    }
    if run.state != RunState::Running || !workspace.services().operations.cancel_run(&run.id).await? {
        let message = format!("run {} has ended: {}", run.id, run.state.word());
        return Err(CliError::argument(message, "`baton runs --state running` lists those that do"));
    }
    if context.is_json() {
        output::print_json(&run)?;
    } else {
        output::print(&format!("run {} was asked to end\n", run.id))?;
    }
    Ok(Outcome::Fine)
}

/// A run that waits or is paused has no process to ask: it is over at once.
async fn end(context: &Context, workspace: &Workspace, run: RunRecord) -> Result<Outcome, CliError> {
    let services = workspace.services();
    let ended = RunEnd {
        run: run.id.clone(),
        at: services.clock.now(),
        state: RunState::Cancelled,
        commit: run.commit.clone(),
        failed: run.failed,
        cause: None,
    };
    services.operations.keep_runs(vec![RunChange::Ended(ended)]).await?;
    if context.is_json() {
        output::print_json(&run)?;
    } else {
        output::print(&format!("run {} is cancelled\n", run.id))?;
    }
    Ok(Outcome::Fine)
}

async fn pause(context: &Context, id: &str) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Write).await?;
    let run = find(&workspace, Some(id)).await?;
    if !CAN_PAUSE.contains(&run.command.as_str()) {
        let message = format!("run {} is of `baton {}`, which cannot be paused", run.id, run.command);
        return Err(CliError::argument(message, "`baton runs cancel` ends it; `baton runs resume` goes on from there"));
    }
    if run.state != RunState::Running || !workspace.services().operations.pause_run(&run.id).await? {
        let message = format!("run {} does not go on: it is {}", run.id, run.state.word());
        return Err(CliError::argument(message, "`baton runs --state running` lists those that do"));
    }
    if context.is_json() {
        output::print_json(&run)?;
    } else {
        output::print(&format!("run {} was asked to pause; `baton runs resume {}` goes on with it\n", run.id, run.id))?;
    }
    Ok(Outcome::Fine)
}

async fn prune(context: &Context, arguments: &PruneArguments) -> Result<Outcome, CliError> {
    let age = duration("--older-than", &arguments.older_than)?;
    let workspace = Workspace::open(context, Access::Write).await?;
    let services = workspace.services();
    let before = services.clock.now() - TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
    let pruned = services.operations.prune_runs(before, arguments.keep).await?;
    if context.is_json() {
        output::print_json(&serde_json::json!({"runs": pruned}))?;
    } else {
        output::print(&format!("{pruned} runs pruned\n"))?;
    }
    Ok(Outcome::Fine)
}

fn state_of(name: StateName) -> RunState {
    match name {
        StateName::Running => RunState::Running,
        StateName::Succeeded => RunState::Succeeded,
        StateName::Failed => RunState::Failed,
        StateName::Cancelled => RunState::Cancelled,
        StateName::Interrupted => RunState::Interrupted,
        StateName::WaitingForApproval => RunState::Waiting,
        StateName::Paused => RunState::Paused,
    }
}
