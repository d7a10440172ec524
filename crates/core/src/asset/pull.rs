//! Sources that are asked for rows, such as databases: what to ask for, and how the answer meets what is landed.
//!
//! It holds what the project says. References to secrets stay references here.

use serde::{Deserialize, Serialize};

/// What a connector that pulls is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pull {
    /// What this connector alone understands (`url`, `table`, `query`, …), as written: `${env:NAME}` and
    /// `${file:PATH}` are not resolved.
    pub options: serde_json::Map<String, serde_json::Value>,
    /// How much is asked for each time.
    pub mode: PullMode,
    /// The column whose newest value is where the next pull goes on.
    pub cursor: Option<String>,
    /// Seconds before the newest value from which rows are asked for again, for those that became visible late.
    pub lag: i64,
    /// The columns that identify a row.
    pub key: Vec<String>,
    /// What becomes of rows that are deleted at the origin; only change data capture sees them.
    pub deletes: DeletedRows,
    /// Seconds that a row may wait until it is landed: a server looks that often, and one landing collects no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<i64>,
}

/// How much is asked for each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PullMode {
    /// All rows; they stand for the whole.
    #[default]
    Full,
    /// Rows whose cursor is not older than the newest that is landed.
    Incremental,
    /// Every row once, then every change of a row.
    Cdc,
}

impl PullMode {
    /// The word of project files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
            Self::Cdc => "cdc",
        }
    }
}

/// What becomes of rows that are deleted at the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeletedRows {
    /// They go here too.
    #[default]
    Remove,
    /// They stay with `is_deleted` true.
    Keep,
}
