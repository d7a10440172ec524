//! `baton reproduce`: rebuild versions from what they were recorded to be made from, and compare digests.

use baton_core::AssetName;
use baton_orchestrator::Target;

use super::end_at_interrupt;
use crate::args::ReproduceArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Rebuilds aside; the environment is not touched.
pub(super) async fn reproduce(context: &Context, arguments: &ReproduceArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let workspace = Workspace::open(context, Access::Read).await?;
    let targets = match arguments.all {
        true => vec![Target::All],
        false => arguments.assets.iter().map(|text| target(text)).collect::<Result<_, _>>()?,
    };
    let report = baton_orchestrator::reproduce(workspace.services(), &workspace.environment, &targets).await?;
    if context.is_json() {
        output::print_json(&report)?;
    } else {
        output::print(&render::reproduction(&report))?;
    }
    if report.succeeded() {
        return Ok(Outcome::Fine);
    }
    Err(CliError::NotReproduced { failed: report.versions.len() - report.same(), total: report.versions.len() })
}

/// `arrival_delay` or `arrival_delay@3`.
fn target(text: &str) -> Result<Target, CliError> {
    let unknown = || CliError::UnknownAsset { name: text.to_owned(), nearest: None };
    let (name, number) = match text.split_once('@') {
        Some((name, number)) => (name, Some(number.trim_start_matches('v').parse::<u64>().map_err(|_| unknown())?)),
        None => (text, None),
    };
    Ok(Target::Version(AssetName::parse(name).map_err(|_| unknown())?, number))
}
