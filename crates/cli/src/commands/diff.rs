//! `baton diff`: what differs between two commits or environments, down to rows and metrics.

use baton_core::AssetName;
use baton_orchestrator::{DiffOptions, RowOptions};

use super::end_at_interrupt;
use crate::args::{DiffArguments, TextForm};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Compares; changes nothing.
pub(super) async fn diff(context: &Context, arguments: &DiffArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let workspace = Workspace::open(context, Access::Read).await?;
    let options = DiffOptions {
        assets: names(&workspace, &arguments.assets)?,
        rows: RowOptions { limit: arguments.limit, columns: arguments.columns.clone() },
    };
    let (before, after) = (&arguments.before, &arguments.after);
    let report = baton_orchestrator::diff(workspace.services(), &workspace.project, before, after, &options).await?;
    match (context.is_json(), arguments.format) {
        (true, _) => output::print_json(&report)?,
        (false, TextForm::Text) => output::print(&render::diff(&report))?,
        (false, TextForm::Markdown) => output::print(&render::diff_markdown(&report))?,
    }
    Ok(Outcome::Fine)
}

/// The names of assets, of the project or of former days; what cannot be a name is nobody's.
fn names(workspace: &Workspace, texts: &[String]) -> Result<Vec<AssetName>, CliError> {
    let parsed = texts.iter().map(|text| match AssetName::parse(text) {
        Ok(name) => Ok(name),
        Err(_) => {
            workspace.need_asset(text).and_then(|()| Err(CliError::UnknownAsset { name: text.clone(), nearest: None }))
        }
    });
    parsed.collect()
}
