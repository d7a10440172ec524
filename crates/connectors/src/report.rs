//! What reading one unit brought to light, besides its rows.

use std::fmt;

use arrow::datatypes::{Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How many rejected rows a report keeps; all are counted.
pub const MAX_KEPT_REJECTED_ROWS: usize = 1000;

/// How long a raw row may be, as JSON text.
const MAX_RAW_BYTES: usize = 16 << 10;

/// The outcome of reading one unit to its end.
#[derive(Debug, Clone)]
pub struct ReadReport {
    /// The schema of every batch handed out, known even when there was no row.
    pub schema: SchemaRef,
    /// Rows handed out.
    pub rows: u64,
    /// The first [`MAX_KEPT_REJECTED_ROWS`] rows set aside, by row number.
    pub rejected: Vec<RejectedRow>,
    /// All rows set aside, kept or not.
    pub rejected_total: u64,
    /// How the unit's columns differ from the contract.
    pub schema_changes: Vec<SchemaChange>,
}

impl ReadReport {
    pub(crate) fn new(schema: SchemaRef, schema_changes: Vec<SchemaChange>) -> Self {
        Self { schema, rows: 0, rejected: Vec::new(), rejected_total: 0, schema_changes }
    }

    /// Counts a row as set aside and keeps it while there is room; `row` is only built if it is kept.
    pub(crate) fn reject(&mut self, row: impl FnOnce() -> RejectedRow) {
        self.rejected_total += 1;
        if self.rejected.len() < MAX_KEPT_REJECTED_ROWS {
            let row = row();
            self.rejected.push(RejectedRow { raw: bounded(row.raw), ..row });
        }
    }
}

/// A row that was set aside, with what is needed to mend it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RejectedRow {
    /// Where it stands, from 1: the line in a text file (a CSV header is line 1), the row in Parquet.
    pub row: u64,
    /// The first column at fault; `None` if the row as a whole is malformed.
    pub column: Option<String>,
    /// The value at fault, at most 80 characters.
    pub value: String,
    /// Why it cannot land, as a phrase that follows the value.
    pub reason: String,
    /// The row as it was found: an object by column; its fields in a list or its text if it is malformed; the first
    /// 16 KiB as text if it is longer.
    pub raw: Value,
}

impl fmt::Display for RejectedRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "row {}", self.row)?;
        if let Some(column) = &self.column {
            write!(formatter, ", column `{column}`")?;
        }
        write!(formatter, ": {}", self.reason)
    }
}

/// One difference between a unit's columns and the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum SchemaChange {
    /// The unit has a column that the contract does not name.
    Added {
        /// Its name.
        column: String,
        /// Its type, in the words of [`crate::type_name`].
        data_type: String,
    },
    /// The unit lacks a column of the contract.
    Removed {
        /// Its name.
        column: String,
        /// The type the contract gives it.
        data_type: String,
    },
    /// The unit holds a column in a type that is not a plain way to write the contract's.
    TypeChanged {
        /// Its name.
        column: String,
        /// The contract's type.
        from: String,
        /// The unit's type.
        to: String,
    },
}

impl fmt::Display for SchemaChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { column, data_type } => write!(formatter, "new column `{column}` ({data_type})"),
            Self::Removed { column, data_type } => write!(formatter, "missing column `{column}` ({data_type})"),
            Self::TypeChanged { column, from, to } => {
                write!(formatter, "column `{column}` is {to} instead of {from}")
            }
        }
    }
}

/// Keeps a raw row of ordinary size as it is and the beginning of a longer one as text, so that a thousand rows of many
/// megabytes do not fill the memory.
fn bounded(raw: Value) -> Value {
    let text = raw.to_string();
    if text.len() <= MAX_RAW_BYTES {
        return raw;
    }
    let end = text.floor_char_boundary(MAX_RAW_BYTES);
    Value::from(format!("{}…", &text[..end]))
}

/// A row that has no value in the column by which rows are asked for.
pub(crate) fn no_cursor_row(cursor: &str, natural: &Schema, values: &[Option<String>]) -> RejectedRow {
    let raw = natural.fields().iter().zip(values);
    let raw = raw.map(|(field, value)| (field.name().clone(), Value::from(value.clone())));
    RejectedRow {
        row: 0,
        column: Some(cursor.to_owned()),
        value: "null".to_owned(),
        reason: "null in the cursor, by which rows are asked for".to_owned(),
        raw: raw.collect::<serde_json::Map<_, _>>().into(),
    }
}

/// Shortens `text` to at most 80 characters, the last one `…` if something was cut.
pub(crate) fn shorten(text: &str) -> String {
    const LIMIT: usize = 80;
    if text.chars().count() <= LIMIT {
        return text.to_owned();
    }
    text.chars().take(LIMIT - 1).chain(['…']).collect()
}
