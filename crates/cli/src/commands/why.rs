//! `baton why`: causes, ranked, with evidence.

use baton_core::AssetName;

use super::end_at_interrupt;
use crate::args::WhyArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Says why an incident or an asset is as it is.
pub(super) async fn why(context: &Context, arguments: &WhyArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let workspace = Workspace::open(context, Access::Read).await?;
    let target = arguments.target.as_deref();
    // Incidents are named `inc-3`, which is no name of an asset.
    if let Some(name) = target.filter(|target| AssetName::parse(target).is_ok()) {
        workspace.need_asset(name)?;
    }
    let prepared = workspace.prepare(workspace.viewed_at().await?).await?;
    let environment = &workspace.environment;
    let report = baton_orchestrator::why(workspace.services(), &prepared, environment, target, context.as_of).await?;
    if context.is_json() {
        output::print_json(&report)?;
    } else {
        output::print(&render::why(&report))?;
    }
    Ok(Outcome::Fine)
}
