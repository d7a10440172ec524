//! What `diff` answers: plain data, one entry for each asset that is not the same on both sides.

use std::collections::BTreeMap;

use baton_core::{AssetName, CommitId, Kind, Timestamp};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A row of a sample, by column in the table's order; instants and dates are text.
pub type SampleRow = IndexMap<String, Value>;

/// Two commits compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiffReport {
    /// The side that is compared from.
    pub before: DiffSide,
    /// The side that is compared to.
    pub after: DiffSide,
    /// How many assets are the same on both sides; nothing of them was read.
    pub same: usize,
    /// The others, by kind and name.
    pub assets: Vec<AssetDiff>,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffSide {
    /// What the caller called it.
    pub name: String,
    /// The commit.
    pub commit: CommitId,
    /// Its logical clock: rows that became known later are not compared.
    pub as_of: Timestamp,
}

/// Whether an asset is on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Only after.
    Added,
    /// Only before.
    Removed,
    /// On both sides, and not the same.
    Changed,
}

/// One asset that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssetDiff {
    /// Its name.
    pub name: AssetName,
    /// What it is.
    pub kind: Kind,
    /// Whether it is on both sides.
    pub presence: Presence,
    /// Its version before.
    pub before: Option<String>,
    /// Its version after.
    pub after: Option<String>,
    /// What is declared differently, as lines of a unified diff; empty when nothing is.
    pub definition: Vec<String>,
    /// For tables made by SQL: what is computed differently, as lines of a unified diff between the optimizer's plans.
    pub plan: Vec<String>,
    /// What its columns are.
    pub schema: SchemaDiff,
    /// Which rows differ; `None` for assets without rows, and when no row was compared.
    pub rows: Option<RowDiff>,
    /// Columns whose statistics differ.
    pub profile: Vec<ColumnShift>,
    /// For models: versions, metrics, importance.
    pub model: Option<ModelDiff>,
    /// For endpoints: what each role serves, before and after.
    pub serves: BTreeMap<String, (Option<String>, Option<String>)>,
    /// What a reader should know, such as why rows were not compared by key.
    pub notes: Vec<String>,
}

/// Columns of one side only, and those of another type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaDiff {
    /// Columns that are only after, with their types.
    pub added: Vec<(String, String)>,
    /// Columns that are only before, with their types.
    pub removed: Vec<(String, String)>,
    /// Columns of another type: name, type before, type after.
    pub retyped: Vec<(String, String, String)>,
}

impl SchemaDiff {
    /// Whether both sides have the same columns.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.retyped.is_empty()
    }
}

/// How rows were matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowMethod {
    /// By the table's grain: a row is changed when its key stays and a value does not.
    Grain,
    /// As multisets: a changed row is one removed and one added.
    Multiset,
}

/// Rows that differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowDiff {
    /// How rows were matched.
    pub method: RowMethod,
    /// The key columns, for [`RowMethod::Grain`].
    pub grain: Vec<String>,
    /// Rows before.
    pub before: u64,
    /// Rows after.
    pub after: u64,
    /// Rows that are only after.
    pub added: u64,
    /// Rows that are only before.
    pub removed: u64,
    /// Rows of the same key with other values; always 0 for [`RowMethod::Multiset`].
    pub changed: u64,
    /// Values that changed by column, most first.
    pub columns: Vec<ColumnChange>,
    /// Some rows that are only after, least keys first.
    pub added_sample: Vec<SampleRow>,
    /// Some rows that are only before.
    pub removed_sample: Vec<SampleRow>,
    /// Some changed rows.
    pub changed_sample: Vec<RowChange>,
    /// Data files that were compared; files that both sides share are not read.
    pub files_compared: usize,
    /// Data files that both sides share.
    pub files_shared: usize,
}

impl RowDiff {
    /// Whether the comparison shows that a column keeps its values.
    pub fn keeps(&self, column: &str) -> bool {
        let is_changed = self.columns.iter().any(|change| change.column == column);
        self.method == RowMethod::Grain && self.added + self.removed == 0 && !is_changed
    }
}

/// How often a column's value changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnChange {
    /// The column.
    pub column: String,
    /// Rows of the same key where it changed.
    pub changed: u64,
    /// As a share of the rows that are on both sides, 0 to 1.
    pub rate: f64,
}

/// A row of the same key with other values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowChange {
    /// Its key.
    pub key: SampleRow,
    /// The values that changed, before and after.
    pub values: IndexMap<String, (Value, Value)>,
}

/// A column whose statistics differ, as (before, after).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnShift {
    /// The column.
    pub column: String,
    /// Share of nulls, 0 to 1.
    pub nulls: (f64, f64),
    /// Different values, estimated above 512.
    pub distinct: (Option<u64>, Option<u64>),
    /// Arithmetic mean; of dates and times as text.
    pub mean: (Value, Value),
    /// The 5 % quantile.
    pub p05: (Value, Value),
    /// The median.
    pub p50: (Value, Value),
    /// The 95 % quantile.
    pub p95: (Value, Value),
    /// How far the distribution moved, where it can be said.
    pub drift: Option<ColumnDrift>,
}

/// The distance of two distributions, from their profiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// The method, as `baton-stats` names it.
    pub method: String,
    /// The distance.
    pub score: f64,
    /// The method's usual threshold.
    pub threshold: f64,
    /// Whether the distance is beyond it.
    pub drifted: bool,
}

/// Two versions of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelDiff {
    /// Aliases that stand for another version: number before and after.
    pub aliases: BTreeMap<String, (Option<u32>, Option<u32>)>,
    /// The version that serves before, or the newest one.
    pub before: Option<ModelLine>,
    /// The version that serves after, or the newest one.
    pub after: Option<ModelLine>,
    /// Both versions on the same rows; `None` when they are one, or cannot be compared.
    pub same_rows: Option<SameRows>,
    /// How much predictions depend on each feature, before and after; most after first.
    pub importance: Vec<(String, Option<f64>, Option<f64>)>,
}

/// A model version in a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelLine {
    /// `model@number`.
    pub version: String,
    /// The algorithm that its search chose.
    pub algorithm: String,
    /// When it was trained, by the logical clock.
    pub trained_at: Timestamp,
    /// Rows of its training set.
    pub rows: u64,
    /// Digest of its stored form.
    pub digest: String,
}

/// Two model versions judged on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SameRows {
    /// The test part of this version's training set, the newer one's.
    pub test_of: String,
    /// Its rows.
    pub rows: u64,
    /// Metrics before and after.
    pub metrics: BTreeMap<String, (Option<f64>, Option<f64>)>,
}
