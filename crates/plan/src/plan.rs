//! The plan as data.

use std::collections::BTreeMap;

use baton_core::{AssetName, CommitId, IntervalSet, Kind, Timestamp};
use serde::{Deserialize, Serialize};

/// What happens to an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is not there yet.
    New,
    /// Its content stays.
    Unchanged,
    /// Only owner, description, tags or checks differ.
    MetadataOnly,
    /// Columns come to it; what was there stays.
    Additive,
    /// Rows or existing columns change.
    Breaking,
    /// The project no longer has it.
    Removed,
    /// Its definition stays and there is data to take in.
    Data,
}

/// Columns that decide a change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnChanges {
    /// New columns.
    pub added: Vec<String>,
    /// Columns computed otherwise than before.
    pub changed: Vec<String>,
    /// Columns that go.
    pub removed: Vec<String>,
}

/// One asset of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedAsset {
    /// The asset.
    pub name: AssetName,
    /// What it is.
    pub kind: Kind,
    /// What happens to it.
    pub change: Change,
    /// Why, one line each.
    pub reasons: Vec<String>,
    /// The columns that decide it.
    pub columns: ColumnChanges,
    /// Time to fill, for incremental tables that exist.
    pub missing: IntervalSet,
}

/// What an apply would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The environment that would move.
    pub environment: String,
    /// The logical clock.
    pub as_of: Timestamp,
    /// The commit that the plan was made against.
    pub base: Option<CommitId>,
    /// All assets of the project and those that go, inputs before readers.
    pub assets: Vec<PlannedAsset>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.assets.iter().all(|asset| asset.change == Change::Unchanged)
    }

    /// How many assets each kind of change has.
    pub fn counts(&self) -> BTreeMap<Change, usize> {
        let mut counts = BTreeMap::new();
        for asset in &self.assets {
            *counts.entry(asset.change).or_default() += 1;
        }
        counts
    }

    /// The planned asset with this name.
    pub fn asset(&self, name: &str) -> Option<&PlannedAsset> {
        self.assets.iter().find(|asset| asset.name.as_str() == name)
    }
}
