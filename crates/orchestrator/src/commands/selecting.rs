//! From a selection to assets, the same for every caller: the command line, the API, plans.

use baton_core::Timestamp;
use baton_plan::{Plan, Selected, Selection, SelectionContext};

use super::change::plan;
use crate::error::RunError;
use crate::prepare::Prepared;
use crate::services::Services;

/// The assets that `select` and not `exclude` stand for, in the grammar of selections; `None` when nothing was asked for,
/// which means all. A plan of `environment` is made where the selection asks for a state.
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
        true => Some(plan(services, prepared, environment, as_of).await?),
        false => None,
    };
    Ok(Some(resolve(prepared, &selection, planned.as_ref())?))
}

/// The assets of a selection, against a plan that is there already.
///
/// # Errors
/// [`RunError::Selection`].
pub(super) fn resolve(prepared: &Prepared, selection: &Selection, plan: Option<&Plan>) -> Result<Selected, RunError> {
    let context = SelectionContext { graph: &prepared.graph, assets: &prepared.project.assets, plan };
    Ok(selection.resolve(&context)?)
}
