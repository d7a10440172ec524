//! Which rows an export delivers: a version of a commit, as its readers see it.

use std::collections::BTreeSet;

use baton_core::{AssetName, Commit, Pin, TableVersion};
use serde::{Deserialize, Serialize};

/// The rows of a version, as far as they were known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeliveredVersion {
    /// The version in words; of a view, with what it reads.
    pub(crate) text: String,
    /// The table version; `None` for a view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) table: Option<TableVersion>,
    /// The clock in microseconds, where it decides what is seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) clock: Option<i64>,
}

impl DeliveredVersion {
    /// The version of `asset` in a commit; `None` when it has none there.
    pub(crate) fn of(commit: &Commit, asset: &AssetName) -> Option<Self> {
        let pin = commit.assets.get(asset)?;
        let has_rows = pin.version.table().is_some() || matches!(pin.version, baton_core::Version::View { .. });
        has_rows.then(|| Self {
            text: pin.version_text(),
            table: pin.version.table().cloned(),
            clock: is_bounded(commit, pin).then(|| commit.as_of.timestamp_micros()),
        })
    }
}

/// Whether a version has rows that become known only after the commit's clock; of a view, what it reads.
fn is_bounded(commit: &Commit, pin: &Pin) -> bool {
    let now = commit.as_of.timestamp_micros();
    let mut waiting = vec![pin];
    let mut seen = BTreeSet::new();
    while let Some(pin) = waiting.pop() {
        if pin.known_through.is_some_and(|known| known > now) {
            return true;
        }
        if pin.version.table().is_none() {
            let inputs = pin.inputs.keys().filter(|name| seen.insert((*name).clone()));
            waiting.extend(inputs.filter_map(|name| commit.assets.get(name)));
        }
    }
    false
}
