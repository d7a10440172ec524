//! What is known around a breach: the facts that causes are judged by.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::{AssetName, Kind, Timestamp};
use serde::{Deserialize, Serialize};

/// All facts around one breach. Absent facts are absent, never guessed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The asset that breached.
    pub asset: Option<AssetName>,
    /// When the breach began; a cause must not be later.
    pub onset: Option<Timestamp>,
    /// Facts by upstream asset.
    pub assets: BTreeMap<AssetName, AssetEvidence>,
    /// For each asset all that it depends on.
    pub upstream: BTreeMap<AssetName, BTreeSet<AssetName>>,
    /// How many labels came of those expected.
    pub labels: Option<LabelEvidence>,
    /// Features that are distributed otherwise than in training.
    pub features: Vec<FeatureShift>,
    /// What endpoints served since when.
    pub deployments: Vec<Happening>,
    /// The metric against labels, if it was judged.
    pub performance: Option<Performance>,
    /// What the alerts of the breach themselves say, oldest first.
    #[serde(default)]
    pub alerts: Vec<String>,
}

/// Something that happened at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Happening {
    /// To which asset.
    pub asset: AssetName,
    /// Logical time.
    pub at: Timestamp,
    /// Who did it, where somebody did.
    pub author: Option<String>,
    /// What, in a line.
    pub what: String,
}

/// Facts about one asset upstream of a breach.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AssetEvidence {
    /// What it is.
    pub kind: Option<Kind>,
    /// Whom to ask.
    pub owner: Option<String>,
    /// Logical time of its newest row.
    pub newest_row_at: Option<Timestamp>,
    /// How far its newest row lags behind the clock, in seconds.
    pub lag: Option<i64>,
    /// How far it usually lags at most, in seconds.
    pub usual_lag: Option<i64>,
    /// Rows a day in the window of the breach.
    pub rows_per_day: Option<f64>,
    /// Rows a day before it.
    pub usual_rows_per_day: Option<f64>,
    /// Days with far fewer rows than usual, as their alerts found them.
    #[serde(default)]
    pub thin_days: Vec<ThinDay>,
    /// Columns or types that came, went or changed in a delivery.
    pub schema_changes: Vec<Happening>,
    /// Changes of its definition.
    pub code_changes: Vec<Happening>,
    /// Steps that failed, deliveries and rows that were set aside.
    pub failures: Vec<Happening>,
    /// Columns that are distributed otherwise than before.
    pub shifts: Vec<ColumnShift>,
    /// For an online view that does not hold what its table holds: until when its values are right.
    #[serde(default)]
    pub online_until: Option<Timestamp>,
}

/// A day with far fewer rows than usual.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThinDay {
    /// The day, as `2013-11-29`.
    pub day: String,
    /// When it began.
    pub at: Timestamp,
    /// Its rows.
    pub rows: f64,
    /// Rows that were expected.
    pub expected: f64,
    /// The least number of rows that is usual.
    pub low: f64,
}

/// A column whose values changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnShift {
    /// The column.
    pub column: String,
    /// Distance between before and now, in units of its threshold or, if that is more, of the distance that lay between
    /// the weeks before: 1 is on the line.
    pub score: f64,
    /// Share of nulls before, 0 to 1.
    pub nulls_before: f64,
    /// Share of nulls now.
    pub nulls_now: f64,
    /// Mean before, for numbers.
    pub mean_before: Option<f64>,
    /// Mean now.
    pub mean_now: Option<f64>,
    /// What is computed from its values: features as `view__feature`, and the label as [`LABEL`].
    #[serde(default)]
    pub feeds: Vec<String>,
}

/// The label among what a column feeds.
pub const LABEL: &str = "label";

/// A feature that is distributed otherwise than in training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureShift {
    /// `view__column`.
    pub feature: String,
    /// The asset the feature view reads.
    pub from: AssetName,
    /// The feature's column there.
    pub column: String,
    /// Distance in units of its threshold.
    pub score: f64,
    /// Mean share of absolute contribution to predictions, 0 to 1.
    pub importance: f64,
    /// Share of nulls in training.
    pub nulls_before: f64,
    /// Share of nulls now.
    pub nulls_now: f64,
}

/// Labels that came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelEvidence {
    /// The table of labels.
    pub from: AssetName,
    /// Predictions in the window that are old enough to have one.
    pub expected: u64,
    /// Those that have one.
    pub found: u64,
    /// The share that usually has one.
    pub usual_share: f64,
}

/// A metric against labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Performance {
    /// Its name.
    pub metric: String,
    /// In the window.
    pub value: f64,
    /// In the test part of training.
    pub reference: f64,
}
