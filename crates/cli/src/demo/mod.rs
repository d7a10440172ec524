//! The whole relay on a year of real flights: plan, apply, replay, one thing broken on purpose, a summary.

mod files;
mod performance;
mod summary;
mod weather;

use std::path::Path;
use std::time::Instant;

use baton_core::Timestamp;
use baton_orchestrator::{Prepared, ReplayOptions, ReplayReport, RunReport};
use chrono::TimeDelta;
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::init;
use crate::instant;
use crate::output;
use crate::project::Workspace;
use crate::render::{self, style};
use crate::wire::Access;

pub(crate) use files::write_project;

const ENVIRONMENT: &str = "prod";
/// The day on which the project is applied: half a year of flights is known.
const APPLIED_AT: &str = "2013-07-01";
/// The day on which the replay ends.
const REPLAYED_TO: &str = "2014-01-01";

/// What the relay did, for the summary.
struct Relay {
    began: Instant,
    took: Took,
    apply: RunReport,
    replay: ReplayReport,
    broken: weather::Broken,
}

/// Seconds of the demo's parts.
#[derive(Debug, Clone, Copy, Serialize)]
struct Took {
    apply: f64,
    replay: f64,
    why: f64,
}

/// Writes the project into `folder` and runs it.
///
/// # Errors
/// [`CliError::FolderNotEmpty`] unless `force`, and whatever stops a part of the relay.
pub(crate) async fn run(context: &Context, folder: &Path, force: bool) -> Result<(), CliError> {
    let began = Instant::now();
    init::refuse_full_folder(folder, force)?;
    let written = write_project(folder)?;
    heading(context, &format!("The flights project: {} files in {}", written.len(), folder.display()))?;
    let workspace = Workspace::open(&context.at(folder.to_owned(), ENVIRONMENT), Access::Write).await?;
    let _guard = workspace.lock("baton demo").await?;
    let applied_at = instant::parse(APPLIED_AT)?;
    let prepared = workspace.prepare(applied_at).await?;
    let apply = apply(context, &workspace, &prepared, applied_at).await?;
    let applied = began.elapsed().as_secs_f64();
    let replay = replay(context, &workspace, &prepared, applied_at).await?;
    let replayed = began.elapsed().as_secs_f64();
    heading(context, "Why: the weather comes late, in a copy of the environment")?;
    let broken = weather::break_weather(&workspace, &prepared, folder).await?;
    text(context, &render::why(&broken.why))?;
    let why = began.elapsed().as_secs_f64() - replayed;
    let took = Took { apply: applied, replay: replayed - applied, why };
    let relay = Relay { began, took, apply, replay, broken };
    let summary = summary::gather(&workspace, &prepared, &relay).await?;
    if context.is_json() {
        return output::print_json(&summary);
    }
    output::print(&format!("\n{}", summary::render(&summary, folder)))
}

async fn apply(
    context: &Context,
    workspace: &Workspace,
    prepared: &Prepared,
    as_of: Timestamp,
) -> Result<RunReport, CliError> {
    let services = workspace.services();
    let plan = baton_orchestrator::plan(services, prepared, ENVIRONMENT, as_of).await?;
    heading(context, "Plan and apply")?;
    text(context, &render::plan(&plan))?;
    let report = baton_orchestrator::apply(services, prepared, &plan).await?;
    text(context, &format!("\n{}", render::run(&report, false, false)))?;
    match report.failures().count() {
        0 => Ok(report),
        failed => {
            let (total, environment) = (report.steps.len(), ENVIRONMENT.to_owned());
            Err(CliError::StepsFailed { failed, total, environment })
        }
    }
}

async fn replay(
    context: &Context,
    workspace: &Workspace,
    prepared: &Prepared,
    from: Timestamp,
) -> Result<ReplayReport, CliError> {
    heading(context, &format!("Replay from {APPLIED_AT} to {REPLAYED_TO}, a day at a time"))?;
    let options = ReplayOptions { from, to: instant::parse(REPLAYED_TO)?, every: TimeDelta::days(1) };
    let report = baton_orchestrator::replay(workspace.services(), prepared, ENVIRONMENT, &options).await?;
    text(context, &render::replay(&report))?;
    Ok(report)
}

fn heading(context: &Context, title: &str) -> Result<(), CliError> {
    text(context, &format!("\n{}\n", style::heading(title)))
}

/// Text for people; in JSON the summary is the whole answer.
fn text(context: &Context, text: &str) -> Result<(), CliError> {
    if context.is_json() || context.quiet { Ok(()) } else { output::print(text) }
}
