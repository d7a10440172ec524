//! The port of destinations: where rows go to, and how a delivery becomes whole.
//!
//! A delivery brings a destination from one version of a table to the next. The destination says itself which version it
//! holds ([`Destination::mark`]), written together with the rows, so that whoever is killed at any instant finds out at
//! the next try what has become of it. Destinations that cannot remember ([`Exporter::remembers`]) take each request under
//! a key of its own; their caller remembers for them.

mod files;
mod parts;
mod sql;
#[cfg(test)]
pub(crate) mod suite;
mod text;

use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ConnectorError, RejectedRow};

pub(crate) use files::{FileDelivery, Layout, Shelf, UNFINISHED};
pub(crate) use parts::Form;
pub(crate) use sql::{DELIVERIES, GONE, ROWS, Statements, TargetColumn, Words};
pub(crate) use text::{ValueKind, Writing, value_kind};

/// The column that says since when a delivered row is no longer there, where such rows stay.
pub const DELETED_AT: &str = "_deleted_at";

/// One kind of destination. It holds no state between calls, so one value serves all exports.
#[async_trait]
pub trait Exporter: Send + Sync {
    /// The word that selects it in a project file.
    fn kind(&self) -> &'static str;

    /// The JSON Schema of [`ExportTarget::options`], made from the config struct: its doc comments are the reference.
    fn options(&self) -> schemars::Schema;

    /// Whether the destination itself says which version it holds.
    fn remembers(&self) -> bool {
        true
    }

    /// Names of options that do not decide where rows go, such as a token.
    fn incidental(&self) -> &'static [&'static str] {
        &[]
    }

    /// Variables of the process environment that stand for an option that `given` does not have, by option; of two for
    /// one option the first that is set counts.
    fn usual_variables(&self, given: &Map<String, Value>) -> Vec<(&'static str, &'static str)> {
        let _no_use_for_them = given;
        Vec::new()
    }

    /// Looks at what the project says, without connecting: unknown or wrong options, a mode that makes no sense there.
    /// References to secrets are not resolved yet.
    ///
    /// # Errors
    /// The first mistake.
    fn examine(&self, target: &ExportTarget) -> Result<(), ConnectorError>;

    /// Connects, and says what answered, such as `PostgreSQL 15.4, public.scores: 3 columns`. Changes nothing.
    ///
    /// # Errors
    /// What is missing or refused, and what to do.
    async fn check(&self, target: &ExportTarget) -> Result<String, ConnectorError>;

    /// Connects, for one delivery.
    ///
    /// # Errors
    /// No connection, wrong options.
    async fn open(&self, target: &ExportTarget) -> Result<Box<dyn Destination>, ConnectorError>;
}

/// A destination during one delivery. Dropped before [`Destination::publish`], it leaves nothing that readers see, but for
/// destinations that do not remember.
#[async_trait]
pub trait Destination: Send {
    /// Which version the destination says it holds; `None` when it holds none, or does not remember.
    ///
    /// # Errors
    /// It cannot be asked.
    async fn mark(&mut self) -> Result<Option<Mark>, ConnectorError>;

    /// Takes away what deliveries that were killed left and what does not count.
    ///
    /// # Errors
    /// It cannot be asked.
    async fn tidy(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    /// Makes ready: looks at the columns there, makes what is missing.
    ///
    /// # Errors
    /// Everything that keeps the rows from being delivered, at once, before any is sent.
    async fn begin(&mut self, delivery: &Delivery) -> Result<(), ConnectorError>;

    /// Takes rows of [`Delivery::schema`]; of deleted ones only the key counts.
    ///
    /// # Errors
    /// The destination refuses.
    async fn send(&mut self, change: Change, rows: &RecordBatch) -> Result<(), ConnectorError>;

    /// Puts everything where it belongs, unseen where that can be.
    ///
    /// # Errors
    /// The destination refuses.
    async fn seal(&mut self) -> Result<(), ConnectorError>;

    /// Lets readers see all of it at once, together with the mark.
    ///
    /// # Errors
    /// The destination refuses; nothing is seen then.
    async fn publish(&mut self) -> Result<Sent, ConnectorError>;
}

/// How delivered rows meet those that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryMode {
    /// The rows stand for the whole.
    Replace,
    /// The rows are added.
    Append,
    /// The rows take the place of those with the same key.
    Upsert,
}

/// What becomes of rows that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// They are deleted.
    Delete,
    /// They stay.
    Ignore,
    /// They stay, with the time in [`DELETED_AT`].
    Mark,
}

/// What happened to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// They are new, or have other values.
    Upsert,
    /// They are gone.
    Delete,
}

impl Change {
    /// The word that destinations are told.
    pub fn word(self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::Delete => "delete",
        }
    }
}

/// An export as a destination sees it. Its `Debug` shows no options: they may hold secrets.
#[derive(Clone)]
pub struct ExportTarget {
    /// The export's name in the project.
    pub name: String,
    /// The environment whose rows are delivered.
    pub environment: String,
    /// Tells this export of this environment from all others that deliver to the same place.
    pub identity: String,
    /// The project folder; relative paths start here.
    pub root: PathBuf,
    /// The connector's own options, secrets resolved with [`crate::resolve_secrets`].
    pub options: Map<String, Value>,
    /// How rows meet those that are there.
    pub mode: DeliveryMode,
    /// The columns that identify a row, as the destination calls them.
    pub key: Vec<String>,
    /// What becomes of rows that are gone.
    pub gone: Gone,
    /// Whether a column that the destination lacks is added.
    pub evolve: bool,
    /// Rows that are handed over at once.
    pub batch: usize,
}

impl std::fmt::Debug for ExportTarget {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("ExportTarget");
        shown.field("name", &self.name).field("environment", &self.environment).finish_non_exhaustive()
    }
}

impl ExportTarget {
    /// Reads the options as a connector's struct; unknown ones are refused with the names of those known.
    pub(crate) fn parse<T: DeserializeOwned>(&self, kind: &str) -> Result<T, ConnectorError> {
        serde_json::from_value(Value::Object(self.options.clone())).map_err(|error| {
            self.wrong(&error.to_string(), &format!("see destination `{kind}` in the reference of connectors"))
        })
    }

    /// The same export, whose deliveries to one table are told from those to another beside it.
    pub(crate) fn at_table(&self, table: &str) -> Self {
        Self { identity: format!("{} to {table}", self.identity), ..self.clone() }
    }

    /// Wrong options.
    pub(crate) fn wrong(&self, reason: &str, hint: &str) -> ConnectorError {
        let (name, reason, hint) = (self.name.clone(), reason.to_owned(), hint.to_owned());
        ConnectorError::ExportOptions { name, reason, hint }
    }

    /// Everything that keeps rows from being delivered.
    pub(crate) fn conflicts(&self, place: &str, conflicts: Vec<String>) -> Result<(), ConnectorError> {
        if conflicts.is_empty() {
            return Ok(());
        }
        Err(ConnectorError::Undeliverable { name: self.name.clone(), place: place.to_owned(), conflicts })
    }

    /// The place holds what another delivery brought since.
    pub(crate) fn overtaken(&self, place: &str) -> ConnectorError {
        ConnectorError::Origin {
            origin: place.to_owned(),
            reason: format!("got another delivery of export `{}` meanwhile", self.name),
            hint: "run again: what is there is looked at first".to_owned(),
            is_transient: true,
        }
    }
}

/// Which version a destination holds. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The delivery that brought it.
    pub delivery: String,
    /// Hash of what decides which rows and columns are delivered.
    pub definition: String,
    /// The version, in words of the caller's own.
    pub version: Value,
}

/// A delivery that is to be made.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What the destination said before; it must still say so when the rows come.
    pub before: Option<Mark>,
    /// What it is to say afterwards.
    pub mark: Mark,
    /// The columns, as the destination calls them; those of the key are never null.
    pub schema: SchemaRef,
    /// Whether the rows to come are all that there are, not only what changed.
    pub whole: bool,
    /// For whole deliveries by key: whether delivered rows that do not come again are gone.
    pub mirror: bool,
}

/// What a delivery came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sent {
    /// Rows that the destination took.
    pub rows: u64,
    /// Rows that it refused one by one.
    pub rejected_total: u64,
    /// The first of them.
    pub rejected: Vec<RejectedRow>,
}
