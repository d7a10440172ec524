//! How the last run went, and what of a run is left to do.

use std::collections::BTreeSet;

use baton_core::AssetName;
use baton_core::ports::{RunFilter, RunRecord, RunState};
use baton_plan::{LastRun, StepResult};

use crate::error::RunError;
use crate::services::Services;

/// How the newest run of an environment went, by asset; empty when nothing was run.
///
/// # Errors
/// Those of the ledger.
pub(super) async fn last_run(services: &Services, environment: &str) -> Result<LastRun, RunError> {
    let filter = RunFilter { environment: Some(environment.to_owned()), limit: 1, ..RunFilter::default() };
    match services.operations.runs(&filter).await?.pop() {
        Some(run) => Ok(results(services, &run).await?.into_iter().collect()),
        None => Ok(LastRun::default()),
    }
}

/// The assets of a run that did not end well.
///
/// # Errors
/// Those of the ledger.
pub async fn unfinished(services: &Services, run: &RunRecord) -> Result<BTreeSet<AssetName>, RunError> {
    let results: LastRun = results(services, run).await?.into_iter().collect();
    let planned = services.operations.planned(&run.id).await?;
    let names = planned.iter().filter_map(|name| AssetName::parse(name).ok());
    Ok(names.filter(|name| results.result(name) != Some(StepResult::Success)).collect())
}

/// The result of each step. What was planned and never begun was skipped; and of a run that ended before it published,
/// nothing came into the environment, so that nothing of it ended well.
async fn results(services: &Services, run: &RunRecord) -> Result<Vec<(AssetName, StepResult)>, RunError> {
    let was_published = run.commit.is_some() || run.state == RunState::Succeeded;
    let mut found = Vec::new();
    let mut begun = BTreeSet::new();
    for step in services.operations.steps(&run.id).await? {
        let Ok(asset) = AssetName::parse(&step.asset) else { continue };
        begun.insert(asset.clone());
        let result = match step.state.as_str() {
            "done" | "reused" | "up_to_date" if was_published => StepResult::Success,
            "skipped" => StepResult::Skipped,
            _ => StepResult::Error,
        };
        found.push((asset, result));
    }
    let planned = services.operations.planned(&run.id).await?;
    let planned = planned.iter().filter_map(|name| AssetName::parse(name).ok());
    found.extend(planned.filter(|name| !begun.contains(name)).map(|name| (name, StepResult::Skipped)));
    Ok(found)
}
