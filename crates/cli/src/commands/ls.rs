//! `baton ls`: assets in a line each.

use baton_core::Kind;
use baton_orchestrator::{AssetLine, ExternalLine, ExternalLineage};
use serde::Serialize;

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
    // What others make is no asset that can be selected; the whole list has it.
    let mut external = Vec::new();
    match selected {
        Some(selected) => lines.retain(|line| selected.contains(&line.name)),
        None if kind.is_none() => {
            let services = workspace.services();
            let told = ExternalLineage::read(services, &workspace.environment).await?;
            external = told.lines(&prepared, &workspace.environment, &services.folder);
        }
        None => {}
    }
    if context.is_json() {
        output::print_json(
            &lines.iter().map(Line::Asset).chain(external.iter().map(Line::External)).collect::<Vec<_>>(),
        )?;
    } else {
        output::print(&render::assets(&lines, &external))?;
    }
    Ok(Outcome::Fine)
}

/// A line of either kind.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Asset(&'a AssetLine),
    External(&'a ExternalLine),
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
