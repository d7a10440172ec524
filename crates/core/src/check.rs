//! Checks: assertions on an asset, one language for tests, contracts and gates on data.
//!
//! Only the definition lives here; `stats` evaluates row rules on Arrow batches and `orchestrator` runs the rest.

use serde::{Deserialize, Serialize};

/// How a breach is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The version is not published.
    #[default]
    Error,
    /// The version is published and the breach is reported.
    Warn,
}

/// A literal in a check: what YAML can write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Literal {
    /// true or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text; also the written form of dates and times.
    Text(String),
}

/// What is asserted. Column rules name their column in [`Check::column`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// No two rows share the values of these columns (nulls do not count).
    Unique {
        /// The columns that are unique together.
        columns: Vec<String>,
    },
    /// The column holds no null.
    NotNull,
    /// Every non-null value is one of these.
    AcceptedValues {
        /// The allowed values.
        values: Vec<Literal>,
    },
    /// Every non-null value exists in a column of another table.
    Relationships {
        /// The referenced table.
        to: String,
        /// The referenced column.
        field: String,
    },
    /// Every non-null value lies in the closed range; an absent end is open.
    Between {
        /// Least allowed value.
        min: Option<Literal>,
        /// Greatest allowed value.
        max: Option<Literal>,
    },
    /// Every non-null text matches the regular expression.
    Matches {
        /// A pattern of the `regex` crate, unanchored.
        pattern: String,
    },
    /// The number of rows lies in the closed range.
    RowCount {
        /// Fewest rows.
        min: Option<u64>,
        /// Most rows.
        max: Option<u64>,
    },
    /// The newest value of a time column is at most so old, in seconds, at the logical clock.
    Freshness {
        /// Seconds after which the check warns.
        warn_after: Option<u64>,
        /// Seconds after which the check fails.
        error_after: Option<u64>,
    },
    /// A query whose rows are the failing rows; the asset's pending version stands under its own name.
    Sql {
        /// The query.
        query: String,
    },
}

/// An assertion on an asset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Unique in the asset; `not_null_carrier` when the user gave none.
    pub name: String,
    /// The column it is about, for column rules.
    pub column: Option<String>,
    /// What is asserted.
    pub rule: Rule,
    /// What a breach does.
    pub severity: Severity,
    /// A SQL predicate: only rows that meet it are looked at.
    pub filter: Option<String>,
    /// Share of looked-at rows that may fail, 0 to 1.
    pub tolerance: f64,
}

/// How one check came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// [`Check::name`].
    pub check: String,
    /// The column, if it is a column rule.
    pub column: Option<String>,
    /// The check's severity.
    pub severity: Severity,
    /// Whether it held.
    pub passed: bool,
    /// Rows looked at.
    pub rows: u64,
    /// Rows that failed.
    pub failed_rows: u64,
    /// One line for people: what was found against what was expected.
    pub message: String,
    /// A few failing rows as JSON objects.
    pub samples: Vec<serde_json::Value>,
}
