//! Exports: what is delivered to a system outside after a commit, as plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::AssetName;

/// Rows that Baton itself brings to where they are used: an exposure that it fills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// The source or table whose rows are delivered; of an endpoint, its predictions.
    pub from: AssetName,
    /// The kind of destination, such as `postgres` or `s3`.
    pub connector: String,
    /// What the connector is told, as written: references to secrets are not resolved.
    pub options: serde_json::Map<String, serde_json::Value>,
    /// How delivered rows meet those that are there.
    pub mode: ExportMode,
    /// The columns that identify a row, as they are called here.
    pub key: Vec<String>,
    /// The columns that are delivered; empty means all.
    pub select: Vec<String>,
    /// What columns are called at the destination, where that differs.
    pub rename: BTreeMap<String, String>,
    /// A SQL predicate: only rows that meet it are delivered.
    pub filter: Option<String>,
    /// What becomes of delivered rows that are no longer there.
    pub deletes: GoneRows,
    /// When rows are delivered.
    pub on: ExportTrigger,
    /// The environments whose rows are delivered; empty means the protected ones.
    pub environments: Vec<String>,
    /// Whether a column that the destination lacks is added there.
    pub evolve: bool,
    /// Rows that are handed over at once.
    pub batch: usize,
}

impl Export {
    /// What a column is called at the destination.
    pub fn name_there<'e>(&'e self, column: &'e str) -> &'e str {
        self.rename.get(column).map_or(column, String::as_str)
    }
}

/// How delivered rows meet those that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportMode {
    /// The rows stand for the whole.
    Replace,
    /// Rows that came since the last delivery are added.
    Append,
    /// What changed since the last delivery is brought along, by key.
    Upsert,
}

impl ExportMode {
    /// The word in project files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Append => "append",
            Self::Upsert => "upsert",
        }
    }
}

/// What becomes of delivered rows that are no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GoneRows {
    /// They go from the destination, too.
    Delete,
    /// They stay there.
    Ignore,
    /// They stay there, with the time in `_deleted_at`.
    Mark,
}

/// When rows are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportTrigger {
    /// After every apply and run that publishes a version which was not delivered yet.
    Commit,
    /// After runs of a schedule only.
    Schedule,
    /// By `baton export` only.
    Manual,
}
