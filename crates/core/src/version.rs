//! Versions: exact, immutable states of assets.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A table version: a Delta Lake table below the warehouse, and its Delta version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableVersion {
    /// The table's folder relative to the warehouse: `tables/<name>/<fingerprint>`.
    pub location: String,
    /// The Delta version.
    pub version: u64,
}

impl fmt::Display for TableVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.location, self.version)
    }
}

/// The exact version of an asset of any kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Version {
    /// Of a source or a table.
    Table(TableVersion),
    /// Of a table that is not stored: readers see its query over the versions that the same commit has of its inputs.
    View {
        /// The query.
        sql: String,
    },
    /// Of a feature view: the table version it reads and the online generation that holds its latest values.
    FeatureView {
        /// The table version behind it; `None` when it reads a view.
        table: Option<TableVersion>,
        /// The namespace of the online store; `None` when the view is offline only.
        online: Option<String>,
    },
    /// Of a model: which version number each alias stands for.
    Model {
        /// Alias (`champion`, `challenger`) to version number.
        aliases: BTreeMap<String, u32>,
    },
    /// Of an endpoint.
    Endpoint {
        /// Counts up with every change of what it serves.
        revision: u64,
        /// Model version by role (`main`, `canary`, `shadow`), as `model@number`.
        serves: BTreeMap<String, String>,
    },
    /// Of an asset that is nothing but its definition: a monitor, an exposure.
    Definition,
}

impl Version {
    /// The table version behind a stored source or table, or behind a feature view of one.
    pub fn table(&self) -> Option<&TableVersion> {
        match self {
            Self::Table(table) | Self::FeatureView { table: Some(table), .. } => Some(table),
            _ => None,
        }
    }

    /// Whether it has rows of its own or those of a query.
    pub fn is_readable(&self) -> bool {
        matches!(self, Self::Table(_) | Self::View { .. })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(table) | Self::FeatureView { table: Some(table), .. } => {
                write!(formatter, "v{}", table.version)
            }
            Self::View { .. } | Self::FeatureView { table: None, .. } => formatter.write_str("view"),
            Self::Model { aliases } => {
                let parts: Vec<String> = aliases.iter().map(|(alias, number)| format!("{alias}={number}")).collect();
                formatter.write_str(&parts.join(" "))
            }
            Self::Endpoint { revision, .. } => write!(formatter, "r{revision}"),
            Self::Definition => formatter.write_str("-"),
        }
    }
}
