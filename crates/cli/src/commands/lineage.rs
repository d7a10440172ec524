//! `baton lineage`: what an asset is made from, or what it feeds.

use baton_orchestrator::Direction;

use super::end_at_interrupt;
use crate::args::LineageArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Follows reads between assets, and between columns.
pub(super) async fn lineage(context: &Context, arguments: &LineageArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let workspace = Workspace::open(context, Access::Read).await?;
    workspace.need_asset(&arguments.asset)?;
    let prepared = workspace.prepare(workspace.viewed_at().await?).await?;
    let direction = if arguments.down { Direction::Down } else { Direction::Up };
    let asked = (arguments.asset.as_str(), arguments.columns);
    let (services, environment) = (workspace.services(), workspace.environment.as_str());
    let report = baton_orchestrator::lineage_with_external(services, &prepared, environment, asked, direction).await?;
    if context.is_json() {
        output::print_json(&report)?;
    } else {
        output::print(&render::lineage(&report, &prepared.project.assets, direction))?;
    }
    Ok(Outcome::Fine)
}
