//! Tables that are made for each of some values.

use serde::{Deserialize, Serialize};

use super::ColumnType;

/// Values that a table is made for, once each; the rows of all of them are the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForEach {
    /// What one of them is called: `$NAME` in SQL, `$BATON_<NAME>` in a command; Python asks for `ctx.each`.
    pub name: String,
    /// Where they come from.
    pub values: EachOf,
    /// What a query or function sees one as; commands see text.
    pub data_type: ColumnType,
    /// How many are worked on at once.
    pub parallel: usize,
}

/// Where the values come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EachOf {
    /// The first column of a query over tables, asked when the table is made.
    Query(String),
    /// These, after templates were rendered.
    List(Vec<String>),
}
