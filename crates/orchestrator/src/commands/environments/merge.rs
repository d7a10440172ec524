//! Three maps of assets to one: what a promotion takes, keeps, and cannot decide. Pure.
//!
//! A *definition* is what a person changed, the *data* of a table is what runs made of it. Only definitions, aliases of
//! models and rows that cannot be computed again conflict; see `docs/adr/0009-promotion-is-a-three-way-merge.md`.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::{AssetName, Commit, Kind, Pin, Version};
use serde::Serialize;

use super::compare::definition_lines;
use super::promote::SideChange;
use super::rows::RowConflict;
use crate::watch::predictions_of;

/// Which side a conflict is decided for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    /// What is promoted.
    Source,
    /// What is there.
    Target,
}

impl Prefer {
    /// The word that users write.
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }

    /// The side with this word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Source, Self::Target].into_iter().find(|side| side.word() == word)
    }
}

/// What a promotion does to an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveKind {
    /// It comes.
    Added,
    /// It becomes the source's.
    Changed,
    /// It goes.
    Removed,
    /// Its rows are those of the target with what the source changed.
    RowsMerged,
}

/// An asset that moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Move {
    /// The asset.
    pub asset: AssetName,
    /// What it is.
    pub kind: Kind,
    /// What happens to it.
    pub change: MoveKind,
    /// What differs from the target's, a line each.
    pub details: Vec<String>,
}

/// An asset that both sides changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The asset.
    pub asset: AssetName,
    /// What it is.
    pub kind: Kind,
    /// What cannot be decided.
    pub what: String,
    /// Who changed it in the source, when and how.
    pub source: Option<SideChange>,
    /// Who changed it in the target, when and how.
    pub target: Option<SideChange>,
    /// Keys whose rows both sides changed, the first of them.
    pub rows: Vec<RowConflict>,
}

/// What is done with an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The target's stays.
    Keep,
    /// The source's comes.
    Take,
    /// It goes.
    Remove,
    /// Rows are merged by key.
    Rows,
    /// Somebody has to decide.
    Conflict(String),
}

/// How a table's rows behave.
#[derive(Debug, Clone, Default)]
pub(super) struct TableTraits {
    /// Whether its rows hold what its inputs no longer say.
    pub(super) is_stateful: bool,
    /// The columns that identify a row; empty when none are declared.
    pub(super) keys: Vec<String>,
}

/// The commits that are merged.
#[derive(Clone, Copy)]
pub(super) struct Sides<'a> {
    /// Where both came from; `None` without a common past.
    pub(super) base: Option<&'a Commit>,
    /// What is promoted.
    pub(super) source: &'a Commit,
    /// What is there; `None` when there is nothing yet.
    pub(super) target: Option<&'a Commit>,
}

impl<'a> Sides<'a> {
    /// The pins of an asset: base, source, target.
    pub(super) fn pins(&self, name: &str) -> (Option<&'a Pin>, Option<&'a Pin>, Option<&'a Pin>) {
        let of = |commit: Option<&'a Commit>| commit.and_then(|commit| commit.assets.get(name));
        (of(self.base), of(Some(self.source)), of(self.target))
    }

    /// All assets of source and target but predictions: those were made by an environment and stay its own.
    pub(super) fn names(&self) -> BTreeSet<&'a AssetName> {
        let commits = [self.base, Some(self.source), self.target].into_iter().flatten();
        let pins = commits.flat_map(|commit| &commit.assets);
        let endpoints = pins.filter(|(_, pin)| pin.kind == Kind::Endpoint);
        let predictions: BTreeSet<AssetName> = endpoints.map(|(name, _)| predictions_of(name)).collect();
        let both = [Some(self.source), self.target].into_iter().flatten();
        both.flat_map(|commit| commit.assets.keys()).filter(|name| !predictions.contains(*name)).collect()
    }
}

/// What is done with each asset. `traits` says how a table's rows behave; with `merge_rows` every table with keys whose
/// data both sides moved is merged, otherwise only those that cannot be computed again.
pub(super) fn verdicts(
    sides: Sides<'_>,
    traits: &BTreeMap<AssetName, TableTraits>,
    merge_rows: bool,
    prefer: Option<Prefer>,
) -> BTreeMap<AssetName, Verdict> {
    let unknown = TableTraits::default();
    let decide = |name: &AssetName| {
        let verdict = verdict(sides.pins(name), traits.get(name).unwrap_or(&unknown), merge_rows);
        let is_gone = !sides.source.assets.contains_key(name);
        match (verdict, prefer) {
            (Verdict::Conflict(_), Some(Prefer::Target)) => Verdict::Keep,
            (Verdict::Conflict(_), Some(Prefer::Source)) if is_gone => Verdict::Remove,
            (Verdict::Conflict(_), Some(Prefer::Source)) => Verdict::Take,
            (verdict, _) => verdict,
        }
    };
    sides.names().into_iter().map(|name| (name.clone(), decide(name))).collect()
}

fn verdict(
    (base, source, target): (Option<&Pin>, Option<&Pin>, Option<&Pin>),
    traits: &TableTraits,
    merge_rows: bool,
) -> Verdict {
    let same = |a: Option<&Pin>, b: Option<&Pin>| match (a, b) {
        (Some(a), Some(b)) => same_definition(a, b) && same_data(a, b),
        (None, None) => true,
        _ => false,
    };
    if same(source, base) || same(source, target) {
        return Verdict::Keep;
    }
    if same(target, base) {
        return if source.is_some() { Verdict::Take } else { Verdict::Remove };
    }
    let redefined = |side: &Pin| base.is_none_or(|base| !same_definition(side, base));
    match (source, target) {
        (None, Some(target)) if redefined(target) => Verdict::Conflict("removed here, changed there".to_owned()),
        (None, _) => Verdict::Remove,
        (Some(source), None) if redefined(source) => Verdict::Conflict("changed here, removed there".to_owned()),
        (Some(_), None) => Verdict::Keep,
        (Some(source), Some(target)) if same_definition(source, target) => {
            both_moved(source, base.is_some(), traits, merge_rows)
        }
        (Some(source), Some(target)) => match (redefined(source), redefined(target)) {
            (true, true) => Verdict::Conflict("both sides changed its definition".to_owned()),
            (true, false) if traits.is_stateful => Verdict::Conflict(
                "its definition changed here, and rows that cannot be computed again came there".to_owned(),
            ),
            (true, false) => Verdict::Take,
            (false, _) => Verdict::Keep,
        },
    }
}

/// The same definition, and both sides have other data than the base.
fn both_moved(pin: &Pin, has_base: bool, traits: &TableTraits, merge_rows: bool) -> Verdict {
    match pin.kind {
        Kind::Model => Verdict::Conflict("both sides chose another version".to_owned()),
        Kind::Table if traits.is_stateful || merge_rows => match (traits.keys.is_empty(), has_base) {
            (false, true) => Verdict::Rows,
            _ if !traits.is_stateful => Verdict::Keep,
            (true, _) => {
                Verdict::Conflict("both sides added rows, and it declares no grain to merge them by".to_owned())
            }
            (false, false) => Verdict::Conflict("both sides added rows, and they have no common past".to_owned()),
        },
        // Deliveries are landed, and tables computed, by the target itself.
        _ => Verdict::Keep,
    }
}

/// Whether two pins were defined alike.
pub(super) fn same_definition(a: &Pin, b: &Pin) -> bool {
    definition_lines(a, b).is_empty()
}

/// Whether two pins hold the same. Endpoints follow their models and feature views their tables, so they have no data.
fn same_data(a: &Pin, b: &Pin) -> bool {
    match (&a.version, &b.version) {
        (Version::Table(a), Version::Table(b)) => a == b,
        (Version::Model { aliases: a }, Version::Model { aliases: b }) => a == b,
        (Version::FeatureView { online: a, .. }, Version::FeatureView { online: b, .. }) => a.is_some() == b.is_some(),
        _ => true,
    }
}

/// Assets that would read something which is not there after the merge, with what they lack.
pub(super) fn broken(merged: &BTreeMap<AssetName, Pin>) -> Vec<(AssetName, AssetName)> {
    let lacks = |(name, pin): (&AssetName, &Pin)| {
        let missing = pin.inputs.keys().find(|input| !merged.contains_key(*input));
        missing.map(|input| (name.clone(), input.clone()))
    };
    merged.iter().filter_map(lacks).collect()
}

#[cfg(test)]
mod tests;
