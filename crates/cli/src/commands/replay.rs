//! `baton replay`: the schedule over a stretch of history.

use baton_core::duration;
use baton_orchestrator::ReplayOptions;

use super::end_at_interrupt;
use crate::args::ReplayArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{instant, output, render};

/// Drives the schedule from tick to tick.
pub(super) async fn replay(context: &Context, arguments: &ReplayArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let options = options(arguments)?;
    let workspace = Workspace::open(context, Access::Write).await?;
    let _guard = workspace.lock("baton replay").await?;
    let prepared = workspace.prepare(options.from).await?;
    let report = baton_orchestrator::replay(workspace.services(), &prepared, &workspace.environment, &options).await?;
    if context.is_json() {
        output::print_json(&report)?;
    } else {
        output::print(&render::replay(&report))?;
    }
    Ok(Outcome::Fine)
}

fn options(arguments: &ReplayArguments) -> Result<ReplayOptions, CliError> {
    let (from, to) = (instant::parse(&arguments.from)?, instant::parse(&arguments.to)?);
    if to < from {
        let message = format!("--to {} lies before --from {}", arguments.to, arguments.from);
        return Err(CliError::argument(message, "give the earlier time with --from"));
    }
    let seconds = duration::parse_seconds(&arguments.every)
        .map_err(|error| CliError::argument(error.to_string(), "give --every a duration such as 1d or 6h"))?;
    if seconds == 0 {
        return Err(CliError::argument("--every is 0", "give --every a duration such as 1d or 6h"));
    }
    Ok(ReplayOptions { from, to, every: chrono::TimeDelta::seconds(seconds) })
}
