//! DuckDB's library: loading it, opening a file, reading what a statement answers, and its errors in words.
//!
//! All of it blocks, so it is done on threads where that is allowed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use adbc_core::options::{AdbcVersion, OptionDatabase, OptionValue};
use adbc_core::{Connection as _, Database as _, Driver as _, Statement as _};
use adbc_driver_manager::{ManagedConnection, ManagedDriver};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use tokio::sync::mpsc;

use super::config::DuckdbSource;
use crate::ConnectorError;

/// The function by which the library is begun.
const ENTRY: &[u8] = b"duckdb_adbc_init";

/// Libraries that were loaded. They stay: threads of theirs may still run when the last file is closed.
static LOADED: Mutex<BTreeMap<Option<PathBuf>, ManagedDriver>> = Mutex::new(BTreeMap::new());

/// A file that is open.
pub(super) struct Session {
    connection: ManagedConnection,
    origin: String,
}

impl Session {
    /// Opens a file, read-only.
    pub(super) fn open(source: &DuckdbSource) -> Result<Self, ConnectorError> {
        if !source.path.is_file() {
            return Err(told(&source.origin, "is not there".to_owned(), "mend `path`", false));
        }
        let mut driver = load(source)?;
        let option = |name: &str| OptionDatabase::Other(name.to_owned());
        let path = OptionValue::String(source.path.to_string_lossy().into_owned());
        let options = [(option("path"), path), (option("access_mode"), "READ_ONLY".into())];
        let database =
            driver.new_database_with_opts(options).map_err(|error| refused(&source.origin, &error.message))?;
        let connection = database.new_connection().map_err(|error| refused(&source.origin, &error.message))?;
        Ok(Self { connection, origin: source.origin.clone() })
    }

    /// The columns of what a statement answers.
    pub(super) fn columns(&mut self, statement: &str) -> Result<SchemaRef, ConnectorError> {
        self.answer(statement, |schema, _| Ok(schema))
    }

    /// The first value of what a statement answers, as text.
    pub(super) fn text(&mut self, statement: &str) -> Result<String, ConnectorError> {
        self.answer(statement, |_, batches| {
            let Some(batch) = batches.next().transpose()? else { return Ok(String::new()) };
            let options = arrow::util::display::FormatOptions::default();
            let formatter = arrow::util::display::ArrayFormatter::try_new(batch.column(0).as_ref(), &options)?;
            Ok(formatter.value(0).to_string())
        })
    }

    /// Sends what a statement answers, batch by batch, until nobody takes it any more.
    pub(super) fn send(&mut self, statement: &str, sender: &mpsc::Sender<RecordBatch>) -> Result<(), ConnectorError> {
        self.answer(statement, |_, batches| {
            for batch in batches {
                if sender.blocking_send(batch?).is_err() {
                    break;
                }
            }
            Ok(())
        })
    }

    fn answer<T>(
        &mut self,
        sql: &str,
        read: impl FnOnce(SchemaRef, &mut dyn Iterator<Item = Result<RecordBatch, ArrowError>>) -> Result<T, ArrowError>,
    ) -> Result<T, ConnectorError> {
        let failed = |error: adbc_core::error::Error| refused(&self.origin, &error.message);
        let mut statement = self.connection.new_statement().map_err(failed)?;
        statement.set_sql_query(sql).map_err(failed)?;
        let mut batches = statement.execute().map_err(failed)?;
        let schema = batches.schema();
        read(schema, &mut batches).map_err(|error| refused(&self.origin, &error.to_string()))
    }
}

fn load(source: &DuckdbSource) -> Result<ManagedDriver, ConnectorError> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(driver) = loaded.get(&source.library) {
        return Ok(driver.clone());
    }
    let driver = match &source.library {
        Some(path) => ManagedDriver::load_dynamic_from_filename(path, Some(ENTRY), AdbcVersion::V100),
        None => ManagedDriver::load_dynamic_from_name("duckdb", Some(ENTRY), AdbcVersion::V100),
    };
    let driver = driver.map_err(|error| {
        let hint = "install `libduckdb` of DuckDB's releases where the system looks for libraries, or name its file in \
                    `options: {library: …}`";
        told(&source.origin, format!("needs DuckDB's library, which cannot be loaded: {}", error.message), hint, false)
    })?;
    loaded.insert(source.library.clone(), driver.clone());
    Ok(driver)
}

/// The library's refusal in words: its first line, without the class of the error before it.
fn refused(origin: &str, message: &str) -> ConnectorError {
    let line = message.lines().next().unwrap_or_default();
    let reason = line.split_once("Error: ").map_or(line, |(_, reason)| reason).trim_end_matches('!');
    if let Some((_, holder)) = message.split_once("Conflicting lock is held in ") {
        let holder = holder.split(". See").next().unwrap_or_default();
        let reason = format!("is open for writing in {holder}");
        return told(origin, reason, "let that process close it, or read a copy", true);
    }
    if message.contains("created with a newer version of DuckDB") {
        let hint = "name a newer library in `options: {library: …}`, or write the file with an older `STORAGE_VERSION`";
        return told(origin, format!("was written by a newer DuckDB than the library's: {reason}"), hint, false);
    }
    told(origin, format!("refuses: {reason}"), "mend `path`, `table` or `query`", false)
}

pub(super) fn told(origin: &str, reason: String, hint: &str, is_transient: bool) -> ConnectorError {
    ConnectorError::Origin { origin: origin.to_owned(), reason, hint: hint.to_owned(), is_transient }
}
