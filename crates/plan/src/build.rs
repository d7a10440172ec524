//! Comparing what is asked for with what is recorded.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::interval::MICROS_PER_SECOND;
use baton_core::{AssetName, Commit, Fingerprint, Interval, IntervalSet, Kind, Pin, Timestamp};

use crate::behind::behind;
use crate::blast::{BlastRadius, Proven, tell};
use crate::desired::{Desired, DesiredAsset};
use crate::estimate::Estimate;
use crate::plan::{Change, ColumnChanges, Plan, PlanScope, PlannedAsset, PlannedChecks};

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
    /// How the caller limits the plan, and what its policies are.
    pub options: &'a PlanOptions,
}

/// How a plan is limited, and what the project's policies ask of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// What the plan is limited to, as written and as found; `None` for the whole project.
    pub scope: Option<(PlanScope, BTreeSet<AssetName>)>,
    /// Whether incremental tables are made from nothing.
    pub full_refresh: bool,
    /// Stateful tables that are made from nothing, by name.
    pub recreate: BTreeSet<AssetName>,
    /// Whether the owners of what breaks must approve.
    pub needs_approval: bool,
    /// Who answered for assets that the project no longer has.
    pub former_owners: BTreeMap<AssetName, String>,
    /// Recorded stateful tables that are no longer kept like that.
    pub kept_otherwise: BTreeMap<AssetName, KeptOtherwise>,
    /// Assets whose own declaration is the recorded one: what differs of them comes from what they read.
    pub as_declared: BTreeSet<AssetName>,
    /// What recorded data proves of assets that are made again.
    pub proven: BTreeMap<AssetName, Proven>,
}

/// How a stateful table is kept as recorded, and how the project would keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptOtherwise {
    /// How its rows are kept, such as `merge by id`.
    pub before: String,
    /// What it becomes, such as `view`, or the kind that the asset changes to.
    pub now: String,
}

impl PlanInput<'_> {
    /// Whether the plan may change this asset.
    pub(crate) fn is_selected(&self, name: &AssetName) -> bool {
        self.options.scope.as_ref().is_none_or(|(_, selected)| selected.contains(name))
    }

    fn held(&self, name: &AssetName) -> bool {
        let held = self.options.scope.iter().flat_map(|(scope, _)| &scope.held);
        held.into_iter().any(|held| held.name == *name)
    }
}

/// Compares project and environment, asset by asset, inputs before readers. Deterministic; has no effect.
///
/// An asset takes in data when it has deliveries, lacks time, or reads an asset that takes in data. One that reads an
/// asset of which only the definition changes has the same content as before, or a changed fingerprint of its own.
/// Models are trained when what they learn from is defined otherwise, and by their policy.
pub fn build_plan(input: PlanInput<'_>) -> Plan {
    complete_plan(input, compare(input))
}

/// The first half of [`build_plan`]: what happens to each asset. What recorded data proves does not matter to it.
pub fn compare(input: PlanInput<'_>) -> Vec<PlannedAsset> {
    let mut assets: Vec<PlannedAsset> = Vec::new();
    let mut moving: BTreeSet<AssetName> = BTreeSet::new();
    for name in &input.desired.order {
        let Some(desired) = input.desired.assets.get(name) else { continue };
        let (planned, moves) = plan_asset(input, name, desired, &moving);
        if moves {
            moving.insert(name.clone());
        }
        assets.push(planned);
    }
    assets.extend(removed_assets(input));
    assets
}

/// The second half: what it reaches, and what is told of it.
pub fn complete_plan(input: PlanInput<'_>, mut assets: Vec<PlannedAsset>) -> Plan {
    let blast_radius = BlastRadius::of(input, &assets);
    tell(input.desired, &blast_radius, &mut assets);
    let needs_approval = input.options.needs_approval && input.recorded.is_some();
    Plan {
        environment: input.environment.to_owned(),
        as_of: input.as_of,
        base: input.recorded.map(|commit| commit.id.clone()),
        checks: checks_of(input, &assets),
        undo: undo(input, &assets),
        approvals: if needs_approval { blast_radius.owners.clone() } else { Vec::new() },
        notes: notes(input, &assets),
        promotion: None,
        scope: input.options.scope.as_ref().map(|(scope, _)| scope.clone()),
        estimate: Estimate::default(),
        searches: Vec::new(),
        blast_radius,
        assets,
    }
}

fn undo(input: PlanInput<'_>, assets: &[PlannedAsset]) -> Option<String> {
    let base = input.recorded?;
    let changes = assets.iter().any(|asset| asset.change != Change::Unchanged);
    changes.then(|| format!("baton rollback -e {} {}", input.environment, base.id.short()))
}

/// The checks of what is built, and the gates of what is trained.
fn checks_of(input: PlanInput<'_>, assets: &[PlannedAsset]) -> Vec<PlannedChecks> {
    let runs = |planned: &&PlannedAsset| match planned.change {
        Change::Unchanged | Change::Removed => false,
        Change::MetadataOnly => matches!(planned.kind, Kind::Source | Kind::Table),
        _ => true,
    };
    let checks = |planned: &PlannedAsset| {
        let checks = input.desired.assets.get(&planned.name)?.about.checks.clone();
        let name = planned.name.clone();
        (!checks.is_empty()).then_some(PlannedChecks { asset: name, kind: planned.kind, checks })
    };
    assets.iter().filter(runs).filter_map(checks).collect()
}

/// What was asked for and is not done.
fn notes(input: PlanInput<'_>, assets: &[PlannedAsset]) -> Vec<String> {
    let is_kept = |planned: &&PlannedAsset| {
        let desired = input.desired.assets.get(&planned.name);
        input.options.full_refresh
            && input.is_selected(&planned.name)
            && !planned.from_nothing
            && planned.change != Change::New
            && desired.is_some_and(|desired| desired.about.is_stateful)
    };
    let kept = assets.iter().filter(is_kept).map(|planned| {
        format!(
            "`{0}` keeps its rows: they hold what its inputs no longer say; --recreate {0} makes it from nothing",
            planned.name
        )
    });
    let is_stateful = |name: &AssetName| {
        input.options.kept_otherwise.contains_key(name)
            || input.desired.assets.get(name).is_some_and(|desired| desired.about.is_stateful)
    };
    let unknown = input.options.recreate.iter().filter(|name| !is_stateful(name));
    let unknown = unknown.map(|name| format!("`{name}` is no stateful table, so --recreate does nothing to it"));
    kept.chain(unknown).collect()
}

fn removed_assets(input: PlanInput<'_>) -> Vec<PlannedAsset> {
    let Some(commit) = input.recorded else { return Vec::new() };
    commit
        .assets
        .iter()
        .filter(|(name, _)| !input.desired.assets.contains_key(*name) && input.is_selected(name))
        .map(|(name, pin)| PlannedAsset {
            name: name.clone(),
            kind: pin.kind,
            change: Change::Removed,
            reasons: vec!["the project no longer has it; its versions stay until garbage collection".to_owned()],
            columns: ColumnChanges::default(),
            missing: IntervalSet::default(),
            from_nothing: false,
            takes_data: false,
            refused: None,
        })
        .collect()
}

/// What happens to one asset, and whether other rows come of it for the same definition.
fn plan_asset(
    input: PlanInput<'_>,
    name: &AssetName,
    desired: &DesiredAsset,
    moving: &BTreeSet<AssetName>,
) -> (PlannedAsset, bool) {
    let pin = input.recorded.and_then(|commit| commit.assets.get(name));
    let mut planned = PlannedAsset {
        name: name.clone(),
        kind: desired.kind,
        change: Change::Unchanged,
        reasons: Vec::new(),
        columns: ColumnChanges::default(),
        missing: IntervalSet::default(),
        from_nothing: false,
        takes_data: false,
        refused: None,
    };
    if !input.is_selected(name) {
        return (planned, false);
    }
    let Some(pin) = pin else {
        planned.change = Change::New;
        planned.reasons.push("not in the environment yet".to_owned());
        tell_held_inputs(&mut planned, input, desired);
        return (planned, true);
    };
    compare_definition(&mut planned, desired, pin);
    let data = data_reasons(&mut planned, input, desired, pin, moving);
    let moves = !data.is_empty();
    if moves && !planned.changes_content() {
        planned.change = Change::Data;
        planned.reasons.extend(data);
    }
    start_from_nothing(&mut planned, input, desired);
    if planned.change != Change::Unchanged {
        tell_held_inputs(&mut planned, input, desired);
    }
    let moves_with_clock = planned.changes_content() && clock_decides(input, desired, pin);
    let moves = moves || planned.from_nothing || moves_with_clock;
    planned.takes_data = planned.changes_content() && (moves || reads_moving(desired, moving));
    (planned, moves)
}

fn reads_moving(desired: &DesiredAsset, moving: &BTreeSet<AssetName>) -> bool {
    desired.inputs.iter().any(|input| moving.contains(input))
}

/// Whether the same definition over the same inputs gives other rows, because the clock has moved.
fn clock_decides(input: PlanInput<'_>, desired: &DesiredAsset, pin: &Pin) -> bool {
    let Some(commit) = input.recorded.filter(|commit| commit.as_of != input.as_of) else { return false };
    let before = commit.as_of.timestamp_micros();
    let was_known = |pin: &Pin| pin.kind == Kind::FeatureView || pin.known_through.is_none_or(|known| known <= before);
    let inputs = desired.inputs.iter().filter_map(|name| commit.assets.get(name));
    desired.about.reads_clock || !was_known(pin) || !inputs.into_iter().all(was_known)
}

fn start_from_nothing(planned: &mut PlannedAsset, input: PlanInput<'_>, desired: &DesiredAsset) {
    let is_stateful = desired.about.is_stateful;
    let refreshed = input.options.full_refresh && desired.batch.is_some() && !is_stateful;
    let kept_otherwise = input.options.kept_otherwise.get(&planned.name);
    let recreated = (is_stateful || kept_otherwise.is_some()) && input.options.recreate.contains(&planned.name);
    let keeps = is_stateful && !recreated && matches!(planned.change, Change::Additive | Change::Breaking);
    planned.from_nothing = refreshed || recreated;
    if planned.from_nothing && !planned.changes_content() {
        planned.change = Change::Data;
    }
    planned.refused = kept_otherwise.filter(|_| !recreated).map(|kept| would_lose_rows(&planned.name, kept));
    if let Some(refused) = &planned.refused {
        planned.reasons.push(format!("refused: {refused}"));
        return;
    }
    let reason = match (refreshed, recreated, keeps) {
        (true, _, _) => "is made from nothing (--full-refresh)",
        (_, true, _) => "is recreated from nothing (--recreate): rows that its inputs no longer have are lost",
        (_, _, true) => "keeps the rows it has; new ones follow the new query",
        _ => return,
    };
    planned.reasons.push(reason.to_owned());
}

/// Why rows that cannot be computed again do not make room by themselves.
fn would_lose_rows(name: &AssetName, kept: &KeptOtherwise) -> String {
    format!(
        "its rows are kept as `{}` and cannot be computed again, as `{}` they would be lost; `baton apply --recreate {name}` does that",
        kept.before, kept.now
    )
}

/// Says which inputs stay as recorded although the project has changed them.
fn tell_held_inputs(planned: &mut PlannedAsset, input: PlanInput<'_>, desired: &DesiredAsset) {
    let held: Vec<String> =
        desired.inputs.iter().filter(|name| input.held(name)).map(|name| format!("`{name}`")).collect();
    if !held.is_empty() {
        planned
            .reasons
            .push(format!("is built on {} as recorded: what changes there is not selected", held.join(", ")));
    }
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
    // A source that is landed again with other columns gives the same values in those that stay.
    let only_adds = desired.kind == Kind::Source
        && pin.kind == desired.kind
        && !columns.added.is_empty()
        && !pin.columns.is_empty()
        && columns.changed.is_empty()
        && columns.removed.is_empty();
    planned.change = match () {
        () if only_adds => Change::Additive,
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
pub(crate) fn content_reason(kind: Kind) -> &'static str {
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
pub(crate) fn column_reasons(columns: &ColumnChanges, n_desired: usize) -> Vec<String> {
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

/// The data that there is to take in: deliveries of a source, time that an incremental table lacks, inputs that move.
fn data_reasons(
    planned: &mut PlannedAsset,
    input: PlanInput<'_>,
    desired: &DesiredAsset,
    pin: &Pin,
    moving: &BTreeSet<AssetName>,
) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(count) = input.deliveries.get(&planned.name).filter(|count| **count > 0) {
        reasons.push(format!("{count} new {}", if *count == 1 { "delivery" } else { "deliveries" }));
    }
    if let Some(batch) = desired.batch {
        planned.missing = missing_intervals(&pin.intervals, batch, input.as_of);
        if !planned.missing.is_empty() {
            reasons.push(format!("lacks {}", first_ranges(&planned.missing)));
        }
    }
    let reads_data = matches!(desired.kind, Kind::Table | Kind::FeatureView);
    let moved: Vec<&str> =
        desired.inputs.iter().filter(|name| moving.contains(*name)).map(|name| name.as_str()).collect();
    if reads_data && !moved.is_empty() {
        reasons.push(format!("reads {}", moved.join(", ")));
    }
    reasons.extend(made_from_others(input, &planned.name, desired, pin, moving));
    reasons
}

/// Inputs of which the environment has another version than the asset was made from, when that is all that is known.
fn made_from_others(
    input: PlanInput<'_>,
    name: &AssetName,
    desired: &DesiredAsset,
    pin: &Pin,
    moving: &BTreeSet<AssetName>,
) -> Option<String> {
    // A snapshot takes in what moved with its next batch.
    let is_snapshot = desired.about.is_stateful && desired.batch.is_some();
    let commit = input.recorded.filter(|_| !is_snapshot)?;
    let others = behind(&commit.assets, name, pin).into_iter().map(|found| found.input);
    let others: Vec<String> = others.filter(|input| !moving.contains(input)).map(|input| input.to_string()).collect();
    (!others.is_empty()).then(|| format!("was made from another version of {}", others.join(", ")))
}

/// At most three ranges, and how many more there are: a table may lack half a million.
fn first_ranges(set: &IntervalSet) -> String {
    let shown: Vec<String> = set.ranges().iter().take(3).map(ToString::to_string).collect();
    match set.ranges().len().saturating_sub(3) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Missing = required − done, from the first instant done to the last whole batch before `as_of`.
pub fn missing_intervals(done: &IntervalSet, batch: i64, as_of: Timestamp) -> IntervalSet {
    let Some(start) = done.start() else { return IntervalSet::default() };
    let batch = batch.max(1) * MICROS_PER_SECOND;
    let end = as_of.timestamp_micros().div_euclid(batch) * batch;
    IntervalSet::of(Interval { start, end }).difference(done)
}
