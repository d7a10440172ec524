//! The options of connector `sqlite`; its doc comments are the reference documentation.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::relation::Relation;
use crate::{ConnectorError, Mode, PullSource};

/// A database file of SQLite, read-only. Modes: `full`, `incremental`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SqliteOptions {
    /// The database's file, relative to the project.
    path: String,
    /// The table or view to read.
    #[serde(default)]
    table: Option<String>,
    /// The SELECT to read instead of a table, in SQLite's words.
    #[serde(default)]
    query: Option<String>,
}

/// The options, and what follows from them.
pub(super) struct SqliteSource {
    pub(super) path: PathBuf,
    pub(super) relation: Relation,
    /// What messages call it.
    pub(super) origin: String,
}

impl SqliteSource {
    pub(super) fn parse(source: &PullSource) -> Result<Self, ConnectorError> {
        let options: SqliteOptions = crate::relation::parse_options("sqlite", source)?;
        if source.mode == Mode::Cdc {
            return Err(ConnectorError::Options {
                source_name: source.name.clone(),
                reason: "connector `sqlite` has no mode `cdc`".to_owned(),
                hint: "use `full`, or `incremental` with a `cursor` and a `key`".to_owned(),
            });
        }
        let relation = Relation::of(source, options.table.as_deref(), options.query.as_deref())?;
        Ok(Self { path: source.root.join(&options.path), relation, origin: format!("sqlite file `{}`", options.path) })
    }
}
