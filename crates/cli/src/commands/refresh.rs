//! `baton plan --refresh-only`: what changed under us.

use crate::args::PlanArguments;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::{output, render};

/// Looks; changes nothing.
pub(super) async fn refresh(workspace: &Workspace, arguments: &PlanArguments) -> Result<Outcome, CliError> {
    let prepared = workspace.prepare(workspace.viewed_at().await?).await?;
    let environment = &workspace.environment;
    let report = baton_orchestrator::refresh(workspace.services(), &prepared, environment, arguments.deep).await?;
    if workspace.context.is_json() {
        output::print_json(&report)?;
    } else {
        output::print(&render::drift(&report))?;
    }
    let has_drift = arguments.detailed_exitcode && !report.drift.is_empty();
    Ok(if has_drift { Outcome::PlanHasChanges } else { Outcome::Fine })
}
