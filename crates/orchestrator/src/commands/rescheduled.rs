//! Schedules that run what a plan changes.

use std::collections::BTreeSet;

use baton_core::AssetName;
use baton_core::schedule::Schedule;
use baton_plan::{Change, Plan, ReachedSchedule, Selection};

use super::selecting::resolve;
use crate::prepare::Prepared;

/// The schedules of the plan's environment whose runs make something else once the plan is applied, by name.
pub(super) fn reached_schedules(prepared: &Prepared, plan: &Plan) -> Vec<ReachedSchedule> {
    let changed = changed_assets(plan);
    let schedules = prepared.project.schedules.iter().filter(|schedule| runs_in(schedule, &plan.environment));
    let reached = schedules.map(|schedule| ReachedSchedule {
        schedule: schedule.name.clone(),
        assets: run_by(schedule, prepared, plan, &changed),
    });
    let mut reached: Vec<ReachedSchedule> = reached.filter(|reached| !reached.assets.is_empty()).collect();
    reached.sort_by(|one, other| one.schedule.cmp(&other.schedule));
    reached
}

/// What comes out otherwise, or for the first time; what goes is run by no schedule any more.
fn changed_assets(plan: &Plan) -> Vec<AssetName> {
    let outputs: BTreeSet<&AssetName> = plan.blast_radius.outputs.iter().map(|output| &output.asset).collect();
    let there = plan.assets.iter().filter(|asset| asset.change != Change::Removed);
    there.map(|asset| &asset.name).filter(|name| outputs.contains(name)).cloned().collect()
}

/// A paused schedule runs nothing.
fn runs_in(schedule: &Schedule, environment: &str) -> bool {
    let is_meant = schedule.environments.is_empty() || schedule.environments.iter().any(|name| name == environment);
    is_meant && !schedule.paused
}

/// The changed assets that a schedule runs. A selection that cannot be read is told by `check`; what one by the results of the last
/// run stands for is known when it runs.
fn run_by(schedule: &Schedule, prepared: &Prepared, plan: &Plan, changed: &[AssetName]) -> Vec<AssetName> {
    let selection = Selection::parse(&schedule.select).and_then(|selection| selection.excluding(&schedule.exclude));
    match selection {
        Ok(selection) if selection.is_everything() => changed.to_vec(),
        Ok(selection) if !selection.needs_run() => {
            let selected = resolve(prepared, &selection, Some(plan), None).unwrap_or_default();
            changed.iter().filter(|name| selected.assets.contains(*name)).cloned().collect()
        }
        _ => Vec::new(),
    }
}
