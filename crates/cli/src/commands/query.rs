//! `baton query`: SQL over the environment's tables.

use super::{end_at_interrupt, text_or_stdin};
use crate::args::{OutputForm, QueryArguments, RowForm};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::output;
use crate::project::Workspace;
use crate::render::rows;
use crate::wire::Access;

/// Runs a query and prints its rows.
pub(super) async fn query(context: &Context, arguments: &QueryArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let sql = text_or_stdin(&arguments.sql)?;
    let workspace = Workspace::open(context, Access::Read).await?;
    let services = workspace.services();
    let (schema, batches) = match &arguments.at {
        Some(reference) => {
            let commit = baton_orchestrator::resolve_commit(services, reference).await?;
            baton_orchestrator::query_commit(services, &commit, context.as_of, &sql).await?
        }
        None => baton_orchestrator::query(services, &workspace.environment, context.as_of, &sql).await?,
    };
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
