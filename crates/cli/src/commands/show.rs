//! `baton show`: one asset from all sides.

use super::end_at_interrupt;
use crate::args::AssetArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Shows versions, schema, profile, checks, owner and lineage.
pub(super) async fn show(context: &Context, arguments: &AssetArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let workspace = Workspace::open(context, Access::Read).await?;
    workspace.need_asset(&arguments.asset)?;
    let prepared = workspace.prepare(workspace.viewed_at().await?).await?;
    let asset = &arguments.asset;
    let report = baton_orchestrator::show(workspace.services(), &prepared, &workspace.environment, asset).await?;
    if context.is_json() {
        output::print_json(&report)?;
    } else {
        output::print(&render::asset(&report))?;
    }
    Ok(Outcome::Fine)
}
