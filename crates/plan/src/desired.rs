//! What a project asks for, reduced to fingerprints.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::{AssetName, Fingerprint, Kind};

/// One asset as the project defines it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredAsset {
    /// What it is.
    pub kind: Kind,
    /// What decides which rows exist; for assets without rows, all that decides their content.
    pub rows: Fingerprint,
    /// What decides each output column.
    pub columns: BTreeMap<String, Fingerprint>,
    /// What does not touch content: owner, description, tags, checks.
    pub metadata: Fingerprint,
    /// What it reads.
    pub inputs: BTreeSet<AssetName>,
    /// For incremental tables: seconds of one interval.
    pub batch: Option<i64>,
}

impl DesiredAsset {
    /// Rows and all columns in one: names the folder of a table, and decides whether a model is trained again.
    pub fn content(&self) -> Fingerprint {
        let columns = self.columns.iter().flat_map(|(name, fingerprint)| [name.as_str(), fingerprint.as_str()]);
        Fingerprint::of([self.rows.as_str()].into_iter().chain(columns))
    }
}

/// The whole project, inputs before readers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// Assets by name.
    pub assets: BTreeMap<AssetName, DesiredAsset>,
    /// The same names in topological order.
    pub order: Vec<AssetName>,
}
