//! `baton promote`: what one environment changed comes to another, all of it or nothing.

use baton_orchestrator::{Prefer, PromoteOptions, PromoteReport};

use super::{confirm, end_at_interrupt};
use crate::args::{PromoteArguments, Side};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Promotes.
pub(super) async fn promote(context: &Context, arguments: &PromoteArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let context = context.at(context.folder.clone(), &arguments.target);
    let workspace = Workspace::open(&context, Access::Write).await?;
    let _guard = workspace.lock("baton promote")?;
    let prepared = workspace.prepare(workspace.viewed_at().await?).await?;
    let prefer = arguments.prefer.map(|side| match side {
        Side::Source => Prefer::Source,
        Side::Target => Prefer::Target,
    });
    let go = async |dry_run: bool| {
        let options = PromoteOptions { dry_run, merge_rows: arguments.merge_rows, prefer };
        let (source, target) = (&arguments.source, &arguments.target);
        baton_orchestrator::promote(workspace.services(), &prepared, source, target, options).await
    };
    let has_to_ask = workspace.is_protected() && !arguments.yes;
    if arguments.dry_run || has_to_ask {
        let planned = go(true).await?;
        if arguments.dry_run || !planned.conflicts.is_empty() || planned.moves.is_empty() {
            return finish(&context, &planned);
        }
        if !context.is_json() {
            output::print(&render::promotion(&planned))?;
        }
        confirm(&workspace, arguments.yes, "Promote this?")?;
    }
    finish(&context, &go(false).await?)
}

fn finish(context: &Context, report: &PromoteReport) -> Result<Outcome, CliError> {
    if context.is_json() {
        output::print_json(report)?;
    } else {
        output::print(&render::promotion(report))?;
    }
    match report.conflicts.len() {
        0 => Ok(Outcome::Fine),
        count => {
            let (from, target) = (report.source.clone(), report.target.clone());
            Err(CliError::Conflicts { count, from, target })
        }
    }
}
