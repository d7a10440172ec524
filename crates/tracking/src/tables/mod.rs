//! What is tracked as tables, a page at a time, for SQL over it. It does not know who asks, or Arrow.
//!
//! A page begins behind the last row of the one before, by the key of the table, so that a table of any length is read in pieces.

mod pages;
#[cfg(test)]
mod tests;

pub use self::pages::{After, TablePage};

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrackedTable {
    /// A row an experiment.
    Experiments,
    /// A row a run.
    Runs,
    /// A row a point of a metric.
    Metrics,
    /// A row a metric of a run: its last point.
    LatestMetrics,
    /// A row a parameter of a run.
    Params,
    /// A row a tag of a run.
    Tags,
    /// A row a dataset that a run read.
    Inputs,
    /// A row a version of a model that a client registered; those that the project trains are not among them.
    ModelVersions,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Texts.
    Text,
    /// Whole numbers.
    Integer,
    /// Numbers.
    Number,
    /// Instants.
    Time,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: &'static str,
    /// What its values are.
    pub kind: ColumnKind,
    /// What stands for it in a condition, where one can be told.
    place: Option<&'static str>,
}

/// The values of a column of a page.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Texts.
    Texts(Vec<Option<String>>),
    /// Whole numbers.
    Integers(Vec<i64>),
    /// Numbers, NaN among them.
    Numbers(Vec<f64>),
    /// Instants, in milliseconds since 1970.
    Times(Vec<Option<i64>>),
}

/// A condition that every row of a page meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Only {
    /// The text in the column is one of these.
    OneOf(&'static str, Vec<String>),
    /// The number or the milliseconds in the column are these or more.
    AtLeast(&'static str, i64),
    /// The number or the milliseconds in the column are these or less.
    AtMost(&'static str, i64),
}

impl Only {
    fn column(&self) -> &'static str {
        match self {
            Self::OneOf(column, _) | Self::AtLeast(column, _) | Self::AtMost(column, _) => column,
        }
    }
}

impl TrackedTable {
    /// All tables.
    pub const ALL: [Self; 8] = [
        Self::Experiments,
        Self::Runs,
        Self::Metrics,
        Self::LatestMetrics,
        Self::Params,
        Self::Tags,
        Self::Inputs,
        Self::ModelVersions,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Experiments => "experiments",
            Self::Runs => "runs",
            Self::Metrics => "metrics",
            Self::LatestMetrics => "latest_metrics",
            Self::Params => "params",
            Self::Tags => "tags",
            Self::Inputs => "inputs",
            Self::ModelVersions => "model_versions",
        }
    }

    /// Its columns, in the order of a page's.
    pub fn columns(self) -> &'static [TableColumn] {
        match self {
            Self::Experiments => EXPERIMENTS,
            Self::Runs => RUNS,
            Self::Metrics | Self::LatestMetrics => POINTS,
            Self::Params | Self::Tags => TEXTS,
            Self::Inputs => INPUTS,
            Self::ModelVersions => MODEL_VERSIONS,
        }
    }

    /// What stands for a column in a condition.
    fn place(self, column: &str) -> Option<&'static str> {
        self.columns().iter().find(|known| known.name == column)?.place
    }
}

const fn told(name: &'static str, kind: ColumnKind, place: &'static str) -> TableColumn {
    TableColumn { name, kind, place: Some(place) }
}

const fn plain(name: &'static str, kind: ColumnKind) -> TableColumn {
    TableColumn { name, kind, place: None }
}

const EXPERIMENTS: &[TableColumn] = &[
    plain("experiment_id", ColumnKind::Text),
    told("name", ColumnKind::Text, "t.name"),
    plain("lifecycle_stage", ColumnKind::Text),
    plain("created_at", ColumnKind::Time),
    plain("updated_at", ColumnKind::Time),
];

const RUNS: &[TableColumn] = &[
    told("run_id", ColumnKind::Text, "t.run_id"),
    plain("experiment_id", ColumnKind::Text),
    told("experiment", ColumnKind::Text, "e.name"),
    told("name", ColumnKind::Text, "t.name"),
    told("user_id", ColumnKind::Text, "t.user_id"),
    told("status", ColumnKind::Text, "t.status"),
    told("started_at", ColumnKind::Time, "t.start_time"),
    plain("ended_at", ColumnKind::Time),
    told("lifecycle_stage", ColumnKind::Text, "t.lifecycle_stage"),
    plain("artifact_uri", ColumnKind::Text),
];

const POINTS: &[TableColumn] = &[
    told("run_id", ColumnKind::Text, "r.run_id"),
    told("key", ColumnKind::Text, "t.key"),
    plain("value", ColumnKind::Number),
    told("step", ColumnKind::Integer, "t.step"),
    told("logged_at", ColumnKind::Time, "t.timestamp"),
];

const TEXTS: &[TableColumn] = &[
    told("run_id", ColumnKind::Text, "r.run_id"),
    told("key", ColumnKind::Text, "t.key"),
    told("value", ColumnKind::Text, "t.value"),
];

const INPUTS: &[TableColumn] = &[
    told("run_id", ColumnKind::Text, "r.run_id"),
    told("name", ColumnKind::Text, "d.name"),
    told("digest", ColumnKind::Text, "d.digest"),
    plain("source_type", ColumnKind::Text),
    plain("source", ColumnKind::Text),
    plain("context", ColumnKind::Text),
];

const MODEL_VERSIONS: &[TableColumn] = &[
    told("model", ColumnKind::Text, "m.name"),
    plain("version", ColumnKind::Integer),
    told("run_id", ColumnKind::Text, "t.run_id"),
    plain("aliases", ColumnKind::Text),
    plain("stage", ColumnKind::Text),
    plain("source", ColumnKind::Text),
    plain("registered_at", ColumnKind::Time),
];
