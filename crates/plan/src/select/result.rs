//! How the steps of the last run went, for `result:`. Knows names and outcomes, not the history of runs.

use std::collections::BTreeMap;

use baton_core::AssetName;

/// How the steps of an asset went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepResult {
    /// All of them ended well: done, taken from the cache, or up to date.
    Success,
    /// One was left out, as when what it reads had failed.
    Skipped,
    /// One failed, or did not end.
    Error,
}

/// How the last run of an environment went, by asset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastRun(BTreeMap<AssetName, StepResult>);

impl LastRun {
    /// The worst result of an asset's steps; `None` when it had none.
    pub fn result(&self, asset: &AssetName) -> Option<StepResult> {
        self.0.get(asset).copied()
    }
}

impl FromIterator<(AssetName, StepResult)> for LastRun {
    fn from_iter<T: IntoIterator<Item = (AssetName, StepResult)>>(steps: T) -> Self {
        let mut worst: BTreeMap<AssetName, StepResult> = BTreeMap::new();
        for (asset, result) in steps {
            let known = worst.entry(asset).or_insert(result);
            *known = (*known).max(result);
        }
        Self(worst)
    }
}
