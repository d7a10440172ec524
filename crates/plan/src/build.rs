//! Comparing what is asked for with what is recorded.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::interval::MICROS_PER_SECOND;
use baton_core::{AssetName, Commit, Fingerprint, Interval, IntervalSet, Kind, Pin, Timestamp};

use crate::desired::{Desired, DesiredAsset};
use crate::plan::{Change, ColumnChanges, Plan, PlannedAsset};

/// Everything a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput<'a> {
    /// The environment's name.
    pub environment: &'a str,
    /// The logical clock.
    pub as_of: Timestamp,
    /// What the project asks for.
    pub desired: &'a Desired,
    /// What the environment points at.
    pub recorded: Option<&'a Commit>,
    /// Deliveries that are there and not landed yet, by source.
    pub deliveries: &'a BTreeMap<AssetName, usize>,
}

/// Compares project and environment, asset by asset, inputs before readers. Deterministic; has no effect.
///
/// An asset takes in data when it has deliveries, lacks time, or reads an asset that gets other rows or columns in this
/// very plan. Models do not: they are trained when what they learn from is defined otherwise, and by their policy.
pub fn build_plan(input: PlanInput<'_>) -> Plan {
    let mut assets: Vec<PlannedAsset> = Vec::new();
    let mut moving: BTreeSet<AssetName> = BTreeSet::new();
    for name in &input.desired.order {
        let Some(desired) = input.desired.assets.get(name) else { continue };
        let planned = plan_asset(input, name, desired, &moving);
        if !matches!(planned.change, Change::Unchanged | Change::MetadataOnly) {
            moving.insert(name.clone());
        }
        assets.push(planned);
    }
    assets.extend(removed_assets(input));
    Plan {
        environment: input.environment.to_owned(),
        as_of: input.as_of,
        base: input.recorded.map(|commit| commit.id.clone()),
        assets,
    }
}

fn removed_assets(input: PlanInput<'_>) -> Vec<PlannedAsset> {
    let recorded = input.recorded.map(|commit| &commit.assets).into_iter().flatten();
    recorded
        .filter(|(name, _)| !input.desired.assets.contains_key(*name))
        .map(|(name, pin)| PlannedAsset {
            name: name.clone(),
            kind: pin.kind,
            change: Change::Removed,
            reasons: vec!["the project no longer has it; its versions stay until garbage collection".to_owned()],
            columns: ColumnChanges::default(),
            missing: IntervalSet::default(),
        })
        .collect()
}

fn plan_asset(
    input: PlanInput<'_>,
    name: &AssetName,
    desired: &DesiredAsset,
    moving: &BTreeSet<AssetName>,
) -> PlannedAsset {
    let pin = input.recorded.and_then(|commit| commit.assets.get(name));
    let mut planned = PlannedAsset {
        name: name.clone(),
        kind: desired.kind,
        change: Change::Unchanged,
        reasons: Vec::new(),
        columns: ColumnChanges::default(),
        missing: IntervalSet::default(),
    };
    match pin {
        None => {
            planned.change = Change::New;
            planned.reasons.push("not in the environment yet".to_owned());
        }
        Some(pin) => {
            compare_definition(&mut planned, desired, pin);
            if matches!(planned.change, Change::Unchanged | Change::MetadataOnly) {
                compare_data(&mut planned, input, desired, pin, moving);
            }
        }
    }
    planned
}

fn compare_definition(planned: &mut PlannedAsset, desired: &DesiredAsset, pin: &Pin) {
    planned.columns = column_changes(&pin.columns, &desired.columns);
    let columns = &planned.columns;
    let content = match pin {
        pin if pin.kind != desired.kind => Some(format!("changes from {} to {}", pin.kind, desired.kind)),
        pin if pin.fingerprint != desired.rows => Some(content_reason(desired.kind).to_owned()),
        _ => None,
    };
    let has_new_metadata = pin.metadata.as_ref().is_some_and(|recorded| *recorded != desired.metadata);
    planned.change = match () {
        () if content.is_some() || !columns.changed.is_empty() || !columns.removed.is_empty() => Change::Breaking,
        () if !columns.added.is_empty() => Change::Additive,
        () if has_new_metadata => Change::MetadataOnly,
        () => Change::Unchanged,
    };
    let metadata = (planned.change == Change::MetadataOnly).then(|| format!("{} differ", metadata_of(desired.kind)));
    planned.reasons =
        content.into_iter().chain(column_reasons(columns, desired.columns.len())).chain(metadata).collect();
}

/// Why an asset of this kind has other content than before.
fn content_reason(kind: Kind) -> &'static str {
    match kind {
        Kind::Source => "how it is read differs, so every delivery is landed again",
        Kind::Table => "other rows: a filter, join, grouping or input differs",
        Kind::FeatureView => "other rows: its entity, time, ttl or table differs",
        Kind::Model => "what it learns from, or how, differs: it is trained again",
        Kind::Endpoint | Kind::Monitor | Kind::Exposure => "its definition differs",
    }
}

/// What an asset of this kind declares that does not touch its content.
fn metadata_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Source => "owner, description, tags, checks or freshness",
        Kind::Table => "owner, description, tags, checks, grain, batch or lookback",
        Kind::Model => "owner, description, tags, gates, slices or retrain policy",
        Kind::FeatureView | Kind::Endpoint | Kind::Monitor | Kind::Exposure => "owner, description or tags",
    }
}

/// The columns that differ, a line for each way. When all are computed otherwise, their names would say nothing.
fn column_reasons(columns: &ColumnChanges, n_desired: usize) -> Vec<String> {
    let list = |verb: &str, names: &[String]| (!names.is_empty()).then(|| format!("{verb} {}", names.join(", ")));
    let all_change = n_desired > 1 && columns.changed.len() == n_desired;
    let changed = if all_change { Some("changes every column".to_owned()) } else { list("changes", &columns.changed) };
    [list("adds", &columns.added), changed, list("removes", &columns.removed)].into_iter().flatten().collect()
}

fn column_changes(recorded: &BTreeMap<String, Fingerprint>, desired: &BTreeMap<String, Fingerprint>) -> ColumnChanges {
    let missing_in = |other: &BTreeMap<String, Fingerprint>, these: &BTreeMap<String, Fingerprint>| {
        these.keys().filter(|name| !other.contains_key(*name)).cloned().collect()
    };
    ColumnChanges {
        added: missing_in(recorded, desired),
        removed: missing_in(desired, recorded),
        changed: desired
            .iter()
            .filter(|(name, now)| recorded.get(*name).is_some_and(|before| before != *now))
            .map(|(name, _)| name.clone())
            .collect(),
    }
}

/// Looks for data to take in: deliveries of a source, time that an incremental table lacks, inputs that move.
fn compare_data(
    planned: &mut PlannedAsset,
    input: PlanInput<'_>,
    desired: &DesiredAsset,
    pin: &Pin,
    moving: &BTreeSet<AssetName>,
) {
    if let Some(count) = input.deliveries.get(&planned.name).filter(|count| **count > 0) {
        planned.change = Change::Data;
        planned.reasons.push(format!("{count} new {}", if *count == 1 { "delivery" } else { "deliveries" }));
    }
    if let Some(batch) = desired.batch {
        planned.missing = missing_intervals(&pin.intervals, batch, input.as_of);
        if !planned.missing.is_empty() {
            planned.change = Change::Data;
            let ranges: Vec<String> = planned.missing.ranges().iter().map(ToString::to_string).collect();
            planned.reasons.push(format!("lacks {}", ranges.join(", ")));
        }
    }
    let reads_data = matches!(desired.kind, Kind::Table | Kind::FeatureView);
    let moved: Vec<&str> =
        desired.inputs.iter().filter(|name| moving.contains(*name)).map(|name| name.as_str()).collect();
    if reads_data && !moved.is_empty() {
        planned.change = Change::Data;
        planned.reasons.push(format!("reads {}", moved.join(", ")));
    }
}

/// Missing = required − done, from the first instant done to the last whole batch before `as_of`.
pub(crate) fn missing_intervals(done: &IntervalSet, batch: i64, as_of: Timestamp) -> IntervalSet {
    let Some(start) = done.start() else { return IntervalSet::default() };
    let batch = batch.max(1) * MICROS_PER_SECOND;
    let end = as_of.timestamp_micros().div_euclid(batch) * batch;
    IntervalSet::of(Interval { start, end }).difference(done)
}
