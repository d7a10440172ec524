//! `baton gc`: deleting what nothing reaches.

use std::time::Duration;

use baton_core::duration::parse_seconds;
use baton_orchestrator::GcOptions;

use super::end_at_interrupt;
use crate::args::GcArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Collects, or shows what would be collected.
pub(super) async fn gc(context: &Context, arguments: &GcArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let keep = duration("--keep", &arguments.keep)?;
    let options = GcOptions { keep, grace: duration("--grace", &arguments.grace)?, dry_run: arguments.dry_run };
    let access = if arguments.dry_run { Access::Read } else { Access::Write };
    let workspace = Workspace::open_alone(context, access).await?;
    let _guard = if arguments.dry_run { None } else { workspace.own_storage("baton gc").await? };
    let report = baton_orchestrator::gc(workspace.services(), options).await?;
    if context.is_json() {
        output::print_json(&report)?;
    } else {
        output::print(&render::collection(&report))?;
    }
    Ok(Outcome::Fine)
}

/// The duration that a flag gives.
///
/// # Errors
/// A bad argument.
pub(super) fn duration(flag: &str, text: &str) -> Result<Duration, CliError> {
    let seconds = parse_seconds(text).ok().and_then(|seconds| u64::try_from(seconds).ok());
    let bad = || {
        CliError::argument(
            format!("`{text}` is no duration for {flag}"),
            "write a number and a unit, such as 0s, 12h or 30d",
        )
    };
    seconds.map(Duration::from_secs).ok_or_else(bad)
}
