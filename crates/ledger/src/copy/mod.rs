//! Moving a ledger to another database: everything that it holds, in one transaction, compared on both sides.
//!
//! Killed at any instant, the target is empty or whole; asked again, a whole one is recognised by its digests.

mod tables;

use baton_core::Timestamp;
use baton_core::ports::{LedgerError, LogRoot};

use crate::SqlLedger;
use crate::database::{Statement, Transaction};
use crate::error::storage;
use crate::ledger::{read_frontier, write_frontier};
use crate::verify::verify;
use tables::{Page, TABLES, Table};

const ACTION: &str = "copy the ledger";

/// Why a ledger was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The target holds something else.
    #[error(
        "the target holds {rows} rows in `{table}` already, and they are not those of the source; name an empty ledger"
    )]
    NotEmpty {
        /// The first table that differs.
        table: &'static str,
        /// How many rows it has there.
        rows: u64,
    },
    /// A server runs schedules on the source, and would go on writing to it.
    #[error("{holder} holds the lease `{lease}` of the source; stop that server first")]
    InUse {
        /// Who.
        holder: String,
        /// Of what.
        lease: String,
    },
    /// What arrived is not what was sent; nothing of it was kept.
    #[error("rows of `{table}` came out otherwise in the target; nothing was kept")]
    Differs {
        /// The first table that differs.
        table: &'static str,
    },
    /// One of the two ledgers failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What a copy holds, on both sides alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Whether it was there already, from an earlier call that was killed after its work.
    pub was_there: bool,
    /// Size and Merkle root of the sealed log, computed again on both sides.
    pub root: LogRoot,
    /// Rows by table.
    pub rows: Vec<(&'static str, u64)>,
}

/// Rows of a table and the digest over all their values, in order of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    rows: u64,
    digest: [u8; 32],
}

impl SqlLedger {
    /// Copies everything to `target`, which must be empty or hold just that. `now` decides which leases still hold.
    ///
    /// The caller keeps others from working on either side.
    ///
    /// # Errors
    /// See [`CopyError`]; the target is then as it was.
    pub async fn copy_to(&self, target: &Self, now: Timestamp) -> Result<Copied, CopyError> {
        let mut from = self.database.snapshot(ACTION).await?;
        refuse_leases(&mut from, now).await?;
        let root = verify(&mut from).await?;
        let mut to = target.database.begin(ACTION).await?;
        let before = contents(&mut to).await?;
        let is_empty = before.iter().all(|content| content.rows == 0);
        if is_empty {
            copy_all(&mut from, &mut to).await?;
        }
        let expected = contents(&mut from).await?;
        let found = if is_empty { contents(&mut to).await? } else { before };
        if let Some((table, content)) = first_difference(&expected, &found) {
            return Err(match is_empty {
                true => CopyError::Differs { table },
                false => CopyError::NotEmpty { table, rows: content.rows },
            });
        }
        if verify(&mut to).await? != root {
            return Err(CopyError::Differs { table: "log_head" });
        }
        to.commit(ACTION).await?;
        let rows = TABLES.iter().zip(&expected).map(|(table, content)| (table.name, content.rows)).collect();
        Ok(Copied { was_there: !is_empty && root.size > 0, root, rows })
    }
}

async fn refuse_leases(from: &mut Transaction, now: Timestamp) -> Result<(), CopyError> {
    let select = Statement::new("SELECT name, holder FROM lease WHERE holder <> '' AND until > $1 ORDER BY name");
    let held: Option<(String, String)> =
        from.one(select.bind(now.timestamp_micros())).await.map_err(|error| storage(ACTION, &error))?;
    held.map_or(Ok(()), |(lease, holder)| Err(CopyError::InUse { holder, lease }))
}

async fn copy_all(from: &mut Transaction, to: &mut Transaction) -> Result<(), LedgerError> {
    let failed = |error: sqlx::Error| storage(ACTION, &error);
    // Commits refer to their parents, which may come after them.
    to.defer_references().await.map_err(failed)?;
    for table in TABLES {
        let mut page = Page::first(table);
        while page.read(from).await.map_err(failed)? {
            page.write(to).await.map_err(failed)?;
        }
        if table.is_numbered {
            to.number_from_behind(table.name).await.map_err(failed)?;
        }
    }
    let frontier = read_frontier(from).await?;
    write_frontier(to, &frontier).await.map_err(failed)
}

async fn contents(side: &mut Transaction) -> Result<Vec<Content>, LedgerError> {
    let mut contents = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        contents.push(content(side, table).await.map_err(|error| storage(ACTION, &error))?);
    }
    Ok(contents)
}

async fn content(side: &mut Transaction, table: &'static Table) -> sqlx::Result<Content> {
    let mut page = Page::first(table);
    while page.read(side).await? {}
    let (rows, digest) = page.total();
    Ok(Content { rows, digest })
}

fn first_difference<'a>(expected: &[Content], found: &'a [Content]) -> Option<(&'static str, &'a Content)> {
    let sides = TABLES.iter().zip(expected.iter().zip(found));
    sides.filter(|(_, (expected, found))| expected != found).map(|(table, (_, found))| (table.name, found)).next()
}
