//! What a project declares: assets of all kinds, as plain data.
//!
//! `project` reads these from YAML and SQL; everything above works on them. No serialised form is promised here,
//! but definitions are hashed into fingerprints through their JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::check::{Check, Severity};
use crate::name::AssetName;
use crate::registered::RegisteredReference;

mod command;
mod export;
mod for_each;
mod pull;
mod python;
mod search;
mod table;

pub use command::CommandStep;
pub use export::{Export, ExportMode, ExportTrigger, GoneRows};
pub use for_each::{EachOf, ForEach};
pub use pull::{DeletedRows, Pull, PullMode};
pub use python::{Handed, Parameter, Python};
pub use search::{Search, SearchMethod, SearchPruning};
pub use table::{ColumnPolicy, Deletes, Keep, Materialize, SNAPSHOT_AT, Table, VALID_FROM, VALID_TO};

/// The kinds of asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Data from outside, landed as an immutable table.
    Source,
    /// What a transform produces.
    Table,
    /// Columns of a table by entity and event time.
    FeatureView,
    /// A trained model.
    Model,
    /// A served route to model versions.
    Endpoint,
    /// A watch over an endpoint.
    Monitor,
    /// A use outside of Baton.
    Exposure,
}

impl Kind {
    /// All kinds, in the order of the relay.
    pub const ALL: [Self; 7] =
        [Self::Source, Self::Table, Self::FeatureView, Self::Model, Self::Endpoint, Self::Monitor, Self::Exposure];

    /// The word that users see.
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Table => "table",
            Self::FeatureView => "feature view",
            Self::Model => "model",
            Self::Endpoint => "endpoint",
            Self::Monitor => "monitor",
            Self::Exposure => "exposure",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.word())
    }
}

/// Where in the project an asset is declared.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// File relative to the project folder.
    pub file: String,
    /// Line from 1.
    pub line: u32,
    /// Column from 1.
    pub column: u32,
}

/// A node of the graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asset {
    /// Unique in the project.
    pub name: AssetName,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is, for people.
    pub description: Option<String>,
    /// Free labels.
    pub tags: Vec<String>,
    /// What is asserted of every version.
    pub checks: Vec<Check>,
    /// Where it is declared.
    pub origin: Origin,
    /// What it is, for Baton.
    pub definition: Definition,
}

impl Asset {
    /// The kind, which follows from the definition.
    pub fn kind(&self) -> Kind {
        match self.definition {
            Definition::Source(_) => Kind::Source,
            Definition::Table(_) => Kind::Table,
            Definition::FeatureView(_) => Kind::FeatureView,
            Definition::Model(_) => Kind::Model,
            Definition::Endpoint(_) => Kind::Endpoint,
            Definition::Monitor(_) => Kind::Monitor,
            Definition::Exposure(_) => Kind::Exposure,
        }
    }
}

/// What an asset is, by kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Definition {
    /// See [`Source`].
    Source(Source),
    /// See [`Table`].
    Table(Table),
    /// See [`FeatureView`].
    FeatureView(FeatureView),
    /// See [`Model`].
    Model(Model),
    /// See [`Endpoint`].
    Endpoint(Endpoint),
    /// See [`Monitor`].
    Monitor(Monitor),
    /// See [`Exposure`].
    Exposure(Exposure),
}

/// How landed data meets what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Load {
    /// New rows are added.
    #[default]
    Append,
    /// The newest delivery stands for the whole.
    Replace,
    /// New rows take the place of those with the same key.
    Merge,
    /// Changes are applied by key: inserts, updates and deletes.
    Cdc,
}

/// What happens when delivered columns differ from the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnSchemaChange {
    /// New columns are added, missing ones are null.
    #[default]
    Evolve,
    /// The delivery fails.
    Freeze,
    /// The delivery is set aside.
    Quarantine,
}

/// When a row became known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AvailableAt {
    /// When its file arrived: the file's modification time.
    #[default]
    Arrival,
    /// A SQL expression over the landed columns, of type timestamp; null falls back to the arrival.
    Expression(String),
    /// Always, as with a file that is part of the project.
    Always,
}

/// Data from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The connector's name, such as `file` or `postgres`.
    pub connector: String,
    /// What the connector reads: for `file` a glob relative to the project, for `s3` one behind the bucket; empty for
    /// those that pull.
    pub path: String,
    /// How landed data meets what is there.
    pub load: Load,
    /// The column that says when a row happened.
    pub time: Option<String>,
    /// When a row became known.
    pub available_at: AvailableAt,
    /// How old the newest row may be.
    pub freshness: Option<Freshness>,
    /// The contract; empty means inferred.
    pub columns: Vec<Column>,
    /// The columns to land; empty means all.
    pub select: Vec<String>,
    /// What happens when columns differ.
    pub on_schema_change: OnSchemaChange,
    /// Texts that stand for null in CSV.
    pub null_values: Vec<String>,
    /// What a connector that finds deliveries is told, as written: references to secrets are not resolved.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub options: serde_json::Map<String, serde_json::Value>,
    /// What a connector that pulls is told; `None` where deliveries are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<Pull>,
}

/// How old data may be, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// Older warns.
    pub warn_after: Option<i64>,
    /// Older fails.
    pub error_after: Option<i64>,
}

/// A column of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The name.
    pub name: String,
    /// `string int float bool date timestamp`; `None` when undeclared.
    pub data_type: Option<ColumnType>,
    /// Labels, such as `identifier`.
    pub tags: Vec<String>,
    /// What it means.
    pub description: Option<String>,
}

/// The types a contract can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Text.
    String,
    /// A 64-bit whole number.
    Int,
    /// A 64-bit number.
    Float,
    /// true or false.
    Bool,
    /// A day.
    Date,
    /// An instant in UTC, to the microsecond.
    Timestamp,
}

/// Columns of a table, readable at a point in time and as latest values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureView {
    /// The columns that identify an entity.
    pub entity: Vec<String>,
    /// The table behind it.
    pub from: AssetName,
    /// The event-time column.
    pub time: String,
    /// Seconds for which a value holds; 0 is for ever.
    pub ttl: i64,
    /// Whether the latest values are kept in the online store.
    pub online: bool,
    /// The feature columns; empty means all but entity and time.
    pub features: Vec<String>,
}

/// What a model learns to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A probability of true.
    BinaryClassification,
    /// A number.
    Regression,
}

/// Where labels come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// The table.
    pub from: AssetName,
    /// The time of the labelled event.
    pub time: String,
    /// The column to predict.
    pub target: String,
    /// The entity columns that features are looked up by, and the row's identity.
    pub keys: Vec<String>,
    /// Seconds before [`Labels::time`] at which the prediction is made: features are read as known then.
    pub predict_before: i64,
}

/// A feature of a feature view; `*` is all of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FeatureReference {
    /// The feature view.
    pub view: AssetName,
    /// The feature, or `*`.
    pub feature: String,
}

/// How rows are parted by time, in seconds before the end of the labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Length of the last part, which only judges.
    pub test: i64,
    /// Length of the part before it, which stops training early.
    pub validate: i64,
}

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Train {
    /// `auto`, `boosted_trees`, `logistic`, `linear`, …
    pub algorithm: String,
    /// Trials of the search.
    pub trials: u32,
    /// Folds of cross-validation by time.
    pub cross_validate: u32,
    /// The metric that search optimises.
    pub metric: String,
    /// Seed of everything random.
    pub seed: u64,
    /// How trials are chosen and stopped, where the project says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
    /// Not trained here: the registered model whose versions come in and are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<RegisteredReference>,
}

/// A condition of promotion, as written: text such as `roc_auc >= 0.65`, or an object such as `{load_test: {…}}`.
pub type GateText = serde_json::Value;

/// When a model is trained again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Retrain {
    /// A cron line in UTC.
    pub cron: Option<String>,
    /// Monitor findings that trigger it: `drift`, `performance`.
    pub on: Vec<String>,
    /// Seconds that must pass between two trainings by trigger.
    pub cooldown: i64,
}

/// A trained model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// What it learns to do.
    pub task: Task,
    /// What it learns from.
    pub labels: Labels,
    /// What it sees.
    pub features: Vec<FeatureReference>,
    /// How rows are parted.
    pub split: Split,
    /// How it is trained.
    pub train: Train,
    /// What a version must hold to become champion.
    pub gates: Vec<GateText>,
    /// Label columns by whose values metrics are also given.
    pub slices: Vec<String>,
    /// When it is trained again.
    pub retrain: Retrain,
}

/// A model and the alias that picks its version: `arrival_delay@champion`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelReference {
    /// The model.
    pub model: AssetName,
    /// The alias.
    pub alias: String,
}

/// A share of traffic for another model version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// Which version.
    pub model: ModelReference,
    /// Share of requests, 0 to 1.
    pub traffic: f64,
}

/// Rows that are scored by a schedule, at prediction time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scoring {
    /// The table of rows to score; it has the model's key and label-time columns.
    pub from: AssetName,
}

/// A served route to model versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The main version.
    pub model: ModelReference,
    /// The version on trial.
    pub canary: Option<Canary>,
    /// Versions that see every request and never answer.
    pub shadow: Vec<ModelReference>,
    /// Rows to score by schedule.
    pub score: Option<Scoring>,
}

/// What a monitor holds a label metric to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PerformanceRule {
    /// The metric, such as `roc_auc`.
    pub metric: String,
    /// The least good value: a minimum, or a maximum for metrics where lower is better.
    pub threshold: f64,
}

/// What a monitor holds the features and scores to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriftRule {
    /// A method of `stats::drift`, or `auto`.
    pub method: String,
    /// Overrides the method's own threshold.
    pub threshold: Option<f64>,
    /// Share of features that must drift for an alert, 0 to 1.
    pub share: f64,
}

/// A watch over an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Monitor {
    /// What it watches.
    pub endpoint: AssetName,
    /// Seconds of predictions it looks back on.
    pub window: i64,
    /// Least predictions (and labels) in the window for a verdict.
    pub min_rows: u64,
    /// The drift rule.
    pub drift: Option<DriftRule>,
    /// The performance rule.
    pub performance: Option<PerformanceRule>,
    /// What a breach does: `alert`, `retrain`.
    pub then: Vec<String>,
    /// File with the steps that mend it.
    pub runbook: Option<String>,
    /// How its alerts are ranked.
    pub severity: Severity,
}

/// A use outside of Baton, such as a dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// What it reads.
    pub depends_on: Vec<AssetName>,
    /// Where it is.
    pub url: Option<String>,
    /// How Baton itself brings the rows there; `None` where somebody else fetches them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<Export>,
}

/// All assets of a project by name.
pub type Assets = BTreeMap<AssetName, Asset>;
