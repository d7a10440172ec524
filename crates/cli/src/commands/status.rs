//! `baton status`: how the environment stands.

use super::end_at_interrupt;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Shows head, counts, models, predictions and open incidents.
pub(super) async fn status(context: &Context) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let workspace = Workspace::open(context, Access::Read).await?;
    let report = baton_orchestrator::status(workspace.services(), &workspace.environment).await?;
    if context.is_json() {
        output::print_json(&report)?;
    } else {
        output::print(&render::status(&report))?;
    }
    Ok(Outcome::Fine)
}
