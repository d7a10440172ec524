//! Unit tests of tables and feature views: given rows, expected rows, as plain data.
//!
//! `project` reads them from YAML, `orchestrator` runs them by the same steps that build the real thing. Values are kept
//! as written, each with its place: their types follow from the asset that they are rows of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::asset::{Load, Origin};
use crate::name::AssetName;
use crate::time::Timestamp;

/// A place in the file of the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spot {
    /// Line from 1.
    pub line: u32,
    /// Column from 1.
    pub column: u32,
    /// Length in characters.
    pub length: u32,
}

/// A unit test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitTest {
    /// Unique among the tests of a project.
    pub name: String,
    /// What it shows, for people.
    pub description: Option<String>,
    /// Free labels.
    pub tags: Vec<String>,
    /// The table or feature view that is tested.
    pub target: AssetName,
    /// Where the target is named.
    pub target_spot: Spot,
    /// The logical clock of batches without one of their own.
    pub as_of: Option<Timestamp>,
    /// Values for `var()` that differ from the project's.
    pub vars: BTreeMap<String, serde_json::Value>,
    /// What arrives, one run after the other; at least one.
    pub batches: Vec<Batch>,
    /// For feature views: the entities and times that are asked for.
    pub at: Option<Rows>,
    /// Where it is declared.
    pub origin: Origin,
}

/// What has arrived before one run, and what must hold after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// The logical clock of the run.
    pub as_of: Option<Timestamp>,
    /// Rows by input.
    pub given: Vec<Given>,
    /// What must hold after the run.
    pub expect: Option<Expectation>,
    /// Where it is written.
    pub spot: Spot,
}

/// Rows of one input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// The input: a source or table upstream of what is tested.
    pub input: AssetName,
    /// Where it is named.
    pub spot: Spot,
    /// How the rows meet those of earlier batches; by default as the input itself is kept.
    pub load: Option<Load>,
    /// The rows.
    pub rows: Rows,
}

/// What a table or feature view must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// The rows, all of them; columns that they leave out are not compared.
    pub rows: Rows,
    /// Whether their order counts.
    pub ordered: bool,
    /// How far numbers with fractions may be apart.
    pub tolerance: Option<f64>,
    /// Where it is written.
    pub spot: Spot,
}

/// Rows as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// Where they are written.
    pub spot: Spot,
    /// In which form.
    pub form: RowForm,
}

/// The forms in which rows can be written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowForm {
    /// Objects: column to value.
    Objects(Vec<RowObject>),
    /// CSV with a header.
    Csv(String),
    /// A file relative to the project, in any format that a source of files can have.
    File(String),
    /// A query that reads nothing.
    Sql(String),
}

/// A row as an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowObject {
    /// Where it is written.
    pub spot: Spot,
    /// Its cells in the order in which they are written.
    pub cells: Vec<Cell>,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The column.
    pub column: String,
    /// Where the column is named.
    pub column_spot: Spot,
    /// The value as written.
    pub value: serde_json::Value,
    /// Where the value is written.
    pub spot: Spot,
}
