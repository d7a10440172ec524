//! What is known of the past of the work in a plan: sizes of the newest versions, times of recorded runs.

use std::collections::BTreeMap;

use baton_core::event::EventFilter;
use baton_core::{AssetName, EventKind, Pin};
use baton_plan::{Past, Plan, stages};

use crate::error::RunError;
use crate::report::StepTime;
use crate::services::Services;

/// Runs that are looked back on.
const RUNS: u32 = 50;

/// Of every asset that `plan` does work on.
pub(super) async fn past(
    services: &Services,
    plan: &Plan,
    pins: &BTreeMap<AssetName, Pin>,
) -> Result<BTreeMap<AssetName, Past>, RunError> {
    let mut found: BTreeMap<AssetName, Past> = BTreeMap::new();
    for asset in stages(plan).iter().filter_map(|stage| stage.asset()) {
        let pin = pins.get(asset);
        let bytes = match pin.and_then(|pin| pin.version.table()) {
            Some(version) => Some(services.lake.snapshot(version).await?.bytes()),
            None => None,
        };
        let past = Past { rows: pin.and_then(|pin| pin.rows), bytes, milliseconds: BTreeMap::new() };
        found.insert(asset.clone(), past);
    }
    if found.is_empty() {
        return Ok(found);
    }
    let runs = EventFilter { kinds: vec![EventKind::RunFinished], last: Some(RUNS), ..EventFilter::default() };
    for run in services.ledger.events(&runs).await? {
        let work = run.event.body.get("work").cloned().unwrap_or_default();
        // Runs of before times were recorded say nothing.
        let times: Vec<StepTime> = serde_json::from_value(work).unwrap_or_default();
        for time in times {
            if let Some(past) = found.get_mut(time.asset.as_str()) {
                past.milliseconds.entry(time.verb).or_default().push(time.milliseconds);
            }
        }
    }
    Ok(found)
}
