//! Files that tables of commands keep: which there are, and taking them out.

use std::path::Path;

use baton_core::{AssetName, Commit, Timestamp};
use baton_engine::{Session, SessionInput};
use serde::{Deserialize, Serialize};

use crate::checks::{quoted, rows_as_json};
use crate::error::RunError;
use crate::program::{are_files, write_files};
use crate::services::Services;
use crate::sessions::inputs_of;

/// A file that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Its path below the folder that the command wrote.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of what it holds, in hexadecimal digits.
    pub sha256: String,
}

/// The files that `table` keeps in a commit, as known at the clock, by path.
///
/// # Errors
/// [`RunError::Project`] for a table that keeps none; those of the query.
pub async fn kept_files(
    services: &Services,
    commit: &Commit,
    table: &AssetName,
    as_of: Option<Timestamp>,
) -> Result<Vec<KeptFile>, RunError> {
    let from = quoted(table);
    let session = session(services, commit, table, as_of).await?;
    let (schema, _) = session.query(&format!("select * from {from} limit 0")).await?;
    if !are_files(&schema) {
        let message = format!("`{table}` keeps rows and no files: `baton query` shows them");
        return Err(RunError::Project(message));
    }
    let sql = format!("select path, bytes, sha256 from {from} order by path");
    let (_, batches) = session.query(&sql).await?;
    let rows = rows_as_json(&batches).map_err(RunError::rows(table))?;
    let files = rows.into_iter().map(serde_json::from_value).collect::<Result<_, serde_json::Error>>();
    files.map_err(|error| RunError::Project(format!("files of `{table}` cannot be read: {error}")))
}

/// Writes files that `table` keeps below the folder `to`, one after the other; those that are there are written anew.
///
/// # Errors
/// [`RunError::Project`] where one is not what was kept, or cannot be written; those of the query.
pub async fn take_files(
    services: &Services,
    commit: &Commit,
    table: &AssetName,
    as_of: Option<Timestamp>,
    files: &[KeptFile],
    to: &Path,
) -> Result<(), RunError> {
    let session = session(services, commit, table, as_of).await?;
    for file in files {
        let path = file.path.replace('\'', "''");
        let sql = format!("select path, bytes, sha256, content from {} where path = '{path}'", quoted(table));
        let (_, batches) = session.query(&sql).await?;
        for rows in &batches {
            write_files(to, rows).map_err(RunError::Project)?;
        }
    }
    Ok(())
}

/// A session over the table alone.
async fn session(
    services: &Services,
    commit: &Commit,
    table: &AssetName,
    as_of: Option<Timestamp>,
) -> Result<Session, RunError> {
    let tables = inputs_of(services, &commit.assets, [table]).await?;
    Ok(services.engine.session(SessionInput { tables, as_of: Some(as_of.unwrap_or(commit.as_of)) })?)
}
