//! A promotion as a plan: what the merged definitions change in the target, told by the code that plans an apply, so that
//! the same policies hold whichever way an environment moves.

use std::collections::BTreeMap;

use baton_core::{AssetName, Pin, Timestamp};
use baton_diagnostics::Severity;
use baton_plan::{Change, Estimate, Plan, PlanOptions, PlannedPromotion, SavedPlan};
use baton_project::Project;

use crate::commands::change::plan_with;
use crate::definitions::recorded_definition;
use crate::error::RunError;
use crate::prepare::{Prepared, prepare};
use crate::services::Services;

/// Plans the target's step to the `merged` definitions, sealed. The same two commits always give the same plan.
///
/// # Errors
/// Those of the stores, and [`RunError::Project`] when the merged definitions do not stand together.
pub(super) async fn planned(
    services: &Services,
    prepared: &Prepared,
    (target, as_of): (&str, Timestamp),
    merged: &BTreeMap<AssetName, Pin>,
    promotion: PlannedPromotion,
) -> Result<SavedPlan, RunError> {
    let project = merged_project(services, prepared, merged).await?;
    let (found, diagnostics) = prepare(services, project, target, as_of).await?;
    let Some(found) = found else {
        let errors = diagnostics.iter().filter(|found| found.severity == Severity::Error);
        let messages: Vec<&str> = errors.map(|found| found.message.as_str()).collect();
        return Err(RunError::Project(format!(
            "what `{}` and `{target}` have does not stand together: {}; apply both changes in `{}` first",
            promotion.source,
            messages.join("; "),
            promotion.source
        )));
    };
    let mut plan = plan_with(services, &found, target, as_of, PlanOptions::default()).await?;
    leave_data_out(&mut plan);
    plan.promotion = Some(promotion);
    Ok(SavedPlan::new(&found.project.name, found.desired.fingerprint(), plan))
}

/// The project with the definitions that the merged pins were made from.
async fn merged_project(
    services: &Services,
    prepared: &Prepared,
    merged: &BTreeMap<AssetName, Pin>,
) -> Result<Project, RunError> {
    let mut project = Project::clone(&prepared.project);
    project.assets.clear();
    for (name, pin) in merged {
        let recorded = match &pin.definition {
            Some(key) => recorded_definition(services, key).await?,
            None => None,
        };
        // Pins older than recorded definitions are as the project has them; predictions have no definition.
        let definition = recorded.or_else(|| prepared.project.assets.get(name).cloned());
        project.assets.extend(definition.map(|definition| (name.clone(), definition)));
    }
    Ok(project)
}

/// A promotion lands and computes nothing, so what is waiting is not part of it.
fn leave_data_out(plan: &mut Plan) {
    for asset in plan.assets.iter_mut().filter(|asset| asset.change == Change::Data) {
        asset.change = Change::Unchanged;
        asset.reasons.clear();
        asset.missing = Default::default();
    }
    plan.checks.clear();
    plan.estimate = Estimate::default();
}
