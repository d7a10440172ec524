//! `baton apply`: plan, show, ask, execute.

use super::{confirm, end_at_interrupt};
use crate::args::ApplyArguments;
use crate::commands::run::finish;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Brings the environment to what the project asks for.
pub(super) async fn apply(context: &Context, arguments: &ApplyArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let workspace = Workspace::open(context, Access::Write).await?;
    let _guard = workspace.lock("baton apply")?;
    let as_of = workspace.as_of();
    let prepared = workspace.prepare(as_of).await?;
    let plan = baton_orchestrator::plan(workspace.services(), &prepared, &workspace.environment, as_of).await?;
    if !context.is_json() {
        output::print(&render::plan(&plan))?;
    }
    if !plan.is_empty() {
        confirm(&workspace, arguments.yes, "Apply this plan?")?;
    }
    let report = baton_orchestrator::apply(workspace.services(), &prepared, &plan).await?;
    if plan.is_empty() && !context.is_json() {
        return Ok(Outcome::Fine);
    }
    finish(context, &report)
}
