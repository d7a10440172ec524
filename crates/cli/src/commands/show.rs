//! `baton show`: one asset from all sides, or one tracked run.

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
    match (arguments.asset.as_str(), &arguments.run) {
        ("run", Some(run)) => return super::tracked::show(context, run).await,
        (_, Some(_)) => {
            let help = "`baton show ASSET`, or `baton show run RUN_ID`";
            return Err(CliError::argument("an asset is shown by its name alone", help));
        }
        (_, None) => {}
    }
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
