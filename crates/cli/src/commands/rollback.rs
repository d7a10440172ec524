//! `baton rollback`: data, features, model and endpoint back together, in one transaction.

use serde_json::json;

use super::{confirm, end_at_interrupt};
use crate::args::RollbackArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{instant, output};

/// Moves the environment back.
pub(super) async fn rollback(context: &Context, arguments: &RollbackArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let workspace = Workspace::open(context, Access::Write).await?;
    let _guard = workspace.lock("baton rollback")?;
    let prepared = workspace.prepare(workspace.viewed_at().await?).await?;
    confirm(&workspace, arguments.yes, "Roll back?")?;
    let to = arguments.commit.as_deref();
    let commit = baton_orchestrator::rollback(workspace.services(), &prepared, &workspace.environment, to).await?;
    if context.is_json() {
        output::print_json(&json!({
            "commit": commit.id, "environment": commit.environment, "as_of": commit.as_of, "reason": commit.reason,
        }))?;
    } else {
        let (id, when) = (commit.id.short(), instant::show(commit.as_of));
        output::print(&format!("{}: {} ({id}, as of {when})\n", workspace.environment, commit.reason))?;
    }
    Ok(Outcome::Fine)
}
