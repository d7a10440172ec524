//! Names that stand for commits, and how commits go on from one another.

use baton_core::commit::{Commit, CommitId};
use baton_core::ports::{Ancestor, LedgerError, Tag};

use crate::database::{Database, Statement, Transaction};
use crate::error::storage;

/// From a commit along parents and merged commits; binds: id. `UNION` takes each commit once.
const ANCESTRY: &str = "WITH RECURSIVE line (id) AS (
    SELECT id FROM commit_record WHERE id = $1
    UNION
    SELECT p.id
      FROM line JOIN commit_record AS c ON c.id = line.id
      JOIN commit_record AS p ON p.id IN (c.parent, c.merged)
  ) SELECT c.id, c.parent, c.merged FROM line JOIN commit_record AS c ON c.id = line.id";

/// Stores a commit, unless it is stored already.
pub(super) async fn insert_commit(
    transaction: &mut Transaction,
    commit: &Commit,
    content: &str,
) -> Result<(), LedgerError> {
    let id_of = |id: &Option<CommitId>| id.as_ref().map(|id| id.0.clone());
    let insert = Statement::new(
        "INSERT INTO commit_record (id, parent, merged, content) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
    );
    let insert = insert.bind(&commit.id.0).bind(id_of(&commit.parent)).bind(id_of(&commit.merged)).bind(content);
    let action = || format!("store commit {}", commit.id.short());
    transaction.execute(insert).await.map(drop).map_err(|error| storage(action(), &error))
}

/// Refuses when no commit has this id.
pub(super) async fn need_commit(
    transaction: &mut Transaction,
    commit: &CommitId,
    action: &str,
) -> Result<(), LedgerError> {
    let select = Statement::new("SELECT id FROM commit_record WHERE id = $1").bind(&commit.0);
    let found: Option<(String,)> = transaction.one(select).await.map_err(|error| storage(action, &error))?;
    let missing = || LedgerError::Storage { action: action.to_owned(), reason: "there is no such commit".to_owned() };
    found.map(|_| ()).ok_or_else(missing)
}

/// Refuses when there is an environment of this name.
pub(super) async fn refuse_existing(transaction: &mut Transaction, name: &str) -> Result<(), LedgerError> {
    let select = Statement::new("SELECT name FROM environment WHERE name = $1").bind(name);
    let found: Option<(String,)> =
        transaction.one(select).await.map_err(|error| storage(format!("read environment `{name}`"), &error))?;
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
pub(super) async fn ancestry(database: &Database, id: &CommitId) -> Result<Vec<Ancestor>, LedgerError> {
    let select = Statement::new(ANCESTRY).bind(&id.0);
    let rows: Vec<(String, Option<String>, Option<String>)> =
        database.all(select).await.map_err(|error| storage("follow the commits", &error))?;
    let node = |(id, parent, merged): (String, Option<String>, Option<String>)| Ancestor {
        id: CommitId(id),
        parent: parent.map(CommitId),
        merged: merged.map(CommitId),
    };
    Ok(rows.into_iter().map(node).collect())
}

/// See [`baton_core::ports::Ledger::commits_starting`].
pub(super) async fn commits_starting(database: &Database, prefix: &str) -> Result<Vec<CommitId>, LedgerError> {
    // Ids are hexadecimal: everything that begins like this lies before `g`.
    let select = Statement::new("SELECT id FROM commit_record WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 2");
    let select = select.bind(prefix).bind(format!("{prefix}g"));
    let rows: Vec<(String,)> = database.all(select).await.map_err(|error| storage("find a commit", &error))?;
    Ok(rows.into_iter().map(|(id,)| CommitId(id)).collect())
}

/// All tags by name.
pub(super) async fn tags(database: &Database) -> Result<Vec<Tag>, LedgerError> {
    let select = Statement::new("SELECT name, commit_id FROM tag ORDER BY name");
    let rows: Vec<(String, String)> = database.all(select).await.map_err(|error| storage("read tags", &error))?;
    Ok(rows.into_iter().map(|(name, id)| Tag { name, commit: CommitId(id) }).collect())
}

/// Sets a tag, wherever it was before.
pub(super) async fn set_tag(transaction: &mut Transaction, name: &str, commit: &CommitId) -> Result<(), LedgerError> {
    let set = Statement::new(
        "INSERT INTO tag (name, commit_id) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET commit_id = excluded.commit_id",
    );
    let set = set.bind(name).bind(&commit.0);
    transaction.execute(set).await.map(drop).map_err(|error| storage(format!("set tag `{name}`"), &error))
}

/// Deletes a tag; answers whether there was one.
pub(super) async fn delete_tag(transaction: &mut Transaction, name: &str) -> Result<bool, LedgerError> {
    let delete = Statement::new("DELETE FROM tag WHERE name = $1").bind(name);
    let deleted = transaction.execute(delete).await;
    Ok(deleted.map_err(|error| storage(format!("delete tag `{name}`"), &error))? > 0)
}
