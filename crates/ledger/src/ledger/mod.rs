//! The ledger port on a database.
//!
//! Invariant: `log_head` changes in the transaction that appends, so size, frontier and events always agree.

mod branches;
mod events;

use std::path::Path;

use async_trait::async_trait;
use baton_core::commit::{Commit, CommitId};
use baton_core::event::{Event, EventFilter, NewEvent};
use baton_core::ports::{Ancestor, Environment, Ledger, LedgerError, LogRoot, Tag};

use crate::database::{BUSY_TIMEOUT, Database, PostgresDatabase, SqliteDatabase, Statement, Transaction};
use crate::error::{damaged, storage};
use crate::location::Location;
use crate::patience::Patience;
use crate::record::{EventRow, decode_commit, encode_commit};
use events::{append, select_events};
pub(crate) use events::{read_frontier, write_frontier};

/// A ledger in a SQLite file or on a PostgreSQL server. Cloning shares the connections.
#[derive(Debug, Clone)]
pub struct SqlLedger {
    pub(crate) database: Database,
}

impl SqlLedger {
    /// Opens the ledger at `location`, and makes it where there is none.
    ///
    /// A file that exists but cannot be written opens for reading; its writes fail with [`LedgerError::Storage`].
    ///
    /// # Errors
    /// [`LedgerError::Storage`] when the file cannot be opened, is locked for long, or is no ledger; when the server cannot
    /// be reached or does not let us in.
    pub async fn open(location: &Location) -> Result<Self, LedgerError> {
        Self::open_with(location, None).await
    }

    /// As [`Self::open`]; a server that cannot be reached, ends or is about to start is tried again for a while.
    ///
    /// # Errors
    /// As [`Self::open`], once the patience is at its end.
    pub async fn open_patiently(location: &Location, patience: Patience<'_>) -> Result<Self, LedgerError> {
        Self::open_with(location, Some(patience)).await
    }

    async fn open_with(location: &Location, patience: Option<Patience<'_>>) -> Result<Self, LedgerError> {
        match location {
            Location::File(path) => Self::open_file(path).await,
            Location::Server(server) => {
                let opened = PostgresDatabase::open(server, true, patience).await?;
                let missing = || damaged(format!("`{server}`"), "there is no ledger");
                opened.map(|database| Self { database: Database::Postgres(database) }).ok_or_else(missing)
            }
        }
    }

    /// As [`Self::open`], but makes nothing: `None` where there is no ledger.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_existing(location: &Location) -> Result<Option<Self>, LedgerError> {
        Self::open_existing_with(location, None).await
    }

    /// As [`Self::open_patiently`], but makes nothing: `None` where there is no ledger.
    ///
    /// # Errors
    /// As [`Self::open_patiently`].
    pub async fn open_existing_patiently(
        location: &Location,
        patience: Patience<'_>,
    ) -> Result<Option<Self>, LedgerError> {
        Self::open_existing_with(location, Some(patience)).await
    }

    async fn open_existing_with(
        location: &Location,
        patience: Option<Patience<'_>>,
    ) -> Result<Option<Self>, LedgerError> {
        match location {
            Location::File(path) if !path.exists() => Ok(None),
            Location::File(path) => Self::open_file(path).await.map(Some),
            Location::Server(server) => {
                let opened = PostgresDatabase::open(server, false, patience).await?;
                Ok(opened.map(|database| Self { database: Database::Postgres(database) }))
            }
        }
    }

    /// Opens the ledger in the SQLite file at `path`, and creates file and folder when they are missing.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_file(path: impl AsRef<Path>) -> Result<Self, LedgerError> {
        let database = SqliteDatabase::open(path.as_ref(), BUSY_TIMEOUT).await?;
        Ok(Self { database: Database::Sqlite(database) })
    }

    /// Opens the SQLite file at `path` for reading; every write fails.
    ///
    /// # Errors
    /// [`LedgerError::Storage`] when the file is missing or cannot be read.
    pub async fn open_file_read_only(path: impl AsRef<Path>) -> Result<Self, LedgerError> {
        let database = SqliteDatabase::open_read_only(path.as_ref()).await?;
        Ok(Self { database: Database::Sqlite(database) })
    }
}

#[async_trait]
impl Ledger for SqlLedger {
    async fn append(&self, events: Vec<NewEvent>) -> Result<u64, LedgerError> {
        const ACTION: &str = "append events";
        if events.is_empty() {
            return Ok(self.root().await?.size);
        }
        let mut transaction = self.database.begin(ACTION).await?;
        let size = append(&mut transaction, events).await?;
        transaction.commit(ACTION).await?;
        Ok(size)
    }

    async fn append_unless(&self, there: &EventFilter, events: Vec<NewEvent>) -> Result<bool, LedgerError> {
        const ACTION: &str = "append events";
        let mut transaction = self.database.begin(ACTION).await?;
        let one = EventFilter { last: Some(1), ..there.clone() };
        let found: Option<EventRow> =
            transaction.one(select_events(&one)).await.map_err(|error| storage(ACTION, &error))?;
        if found.is_some() {
            return Ok(false);
        }
        append(&mut transaction, events).await?;
        transaction.commit(ACTION).await?;
        Ok(true)
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, LedgerError> {
        let rows: Vec<EventRow> =
            self.database.all(select_events(filter)).await.map_err(|error| storage("read events", &error))?;
        let mut events = rows.into_iter().map(EventRow::decode).collect::<Result<Vec<_>, _>>()?;
        if filter.last.is_some() {
            events.reverse();
        }
        Ok(events)
    }

    async fn commit(&self, commit: &Commit, events: Vec<NewEvent>) -> Result<(), LedgerError> {
        let action = format!("commit to `{}`", commit.environment);
        let content = encode_commit(commit)?;
        let mut transaction = self.database.begin(&action).await?;
        check_head(&mut transaction, &commit.environment, commit.parent.as_ref()).await?;
        branches::insert_commit(&mut transaction, commit, &content).await?;
        set_environment(&mut transaction, &commit.environment, &commit.id).await?;
        append(&mut transaction, events).await?;
        transaction.commit(&action).await
    }

    async fn read_commit(&self, id: &CommitId) -> Result<Option<Commit>, LedgerError> {
        let select = Statement::new("SELECT content FROM commit_record WHERE id = $1").bind(&id.0);
        let row: Option<(String,)> =
            self.database.one(select).await.map_err(|error| storage("read a commit", &error))?;
        row.map(|(content,)| decode_commit(id, &content)).transpose()
    }

    async fn history(&self, environment: &str, limit: u32) -> Result<Vec<Commit>, LedgerError> {
        let select = Statement::new(HISTORY).bind(environment).bind(limit);
        let rows: Vec<(String, String)> =
            self.database.all(select).await.map_err(|error| storage("read the history", &error))?;
        rows.into_iter().map(|(id, content)| decode_commit(&CommitId(id), &content)).collect()
    }

    async fn environments(&self) -> Result<Vec<Environment>, LedgerError> {
        let select = Statement::new("SELECT name, commit_id FROM environment ORDER BY name");
        let rows: Vec<(String, String)> =
            self.database.all(select).await.map_err(|error| storage("read environments", &error))?;
        Ok(rows.into_iter().map(|(name, id)| Environment { name, commit: CommitId(id) }).collect())
    }

    async fn point(&self, name: &str, commit: &CommitId, events: Vec<NewEvent>) -> Result<(), LedgerError> {
        let action = format!("point `{name}` at {}", commit.short());
        let mut transaction = self.database.begin(&action).await?;
        branches::need_commit(&mut transaction, commit, &action).await?;
        set_environment(&mut transaction, name, commit).await?;
        append(&mut transaction, events).await?;
        transaction.commit(&action).await
    }

    async fn start(&self, environment: &str, commit: &Commit, events: Vec<NewEvent>) -> Result<(), LedgerError> {
        let action = format!("create environment `{environment}`");
        let content = encode_commit(commit)?;
        let mut transaction = self.database.begin(&action).await?;
        branches::refuse_existing(&mut transaction, environment).await?;
        branches::insert_commit(&mut transaction, commit, &content).await?;
        set_environment(&mut transaction, environment, &commit.id).await?;
        append(&mut transaction, events).await?;
        transaction.commit(&action).await
    }

    async fn remove(&self, name: &str, head: &CommitId, events: Vec<NewEvent>) -> Result<(), LedgerError> {
        let action = format!("remove environment `{name}`");
        let mut transaction = self.database.begin(&action).await?;
        check_head(&mut transaction, name, Some(head)).await?;
        let delete = Statement::new("DELETE FROM environment WHERE name = $1").bind(name);
        transaction.execute(delete).await.map_err(|error| storage(&action, &error))?;
        append(&mut transaction, events).await?;
        transaction.commit(&action).await
    }

    async fn ancestry(&self, id: &CommitId) -> Result<Vec<Ancestor>, LedgerError> {
        branches::ancestry(&self.database, id).await
    }

    async fn commits_starting(&self, prefix: &str) -> Result<Vec<CommitId>, LedgerError> {
        branches::commits_starting(&self.database, prefix).await
    }

    async fn tags(&self) -> Result<Vec<Tag>, LedgerError> {
        branches::tags(&self.database).await
    }

    async fn tag(&self, name: &str, commit: &CommitId, events: Vec<NewEvent>) -> Result<(), LedgerError> {
        let action = format!("tag {} as `{name}`", commit.short());
        let mut transaction = self.database.begin(&action).await?;
        branches::need_commit(&mut transaction, commit, &action).await?;
        branches::set_tag(&mut transaction, name, commit).await?;
        append(&mut transaction, events).await?;
        transaction.commit(&action).await
    }

    async fn untag(&self, name: &str, events: Vec<NewEvent>) -> Result<bool, LedgerError> {
        let action = format!("delete tag `{name}`");
        let mut transaction = self.database.begin(&action).await?;
        let was_there = branches::delete_tag(&mut transaction, name).await?;
        if was_there {
            append(&mut transaction, events).await?;
        }
        transaction.commit(&action).await?;
        Ok(was_there)
    }

    async fn head(&self, environment: &str) -> Result<Option<Commit>, LedgerError> {
        let select = Statement::new(HEAD).bind(environment);
        let row: Option<(String, String)> =
            self.database.one(select).await.map_err(|error| storage("read an environment", &error))?;
        row.map(|(id, content)| decode_commit(&CommitId(id), &content)).transpose()
    }

    async fn root(&self) -> Result<LogRoot, LedgerError> {
        let frontier = events::frontier_of(&self.database).await?;
        Ok(LogRoot { size: frontier.size(), hash: hex::encode(frontier.root()) })
    }
}

/// An environment's head; binds: environment.
const HEAD: &str = "SELECT c.id, c.content
    FROM environment AS e JOIN commit_record AS c ON c.id = e.commit_id WHERE e.name = $1";

/// From an environment's head along parents; binds: environment, limit. Contents are large, so the walk is over ids.
const HISTORY: &str = "WITH RECURSIVE line (id, parent, depth) AS (
    SELECT c.id, c.parent, 1
      FROM environment AS e JOIN commit_record AS c ON c.id = e.commit_id WHERE e.name = $1
    UNION ALL
    SELECT c.id, c.parent, line.depth + 1
      FROM line JOIN commit_record AS c ON c.id = line.parent WHERE line.depth < $2
  ) SELECT c.id, c.content FROM line JOIN commit_record AS c ON c.id = line.id ORDER BY line.depth LIMIT $2";

/// Refuses unless `environment` points at `expected` (does not exist, when `None`).
async fn check_head(
    transaction: &mut Transaction,
    environment: &str,
    expected: Option<&CommitId>,
) -> Result<(), LedgerError> {
    let select = Statement::new("SELECT commit_id FROM environment WHERE name = $1").bind(environment);
    let found: Option<(String,)> =
        transaction.one(select).await.map_err(|error| storage(format!("read environment `{environment}`"), &error))?;
    let found = found.map(|(id,)| CommitId(id));
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

async fn set_environment(transaction: &mut Transaction, name: &str, id: &CommitId) -> Result<(), LedgerError> {
    let set = Statement::new(
        "INSERT INTO environment (name, commit_id) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET commit_id = excluded.commit_id",
    );
    let set = set.bind(name).bind(&id.0);
    transaction.execute(set).await.map_err(|error| storage(format!("move environment `{name}`"), &error))?;
    Ok(())
}

#[cfg(test)]
mod tests;
