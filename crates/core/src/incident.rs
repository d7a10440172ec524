//! Alerts, incidents and causes: what went wrong, grouped, and why.

use serde::{Deserialize, Serialize};

use crate::check::Severity;
use crate::name::AssetName;
use crate::time::Timestamp;

/// What kind of breach an alert reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// A check did not hold.
    Check,
    /// A source is older than its freshness rule allows.
    Freshness,
    /// Far more or fewer rows than usual.
    Volume,
    /// Features or scores are distributed otherwise than in training.
    Drift,
    /// A metric against labels is beyond its threshold.
    Performance,
    /// A step failed.
    Failure,
}

/// One breach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Unique.
    pub id: String,
    /// The asset that breached.
    pub asset: AssetName,
    /// What kind of breach.
    pub signal: Signal,
    /// How bad.
    pub severity: Severity,
    /// Logical time.
    pub at: Timestamp,
    /// One line for people.
    pub message: String,
    /// Observed value, threshold, window, columns.
    pub evidence: serde_json::Value,
}

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// It goes on.
    Open,
    /// It ended.
    Resolved,
}

/// Alerts that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Unique and short: `inc-3`.
    pub id: String,
    /// Where it stands.
    pub state: IncidentState,
    /// The asset whose breach opened it.
    pub asset: AssetName,
    /// The kind of that breach.
    pub signal: Signal,
    /// How bad the worst of its alerts was.
    #[serde(default = "unsaid")]
    pub severity: Severity,
    /// One line for people.
    pub title: String,
    /// Logical time of the first alert.
    pub opened_at: Timestamp,
    /// Logical time of the newest alert.
    pub last_seen_at: Timestamp,
    /// Logical time of its end.
    pub resolved_at: Option<Timestamp>,
    /// Alerts in it, those folded under it from downstream included.
    pub alerts: u64,
    /// Assets whose alerts it holds.
    pub assets: Vec<AssetName>,
    /// Ranked, most likely first; empty until asked.
    pub causes: Vec<Cause>,
}

/// What older incidents say of their severity.
fn unsaid() -> Severity {
    Severity::Error
}

/// The classes of cause that evidence can prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseClass {
    /// Data came late or not at all.
    LateData,
    /// Labels are missing.
    MissingLabels,
    /// Columns or types of a delivery changed.
    SchemaChange,
    /// Far fewer rows than usual.
    VolumeDrop,
    /// A transform's definition changed, or its step failed.
    BrokenTransform,
    /// A column's values are distributed otherwise at their source.
    ColumnShift,
    /// Online features are older than they should be.
    StaleFeatures,
    /// The endpoint serves something else since.
    EndpointChange,
    /// None of the above: the world, or the relation that the model learnt, changed.
    ModelDrift,
    /// The evidence does not decide.
    Unknown,
}

/// A candidate cause with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// The class.
    pub class: CauseClass,
    /// The asset at which it began.
    pub asset: AssetName,
    /// Columns concerned.
    pub columns: Vec<String>,
    /// Logical time at which it began.
    pub since: Option<Timestamp>,
    /// Weight of the evidence, 0 to 1.
    pub score: f64,
    /// One line for people.
    pub summary: String,
    /// Facts with numbers.
    pub evidence: Vec<String>,
    /// Whom to ask.
    pub owner: Option<String>,
    /// What to do next.
    pub action: String,
}
