//! `baton backfill`: a stretch of an incremental table again, shown first, with what it reaches.

use baton_orchestrator::BackfillRequest;

use super::{confirm, end_at_interrupt};
use crate::args::BackfillArguments;
use crate::commands::gc::duration;
use crate::commands::run::finish_or_stop;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{instant, output, render};

/// Computes a stretch of time of a table again.
pub(super) async fn backfill(context: &Context, arguments: &BackfillArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let (from, to) = (instant::parse(&arguments.from)?, instant::parse(&arguments.to)?);
    if to <= from {
        let message = format!("--to {} does not lie after --from {}", arguments.to, arguments.from);
        return Err(CliError::argument(message, "give the earlier time with --from"));
    }
    let workspace = Workspace::open(context, Access::Write).await?;
    workspace.need_asset(&arguments.asset)?;
    let _guard = workspace.lock("baton backfill").await?;
    let as_of = workspace.viewed_at().await?;
    let prepared = workspace.prepare(as_of).await?;
    let request = BackfillRequest {
        asset: arguments.asset.clone(),
        from,
        to,
        downstream: !arguments.no_downstream,
        allow_gaps: arguments.allow_gaps,
        parallel: arguments.parallel,
        every: match &arguments.every {
            Some(every) => i64::try_from(duration("--every", every)?.as_secs()).ok().filter(|seconds| *seconds > 0),
            None => None,
        },
        latest_first: arguments.latest_first,
    };
    let (services, environment) = (workspace.services(), workspace.environment.as_str());
    let plan = baton_orchestrator::plan_backfill(services, &prepared, environment, as_of, &request).await?;
    if arguments.dry_run && context.is_json() {
        output::print_json(&plan)?;
    } else if !context.is_json() {
        output::print(&render::backfill(&plan))?;
    }
    if arguments.dry_run {
        return Ok(Outcome::Fine);
    }
    confirm(&workspace, arguments.yes, "Compute this again?")?;
    finish_or_stop(context, baton_orchestrator::backfill(services, &prepared, &plan).await.map_err(CliError::from))
}
