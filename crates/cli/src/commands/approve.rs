//! `baton approve`: an owner agrees to a saved plan that breaks what they answer for, or to what waits in a run.

use baton_orchestrator::{Answer, Awaited};
use serde_json::json;

use super::end_at_interrupt;
use super::runs::find;
use crate::args::ApproveArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render, saved_plan};

/// Records the answer in the ledger; without something to answer, lists what waits.
pub(super) async fn approve(context: &Context, arguments: &ApproveArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let Some(what) = &arguments.what else { return list(context).await };
    let Some(owner) = &arguments.owner else {
        let help = "give --as with the owner who approves, as the project names them";
        return Err(CliError::argument(format!("nobody approves `{what}`"), help));
    };
    let is_file = std::path::Path::new(what).is_file() || what.contains('.');
    match is_file && !arguments.reject {
        true => approve_plan(context, what, owner).await,
        false => answer(context, what, owner, arguments).await,
    }
}

async fn list(context: &Context) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Read).await?;
    let awaited = baton_orchestrator::awaited_in(workspace.services(), &workspace.environment).await?;
    if context.is_json() {
        output::print_json(&awaited)?;
    } else {
        output::print(&render::awaited(&workspace.environment, &awaited))?;
    }
    Ok(Outcome::Fine)
}

/// Records the approval under the plan's digest.
async fn approve_plan(context: &Context, file: &str, owner: &str) -> Result<Outcome, CliError> {
    let saved = saved_plan::read(file.as_ref())?;
    let context = saved_plan::context_of(context, &saved)?;
    let workspace = Workspace::open(&context, Access::Write).await?;
    let missing = baton_orchestrator::approve(workspace.services(), &saved, owner).await?;
    if context.is_json() {
        output::print_json(&json!({
            "plan": saved.digest, "environment": saved.plan.environment, "approved_by": owner, "missing": missing,
        }))?;
    } else {
        let rest = match missing.as_slice() {
            [] => format!("all owners have approved; `baton apply {file}` goes on"),
            missing => format!("still missing: {}", saved_plan::owners(missing)),
        };
        output::print(&format!("approved by {owner}; {rest}\n"))?;
    }
    Ok(Outcome::Fine)
}

async fn answer(context: &Context, what: &str, owner: &str, arguments: &ApproveArguments) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Write).await?;
    let (run, step) = what.split_once('/').map_or((what, None), |(run, step)| (run, Some(step.to_owned())));
    let run = find(&workspace, Some(run)).await?;
    let approves = !arguments.reject;
    let answer = Answer { step, by: owner.to_owned(), approves, reason: arguments.reason.clone() };
    let awaited = baton_orchestrator::answer(workspace.services(), &run, &answer).await?;
    if context.is_json() {
        output::print_json(
            &json!({"answered": awaited, "by": owner, "approved": approves, "reason": arguments.reason}),
        )?;
    } else {
        output::print(&told(&awaited, owner, approves, &run.id))?;
    }
    Ok(Outcome::Fine)
}

fn told(awaited: &Awaited, owner: &str, approves: bool, run: &str) -> String {
    match approves {
        true => format!(
            "{} is approved by {owner}; a server goes on with run {run}, or `baton runs resume {run}` does\n",
            awaited.what
        ),
        false => format!("{} is rejected by {owner}\n", awaited.what),
    }
}
