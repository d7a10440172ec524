//! Which outputs change, walked from inputs to readers.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::{AssetName, Kind};

use super::{ChangedOutput, Effect};
use crate::build::PlanInput;
use crate::desired::{AssetColumn, DesiredAsset};
use crate::plan::{Change, PlannedAsset};

/// What of an asset changes.
struct Changed {
    rows: bool,
    columns: BTreeSet<String>,
    only_added: bool,
}

impl Changed {
    fn holds(&self, column: &str) -> bool {
        self.rows || self.columns.contains(column)
    }
}

/// The outputs that change, inputs before readers.
pub(super) fn outputs(input: PlanInput<'_>, assets: &[PlannedAsset]) -> Vec<ChangedOutput> {
    let mut changed: BTreeMap<&AssetName, Changed> = BTreeMap::new();
    let mut found = Vec::new();
    for planned in assets {
        let desired = input.desired.assets.get(&planned.name);
        let because = desired.map(|desired| causes(desired, planned.kind, &changed)).unwrap_or_default();
        let Some(effect) = effect_of(planned, !because.is_empty() && input.is_selected(&planned.name)) else {
            continue;
        };
        let what = what_changes(planned, input, effect);
        found.push(ChangedOutput {
            asset: planned.name.clone(),
            kind: planned.kind,
            effect,
            rows: what.rows,
            columns: what.columns.iter().cloned().collect(),
            because,
        });
        changed.insert(&planned.name, what);
    }
    found
}

/// The changed inputs of which the asset reads something that differs.
fn causes(desired: &DesiredAsset, kind: Kind, changed: &BTreeMap<&AssetName, Changed>) -> Vec<AssetName> {
    if kind == Kind::Exposure {
        // Nobody says which columns are read outside, so all that were there are.
        let read = |input: &&AssetName| changed.get(*input).is_some_and(|change| !change.only_added);
        return desired.inputs.iter().filter(read).cloned().collect();
    }
    let read = desired.about.lineage.values().flatten().chain(&desired.about.reads);
    let differs = |column: &&AssetColumn| changed.get(&column.asset).is_some_and(|change| change.holds(&column.column));
    let by_column: BTreeSet<AssetName> = read.filter(differs).map(|column| column.asset.clone()).collect();
    // Rows come from inputs of which no column may be read, as with `count(*)`.
    let by_rows = desired.inputs.iter().filter(|input| changed.get(*input).is_some_and(|change| change.rows));
    by_rows.cloned().chain(by_column.iter().cloned()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What happens to the output, if it changes. Content has fingerprints; the rest changes with what it reads.
fn effect_of(planned: &PlannedAsset, is_reached: bool) -> Option<Effect> {
    match (planned.change, planned.kind) {
        (Change::New, _) => Some(Effect::Appears),
        (Change::Removed, _) => Some(Effect::Disappears),
        (Change::Additive, _) => Some(Effect::Widened),
        (Change::Breaking, Kind::Model) => Some(Effect::Retrained),
        (Change::Breaking, Kind::Source | Kind::Table | Kind::FeatureView) => Some(Effect::Rebuilt),
        (change, kind) if change == Change::Breaking || is_reached => match kind {
            Kind::Endpoint => Some(Effect::ServesOtherwise),
            Kind::Monitor => Some(Effect::JudgesOtherwise),
            Kind::Exposure => Some(Effect::ReadsOtherwise),
            _ => None,
        },
        _ => None,
    }
}

fn what_changes(planned: &PlannedAsset, input: PlanInput<'_>, effect: Effect) -> Changed {
    let columns = &planned.columns;
    let pin = input.recorded.and_then(|commit| commit.assets.get(&planned.name));
    let desired = input.desired.assets.get(&planned.name);
    let same_rows = pin.zip(desired).is_some_and(|(pin, desired)| pin.fingerprint == desired.rows);
    // Landing again what is read otherwise shows in the declared columns, when it shows at all.
    let relanded = planned.kind == Kind::Source
        && desired.is_some_and(|desired| columns.changed.len() < desired.columns.len())
        && pin.is_some();
    let named = columns.added.iter().chain(&columns.changed).chain(&columns.removed).cloned().collect();
    Changed {
        rows: !(same_rows || relanded) || !has_columns(planned.kind),
        columns: named,
        only_added: effect == Effect::Widened,
    }
}

fn has_columns(kind: Kind) -> bool {
    matches!(kind, Kind::Source | Kind::Table | Kind::FeatureView)
}
