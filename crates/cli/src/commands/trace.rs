//! `baton trace`: one prediction back to the files behind it.

use baton_core::time::timestamp_from_micros;
use baton_orchestrator::{Prepared, RunError, Served, TraceReport};
use baton_serving::PredictionRecord;
use serde_json::{Value, json};

use super::end_at_interrupt;
use crate::args::TraceArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::{self, Access};
use crate::{output, render};

/// Follows a prediction through model, training set, features and tables to source files.
pub(super) async fn trace(context: &Context, arguments: &TraceArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let workspace = Workspace::open(context, Access::Read).await?;
    let prepared = workspace.prepare(workspace.viewed_at().await?).await?;
    let (services, environment) = (workspace.services(), &workspace.environment);
    let report = match served(&workspace, &arguments.prediction)? {
        Some(record) => trace_served(&workspace, &prepared, &record).await?,
        None => baton_orchestrator::trace(services, &prepared, environment, &arguments.prediction).await?,
    };
    if context.is_json() {
        output::print_json(&report)?;
    } else {
        output::print(&render::trace(&report))?;
    }
    Ok(Outcome::Fine)
}

/// The prediction's record, if it was served rather than scored by the schedule.
fn served(workspace: &Workspace, id: &str) -> Result<Option<PredictionRecord>, CliError> {
    if !wire::prediction_folder(workspace.services()).is_dir() {
        return Ok(None);
    }
    Ok(wire::prediction_log(workspace.services())?.find(id)?)
}

async fn trace_served(
    workspace: &Workspace,
    prepared: &Prepared,
    record: &PredictionRecord,
) -> Result<TraceReport, CliError> {
    let prediction = readable(record)?;
    let at = timestamp_from_micros(record.at);
    let commit = record.commit.as_deref();
    let served = Served { endpoint: &record.endpoint, model: &record.model, version: record.version, commit, at };
    let (services, environment) = (workspace.services(), &workspace.environment);
    Ok(baton_orchestrator::trace_served(services, prepared, environment, served, prediction).await?)
}

/// The record with its instants as text.
fn readable(record: &PredictionRecord) -> Result<Value, RunError> {
    let mut value = serde_json::to_value(record)
        .map_err(|error| RunError::Project(format!("prediction `{}` cannot be read: {error}", record.id)))?;
    value["at"] = json!(timestamp_from_micros(record.at));
    for (view, freshness) in &record.freshness {
        value["freshness"][view]["event_at"] = json!(freshness.event_at.map(timestamp_from_micros));
    }
    Ok(value)
}
