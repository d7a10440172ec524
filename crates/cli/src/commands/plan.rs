//! `baton plan`: what an apply would do, and why.

use super::end_at_interrupt;
use crate::args::PlanArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Plans; changes nothing.
pub(super) async fn plan(context: &Context, arguments: &PlanArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let workspace = Workspace::open(context, Access::Read).await?;
    let as_of = workspace.as_of();
    let prepared = workspace.prepare(as_of).await?;
    let plan = baton_orchestrator::plan(workspace.services(), &prepared, &workspace.environment, as_of).await?;
    if context.is_json() {
        output::print_json(&plan)?;
    } else {
        output::print(&render::plan(&plan))?;
    }
    let has_changes = arguments.detailed_exitcode && !plan.is_empty();
    Ok(if has_changes { Outcome::PlanHasChanges } else { Outcome::Fine })
}
