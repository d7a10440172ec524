//! `baton env`: making, listing, comparing and removing environments.

use serde_json::json;

use super::{confirm, end_at_interrupt};
use crate::args::{EnvArguments, EnvCommand, EnvCreateArguments, EnvDiffArguments, EnvRemoveArguments};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{instant, output, render};

/// Runs the subcommand.
pub(super) async fn env(context: &Context, arguments: &EnvArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    match &arguments.command {
        EnvCommand::Create(arguments) => create(context, arguments).await,
        EnvCommand::List => list(context).await,
        EnvCommand::Diff(arguments) => diff(context, arguments).await,
        EnvCommand::Rm(arguments) => remove(context, arguments).await,
    }
}

async fn create(context: &Context, arguments: &EnvCreateArguments) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Write).await?;
    let _guard = workspace.lock_environment(&arguments.name, "baton env create").await?;
    let from = arguments.from.as_deref().unwrap_or(&workspace.environment);
    let made = baton_orchestrator::create_environment(workspace.services(), None, &arguments.name, from).await?;
    if context.is_json() {
        output::print_json(&json!({
            "environment": arguments.name, "from": from, "commit": made.id, "as_of": made.as_of,
            "assets": made.assets.len(),
        }))?;
    } else {
        let (name, id, when) = (&arguments.name, made.id.short(), instant::show(made.as_of));
        output::print(&format!("{name}: {} assets of {from} at {id}, as of {when}\n", made.assets.len()))?;
    }
    Ok(Outcome::Fine)
}

async fn list(context: &Context) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Read).await?;
    let declared: Vec<String> = workspace.project.environments.keys().cloned().collect();
    let lines = baton_orchestrator::environments(workspace.services(), &declared).await?;
    if context.is_json() {
        output::print_json(&lines)?;
    } else {
        output::print(&render::environments(&lines))?;
    }
    Ok(Outcome::Fine)
}

async fn diff(context: &Context, arguments: &EnvDiffArguments) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Read).await?;
    let to = arguments.to.as_deref().unwrap_or(&workspace.environment);
    let found = baton_orchestrator::compare(workspace.services(), &arguments.from, to).await?;
    if context.is_json() {
        output::print_json(&found)?;
    } else {
        output::print(&render::comparison(&found))?;
    }
    let differs = arguments.detailed_exitcode && !found.differences.is_empty();
    Ok(if differs { Outcome::PlanHasChanges } else { Outcome::Fine })
}

async fn remove(context: &Context, arguments: &EnvRemoveArguments) -> Result<Outcome, CliError> {
    let context = context.at(context.folder.clone(), &arguments.name);
    let workspace = Workspace::open(&context, Access::Write).await?;
    let _guard = workspace.lock("baton env rm").await?;
    confirm(&workspace, arguments.yes, "Remove it?")?;
    let commit = baton_orchestrator::remove_environment(workspace.services(), &arguments.name).await?;
    if context.is_json() {
        output::print_json(&json!({"environment": arguments.name, "commit": commit.id}))?;
    } else {
        let (name, id) = (&arguments.name, commit.id.short());
        output::print(&format!(
            "{name} is removed; it was at {id} (`baton env create {name} --from {id}` brings it back until gc)\n"
        ))?;
    }
    Ok(Outcome::Fine)
}
