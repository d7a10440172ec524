//! Sources with a promised latency: each is landed as often as it promises, by a schedule of its own.
//!
//! Whoever wants it otherwise (blackouts, channels, more than the landing) declares a schedule of that name.

use baton_core::asset::Assets;
use baton_core::schedule::{CatchUp, Execution, Schedule, Triggers};
use baton_core::{Asset, AssetName, Definition};

/// The schedules that follow from `assets`, but for those that are `declared`.
pub(crate) fn schedules(assets: &Assets, declared: &[Schedule]) -> Vec<Schedule> {
    let is_declared = |schedule: &Schedule| declared.iter().any(|found| found.name == schedule.name);
    assets.values().filter_map(of_source).filter(|schedule| !is_declared(schedule)).collect()
}

fn of_source(asset: &Asset) -> Option<Schedule> {
    let Definition::Source(source) = &asset.definition else { return None };
    let latency = source.pull.as_ref()?.latency?;
    Some(Schedule {
        name: AssetName::parse(&format!("{}_stream", asset.name)).ok()?,
        owner: asset.owner.clone(),
        description: Some(format!("lands what comes to `{}`, as its `latency` promises", asset.name)),
        environments: Vec::new(),
        select: vec![asset.name.to_string()],
        exclude: Vec::new(),
        triggers: Triggers {
            cron: Vec::new(),
            every: Some(latency),
            timezone: "UTC".to_owned(),
            commits: None,
            deadline: None,
            files: None,
        },
        catch_up: CatchUp::Latest,
        blackouts: Vec::new(),
        paused: false,
        priority: 0,
        execution: Execution::default(),
        notify: Vec::new(),
        late_after: None,
        approval: None,
        origin: asset.origin.clone(),
    })
}
