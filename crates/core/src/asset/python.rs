//! Tables that a Python function computes: its code, what it is handed, and what it promises to return.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::name::AssetName;
use crate::unit_test::Spot;

/// How a function is handed the rows of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handed {
    /// A `pyarrow.Table`.
    #[default]
    Arrow,
    /// A `pyarrow.RecordBatchReader`: batches as they are asked for, never all at once.
    Batches,
    /// A `polars.DataFrame`.
    Polars,
    /// A `polars.LazyFrame`.
    Lazy,
    /// A `pandas.DataFrame`.
    Pandas,
}

impl Handed {
    /// The types by which users ask for each form, the first way of writing it first.
    pub const TYPES: [(&'static str, Self); 5] = [
        ("pyarrow.Table", Self::Arrow),
        ("pyarrow.RecordBatchReader", Self::Batches),
        ("polars.DataFrame", Self::Polars),
        ("polars.LazyFrame", Self::Lazy),
        ("pandas.DataFrame", Self::Pandas),
    ];

    /// The word that the worker knows it by.
    pub fn word(self) -> &'static str {
        match self {
            Self::Arrow => "arrow",
            Self::Batches => "batches",
            Self::Polars => "polars",
            Self::Lazy => "lazy",
            Self::Pandas => "pandas",
        }
    }
}

/// A parameter of the function: an input of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// The source or table that it names.
    pub input: AssetName,
    /// How its rows are handed over.
    pub handed: Handed,
    /// The columns that are read, in this order; empty means all.
    pub columns: Vec<String>,
    /// Whether an incremental table is handed all of its rows, not those of the interval.
    pub whole: bool,
    /// The input's time column, by which the rows of an interval are found.
    pub time: Option<String>,
    /// Where the parameter stands in its file.
    #[serde(skip)]
    pub spot: Spot,
}

/// The function behind a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Python {
    /// The text of its file.
    pub code: String,
    /// Texts of the project's own modules that it imports, directly or not, by path.
    pub modules: BTreeMap<String, String>,
    /// What the code and its modules say, without comments and formatting.
    pub content: Fingerprint,
    /// The inputs, in the order of the parameters.
    pub parameters: Vec<Parameter>,
    /// The position of `ctx` among all parameters, when the function asks for it.
    pub context: Option<usize>,
    /// Whether the code asks for the logical clock.
    pub reads_clock: bool,
    /// The values of the project's `vars` that the code asks for.
    pub vars: BTreeMap<String, serde_json::Value>,
    /// The returned column that says since when a row is known; without it, since the newest row that was read.
    pub available_at: Option<String>,
    /// By returned column, the columns that it is computed from, as `input.column`; those left out come from all.
    pub lineage: BTreeMap<String, Vec<String>>,
    /// Seconds that one call may take; `None` leaves it to the project.
    pub timeout: Option<i64>,
    /// Hash of the environment's lock file; `None` when the project has none.
    pub lock: Option<Fingerprint>,
}

impl Python {
    /// The name under which what the function returned is read.
    pub const ROWS: &'static str = "python_rows";
}
