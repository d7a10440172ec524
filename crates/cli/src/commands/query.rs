//! `baton query`: SQL over the environment's tables, and over what Baton records.

use baton_core::Commit;
use baton_orchestrator::{RunError, inputs_of_query, query_with_served, resolve_commit};

use super::{end_at_interrupt, text_or_stdin};
use crate::args::{OutputForm, QueryArguments, RowForm};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::output;
use crate::project::Workspace;
use crate::render::rows;
use crate::served_predictions::ServedPredictions;
use crate::wire::{self, Access};

/// Runs a query and prints its rows.
pub(super) async fn query(context: &Context, arguments: &QueryArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let sql = text_or_stdin(&arguments.sql)?;
    let workspace = Workspace::open(context, Access::Read).await?;
    let services = workspace.services();
    let commit = commit_of(&workspace, arguments.at.as_deref()).await?;
    let served = ServedPredictions::of(&workspace, &commit);
    let (schema, batches) = query_with_served(services, &commit, context.as_of, served, &sql).await?;
    if let Some(run) = &arguments.run_id {
        tie(&workspace, run, &commit, &sql).await?;
    }
    let form = arguments.format.unwrap_or(match context.form {
        OutputForm::Text => RowForm::Text,
        OutputForm::Json => RowForm::Json,
    });
    match form {
        RowForm::Text => output::print(&rows::as_text(&schema, &batches, arguments.limit)?)?,
        RowForm::Json => output::print_bytes(&rows::as_json(&batches)?)?,
        RowForm::Csv => output::print_bytes(&rows::as_csv(&schema, &batches)?)?,
    }
    Ok(Outcome::Fine)
}

async fn commit_of(workspace: &Workspace, at: Option<&str>) -> Result<Commit, CliError> {
    let (services, environment) = (workspace.services(), &workspace.environment);
    if let Some(reference) = at {
        return Ok(resolve_commit(services, reference).await?);
    }
    let head = services.ledger.head(environment).await?;
    Ok(head.ok_or_else(|| RunError::NoCommit { environment: environment.clone() })?)
}

/// Records what the query read as inputs of a tracked run.
async fn tie(workspace: &Workspace, run: &str, commit: &Commit, sql: &str) -> Result<(), CliError> {
    let services = workspace.services();
    let Some(store) = services.tracking.store().await? else {
        return Err(CliError::NothingTracked { path: wire::tracking_file(&services.folder) });
    };
    let inputs = inputs_of_query(services, commit, sql).await?;
    Ok(store.log_inputs(run.to_owned(), inputs, Vec::new()).await?)
}
