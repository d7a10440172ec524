//! A transaction on either database.

use baton_core::ports::LedgerError;
use sqlx::{Postgres, Sqlite};

use super::postgres::PostgresDatabase;
use super::statement::{self, Record, Statement};
use crate::error::{self, storage};

/// A transaction; dropped without [`Self::commit`] it is undone.
pub struct Transaction {
    inner: Inner,
    /// Whether a row was written.
    has_written: bool,
}

enum Inner {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres {
        transaction: sqlx::Transaction<'static, Postgres>,
        /// The server's own number of the transaction, by which it can be asked for after the connection broke.
        id: String,
        database: PostgresDatabase,
    },
}

impl Transaction {
    pub(super) fn sqlite(transaction: sqlx::Transaction<'static, Sqlite>) -> Self {
        Self { inner: Inner::Sqlite(transaction), has_written: false }
    }

    pub(super) fn postgres(
        transaction: sqlx::Transaction<'static, Postgres>,
        id: String,
        database: PostgresDatabase,
    ) -> Self {
        Self { inner: Inner::Postgres { transaction, id, database }, has_written: false }
    }

    /// The rows of the answer; of a statement that writes, only after all of it is done.
    ///
    /// # Errors
    /// Those of the driver.
    pub async fn all<T: Record>(&mut self, statement: Statement) -> sqlx::Result<Vec<T>> {
        match &mut self.inner {
            Inner::Sqlite(transaction) => statement::sqlite::all(&mut **transaction, statement).await,
            Inner::Postgres { transaction, .. } => statement::postgres::all(&mut **transaction, statement).await,
        }
    }

    /// The first row of the answer.
    ///
    /// # Errors
    /// Those of the driver.
    pub async fn one<T: Record>(&mut self, statement: Statement) -> sqlx::Result<Option<T>> {
        Ok(self.all(statement).await?.into_iter().next())
    }

    /// The first row that a statement which writes answers with.
    ///
    /// # Errors
    /// Those of the driver.
    pub async fn write_one<T: Record>(&mut self, statement: Statement) -> sqlx::Result<Option<T>> {
        let row = self.one(statement).await?;
        self.has_written |= row.is_some();
        Ok(row)
    }

    /// Carries out a statement without an answer; the rows that it changed.
    ///
    /// # Errors
    /// Those of the driver.
    pub async fn execute(&mut self, statement: Statement) -> sqlx::Result<u64> {
        let changed = match &mut self.inner {
            Inner::Sqlite(transaction) => statement::sqlite::execute(&mut **transaction, statement).await,
            Inner::Postgres { transaction, .. } => statement::postgres::execute(&mut **transaction, statement).await,
        }?;
        self.has_written |= changed > 0;
        Ok(changed)
    }

    /// Lets references between rows be checked at the end only.
    pub(crate) async fn defer_references(&mut self) -> sqlx::Result<()> {
        let text = match &self.inner {
            Inner::Sqlite(_) => "PRAGMA defer_foreign_keys = ON",
            Inner::Postgres { .. } => "SET CONSTRAINTS ALL DEFERRED",
        };
        self.execute(Statement::new(text)).await.map(drop)
    }

    /// Lets the database number new rows of `table` from behind those that are there.
    pub(crate) async fn number_from_behind(&mut self, table: &'static str) -> sqlx::Result<()> {
        match &self.inner {
            // SQLite takes the number after the greatest by itself.
            Inner::Sqlite(_) => Ok(()),
            Inner::Postgres { .. } => {
                let text = format!(
                    "SELECT setval(pg_get_serial_sequence('{table}', 'id'), coalesce(max(id), 0) + 1, false) FROM {table}"
                );
                self.all::<(i64,)>(Statement::new(text)).await.map(drop)
            }
        }
    }

    /// Makes all of it durable. Where the connection breaks just then, the server is asked what became of it.
    ///
    /// # Errors
    /// Those of the database, with `action` as what was tried.
    pub async fn commit(mut self, action: &str) -> Result<(), LedgerError> {
        if self.has_written && matches!(self.inner, Inner::Postgres { .. }) {
            let counted = self.execute(Statement::new("UPDATE log_head SET writes = writes + 1")).await;
            counted.map_err(|error| storage(action, &error))?;
        }
        match self.inner {
            Inner::Sqlite(transaction) => transaction.commit().await.map_err(|error| storage(action, &error)),
            Inner::Postgres { transaction, id, database } => match transaction.commit().await {
                Ok(()) => Ok(()),
                Err(error) if error::is_broken(&error) => database.what_became_of(&id, action, &error).await,
                Err(error) => Err(storage(action, &error)),
            },
        }
    }
}
