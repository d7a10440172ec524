//! Commits: immutable maps from every asset to its exact version.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::asset::Kind;
use crate::fingerprint::Fingerprint;
use crate::interval::IntervalSet;
use crate::name::AssetName;
use crate::time::Timestamp;
use crate::version::Version;

/// Identifies a commit by the hash of its content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommitId(pub String);

impl CommitId {
    /// The first 10 digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(..10).unwrap_or(&self.0)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One asset in a commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pin {
    /// What the asset is.
    pub kind: Kind,
    /// What defined it when this version was made.
    pub fingerprint: Fingerprint,
    /// Hash of what does not decide its content: owner, description, tags, checks.
    #[serde(default)]
    pub metadata: Option<Fingerprint>,
    /// Hash of the definition as declared; the ledger holds its text under this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Fingerprint>,
    /// Per output column, what defined it; empty for assets without columns.
    #[serde(default)]
    pub columns: BTreeMap<String, Fingerprint>,
    /// Per output column, the tagged columns that reach it, such as `identifier:schedule.tailnum`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tagged: BTreeMap<String, BTreeSet<String>>,
    /// Its exact version.
    pub version: Version,
    /// Which time it covers, for incremental tables.
    #[serde(default)]
    pub intervals: IntervalSet,
    /// Rows of the table version, where there is one.
    pub rows: Option<u64>,
    /// Digest of the table version's rows as a multiset, or of the model's stored form.
    pub digest: Option<String>,
    /// The newest instant, in microseconds, at which one of its rows became known; `None` when no row has one.
    /// From that instant of the logical clock on, the clock no longer decides what readers see of this version.
    #[serde(default)]
    pub known_through: Option<i64>,
    /// Made with other values of the project's parameters than their defaults: the content that it would have with those;
    /// see [`Pin::is_declared`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Fingerprint>,
    /// The exact versions it was made from, by asset.
    #[serde(default)]
    pub inputs: BTreeMap<AssetName, String>,
}

impl Pin {
    /// Whether the project, which with its parameters' defaults asks for `content`, asks for nothing but what this was made
    /// of: parameters given to a run are no change of the project.
    pub fn is_declared(&self, content: &Fingerprint) -> bool {
        self.declared.as_ref() == Some(content) || (self.declared.is_none() && self.content() == *content)
    }

    /// What defined its rows and all columns, in one.
    pub fn content(&self) -> Fingerprint {
        content_of(&self.fingerprint, &self.columns)
    }

    /// The exact version as readers of it record it among their inputs: its table version; of what has no rows of its
    /// own, what it reads, and how.
    pub fn version_text(&self) -> String {
        match self.version.table() {
            Some(table) => table.to_string(),
            None if self.inputs.is_empty() => self.version.to_string(),
            None => {
                let read = self.inputs.iter().flat_map(|(name, version)| [name.as_str(), version.as_str()]);
                let columns = self.columns.values().map(Fingerprint::as_str);
                let parts = [self.fingerprint.as_str()].into_iter().chain(columns).chain(read);
                format!("{}@{}", self.version, Fingerprint::of(parts).short())
            }
        }
    }
}

/// What defines rows and all columns, in one: names the folder of a table, and decides whether a model is trained again.
pub fn content_of(rows: &Fingerprint, columns: &BTreeMap<String, Fingerprint>) -> Fingerprint {
    let columns = columns.iter().flat_map(|(name, fingerprint)| [name.as_str(), fingerprint.as_str()]);
    Fingerprint::of([rows.as_str()].into_iter().chain(columns))
}

/// An immutable map: asset to exact version, for all kinds at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// Hash of all other fields.
    pub id: CommitId,
    /// The commit that the environment pointed at before.
    pub parent: Option<CommitId>,
    /// The commit of another environment whose changes it took in, for promotions; the one it went back to, for rollbacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<CommitId>,
    /// The environment it was made in.
    pub environment: String,
    /// When it was made, on the machine's clock.
    pub created_at: Timestamp,
    /// The logical clock: nothing that became known later is in it.
    pub as_of: Timestamp,
    /// Who made it.
    pub author: String,
    /// Why: `apply`, `run`, `rollback to …`.
    pub reason: String,
    /// The project's git revision, if it is in git.
    pub git_revision: Option<String>,
    /// Every asset's version.
    pub assets: BTreeMap<AssetName, Pin>,
}

impl Commit {
    /// Sets [`Commit::id`] from the rest.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.id = CommitId(String::new());
        let content = serde_json::to_vec(&self).unwrap_or_default();
        self.id = CommitId(Fingerprint::of([content]).as_str().to_owned());
        self
    }
}
