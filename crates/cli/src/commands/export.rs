//! `baton export`: rows of the environment to a system outside, now; and how commands that move an environment tell of what
//! they delivered by the way.

use baton_core::AssetName;
use baton_orchestrator::RunReport;
use serde_json::{Value, json};

use super::end_at_interrupt;
use super::run::{finish, outcome_of};
use crate::args::ExportArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Delivers an export, or says what a delivery would come to.
pub(super) async fn export(context: &Context, arguments: &ExportArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let access = if arguments.dry_run { Access::Read } else { Access::Write };
    let workspace = Workspace::open(context, access).await?;
    workspace.need_asset(&arguments.name)?;
    let name = AssetName::parse(&arguments.name)
        .map_err(|error| CliError::argument(error.to_string(), "give the name of an export"))?;
    let as_of = workspace.viewed_at().await?;
    let (services, environment) = (workspace.services(), workspace.environment.as_str());
    if arguments.dry_run {
        let prepared = workspace.prepare(as_of).await?;
        let full = arguments.full_refresh;
        let preview = baton_orchestrator::preview_export(services, &prepared, environment, &name, full).await?;
        if context.is_json() {
            output::print_json(&preview)?;
        } else {
            output::print(&render::export_preview(&preview))?;
        }
        return Ok(Outcome::Fine);
    }
    let _guard = workspace.lock("baton export").await?;
    let prepared = workspace.prepare(as_of).await?;
    let report = baton_orchestrator::export(services, &prepared, environment, &name, arguments.full_refresh).await?;
    finish(context, &report)
}

/// A line for each delivery that was due when an environment had moved, and did or failed something.
pub(super) fn delivered_text(delivered: Option<&RunReport>) -> String {
    delivered.map(render::delivered).unwrap_or_default()
}

/// As key `delivered`, where anything was due.
pub(super) fn add_delivered(told: &mut Value, delivered: Option<&RunReport>) {
    if let (Value::Object(told), Some(delivered)) = (told, delivered) {
        told.insert("delivered".to_owned(), json!(delivered));
    }
}

/// Deliveries that failed make the command fail: asked again, it delivers.
///
/// # Errors
/// [`CliError::StepsFailed`].
pub(super) fn delivered_outcome(delivered: Option<&RunReport>) -> Result<Outcome, CliError> {
    delivered.map_or(Ok(Outcome::Fine), outcome_of)
}
