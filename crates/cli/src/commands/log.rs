//! `baton log`: the commits of an environment.

use super::end_at_interrupt;
use crate::args::LogArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Shows commits, newest first.
pub(super) async fn log(context: &Context, arguments: &LogArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let workspace = Workspace::open(context, Access::Read).await?;
    let commits = baton_orchestrator::history(workspace.services(), &workspace.environment, arguments.limit).await?;
    if context.is_json() {
        output::print_json(&commits)?;
    } else {
        output::print(&render::log(&workspace.environment, &commits))?;
    }
    Ok(Outcome::Fine)
}
