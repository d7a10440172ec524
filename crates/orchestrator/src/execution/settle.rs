//! Readers that a plan leaves as they are, although the definition of what they read changes elsewhere.
//!
//! Of such an input the reader sees the same rows and values in another version, so it is pinned to that version instead
//! of being built again: a column that nobody reads rebuilds nothing downstream.

use std::collections::BTreeSet;

use baton_core::{AssetName, Definition, Version};

use super::Execution;

/// What an apply brings along beside its stages.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Assets of which the plan changes the definition, and since then the views over them.
    pub(crate) redefined: BTreeSet<AssetName>,
    /// Tables and feature views whose content the plan leaves.
    pub(crate) kept: BTreeSet<AssetName>,
    /// Tables that are made from nothing, whatever is stored.
    pub(crate) from_nothing: BTreeSet<AssetName>,
    /// How far the project's order is settled.
    pub(crate) settled: usize,
}

impl Execution<'_> {
    /// Settles everything up to `asset` in the order of reading, before its step looks at its inputs.
    pub(super) fn settle_through(&mut self, asset: &AssetName) {
        if self.applied.redefined.is_empty() {
            return;
        }
        if let Some(place) = self.prepared.desired.order.iter().position(|name| name == asset) {
            self.settle_until(place + 1);
        }
    }

    /// Settles what comes after the last step.
    pub(super) fn settle_rest(&mut self) {
        self.settle_until(self.prepared.desired.order.len());
    }

    fn settle_until(&mut self, end: usize) {
        if self.applied.redefined.is_empty() {
            return;
        }
        let prepared = self.prepared;
        let from = self.applied.settled.min(end);
        for name in &prepared.desired.order[from..end] {
            self.settle(name);
        }
        self.applied.settled = end.max(self.applied.settled);
    }

    fn settle(&mut self, reader: &AssetName) {
        if !self.applied.kept.contains(reader) || self.failed.contains(reader) {
            return;
        }
        let mut now = self.input_versions(reader);
        now.retain(|input, _| self.applied.redefined.contains(input) && !self.failed.contains(input));
        let read = match self.prepared.project.assets.get(reader).map(|asset| &asset.definition) {
            Some(Definition::FeatureView(view)) if now.contains_key(&view.from) => self.working.get(&view.from),
            _ => None,
        };
        let version = read.and_then(|pin| pin.version.table()).cloned();
        let Some(pin) = self.working.get_mut(reader).filter(|_| !now.is_empty()) else { return };
        pin.inputs.extend(now);
        match &mut pin.version {
            Version::FeatureView { table, .. } => *table = version.or_else(|| table.take()),
            // A view is what it reads, so its readers see another version of it too.
            Version::View { .. } => {
                self.applied.redefined.insert(reader.clone());
            }
            _ => {}
        }
    }
}
