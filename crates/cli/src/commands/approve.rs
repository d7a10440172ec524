//! `baton approve`: an owner agrees to a saved plan that breaks what they answer for.

use serde_json::json;

use super::end_at_interrupt;
use crate::args::ApproveArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, saved_plan};

/// Records the approval in the ledger, under the plan's digest.
pub(super) async fn approve(context: &Context, arguments: &ApproveArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let saved = saved_plan::read(&arguments.plan)?;
    let context = saved_plan::context_of(context, &saved)?;
    let workspace = Workspace::open(&context, Access::Write).await?;
    let missing = baton_orchestrator::approve(workspace.services(), &saved, &arguments.owner).await?;
    if context.is_json() {
        output::print_json(&json!({
            "plan": saved.digest, "environment": saved.plan.environment, "approved_by": arguments.owner, "missing": missing,
        }))?;
    } else {
        let owner = &arguments.owner;
        let rest = match missing.as_slice() {
            [] => format!("all owners have approved; `baton apply {}` goes on", arguments.plan.display()),
            missing => format!("still missing: {}", saved_plan::owners(missing)),
        };
        output::print(&format!("approved by {owner}; {rest}\n"))?;
    }
    Ok(Outcome::Fine)
}
