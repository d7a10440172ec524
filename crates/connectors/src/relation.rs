//! What a database is asked for: a table or a query, as text to put into SQL. Shared by connectors of databases.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{ConnectorError, PullSource};

/// A table or a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Relation {
    /// The parts of a table's name: schema and table, or the table alone.
    Table(Vec<String>),
    /// A SELECT without a semicolon behind it.
    Query(String),
}

impl Relation {
    /// Takes exactly one of `table` and `query`.
    pub(crate) fn of(source: &PullSource, table: Option<&str>, query: Option<&str>) -> Result<Self, ConnectorError> {
        match (table, query) {
            (Some(table), None) => Ok(Self::Table(table.split('.').map(str::to_owned).collect())),
            (None, Some(query)) => Ok(Self::Query(query.trim().trim_end_matches(';').to_owned())),
            _ => Err(wrong(source, "one of `table` and `query` is needed, not both", "write `table: public.orders`")),
        }
    }

    /// The relation as it stands behind FROM; names in double quotes, as standard SQL has them.
    pub(crate) fn as_sql(&self) -> String {
        self.as_sql_with(quoted)
    }

    /// The relation as it stands behind FROM; names in the quotes that `quoted` puts around them.
    pub(crate) fn as_sql_with(&self, quoted: fn(&str) -> String) -> String {
        match self {
            Self::Table(parts) => parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join("."),
            Self::Query(query) => format!("({query}\n) as pulled"),
        }
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Table(parts) => parts.join("."),
            Self::Query(_) => "the query".to_owned(),
        }
    }
}

/// A name in double quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Reads the options of a source as its connector's struct; unknown ones are refused with the names of those known.
pub(crate) fn parse_options<T: DeserializeOwned>(kind: &str, source: &PullSource) -> Result<T, ConnectorError> {
    let options = Value::Object(source.options.clone());
    serde_json::from_value(options).map_err(|error| {
        wrong(source, &error.to_string(), &format!("see connector `{kind}` in the reference of connectors"))
    })
}

/// Wrong options of a source.
pub(crate) fn wrong(source: &PullSource, reason: &str, hint: &str) -> ConnectorError {
    ConnectorError::Options { source_name: source.name.clone(), reason: reason.to_owned(), hint: hint.to_owned() }
}

/// The cursor of an incremental source.
pub(crate) fn cursor_of(source: &PullSource) -> Result<&str, ConnectorError> {
    source
        .cursor
        .as_deref()
        .ok_or_else(|| wrong(source, "mode `incremental` needs a `cursor`", "name a column that only grows"))
}
