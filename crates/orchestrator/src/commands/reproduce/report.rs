//! What `reproduce` answers.

use baton_core::{AssetName, Kind};
use serde::{Deserialize, Serialize};

use crate::commands::diff::RowDiff;

/// How a rebuild compares with what is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reproduction {
    /// The same digest.
    Same,
    /// Another digest.
    Different,
    /// Something that it was made from is gone, or was never recorded.
    Impossible,
}

/// One version that was rebuilt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reproduced {
    /// The asset.
    pub asset: AssetName,
    /// What it is.
    pub kind: Kind,
    /// The version, `v3` or `arrival_delay@2`.
    pub version: String,
    /// How it compares.
    pub outcome: Reproduction,
    /// The digest that is recorded.
    pub recorded: Option<String>,
    /// The digest of the rebuild.
    pub rebuilt: Option<String>,
    /// How it was rebuilt, or why it could not be or what differs.
    pub detail: String,
    /// The rows that differ: recorded before, rebuilt after.
    pub rows: Option<RowDiff>,
    /// Seconds it took.
    pub seconds: f64,
}

/// All versions that were rebuilt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReproduceReport {
    /// One entry a version, in the order of the relay.
    pub versions: Vec<Reproduced>,
}

impl ReproduceReport {
    /// Versions that came out the same.
    pub fn same(&self) -> usize {
        self.versions.iter().filter(|version| version.outcome == Reproduction::Same).count()
    }

    /// Whether every version came out the same.
    pub fn succeeded(&self) -> bool {
        self.same() == self.versions.len()
    }
}
