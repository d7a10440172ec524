//! `baton files`: the files that a command made and that a table keeps.

use baton_core::{AssetName, Commit};

use super::end_at_interrupt;
use crate::args::FilesArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Lists the files of a table, or takes them out.
pub(super) async fn files(context: &Context, arguments: &FilesArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let workspace = Workspace::open(context, Access::Read).await?;
    let commit = commit(&workspace, arguments.at.as_deref()).await?;
    let table = AssetName::parse(&arguments.table).ok().filter(|table| commit.assets.contains_key(table));
    let Some(table) = table else {
        let message = format!("there is no table `{}` in environment `{}`", arguments.table, workspace.environment);
        return Err(CliError::argument(message, "`baton ls` lists what there is"));
    };
    let services = workspace.services();
    let mut files = baton_orchestrator::kept_files(services, &commit, &table, context.as_of).await?;
    if let Some(path) = &arguments.path {
        files.retain(|file| file.path.starts_with(path.as_str()));
    }
    if let Some(to) = &arguments.to {
        baton_orchestrator::take_files(services, &commit, &table, context.as_of, &files, to).await?;
    }
    if context.is_json() {
        output::print_json(&files)?;
    } else {
        output::print(&render::files(&files))?;
    }
    Ok(Outcome::Fine)
}

async fn commit(workspace: &Workspace, at: Option<&str>) -> Result<Commit, CliError> {
    let services = workspace.services();
    if let Some(reference) = at {
        return Ok(baton_orchestrator::resolve_commit(services, reference).await?);
    }
    services.ledger.head(&workspace.environment).await?.ok_or_else(|| {
        let message = format!("environment `{}` has no commit yet", workspace.environment);
        CliError::argument(message, "`baton apply` makes the first")
    })
}
