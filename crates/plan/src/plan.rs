//! The plan as data.

use std::collections::BTreeMap;

use baton_core::{AssetName, CommitId, IntervalSet, Kind, Timestamp};
use serde::{Deserialize, Serialize};

use crate::blast::BlastRadius;
use crate::estimate::Estimate;
use crate::searching::PlannedSearch;

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
    /// Whether its stored rows are left aside and it is made from nothing, as `--full-refresh` and `--recreate` ask.
    #[serde(default)]
    pub from_nothing: bool,
    /// Whether data comes to it as well, or the clock lets more of it be seen, so that recorded rows prove nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_data: bool,
    /// Why it is not done as it stands: rows that cannot be computed again would be lost. An apply refuses the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl PlannedAsset {
    /// Whether its rows or columns, or what stands for them, are defined otherwise than before.
    pub fn changes_content(&self) -> bool {
        matches!(self.change, Change::New | Change::Additive | Change::Breaking | Change::Removed)
    }
}

/// An asset that has changes and is not part of the selection: it stays as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldAsset {
    /// The asset.
    pub name: AssetName,
    /// What it is.
    pub kind: Kind,
    /// What would happen to it.
    pub change: Change,
}

/// What a plan was limited to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanScope {
    /// Expressions of `--select`.
    pub select: Vec<String>,
    /// Expressions of `--exclude`.
    pub exclude: Vec<String>,
    /// Assets that they leave out and that have changes.
    pub held: Vec<HeldAsset>,
}

/// Checks that an apply evaluates on an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedChecks {
    /// The asset.
    pub asset: AssetName,
    /// What it is: the checks of a model are its gates.
    pub kind: Kind,
    /// Their names.
    pub checks: Vec<String>,
}

/// Somebody whose approval an apply needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeededApproval {
    /// The owner.
    pub owner: String,
    /// Which of their assets break.
    pub assets: Vec<AssetName>,
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
    /// What the plan was limited to; `None` when it is about the whole project.
    #[serde(default)]
    pub scope: Option<PlanScope>,
    /// What the changes reach.
    #[serde(default)]
    pub blast_radius: BlastRadius,
    /// Checks that will run.
    #[serde(default)]
    pub checks: Vec<PlannedChecks>,
    /// What the work will come to, from history; empty when nobody asked it.
    #[serde(default)]
    pub estimate: Estimate,
    /// How the models that are trained are searched for, where the project describes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub searches: Vec<PlannedSearch>,
    /// The command that takes it back; `None` in an environment without a commit.
    #[serde(default)]
    pub undo: Option<String>,
    /// Whose approval is needed before it is applied.
    #[serde(default)]
    pub approvals: Vec<NeededApproval>,
    /// What the plan does not do although it was asked for, and why.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Set when the plan is a promotion: definitions and versions come from another environment, nothing is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<PlannedPromotion>,
}

/// What a plan promotes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPromotion {
    /// The environment whose changes come.
    pub source: String,
    /// Its commit.
    pub commit: CommitId,
    /// Whether rows are merged by key wherever both sides have new ones.
    pub merge_rows: bool,
    /// The side that conflicts are decided for, `source` or `target`.
    pub prefer: Option<String>,
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
