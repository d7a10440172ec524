//! The database under the ledger: SQLite in a file, or PostgreSQL; asked in one language.
//!
//! Invariant: writers take turns. SQLite's write lock, or PostgreSQL's lock of the one row of `log_head`, is held from a
//! transaction's first statement, so that what it reads cannot move under it.

mod migrations;
mod postgres;
mod sqlite;
mod statement;
mod transaction;

use baton_core::ports::LedgerError;

use crate::error::storage;

pub(crate) use postgres::{PostgresDatabase, connect};
pub(crate) use sqlite::{BUSY_TIMEOUT, SqliteDatabase};
pub(crate) use statement::{Record, Statement, Value, record};
pub(crate) use transaction::Transaction;

/// An open database. Cloning shares the connections.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite(SqliteDatabase),
    Postgres(PostgresDatabase),
}

impl Database {
    /// Begins a transaction that writes; it is undone unless [`Transaction::commit`] answers.
    pub(crate) async fn begin(&self, action: &str) -> Result<Transaction, LedgerError> {
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
    pub(crate) async fn snapshot(&self, action: &str) -> Result<Transaction, LedgerError> {
        match self {
            Self::Sqlite(database) => database.readers.begin().await.map(Transaction::sqlite),
            Self::Postgres(database) => {
                database.snapshot().await.map(|begun| Transaction::postgres(begun, String::new(), database.clone()))
            }
        }
        .map_err(|error| storage(action, &error))
    }

    /// The rows of an answer, outside of any transaction.
    pub(crate) async fn all<T: Record>(&self, statement: Statement) -> sqlx::Result<Vec<T>> {
        match self {
            Self::Sqlite(database) => statement::sqlite::all(&database.readers, statement).await,
            Self::Postgres(database) => database.all(statement).await,
        }
    }

    /// The first row of an answer.
    pub(crate) async fn one<T: Record>(&self, statement: Statement) -> sqlx::Result<Option<T>> {
        Ok(self.all(statement).await?.into_iter().next())
    }

    /// See [`baton_core::ports::Operations::pulse`].
    pub(crate) async fn pulse(&self) -> sqlx::Result<i64> {
        match self {
            Self::Sqlite(database) => database.pulse().await,
            Self::Postgres(database) => database.pulse().await,
        }
    }
}
