//! The options of connector `duckdb`; its doc comments are the reference documentation.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::relation::{Relation, cursor_of, parse_options, wrong};
use crate::{ConnectorError, Mode, PullSource};

/// A database file of DuckDB, read-only. Modes: `full`, `incremental`.
///
/// It is read by DuckDB's own library through ADBC: `libduckdb` of DuckDB's releases, at least as new as who wrote the
/// file. The library inside of Python's package cannot be used, as it needs Python around it. A file that another process
/// has open for writing is refused, as DuckDB itself does.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DuckdbOptions {
    /// The database's file, relative to the project.
    path: String,
    /// The table or view to read: `orders`, or `sales.orders` for one of another schema.
    #[serde(default)]
    table: Option<String>,
    /// The SELECT to read instead of a table, in DuckDB's words.
    #[serde(default)]
    query: Option<String>,
    /// The file of DuckDB's library, relative to the project. Default: the one that the system finds as `libduckdb.so`
    /// (`libduckdb.dylib` on macOS).
    #[serde(default)]
    library: Option<String>,
}

/// The options, and what follows from them.
#[derive(Debug, Clone)]
pub(super) struct DuckdbSource {
    pub(super) path: PathBuf,
    pub(super) relation: Relation,
    /// `None` where the system looks for it.
    pub(super) library: Option<PathBuf>,
    /// What messages call it.
    pub(super) origin: String,
}

impl DuckdbSource {
    pub(super) fn parse(source: &PullSource) -> Result<Self, ConnectorError> {
        let options: DuckdbOptions = parse_options("duckdb", source)?;
        match source.mode {
            Mode::Cdc => {
                let hint = "use `full`, or `incremental` with a `cursor` and a `key`";
                return Err(wrong(source, "connector `duckdb` has no mode `cdc`", hint));
            }
            Mode::Incremental => drop(cursor_of(source)?),
            Mode::Full => {}
        }
        Ok(Self {
            path: source.root.join(&options.path),
            relation: Relation::of(source, options.table.as_deref(), options.query.as_deref())?,
            library: options.library.map(|library| source.root.join(library)),
            origin: format!("duckdb file `{}`", options.path),
        })
    }

    /// The relation as it stands behind FROM, under the name `pulled`.
    pub(super) fn from(&self) -> String {
        match &self.relation {
            Relation::Table(_) => format!("{} as pulled", self.relation.as_sql()),
            Relation::Query(_) => self.relation.as_sql(),
        }
    }
}
