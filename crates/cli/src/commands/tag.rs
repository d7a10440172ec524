//! `baton tag`: names for commits.

use serde_json::json;

use super::end_at_interrupt;
use crate::args::TagArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{instant, output, render};

/// Lists, deletes or sets.
pub(super) async fn tag(context: &Context, arguments: &TagArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    match (&arguments.delete, &arguments.name) {
        (Some(name), _) => delete(context, name).await,
        (None, Some(name)) => set(context, arguments, name).await,
        (None, None) => list(context).await,
    }
}

async fn list(context: &Context) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Read).await?;
    let tags = baton_orchestrator::tags(workspace.services()).await?;
    if context.is_json() {
        output::print_json(&tags)?;
    } else {
        output::print(&render::tags(&tags))?;
    }
    Ok(Outcome::Fine)
}

async fn delete(context: &Context, name: &str) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Write).await?;
    baton_orchestrator::delete_tag(workspace.services(), name).await?;
    if context.is_json() {
        output::print_json(&json!({"tag": name, "deleted": true}))?;
    } else {
        output::print(&format!("tag {name} is deleted\n"))?;
    }
    Ok(Outcome::Fine)
}

async fn set(context: &Context, arguments: &TagArguments, name: &str) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Write).await?;
    let reference = arguments.commit.as_deref().unwrap_or(&workspace.environment);
    let line = baton_orchestrator::set_tag(workspace.services(), name, reference, arguments.force).await?;
    if context.is_json() {
        output::print_json(&line)?;
    } else {
        let (id, when) = (line.commit.get(..10).unwrap_or(&line.commit), instant::show(line.as_of));
        output::print(&format!("{name} names {id} of {}, as of {when}\n", line.environment))?;
    }
    Ok(Outcome::Fine)
}
