//! Names that stand for commits, and how commits go on from one another.

use baton_core::commit::{Commit, CommitId};
use baton_core::ports::{Ancestor, LedgerError, Tag};
use sqlx::{SqliteConnection, SqlitePool};

use crate::error::storage;

/// From a commit along parents and merged commits; binds: id. `UNION` takes each commit once.
const ANCESTRY: &str = "WITH RECURSIVE line (id) AS (
    SELECT id FROM commit_record WHERE id = ?
    UNION
    SELECT p.id
      FROM line JOIN commit_record AS c ON c.id = line.id
      JOIN commit_record AS p ON p.id IN (c.parent, c.merged)
  ) SELECT c.id, c.parent, c.merged FROM line JOIN commit_record AS c ON c.id = line.id";

/// Stores a commit, unless it is stored already.
pub(super) async fn insert_commit(
    connection: &mut SqliteConnection,
    commit: &Commit,
    content: &str,
) -> Result<(), LedgerError> {
    let id_of = |id: &Option<CommitId>| id.as_ref().map(|id| id.0.clone());
    sqlx::query(
        "INSERT INTO commit_record (id, parent, merged, content) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
    )
    .bind(&commit.id.0)
    .bind(id_of(&commit.parent))
    .bind(id_of(&commit.merged))
    .bind(content)
    .execute(connection)
    .await
    .map_err(|error| storage(format!("store commit {}", commit.id.short()), &error))?;
    Ok(())
}

/// Refuses when no commit has this id.
pub(super) async fn need_commit(
    connection: &mut SqliteConnection,
    commit: &CommitId,
    action: &str,
) -> Result<(), LedgerError> {
    let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM commit_record WHERE id = ?")
        .bind(&commit.0)
        .fetch_optional(connection)
        .await
        .map_err(|error| storage(action, &error))?;
    let missing = || LedgerError::Storage { action: action.to_owned(), reason: "there is no such commit".to_owned() };
    found.map(|_| ()).ok_or_else(missing)
}

/// Refuses when there is an environment of this name.
pub(super) async fn refuse_existing(connection: &mut SqliteConnection, name: &str) -> Result<(), LedgerError> {
    let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM environment WHERE name = ?")
        .bind(name)
        .fetch_optional(connection)
        .await
        .map_err(|error| storage(format!("read environment `{name}`"), &error))?;
    match found {
        None => Ok(()),
        Some(_) => Err(LedgerError::Exists {
            what: "environment",
            name: name.to_owned(),
            hint: "choose another name, or remove it first with `baton env rm`".to_owned(),
        }),
    }
}

/// See [`baton_core::ports::Ledger::ancestry`].
pub(super) async fn ancestry(readers: &SqlitePool, id: &CommitId) -> Result<Vec<Ancestor>, LedgerError> {
    let rows: Vec<(String, Option<String>, Option<String>)> = sqlx::query_as(ANCESTRY)
        .bind(&id.0)
        .fetch_all(readers)
        .await
        .map_err(|error| storage("follow the commits", &error))?;
    let node = |(id, parent, merged): (String, Option<String>, Option<String>)| Ancestor {
        id: CommitId(id),
        parent: parent.map(CommitId),
        merged: merged.map(CommitId),
    };
    Ok(rows.into_iter().map(node).collect())
}

/// See [`baton_core::ports::Ledger::commits_starting`].
pub(super) async fn commits_starting(readers: &SqlitePool, prefix: &str) -> Result<Vec<CommitId>, LedgerError> {
    let rows: Vec<String> = sqlx::query_scalar("SELECT id FROM commit_record WHERE substr(id, 1, ?) = ? LIMIT 2")
        .bind(i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX))
        .bind(prefix)
        .fetch_all(readers)
        .await
        .map_err(|error| storage("find a commit", &error))?;
    Ok(rows.into_iter().map(CommitId).collect())
}

/// All tags by name.
pub(super) async fn tags(readers: &SqlitePool) -> Result<Vec<Tag>, LedgerError> {
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT name, commit_id FROM tag ORDER BY name")
        .fetch_all(readers)
        .await
        .map_err(|error| storage("read tags", &error))?;
    Ok(rows.into_iter().map(|(name, id)| Tag { name, commit: CommitId(id) }).collect())
}

/// Sets a tag, wherever it was before.
pub(super) async fn set_tag(
    connection: &mut SqliteConnection,
    name: &str,
    commit: &CommitId,
) -> Result<(), LedgerError> {
    sqlx::query(
        "INSERT INTO tag (name, commit_id) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET commit_id = excluded.commit_id",
    )
    .bind(name)
    .bind(&commit.0)
    .execute(connection)
    .await
    .map_err(|error| storage(format!("set tag `{name}`"), &error))?;
    Ok(())
}

/// Deletes a tag; answers whether there was one.
pub(super) async fn delete_tag(connection: &mut SqliteConnection, name: &str) -> Result<bool, LedgerError> {
    let done = sqlx::query("DELETE FROM tag WHERE name = ?")
        .bind(name)
        .execute(connection)
        .await
        .map_err(|error| storage(format!("delete tag `{name}`"), &error))?;
    Ok(done.rows_affected() > 0)
}
