//! From a selection to assets, the same for every caller: the command line, the API, plans.

use baton_core::Timestamp;
use baton_plan::{LastRun, Plan, Selected, Selection, SelectionContext};

use super::change::changes;
use super::resuming::last_run;
use crate::error::RunError;
use crate::prepare::Prepared;
use crate::services::Services;

/// The assets that `select` and not `exclude` stand for, in the grammar of selections; `None` when nothing was asked for,
/// which means all. A plan of `environment` is made where the selection asks for a state, and its last run is read where it asks
/// for a result.
///
/// # Errors
/// [`RunError::Selection`], and those of planning.
pub async fn select(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    as_of: Timestamp,
    (select, exclude): (&[String], &[String]),
) -> Result<Option<Selected>, RunError> {
    let selection = Selection::parse(select)?.excluding(exclude)?;
    if selection.is_everything() {
        return Ok(None);
    }
    let planned = match selection.needs_plan() {
        true => Some(changes(services, prepared, environment, as_of).await?),
        false => None,
    };
    let last_run = match selection.needs_run() {
        true => Some(last_run(services, environment).await?),
        false => None,
    };
    Ok(Some(resolve(prepared, &selection, planned.as_ref(), last_run.as_ref())?))
}

/// The assets of a selection, against a plan and a last run that are there already.
///
/// # Errors
/// [`RunError::Selection`].
pub(super) fn resolve(
    prepared: &Prepared,
    selection: &Selection,
    plan: Option<&Plan>,
    last_run: Option<&LastRun>,
) -> Result<Selected, RunError> {
    let context = SelectionContext { graph: &prepared.graph, assets: &prepared.project.assets, plan, last_run };
    Ok(selection.resolve(&context)?)
}
