//! The database under the ledger: SQLite in a file, or PostgreSQL; asked in one language. Other stores of the project that want their own
//! file use it too ([`Database::open_file`]).
//!
//! Invariant: writers take turns. SQLite's write lock, or PostgreSQL's lock of the one row of `log_head`, is held from a
//! transaction's first statement, so that what it reads cannot move under it.

mod migrations;
mod postgres;
mod sqlite;
mod statement;
mod transaction;

use std::path::Path;

use baton_core::ports::LedgerError;

use crate::error::storage;

pub use migrations::Step;
pub(crate) use postgres::{PostgresDatabase, connect};
pub(crate) use sqlite::{BUSY_TIMEOUT, SqliteDatabase};
pub(crate) use statement::record;
pub use statement::{Record, Statement, Value};
pub use transaction::Transaction;

/// The driver: what [`crate::record!`] writes out names it.
#[doc(hidden)]
pub use sqlx as driver;

/// What the driver says when a statement fails; [`failed`] puts it into words.
pub type DatabaseError = sqlx::Error;

/// A failed statement in words for people: what was tried, why it failed and what to do.
pub fn failed(action: &str, error: &DatabaseError) -> LedgerError {
    storage(action, error)
}

/// Whether the database refused a row because another one has the same key.
pub fn is_duplicate(error: &DatabaseError) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// An open database. Cloning shares the connections.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file.
    Sqlite(SqliteDatabase),
    /// A schema on a server.
    Postgres(PostgresDatabase),
}

impl Database {
    /// Opens the SQLite file at `path`, which is made where it is missing, and takes the `steps` that it has not taken yet. `LIKE` tells
    /// capital letters from small ones, as on PostgreSQL.
    ///
    /// # Errors
    /// Those of a file that can be neither opened nor made.
    pub async fn open_file(path: &Path, steps: &[Step]) -> Result<Self, LedgerError> {
        SqliteDatabase::open_beside(path, steps).await.map(Self::Sqlite)
    }

    /// Opens the SQLite file at `path`, which another program made, for reading.
    ///
    /// # Errors
    /// Those of a file that cannot be opened.
    pub async fn open_to_read(path: &Path) -> Result<Self, LedgerError> {
        SqliteDatabase::open_read_only(path).await.map(Self::Sqlite)
    }

    /// Makes the SQLite file at `path` for another program: without a table, and in one file when it is closed.
    ///
    /// # Errors
    /// Those of a file that cannot be made.
    pub async fn make_for_others(path: &Path) -> Result<Self, LedgerError> {
        SqliteDatabase::make_for_others(path).await.map(Self::Sqlite)
    }

    /// Waits until all connections are closed, and what was written is in the file.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(database) => database.close().await,
            Self::Postgres(_) => {}
        }
    }

    /// Begins a transaction that writes; it is undone unless [`Transaction::commit`] answers.
    ///
    /// # Errors
    /// Those of the database, with `action` as what was tried.
    pub async fn begin(&self, action: &str) -> Result<Transaction, LedgerError> {
        match self {
            Self::Sqlite(database) => database.begin().await.map(Transaction::sqlite),
            Self::Postgres(database) => {
                database.refuse_without_lock(action)?;
                database.begin().await.map(|(begun, id)| Transaction::postgres(begun, id, database.clone()))
            }
        }
        .map_err(|error| storage(action, &error))
    }

    /// Begins a transaction whose reads all see one state.
    ///
    /// # Errors
    /// Those of the database, with `action` as what was tried.
    pub async fn snapshot(&self, action: &str) -> Result<Transaction, LedgerError> {
        match self {
            Self::Sqlite(database) => database.readers.begin().await.map(Transaction::sqlite),
            Self::Postgres(database) => {
                database.snapshot().await.map(|begun| Transaction::postgres(begun, String::new(), database.clone()))
            }
        }
        .map_err(|error| storage(action, &error))
    }

    /// The rows of an answer, outside of any transaction.
    ///
    /// # Errors
    /// Those of the driver.
    pub async fn all<T: Record>(&self, statement: Statement) -> sqlx::Result<Vec<T>> {
        match self {
            Self::Sqlite(database) => statement::sqlite::all(&database.readers, statement).await,
            Self::Postgres(database) => database.all(statement).await,
        }
    }

    /// The first row of an answer.
    ///
    /// # Errors
    /// Those of the driver.
    pub async fn one<T: Record>(&self, statement: Statement) -> sqlx::Result<Option<T>> {
        Ok(self.all(statement).await?.into_iter().next())
    }

    /// Carries out one statement that writes, and answers with its first row. On a server it waits for no other writer, nobody
    /// [looks](Self::pulse) because of it, and where the connection breaks it is sent again: it has to be one that can be.
    pub(crate) async fn write_alone<T: Record>(
        &self,
        statement: Statement,
        action: &str,
    ) -> Result<Option<T>, LedgerError> {
        let failed = |error: sqlx::Error| storage(action, &error);
        match self {
            Self::Sqlite(_) => {
                let mut transaction = self.begin(action).await?;
                let row = transaction.write_one(statement).await.map_err(failed)?;
                transaction.commit(action).await?;
                Ok(row)
            }
            Self::Postgres(database) => {
                database.refuse_without_lock(action)?;
                Ok(database.all(statement).await.map_err(failed)?.into_iter().next())
            }
        }
    }

    /// The clock that all who use the database share, in microseconds; `None` where that is the machine's.
    pub(crate) async fn clock(&self) -> sqlx::Result<Option<i64>> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(database) => database.clock().await.map(Some),
        }
    }

    /// See [`baton_core::ports::Operations::pulse`].
    pub(crate) async fn pulse(&self) -> sqlx::Result<i64> {
        match self {
            Self::Sqlite(database) => database.pulse().await,
            Self::Postgres(database) => database.pulse().await,
        }
    }
}
