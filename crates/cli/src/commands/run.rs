//! `baton run`: what a schedule does at one instant: take in data, score, watch.

use std::collections::BTreeMap;

use baton_core::ports::RunState;
use baton_orchestrator::schedule::Trigger;
use baton_orchestrator::{Asked, RunError, RunReport};

use super::end_at_interrupt;
use crate::args::RunArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render, scheduling};

/// Brings the environment's data up to the clock.
pub(super) async fn run(context: &Context, arguments: &RunArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let context = &context.explaining(arguments.explain);
    let workspace = Workspace::open(context, Access::Write).await?;
    let _guard = workspace.lock("baton run").await?;
    let parameters = arguments.parameters.texts()?;
    if let Some(name) = &arguments.schedule {
        return run_schedule(context, workspace, name, &parameters).await;
    }
    let workspace = workspace.given_texts(&parameters)?;
    let as_of = workspace.as_of();
    let prepared = workspace.prepare(as_of).await?;
    let (services, environment) = (workspace.services(), workspace.environment.as_str());
    let ran = match workspace.select(&prepared, as_of, &arguments.selection).await? {
        None => baton_orchestrator::run(services, &prepared, environment, as_of).await,
        Some(only) => baton_orchestrator::run_selected(services, &prepared, environment, as_of, &only).await,
    };
    finish_or_stop(context, ran.map_err(CliError::from))
}

/// Runs a schedule here and now.
async fn run_schedule(
    context: &Context,
    workspace: Workspace,
    name: &str,
    parameters: &BTreeMap<String, String>,
) -> Result<Outcome, CliError> {
    let schedule = workspace.need_schedule(name)?.clone();
    let asked = Asked {
        schedule: Some(schedule.name.to_string()),
        trigger: Some(Trigger::Manual.word().to_owned()),
        due_at: None,
        execution: schedule.execution.clone(),
        parameters: BTreeMap::new(),
        approval: schedule.approval.clone(),
        continues: None,
    };
    let workspace = workspace.asked_by(asked).given_texts(parameters)?;
    finish_or_stop(context, scheduling::run_schedule(&workspace, &schedule, context.as_of).await)
}

/// As [`finish`], for a run that somebody may have paused.
///
/// # Errors
/// [`CliError::StepsFailed`], and what ended the run otherwise.
pub(super) fn finish_or_stop(context: &Context, ran: Result<RunReport, CliError>) -> Result<Outcome, CliError> {
    match ran {
        Err(CliError::Run(RunError::Paused { run })) => {
            if context.is_json() {
                output::print_json(&serde_json::json!({"run": run, "state": RunState::Paused.word()}))?;
            } else {
                output::print(&format!("{}\n", RunError::Paused { run }))?;
            }
            Ok(Outcome::GoesOnLater)
        }
        ran => finish(context, &ran?),
    }
}

/// Prints what a run did; failed steps make the command fail.
///
/// # Errors
/// [`CliError::StepsFailed`].
pub(super) fn finish(context: &Context, report: &RunReport) -> Result<Outcome, CliError> {
    if context.is_json() {
        output::print_json(report)?;
    } else {
        output::print(&render::run(report, context.verbose > 0, context.explain))?;
    }
    outcome_of(report)
}

/// How a command ends that did what `report` says.
///
/// # Errors
/// [`CliError::StepsFailed`].
pub(super) fn outcome_of(report: &RunReport) -> Result<Outcome, CliError> {
    match report.failures().count() {
        0 if !report.awaits.is_empty() => Ok(Outcome::GoesOnLater),
        0 => Ok(Outcome::Fine),
        failed => {
            let environment = report.environment.clone();
            Err(CliError::StepsFailed { failed, total: report.steps.len(), environment })
        }
    }
}
