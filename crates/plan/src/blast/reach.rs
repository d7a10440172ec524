//! Which outputs change, walked from inputs to readers.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::{AssetName, Kind};

use super::{ChangedOutput, Effect, Proven, UnchangedOutput};
use crate::build::PlanInput;
use crate::desired::{AssetColumn, DesiredAsset};
use crate::plan::{Change, PlannedAsset};

/// What of an asset changes.
#[derive(Debug, Clone)]
struct Changed {
    rows: bool,
    columns: BTreeSet<String>,
    only_added: bool,
    /// Whether columns go, which the lineage of what the project asks for no longer shows.
    loses: bool,
}

impl Changed {
    fn holds(&self, column: &str) -> bool {
        self.rows || self.columns.contains(column)
    }

    /// Leaves the rows and the columns of which that is said, and answers whether anything went.
    fn keep(&mut self, leaves_rows: bool, leaves_column: impl Fn(&str) -> bool) -> bool {
        let before = (self.rows, self.columns.len());
        self.rows &= leaves_rows;
        self.columns.retain(|column| leaves_column(column));
        before != (self.rows, self.columns.len())
    }

    fn is_nothing(&self) -> bool {
        !self.rows && self.columns.is_empty()
    }
}

/// The walk: what is known to change so far. Assets must come inputs before readers.
pub struct Reach<'a> {
    input: PlanInput<'a>,
    changed: BTreeMap<AssetName, Changed>,
    /// What is made again, whether its output changes or not.
    made_again: BTreeSet<AssetName>,
}

/// What comes of one asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// It is neither made again nor does it read anything that changes.
    Untouched,
    /// It is made again, to the same output.
    Unchanged(UnchangedOutput),
    /// Its output changes.
    Changes(ChangedOutput),
}

/// The outputs that change and those that are made again and stay, inputs before readers.
pub(super) fn walk(input: PlanInput<'_>, assets: &[PlannedAsset]) -> (Vec<ChangedOutput>, Vec<UnchangedOutput>) {
    let mut reach = Reach::new(input);
    let (mut outputs, mut unchanged) = (Vec::new(), Vec::new());
    for planned in assets {
        match reach.settle(planned, input.options.proven.get(&planned.name)) {
            Reached::Untouched => {}
            Reached::Unchanged(stays) => unchanged.push(stays),
            Reached::Changes(output) => outputs.push(output),
        }
    }
    (outputs, unchanged)
}

impl<'a> Reach<'a> {
    /// Nothing is settled yet.
    pub fn new(input: PlanInput<'a>) -> Self {
        Self { input, changed: BTreeMap::new(), made_again: BTreeSet::new() }
    }

    /// What comes of the asset by all that is settled, with what is proven of itself. Takes no note of it.
    pub fn outcome(&self, planned: &PlannedAsset, proven: Option<&Proven>) -> Reached {
        self.found(planned, proven).0
    }

    /// As [`Self::outcome`], and takes note of it for those that read it.
    pub fn settle(&mut self, planned: &PlannedAsset, proven: Option<&Proven>) -> Reached {
        let (reached, changed) = self.found(planned, proven);
        self.changed.extend(changed.map(|changed| (planned.name.clone(), changed)));
        if planned.changes_content() {
            self.made_again.insert(planned.name.clone());
        }
        reached
    }

    /// Whether an asset that is settled has another output than before.
    pub fn changes(&self, name: &AssetName) -> bool {
        self.changed.contains_key(name)
    }

    fn found(&self, planned: &PlannedAsset, proven: Option<&Proven>) -> (Reached, Option<Changed>) {
        let desired = self.input.desired.assets.get(&planned.name);
        let because = desired.map(|desired| self.causes(desired, planned.kind)).unwrap_or_default();
        let is_reached = !because.is_empty() && self.input.is_selected(&planned.name);
        let Some(effect) = effect_of(planned, is_reached) else { return (Reached::Untouched, None) };
        let mut what = what_changes(planned, self.input, effect);
        let had_rows = what.rows;
        let proof = if can_stay(planned) { self.narrow(planned, desired, proven, &mut what) } else { None };
        let (asset, kind) = (planned.name.clone(), planned.kind);
        match proof {
            Some(proof) if what.is_nothing() => (Reached::Unchanged(UnchangedOutput { asset, kind, proof }), None),
            proof => {
                let rows_stay = proof.filter(|_| had_rows && !what.rows);
                let columns = what.columns.iter().cloned().collect();
                let output = ChangedOutput { asset, kind, effect, rows: what.rows, columns, because, rows_stay };
                (Reached::Changes(output), Some(what))
            }
        }
    }

    /// Takes away what provably stays; the proof, when that is anything.
    fn narrow(
        &self,
        planned: &PlannedAsset,
        desired: Option<&DesiredAsset>,
        proven: Option<&Proven>,
        what: &mut Changed,
    ) -> Option<String> {
        let comes_from_inputs = |desired: &&DesiredAsset| {
            self.input.options.as_declared.contains(&planned.name)
                && desired.inputs.iter().any(|input| self.made_again.contains(input))
                && !desired.inputs.iter().any(|input| self.changed.get(input).is_some_and(|change| change.loses))
        };
        let mut proof = None;
        if let Some(desired) = desired.filter(comes_from_inputs) {
            let taken =
                what.keep(self.reaches_rows(desired, planned.kind), |column| self.reaches_column(desired, column));
            let all =
                if what.is_nothing() { "nothing that it reads changes" } else { "nothing that decides them changes" };
            proof = taken.then(|| all.to_owned());
        }
        if let Some(proven) = proven
            && what.keep(!proven.rows, |column| !proven.columns.contains(column))
        {
            proof = Some(proven.proof.clone());
        }
        proof
    }

    /// Whether something that decides which rows there are differs; of what has no columns, anything that it reads.
    fn reaches_rows(&self, desired: &DesiredAsset, kind: Kind) -> bool {
        let from_rows = desired.inputs.iter().any(|input| self.changed.get(input).is_some_and(|found| found.rows));
        let by_column = desired.about.reads.iter().any(|column| self.differs(column));
        let values = || desired.about.lineage.values().flatten().any(|column| self.differs(column));
        from_rows || by_column || (!has_columns(kind) && values())
    }

    fn reaches_column(&self, desired: &DesiredAsset, column: &str) -> bool {
        match desired.about.lineage.get(column) {
            Some(origins) => origins.iter().any(|origin| self.differs(origin)),
            None => true,
        }
    }

    fn differs(&self, column: &AssetColumn) -> bool {
        self.changed.get(&column.asset).is_some_and(|change| change.holds(&column.column))
    }

    /// The changed inputs of which the asset reads something that differs.
    fn causes(&self, desired: &DesiredAsset, kind: Kind) -> Vec<AssetName> {
        // Columns are read of inputs only, so nothing is looked through where no input changes.
        if !desired.inputs.iter().any(|input| self.changed.contains_key(input)) {
            return Vec::new();
        }
        if kind == Kind::Exposure && desired.about.lineage.is_empty() {
            // Nobody says which columns are read outside, so all that were there are.
            let read = |input: &&AssetName| self.changed.get(*input).is_some_and(|change| !change.only_added);
            return desired.inputs.iter().filter(read).cloned().collect();
        }
        let read = desired.about.lineage.values().flatten().chain(&desired.about.reads);
        let by_column: BTreeSet<AssetName> =
            read.filter(|column| self.differs(column)).map(|column| column.asset.clone()).collect();
        // Rows come from inputs of which no column may be read, as with `count(*)`.
        let by_rows = desired.inputs.iter().filter(|input| self.changed.get(*input).is_some_and(|change| change.rows));
        by_rows.cloned().chain(by_column.iter().cloned()).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Whether the asset is made again from data that is recorded, so that its output may turn out to stay.
fn can_stay(planned: &PlannedAsset) -> bool {
    let is_made = matches!(planned.kind, Kind::Source | Kind::Table | Kind::FeatureView | Kind::Model);
    is_made && matches!(planned.change, Change::Additive | Change::Breaking) && !planned.takes_data
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
        loses: !columns.removed.is_empty() || effect == Effect::Disappears,
    }
}

fn has_columns(kind: Kind) -> bool {
    matches!(kind, Kind::Source | Kind::Table | Kind::FeatureView)
}
