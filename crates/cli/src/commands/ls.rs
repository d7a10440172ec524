//! `baton ls`: assets in a line each.

use baton_core::Kind;

use super::end_at_interrupt;
use crate::args::{KindName, ListArguments};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Lists the project's assets and what the environment has of them.
pub(super) async fn ls(context: &Context, arguments: &ListArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let workspace = Workspace::open(context, Access::Read).await?;
    let as_of = workspace.viewed_at().await?;
    let prepared = workspace.prepare(as_of).await?;
    let selected = workspace.select(&prepared, as_of, &arguments.selection).await?;
    let kind = arguments.kind.map(kind_of);
    let mut lines = baton_orchestrator::list(workspace.services(), &prepared, &workspace.environment, kind).await?;
    if let Some(selected) = selected {
        lines.retain(|line| selected.contains(&line.name));
    }
    if context.is_json() {
        output::print_json(&lines)?;
    } else {
        output::print(&render::assets(&lines))?;
    }
    Ok(Outcome::Fine)
}

fn kind_of(name: KindName) -> Kind {
    match name {
        KindName::Source => Kind::Source,
        KindName::Table => Kind::Table,
        KindName::FeatureView => Kind::FeatureView,
        KindName::Model => Kind::Model,
        KindName::Endpoint => Kind::Endpoint,
        KindName::Monitor => Kind::Monitor,
        KindName::Exposure => Kind::Exposure,
    }
}
