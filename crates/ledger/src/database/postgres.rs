//! PostgreSQL: opening, migrations, turns of writers, and connections that break.
//!
//! A connection that broke before a transaction began is replaced and the transaction begun anew. One that broke within
//! ends it; one that broke while it was made durable leaves open what became of it, and the server is asked by the
//! transaction's number. No write is ever sent twice.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use baton_core::ports::LedgerError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions as _, PgPool, Postgres};

use super::migrations;
use super::statement::{self, Record, Statement};
use crate::error::{is_away, is_broken, storage};
use crate::location::Server;
use crate::patience::{Patience, Waiting};

/// How long a command waits for a server that went away, before it gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a first connection may take.
const FIRST: Duration = Duration::from_secs(10);
const N_READERS: u32 = 4;
/// Sessions without a lock that are kept.
const MOST_SESSIONS: usize = 4;
/// All connections of a pool may turn out to be broken, one after the other.
const TRIES: u32 = N_READERS + 2;

/// A ledger's schema on a server. Cloning shares the connections.
#[derive(Clone)]
pub struct PostgresDatabase {
    pub(crate) options: Arc<PgConnectOptions>,
    /// The schema that holds the ledger.
    pub(crate) schema: Arc<str>,
    writer: PgPool,
    readers: PgPool,
    /// Why this process must no longer write: somebody else took a lock that it had.
    lost: Arc<Mutex<Option<String>>>,
    /// Sessions that held locks and hold none now, with the names that they go by: to connect costs the server more than a
    /// small run does.
    sessions: Arc<Mutex<Vec<(String, PgConnection)>>>,
}

// The options hold the password.
impl fmt::Debug for PostgresDatabase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PostgresDatabase").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl PostgresDatabase {
    /// Opens the ledger of `server` and brings it up to the newest migration. Where there is none, one is made if
    /// `creates`, and else the answer is `None`. A server that is not there, ends or begins is tried again with `patience`.
    pub(crate) async fn open(
        server: &Server,
        creates: bool,
        patience: Option<Patience<'_>>,
    ) -> Result<Option<Self>, LedgerError> {
        let mut waiting = patience.map(|patience| Waiting::begin(patience, server));
        loop {
            let error = match Self::try_open(server, creates).await {
                Ok(opened) => {
                    waiting.iter().for_each(Waiting::is_over);
                    return Ok(opened);
                }
                Err(error) => error,
            };
            let goes_on = match &mut waiting {
                Some(waiting) if is_away(&error) => waiting.wait(&error).await,
                _ => false,
            };
            if !goes_on {
                return Err(storage(format!("open `{server}`"), &error));
            }
        }
    }

    async fn try_open(server: &Server, creates: bool) -> sqlx::Result<Option<Self>> {
        let mut options = server.options.clone();
        let mut connection = connect(&options).await?;
        if is_careless(&mut connection).await? {
            options = options.options([("synchronous_commit", "on")]);
        }
        match newest_migration(&mut connection).await? {
            Some(newest) if newest >= newest_known() => {}
            None if !creates => return Ok(None),
            _ => migrate(&mut connection, server, &options).await?,
        }
        let schema: Option<String> =
            sqlx::query_scalar("SELECT current_schema()::text").fetch_one(&mut connection).await?;
        Ok(Some(Self {
            writer: pool(1).connect_lazy_with(options.clone()),
            readers: pool(N_READERS).connect_lazy_with(options.clone()),
            options: Arc::new(options),
            schema: schema.unwrap_or_default().into(),
            lost: Arc::default(),
            sessions: Arc::default(),
        }))
    }

    /// Begins a transaction in which no other writes; with its number.
    pub(super) async fn begin(&self) -> sqlx::Result<(sqlx::Transaction<'static, Postgres>, String)> {
        let begin = || async {
            let mut transaction = self.writer.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?;
            let turn = Statement::new("SELECT pg_current_xact_id()::text FROM log_head FOR UPDATE");
            let rows: Vec<(String,)> = statement::postgres::all(&mut *transaction, turn).await?;
            let (id,) = rows.into_iter().next().ok_or(sqlx::Error::RowNotFound)?;
            Ok((transaction, id))
        };
        for _ in 1..TRIES {
            match begin().await {
                Err(error) if is_broken(&error) => {}
                outcome => return outcome,
            }
        }
        begin().await
    }

    /// Begins a transaction whose reads all see one state.
    pub(super) async fn snapshot(&self) -> sqlx::Result<sqlx::Transaction<'static, Postgres>> {
        const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        for _ in 1..TRIES {
            match self.readers.begin_with(BEGIN).await {
                Err(error) if is_broken(&error) => {}
                outcome => return outcome,
            }
        }
        self.readers.begin_with(BEGIN).await
    }

    /// The rows of an answer; asked again when the connection breaks, as reading changes nothing.
    pub(super) async fn all<T: Record>(&self, statement: Statement) -> sqlx::Result<Vec<T>> {
        for _ in 1..TRIES {
            match statement::postgres::all(&self.readers, statement.clone()).await {
                Err(error) if is_broken(&error) => {}
                outcome => return outcome,
            }
        }
        statement::postgres::all(&self.readers, statement).await
    }

    /// Counts the transactions that wrote.
    pub(super) async fn pulse(&self) -> sqlx::Result<i64> {
        let rows: Vec<(i64,)> = self.all(Statement::new("SELECT writes FROM log_head")).await?;
        rows.first().map(|(writes,)| *writes).ok_or(sqlx::Error::RowNotFound)
    }

    /// The server's clock, in microseconds.
    pub(super) async fn clock(&self) -> sqlx::Result<i64> {
        let now = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)";
        let rows: Vec<(i64,)> = self.all(Statement::new(now)).await?;
        rows.first().map(|(now,)| *now).ok_or(sqlx::Error::RowNotFound)
    }

    /// Says what became of the transaction `id`, whose connection broke while it was made durable.
    pub(super) async fn what_became_of(&self, id: &str, action: &str, broke: &sqlx::Error) -> Result<(), LedgerError> {
        let ask = Statement::new("SELECT coalesce(pg_xact_status(CAST($1 AS xid8)), 'unknown')").bind(id);
        for _ in 0..PATIENCE.as_secs() {
            let answer = self.all::<(String,)>(ask.clone()).await;
            let status = answer.ok().and_then(|rows| Some(rows.into_iter().next()?.0));
            match status.as_deref() {
                Some("committed") => return Ok(()),
                Some("aborted") => return Err(storage(action, broke)),
                // The server has not noticed yet that the connection broke.
                Some("in progress") => tokio::time::sleep(Duration::from_secs(1)).await,
                Some(_) | None => break,
            }
        }
        Err(LedgerError::Storage {
            action: action.to_owned(),
            reason: format!(
                "the connection broke while this was made durable, and the server cannot be asked what became of it; look \
                 before you repeat it, such as with `baton log` ({broke})"
            ),
        })
    }

    /// Refuses to write once another process has taken a lock that this one had.
    pub(super) fn refuse_without_lock(&self, action: &str) -> Result<(), LedgerError> {
        match &*self.lost.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(reason) => Err(LedgerError::Storage { action: action.to_owned(), reason: reason.clone() }),
        }
    }

    /// A session of that name which held locks before. Nobody looked whether its server is still there.
    pub(crate) fn idle_session(&self, name: &str) -> Option<PgConnection> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let place = sessions.iter().position(|(known, _)| known == name)?;
        Some(sessions.swap_remove(place).1)
    }

    /// Keeps a session that holds no lock any more for the next who asks by that name.
    pub(crate) fn keep_session(&self, name: String, session: PgConnection) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() < MOST_SESSIONS {
            sessions.push((name, session));
        }
    }

    /// Keeps this process from writing from now on.
    pub(crate) fn lose(&self, reason: String) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }
}

/// Connects once, without waiting for a server that is not there.
pub(crate) async fn connect(options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    tokio::time::timeout(FIRST, options.connect()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Whether the server says that a write is durable before it is.
async fn is_careless(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let setting: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(connection).await?;
    Ok(setting == "off")
}

/// The newest migration that the schema has; `None` where there is no ledger.
async fn newest_migration(connection: &mut PgConnection) -> sqlx::Result<Option<i64>> {
    let is_there = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL AND to_regclass('log_head') IS NOT NULL";
    if !sqlx::query_scalar::<_, bool>(is_there).fetch_one(&mut *connection).await? {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success").fetch_one(connection).await
}

fn newest_known() -> i64 {
    migrations::postgres().iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Makes the schema where it is missing, and brings it up to the newest migration; several processes take turns.
async fn migrate(connection: &mut PgConnection, server: &Server, options: &PgConnectOptions) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_lock(hashtextextended($1, 0))")
        .bind("baton migrates a ledger")
        .execute(&mut *connection)
        .await?;
    if let Some(schema) = &server.schema {
        // The name holds letters, digits and `_` only.
        let text = format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"");
        sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut *connection).await?;
    }
    let migrated = pool(1).connect_with(options.clone()).await?;
    migrations::postgres().run(&migrated).await?;
    // The lock goes with the caller's connection.
    migrated.close().await;
    Ok(())
}

fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .max_lifetime(None)
        .test_before_acquire(false)
}
