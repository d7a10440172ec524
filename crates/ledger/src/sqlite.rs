//! The ledger port on SQLite.
//!
//! Invariant: `log_head` changes in the transaction that appends, so size, frontier and events always agree.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use baton_core::commit::{Commit, CommitId};
use baton_core::event::{Event, EventFilter, NewEvent};
use baton_core::ports::{Ancestor, Environment, Ledger, LedgerError, LogRoot, Tag};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, Transaction};

use crate::connection::{self, Connections};
use crate::error::{self, damaged, storage};
use crate::lock::{self, LockGuard, StorageGuard};
use crate::merkle::Frontier;
use crate::record::{EventRow, decode_commit, encode_commit};

/// How long a write waits for another process before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A ledger in one SQLite file. Cloning shares the connections.
#[derive(Debug, Clone)]
pub struct SqliteLedger {
    path: PathBuf,
    pub(crate) connections: Connections,
}

impl SqliteLedger {
    /// Opens the ledger at `path`, and creates file and folder when they are missing.
    ///
    /// A ledger that exists but cannot be written opens for reading; its writes fail with [`LedgerError::Storage`].
    ///
    /// # Errors
    /// [`LedgerError::Storage`] when the file cannot be opened, is locked for long, or is no ledger.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, LedgerError> {
        Self::open_within(path.as_ref(), BUSY_TIMEOUT).await
    }

    /// As [`Self::open`], with the time that a write waits for other processes.
    pub(crate) async fn open_within(path: &Path, busy_timeout: Duration) -> Result<Self, LedgerError> {
        if let Some(folder) = path.parent().filter(|_| !path.exists()) {
            std::fs::create_dir_all(folder).map_err(|error| error::file("create the folder", folder, &error))?;
        }
        match connection::open(path, busy_timeout).await {
            Ok(connections) => Ok(Self { path: path.to_owned(), connections }),
            Err(error) if error::cannot_be_written(&error) && path.is_file() => Self::open_read_only(path).await,
            Err(error) => Err(storage(format!("open `{}`", path.display()), &error)),
        }
    }

    /// Opens the ledger at `path` for reading; every write fails.
    ///
    /// # Errors
    /// [`LedgerError::Storage`] when the file is missing or cannot be read.
    pub async fn open_read_only(path: impl AsRef<Path>) -> Result<Self, LedgerError> {
        let connections = connection::open_read_only(path.as_ref()).await?;
        Ok(Self { path: path.as_ref().to_owned(), connections })
    }

    /// Takes the lock that keeps other processes from applying to `environment`; it is free again when the guard is
    /// dropped or the process ends in any way. `holder` is the command, for the message of whoever comes second.
    ///
    /// # Errors
    /// [`LedgerError::Locked`] when another process (or guard) holds it, [`LedgerError::Storage`] when the lock file
    /// beside the database cannot be written.
    pub fn lock(&self, environment: &str, holder: &str) -> Result<LockGuard, LedgerError> {
        lock::acquire(&self.path, environment, holder)
    }

    /// Keeps stored files from being collected until the guard is dropped; any number of processes may hold it. `None`
    /// where the lock file cannot be opened, as in a folder that is read only: nobody can delete anything there.
    ///
    /// # Errors
    /// [`LedgerError::StorageLocked`] when files are being deleted for longer than a few seconds.
    pub fn use_storage(&self, holder: &str) -> Result<Option<StorageGuard>, LedgerError> {
        match lock::share_storage(&self.path, holder) {
            Ok(guard) => Ok(Some(guard)),
            Err(LedgerError::Storage { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes the stored files for deleting: nobody else reads or writes them until the guard is dropped.
    ///
    /// # Errors
    /// [`LedgerError::StorageLocked`] when somebody works with them for longer than a few seconds.
    pub fn own_storage(&self, holder: &str) -> Result<StorageGuard, LedgerError> {
        lock::own_storage(&self.path, holder)
    }

    /// Begins a transaction that holds the write lock from the start, so that what it reads cannot move.
    pub(crate) async fn begin(&self, action: &str) -> Result<Transaction<'static, Sqlite>, LedgerError> {
        self.connections.writer.begin_with("BEGIN IMMEDIATE").await.map_err(|error| storage(action, &error))
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn append(&self, events: Vec<NewEvent>) -> Result<u64, LedgerError> {
        const ACTION: &str = "append events";
        if events.is_empty() {
            return Ok(self.root().await?.size);
        }
        let mut transaction = self.begin(ACTION).await?;
        let size = append(&mut transaction, events).await?;
        transaction.commit().await.map_err(|error| storage(ACTION, &error))?;
        Ok(size)
    }

    async fn append_unless(&self, there: &EventFilter, events: Vec<NewEvent>) -> Result<bool, LedgerError> {
        const ACTION: &str = "append events";
        let mut transaction = self.begin(ACTION).await?;
        let one = EventFilter { last: Some(1), ..there.clone() };
        let found: Option<EventRow> = select_events(&one)
            .build_query_as()
            .fetch_optional(&mut *transaction)
            .await
            .map_err(|error| storage(ACTION, &error))?;
        if found.is_some() {
            return Ok(false);
        }
        append(&mut transaction, events).await?;
        transaction.commit().await.map_err(|error| storage(ACTION, &error))?;
        Ok(true)
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, LedgerError> {
        let mut query = select_events(filter);
        let rows: Vec<EventRow> = query
            .build_query_as()
            .fetch_all(&self.connections.readers)
            .await
            .map_err(|error| storage("read events", &error))?;
        let mut events = rows.into_iter().map(EventRow::decode).collect::<Result<Vec<_>, _>>()?;
        if filter.last.is_some() {
            events.reverse();
        }
        Ok(events)
    }

    async fn commit(&self, commit: &Commit, events: Vec<NewEvent>) -> Result<(), LedgerError> {
        let action = format!("commit to `{}`", commit.environment);
        let content = encode_commit(commit)?;
        let mut transaction = self.begin(&action).await?;
        check_head(&mut transaction, &commit.environment, commit.parent.as_ref()).await?;
        branches::insert_commit(&mut transaction, commit, &content).await?;
        set_environment(&mut transaction, &commit.environment, &commit.id).await?;
        append(&mut transaction, events).await?;
        transaction.commit().await.map_err(|error| storage(&action, &error))
    }

    async fn read_commit(&self, id: &CommitId) -> Result<Option<Commit>, LedgerError> {
        let content: Option<String> = sqlx::query_scalar("SELECT content FROM commit_record WHERE id = ?")
            .bind(&id.0)
            .fetch_optional(&self.connections.readers)
            .await
            .map_err(|error| storage("read a commit", &error))?;
        content.map(|content| decode_commit(id, &content)).transpose()
    }

    async fn history(&self, environment: &str, limit: u32) -> Result<Vec<Commit>, LedgerError> {
        let rows: Vec<(String, String)> = sqlx::query_as(HISTORY)
            .bind(environment)
            .bind(limit)
            .bind(limit)
            .fetch_all(&self.connections.readers)
            .await
            .map_err(|error| storage("read the history", &error))?;
        rows.into_iter().map(|(id, content)| decode_commit(&CommitId(id), &content)).collect()
    }

    async fn environments(&self) -> Result<Vec<Environment>, LedgerError> {
        let rows: Vec<(String, String)> = sqlx::query_as("SELECT name, commit_id FROM environment ORDER BY name")
            .fetch_all(&self.connections.readers)
            .await
            .map_err(|error| storage("read environments", &error))?;
        Ok(rows.into_iter().map(|(name, id)| Environment { name, commit: CommitId(id) }).collect())
    }

    async fn point(&self, name: &str, commit: &CommitId, events: Vec<NewEvent>) -> Result<(), LedgerError> {
        let action = format!("point `{name}` at {}", commit.short());
        let mut transaction = self.begin(&action).await?;
        branches::need_commit(&mut transaction, commit, &action).await?;
        set_environment(&mut transaction, name, commit).await?;
        append(&mut transaction, events).await?;
        transaction.commit().await.map_err(|error| storage(&action, &error))
    }

    async fn start(&self, environment: &str, commit: &Commit, events: Vec<NewEvent>) -> Result<(), LedgerError> {
        let action = format!("create environment `{environment}`");
        let content = encode_commit(commit)?;
        let mut transaction = self.begin(&action).await?;
        branches::refuse_existing(&mut transaction, environment).await?;
        branches::insert_commit(&mut transaction, commit, &content).await?;
        set_environment(&mut transaction, environment, &commit.id).await?;
        append(&mut transaction, events).await?;
        transaction.commit().await.map_err(|error| storage(&action, &error))
    }

    async fn remove(&self, name: &str, head: &CommitId, events: Vec<NewEvent>) -> Result<(), LedgerError> {
        let action = format!("remove environment `{name}`");
        let mut transaction = self.begin(&action).await?;
        check_head(&mut transaction, name, Some(head)).await?;
        sqlx::query("DELETE FROM environment WHERE name = ?")
            .bind(name)
            .execute(&mut *transaction)
            .await
            .map_err(|error| storage(&action, &error))?;
        append(&mut transaction, events).await?;
        transaction.commit().await.map_err(|error| storage(&action, &error))
    }

    async fn ancestry(&self, id: &CommitId) -> Result<Vec<Ancestor>, LedgerError> {
        branches::ancestry(&self.connections.readers, id).await
    }

    async fn commits_starting(&self, prefix: &str) -> Result<Vec<CommitId>, LedgerError> {
        branches::commits_starting(&self.connections.readers, prefix).await
    }

    async fn tags(&self) -> Result<Vec<Tag>, LedgerError> {
        branches::tags(&self.connections.readers).await
    }

    async fn tag(&self, name: &str, commit: &CommitId, events: Vec<NewEvent>) -> Result<(), LedgerError> {
        let action = format!("tag {} as `{name}`", commit.short());
        let mut transaction = self.begin(&action).await?;
        branches::need_commit(&mut transaction, commit, &action).await?;
        branches::set_tag(&mut transaction, name, commit).await?;
        append(&mut transaction, events).await?;
        transaction.commit().await.map_err(|error| storage(&action, &error))
    }

    async fn untag(&self, name: &str, events: Vec<NewEvent>) -> Result<bool, LedgerError> {
        let action = format!("delete tag `{name}`");
        let mut transaction = self.begin(&action).await?;
        let was_there = branches::delete_tag(&mut transaction, name).await?;
        if was_there {
            append(&mut transaction, events).await?;
        }
        transaction.commit().await.map_err(|error| storage(&action, &error))?;
        Ok(was_there)
    }

    async fn head(&self, environment: &str) -> Result<Option<Commit>, LedgerError> {
        Ok(self.history(environment, 1).await?.pop())
    }

    async fn root(&self) -> Result<LogRoot, LedgerError> {
        let mut connection =
            self.connections.readers.acquire().await.map_err(|error| storage("read the log's root", &error))?;
        let frontier = read_frontier(&mut connection).await?;
        Ok(LogRoot { size: frontier.size(), hash: hex::encode(frontier.root()) })
    }
}

/// From an environment's head along parents; binds: environment, limit, limit.
const HISTORY: &str = "WITH RECURSIVE line (id, parent, content, depth) AS (
    SELECT c.id, c.parent, c.content, 1
      FROM environment AS e JOIN commit_record AS c ON c.id = e.commit_id WHERE e.name = ?
    UNION ALL
    SELECT c.id, c.parent, c.content, line.depth + 1
      FROM line JOIN commit_record AS c ON c.id = line.parent WHERE line.depth < ?
  ) SELECT id, content FROM line ORDER BY depth LIMIT ?";

fn select_events(filter: &EventFilter) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "SELECT sequence, at, as_of, environment, run, asset, kind, key, body, leaf FROM event WHERE true",
    );
    let texts = [
        (" AND environment = ", filter.environment.clone()),
        (" AND run = ", filter.run.clone()),
        (" AND asset = ", filter.asset.clone().map(String::from)),
        (" AND key = ", filter.key.clone()),
    ];
    for (condition, value) in texts {
        if let Some(value) = value {
            query.push(condition).push_bind(value);
        }
    }
    for (condition, instant) in [(" AND as_of >= ", filter.from), (" AND as_of < ", filter.until)] {
        if let Some(instant) = instant {
            query.push(condition).push_bind(instant.timestamp_micros());
        }
    }
    if !filter.kinds.is_empty() {
        query.push(" AND kind IN (");
        let mut list = query.separated(", ");
        filter.kinds.iter().for_each(|kind| {
            list.push_bind(kind.as_str());
        });
        query.push(")");
    }
    match filter.last {
        Some(last) => query.push(" ORDER BY sequence DESC LIMIT ").push_bind(last),
        None => query.push(" ORDER BY sequence"),
    };
    query
}

/// Appends within a transaction that holds the write lock, and answers the new size of the log.
async fn append(connection: &mut SqliteConnection, events: Vec<NewEvent>) -> Result<u64, LedgerError> {
    let mut frontier = read_frontier(connection).await?;
    for event in events {
        let row = EventRow::new((frontier.size() + 1).cast_signed(), event);
        frontier.push(row.computed_leaf());
        insert_event(connection, row).await?;
    }
    sqlx::query("UPDATE log_head SET size = ?, frontier = ?")
        .bind(frontier.size().cast_signed())
        .bind(frontier.to_bytes())
        .execute(connection)
        .await
        .map_err(|error| storage("append events", &error))?;
    Ok(frontier.size())
}

async fn insert_event(connection: &mut SqliteConnection, row: EventRow) -> Result<(), LedgerError> {
    sqlx::query(
        "INSERT INTO event (sequence, at, as_of, environment, run, asset, kind, key, body, leaf)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(row.sequence)
    .bind(row.at)
    .bind(row.as_of)
    .bind(row.environment)
    .bind(row.run)
    .bind(row.asset)
    .bind(row.kind)
    .bind(row.key)
    .bind(row.body)
    .bind(row.leaf)
    .execute(connection)
    .await
    .map_err(|error| storage("append events", &error))?;
    Ok(())
}

/// Size and subtree roots of the log.
pub(crate) async fn read_frontier(connection: &mut SqliteConnection) -> Result<Frontier, LedgerError> {
    let (size, bytes): (i64, Vec<u8>) = sqlx::query_as("SELECT size, frontier FROM log_head")
        .fetch_one(connection)
        .await
        .map_err(|error| storage("read the log's root", &error))?;
    Frontier::from_bytes(size.cast_unsigned(), &bytes)
        .ok_or_else(|| damaged("the log's head", format!("{} bytes do not fit {size} events", bytes.len())))
}

/// Refuses unless `environment` points at `expected` (does not exist, when `None`).
async fn check_head(
    connection: &mut SqliteConnection,
    environment: &str,
    expected: Option<&CommitId>,
) -> Result<(), LedgerError> {
    let found: Option<String> = sqlx::query_scalar("SELECT commit_id FROM environment WHERE name = ?")
        .bind(environment)
        .fetch_optional(connection)
        .await
        .map_err(|error| storage(format!("read environment `{environment}`"), &error))?;
    let found = found.map(CommitId);
    if found.as_ref() == expected {
        return Ok(());
    }
    let show = |id: Option<&CommitId>| id.map_or("no commit".to_owned(), |id| id.short().to_owned());
    Err(LedgerError::Moved {
        environment: environment.to_owned(),
        expected: show(expected),
        found: show(found.as_ref()),
    })
}

async fn set_environment(connection: &mut SqliteConnection, name: &str, id: &CommitId) -> Result<(), LedgerError> {
    sqlx::query(
        "INSERT INTO environment (name, commit_id) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET commit_id = excluded.commit_id",
    )
    .bind(name)
    .bind(&id.0)
    .execute(connection)
    .await
    .map_err(|error| storage(format!("move environment `{name}`"), &error))?;
    Ok(())
}

mod branches;
#[cfg(test)]
mod tests;
