//! `baton rollback`: data, features, model and endpoint back together, in one transaction.

use baton_core::failpoint;
use baton_orchestrator::{RolledBack, deliver_due};
use serde_json::json;

use super::export::{add_delivered, delivered_outcome, delivered_text};
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
    let _guard = workspace.lock("baton rollback").await?;
    let prepared = workspace.prepare(workspace.viewed_at().await?).await?;
    confirm(&workspace, arguments.yes, "Roll back?")?;
    let to = arguments.commit.as_deref();
    let done = baton_orchestrator::rollback(workspace.services(), &prepared, &workspace.environment, to).await?;
    let delivered = deliver_due(workspace.services(), &prepared, &workspace.environment).await?;
    let commit = &done.commit;
    if context.is_json() {
        let mut told = json!({
            "commit": commit.id, "environment": commit.environment, "as_of": commit.as_of, "reason": commit.reason,
            "undone": done.undone, "was_done": done.was_done,
        });
        add_delivered(&mut told, delivered.as_ref());
        output::print_json(&told)?;
    } else {
        output::print(&(text(&workspace.environment, &done) + &delivered_text(delivered.as_ref())))?;
    }
    // Asked again after a delivery that failed, it must not go on to the commit before.
    delivered_outcome(delivered.as_ref())?;
    failpoint::reach("rollback.told");
    baton_orchestrator::rollback_told(workspace.services(), &done).await?;
    Ok(Outcome::Fine)
}

/// Where the environment is, and how to bring back what was undone.
fn text(environment: &str, done: &RolledBack) -> String {
    let (id, when) = (done.commit.id.short(), instant::show(done.commit.as_of));
    let reason = &done.commit.reason;
    let undone = done.undone.short();
    let before = if done.was_done { "done before, nothing more is undone: " } else { "" };
    format!(
        "{environment}: {before}{reason} ({id}, as of {when})\n\
         {undone} is undone; `baton rollback -e {environment} {undone}` brings it back\n"
    )
}
