//! `baton runbook`: the steps that mend something.

use baton_core::Timestamp;
use baton_orchestrator::{Asked, RunReport, RunbookRequest};

use super::run::finish_or_stop;
use super::{confirm, end_at_interrupt};
use crate::args::{RunbookArguments, RunbookCommand, RunbookRunArguments};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Lists or does runbooks.
pub(super) async fn runbook(context: &Context, arguments: &RunbookArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    match &arguments.command {
        RunbookCommand::List => list(context).await,
        RunbookCommand::Run(arguments) => run(context, arguments).await,
    }
}

async fn list(context: &Context) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Read).await?;
    if context.is_json() {
        output::print_json(&workspace.project.runbooks)?;
    } else {
        output::print(&render::runbooks(&workspace.project.runbooks))?;
    }
    Ok(Outcome::Fine)
}

async fn run(context: &Context, arguments: &RunbookRunArguments) -> Result<Outcome, CliError> {
    let request =
        RunbookRequest { runbook: arguments.name.clone(), incident: arguments.incident.clone(), automatic: false };
    if arguments.dry_run {
        return dry_run(context, &request).await;
    }
    let workspace = Workspace::open(context, Access::Write).await?;
    confirm(&workspace, arguments.yes, "Do these steps?")?;
    finish_or_stop(context, run_book(workspace, request).await)
}

async fn dry_run(context: &Context, request: &RunbookRequest) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Read).await?;
    let as_of = workspace.viewed_at().await?;
    let prepared = workspace.prepare(as_of).await?;
    let (services, environment) = (workspace.services(), workspace.environment.as_str());
    let report = baton_orchestrator::dry_run_runbook(services, &prepared, environment, as_of, request).await?;
    if context.is_json() {
        output::print_json(&report)?;
    } else {
        output::print(&render::would(&report))?;
    }
    Ok(Outcome::Fine)
}

/// Does a runbook in an open project, for itself in its environment.
///
/// # Errors
/// Those of preparing and running; failed steps are in the report.
pub(crate) async fn run_book(workspace: Workspace, request: RunbookRequest) -> Result<RunReport, CliError> {
    let trigger = Some(format!("runbook {}", request.runbook));
    let workspace = workspace.asked_by(Asked { trigger, ..Asked::default() });
    let _guard = workspace.lock("baton runbook run").await?;
    let as_of = not_before_head(&workspace, workspace.as_of()).await?;
    let prepared = workspace.prepare(as_of).await?;
    let (services, environment) = (workspace.services(), workspace.environment.as_str());
    Ok(baton_orchestrator::run_runbook(services, &prepared, environment, as_of, &request).await?)
}

/// The clock that is asked for, or that of the environment where it is past it already.
///
/// # Errors
/// Those of the ledger.
pub(super) async fn not_before_head(workspace: &Workspace, asked: Timestamp) -> Result<Timestamp, CliError> {
    let head = workspace.services().ledger.head(&workspace.environment).await?;
    Ok(head.map_or(asked, |commit| asked.max(commit.as_of)))
}
