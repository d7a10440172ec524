//! What a source promises: columns, types, nulls, and what to do when the promise is broken.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

/// How a unit is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    /// The promised columns in landing order; empty means that the schema is inferred from the unit.
    pub columns: Vec<ContractColumn>,
    /// Columns to land; others are neither read nor reported as new. `None` lands all.
    pub select: Option<Vec<String>>,
    /// What to do with a unit whose columns differ from `columns`.
    pub on_schema_change: OnSchemaChange,
    /// Texts that stand for null in CSV; the other formats have nulls of their own.
    pub null_values: Vec<String>,
    /// For files: `format` (parquet, csv, json), `compression` (none, gzip, zstd), `delimiter` (one ASCII character or
    /// `tab`), `header` (true, false).
    pub options: BTreeMap<String, String>,
}

impl Default for Contract {
    /// Infers the schema, lands all columns, evolves; the empty text and `NA` stand for null in CSV.
    fn default() -> Self {
        Self {
            columns: Vec::new(),
            select: None,
            on_schema_change: OnSchemaChange::Evolve,
            null_values: vec![String::new(), "NA".to_owned()],
            options: BTreeMap::new(),
        }
    }
}

impl Contract {
    /// Says whether the column called `name` is to be landed.
    pub fn selects(&self, name: &str) -> bool {
        self.select.as_ref().is_none_or(|selected| selected.iter().any(|column| column == name))
    }

    /// Returns the promised column called `name`, if there is one.
    pub fn column(&self, name: &str) -> Option<&ContractColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// One promised column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractColumn {
    /// Name, compared exactly.
    pub name: String,
    /// The type every landed batch has, whatever the unit holds.
    pub data_type: DataType,
    /// Whether null may stand in it; a row with a null where it may not is set aside.
    pub nullable: bool,
}

/// What to do when a unit's columns differ from the contract.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnSchemaChange {
    /// New columns land behind the promised ones, missing ones become null, changed types are cast.
    #[default]
    Evolve,
    /// The unit is refused with [`crate::ConnectorError::SchemaFrozen`].
    Freeze,
    /// The unit is set aside with [`crate::ConnectorError::Quarantined`], so that the caller can go on to the next.
    Quarantine,
}
