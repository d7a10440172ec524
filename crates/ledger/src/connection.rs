//! Opening the database: settings, migrations, and what to do when it cannot be written.

use std::path::Path;
use std::time::Duration;

use baton_core::ports::LedgerError;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::error;

/// Writers queue for one connection, fairly; readers never wait for them (WAL).
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    /// One connection that only looks whether others wrote; opened when it is first asked.
    pub(crate) pulse: SqlitePool,
}

const N_READERS: u32 = 4;

/// Opens `path` for reading and writing and brings it up to the newest migration; creates it when it is missing.
pub(crate) async fn open(path: &Path, busy_timeout: Duration) -> Result<Connections, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(busy_timeout)
        .foreign_keys(true);
    let writer = pool(1).connect_with(options.clone()).await?;
    sqlx::migrate!("migrations/sqlite").run(&writer).await?;
    let readers = pool(N_READERS).connect_with(options.clone()).await?;
    Ok(Connections { writer, readers, pulse: pool(1).connect_lazy_with(options) })
}

/// Opens `path` for reading only.
///
/// Without a write-ahead log there is nothing that another process could be writing, so the file is read as it lies,
/// which also works in a folder where SQLite cannot make its own files.
pub(crate) async fn open_read_only(path: &Path) -> Result<Connections, LedgerError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let has_log = std::fs::metadata(&log).is_ok_and(|found| found.len() > 0);
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(!has_log);
    let action = || format!("open `{}`", path.display());
    let readers = pool(N_READERS).connect_with(options).await.map_err(|error| error::storage(action(), &error))?;
    Ok(Connections { writer: readers.clone(), pulse: readers.clone(), readers })
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}
