//! Tables: the query or function behind them, and how their rows are kept.

use serde::{Deserialize, Serialize};

use super::{Column, CommandStep, ForEach, Python};

/// How a table is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Materialize {
    /// Computed as a whole.
    #[default]
    Table,
    /// Computed by intervals of its time column.
    Incremental,
    /// Not stored: readers see its query.
    View,
    /// Kept by key: new rows of the query take the place of those with the same grain.
    Merge,
    /// New rows of the query are added, each once.
    Append,
    /// Every state that a key ever had, from `valid_from` to `valid_to` (slowly changing, type 2).
    History,
    /// The query's rows once a batch, each time beside those of before.
    Snapshot,
}

impl Materialize {
    /// Whether its rows hold what the inputs no longer say, so that they cannot be computed again.
    pub fn is_stateful(self) -> bool {
        matches!(self, Self::Merge | Self::Append | Self::History | Self::Snapshot)
    }

    /// The word that users write.
    pub fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Incremental => "incremental",
            Self::View => "view",
            Self::Merge => "merge",
            Self::Append => "append",
            Self::History => "history",
            Self::Snapshot => "snapshot",
        }
    }

    /// The columns that it adds to those of the query.
    pub fn added_columns(self) -> &'static [&'static str] {
        match self {
            Self::History => &[VALID_FROM, VALID_TO],
            Self::Snapshot => &[SNAPSHOT_AT],
            _ => &[],
        }
    }
}

/// The column of a history table that says since when a state holds.
pub const VALID_FROM: &str = "valid_from";
/// The column of a history table that says until when a state holds, the instant itself left out; null while it does.
pub const VALID_TO: &str = "valid_to";
/// The column of a snapshot table that says when its rows were taken.
pub const SNAPSHOT_AT: &str = "snapshot_at";

/// What happens to a key of a history table that the query no longer yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deletes {
    /// Its last state goes on.
    #[default]
    Ignore,
    /// Its last state ends at the clock.
    Close,
}

/// What happens to a table whose query yields other columns than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnPolicy {
    /// New columns come, null in rows that are there; one that goes stays, null in new rows; another type is refused.
    #[default]
    Evolve,
    /// New columns come and those that the query no longer has go.
    Sync,
    /// Every change of the columns is refused.
    Freeze,
}

/// How rows that are kept over time meet new ones.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Keep {
    /// For history: the column that says when a row changed; without it, rows are compared.
    pub updated_at: Option<String>,
    /// For history without `updated_at`: the columns that are compared; empty means all.
    pub check: Vec<String>,
    /// For history: what happens to keys that the query no longer yields.
    pub deletes: Deletes,
    /// For merge and history: a boolean column of the query; a row where it is true deletes its key.
    pub delete_when: Option<String>,
    /// What happens when the query yields other columns.
    pub on_schema_change: ColumnPolicy,
    /// The query with `is_incremental()` true, where that makes a difference; it may read the table itself.
    pub incremental_sql: Option<String>,
}

impl Keep {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a transform produces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The query, with templates rendered; for a Python table or a command one over the rows that it makes.
    pub sql: String,
    /// Its file, relative to the project.
    pub file: String,
    /// The lines that rendering took away before the query's first line (0 for plain SQL); spans add this.
    pub line_offset: u32,
    /// How it is kept.
    pub materialize: Materialize,
    /// The column that says when a row happened; needed for incremental tables.
    pub time: Option<String>,
    /// The columns that identify a row.
    pub grain: Vec<String>,
    /// How far back, in seconds, each run computes again to take in late rows.
    pub lookback: i64,
    /// The length of one interval in seconds, for incremental and snapshot tables.
    pub batch: i64,
    /// Columns with descriptions, tags and checks.
    pub columns: Vec<Column>,
    /// How rows that are kept over time meet new ones.
    #[serde(default, skip_serializing_if = "Keep::is_default")]
    pub keep: Keep,
    /// The function that computes its rows; `None` for a SQL table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<Box<Python>>,
    /// The command that makes its rows; `None` for other tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Box<CommandStep>>,
    /// What it is made for, once each; `None` makes it once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<Box<ForEach>>,
}
