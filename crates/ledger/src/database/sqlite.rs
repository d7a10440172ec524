//! SQLite in a file: opening, settings, migrations, and what to do when it cannot be written.

use std::path::{Path, PathBuf};
use std::time::Duration;

use baton_core::ports::LedgerError;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Sqlite, SqlitePool};

use super::migrations::{self, Step};
use crate::error::{self, storage};

/// How long a write waits for another process before it gives up.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const N_READERS: u32 = 4;
/// How often migrations are looked at again when another process seems to be at them.
const MIGRATION_TRIES: u32 = 20;
const MIGRATION_PAUSE: Duration = Duration::from_millis(25);

/// Writers queue for one connection, fairly; readers never wait for them (WAL).
#[derive(Debug, Clone)]
pub struct SqliteDatabase {
    pub(crate) path: PathBuf,
    pub(crate) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    /// One connection that only looks whether others wrote; opened when it is first asked.
    pulse: SqlitePool,
}

impl SqliteDatabase {
    /// Opens `path` and creates file and folder when they are missing; one that cannot be written opens for reading.
    pub(crate) async fn open(path: &Path, busy_timeout: Duration) -> Result<Self, LedgerError> {
        make_folder(path)?;
        let options = options(path).busy_timeout(busy_timeout);
        match Self::open_for_writing(path, options, &migrations::sqlite()).await {
            Ok(database) => Ok(database),
            Err(error) if error::cannot_be_written(&error) && path.is_file() => Self::open_read_only(path).await,
            Err(error) => Err(storage(format!("open `{}`", path.display()), &error)),
        }
    }

    /// Opens another store's file; see [`super::Database::open_file`].
    pub(super) async fn open_beside(path: &Path, steps: &[Step]) -> Result<Self, LedgerError> {
        make_folder(path)?;
        let options = options(path).busy_timeout(BUSY_TIMEOUT).pragma("case_sensitive_like", "ON");
        let opened = Self::open_for_writing(path, options, &migrations::migrator(steps)).await;
        opened.map_err(|error| storage(format!("open `{}`", path.display()), &error))
    }

    /// Opens `path` for reading and writing and brings it up to the newest migration; creates it when it is missing.
    async fn open_for_writing(
        path: &Path,
        options: SqliteConnectOptions,
        migrations: &Migrator,
    ) -> Result<Self, sqlx::Error> {
        let writer = pool(1).connect_with(options.clone()).await?;
        migrate(&writer, migrations).await?;
        let readers = pool(N_READERS).connect_with(options.clone()).await?;
        Ok(Self { path: path.to_owned(), writer, readers, pulse: pool(1).connect_lazy_with(options) })
    }

    /// Opens `path` for reading only.
    ///
    /// Without a write-ahead log there is nothing that another process could be writing, so the file is read as it lies,
    /// which also works in a folder where SQLite cannot make its own files.
    pub(crate) async fn open_read_only(path: &Path) -> Result<Self, LedgerError> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let has_log = std::fs::metadata(&log).is_ok_and(|found| found.len() > 0);
        let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(!has_log);
        let action = || format!("open `{}`", path.display());
        let readers = pool(N_READERS).connect_with(options).await.map_err(|error| storage(action(), &error))?;
        Ok(Self { path: path.to_owned(), writer: readers.clone(), pulse: readers.clone(), readers })
    }

    /// Makes `path` for another program; see [`super::Database::make_for_others`].
    pub(super) async fn make_for_others(path: &Path) -> Result<Self, LedgerError> {
        make_folder(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Full);
        let writer = pool(1).connect_with(options).await;
        let writer = writer.map_err(|error| storage(format!("make `{}`", path.display()), &error))?;
        Ok(Self { path: path.to_owned(), readers: writer.clone(), pulse: writer.clone(), writer })
    }

    /// Closes all connections.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        self.pulse.close().await;
    }

    /// Begins a transaction that holds the write lock from the start.
    pub(super) async fn begin(&self) -> sqlx::Result<sqlx::Transaction<'static, Sqlite>> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// A figure that differs when another connection wrote since the one that is asked here last looked.
    pub(super) async fn pulse(&self) -> sqlx::Result<i64> {
        sqlx::query_scalar("PRAGMA data_version").fetch_one(&self.pulse).await
    }
}

/// Brings the file up to the newest migration.
///
/// SQLite's migrator takes no lock over all migrations: of two that open a new ledger at once, one finds the other's work
/// half done, and what it began itself is undone. It looks again, until the other is through.
async fn migrate(writer: &SqlitePool, migrations: &Migrator) -> Result<(), sqlx::Error> {
    let mut n_tries = 1;
    loop {
        match migrations.run(writer).await.map_err(sqlx::Error::from) {
            Err(error) if n_tries < MIGRATION_TRIES && !error::cannot_be_written(&error) => {
                tokio::time::sleep(MIGRATION_PAUSE).await;
                n_tries += 1;
            }
            done => return done,
        }
    }
}

fn make_folder(path: &Path) -> Result<(), LedgerError> {
    let Some(folder) = path.parent().filter(|_| !path.exists()) else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|error| error::file("create the folder", folder, &error))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
}

/// SQLite undoes a transaction itself when the disk is full, and the driver, which is told that there is nothing to undo, goes on
/// counting it. Such a connection would never begin another: the next one takes its place.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(std::future::ready(Ok(!connection.is_in_transaction()))))
}

#[cfg(test)]
mod tests {
    use crate::database::{Database, Statement};

    #[tokio::test]
    async fn a_transaction_that_the_database_undid_itself_is_behind_us() {
        let folder = tempfile::tempdir().unwrap();
        let steps = [(1, "things", "CREATE TABLE things (id INTEGER PRIMARY KEY)")];
        let database = Database::open_file(&folder.path().join("things.db"), &steps).await.unwrap();
        for _ in 0..2 {
            let mut transaction = database.begin("try").await.unwrap();
            transaction.execute(Statement::new("INSERT INTO things VALUES (1)")).await.unwrap();
            // As it does when the disk is full.
            let undone = transaction.execute(Statement::new("INSERT OR ROLLBACK INTO things VALUES (1)")).await;
            assert!(undone.is_err());
        }
        let mut transaction = database.begin("write").await.unwrap();
        transaction.execute(Statement::new("INSERT INTO things VALUES (2)")).await.unwrap();
        transaction.commit("write").await.unwrap();
        let kept: Vec<(i64,)> =
            database.snapshot("read").await.unwrap().all(Statement::new("SELECT id FROM things")).await.unwrap();
        assert_eq!(kept, [(2,)]);
    }
}
