//! What tables a ledger has, and their rows page by page.

use sha2::{Digest as _, Sha256};
use sqlx::{Column as _, ColumnIndex, Database, Decode, FromRow, Row, Type, TypeInfo as _};

use crate::database::{Statement, Transaction, Value};

/// Rows that are held at a time.
const PAGE: usize = 512;

/// A table to copy.
pub(super) struct Table {
    /// Its name.
    pub(super) name: &'static str,
    /// Its columns; those of the key, which orders its rows, come first.
    pub(super) columns: &'static [&'static str],
    /// How many columns make the key.
    pub(super) key: usize,
    /// Whether the database numbers new rows, by `id`.
    pub(super) is_numbered: bool,
}

const fn table(name: &'static str, key: usize, columns: &'static [&'static str]) -> Table {
    Table { name, columns, key, is_numbered: false }
}

const fn numbered(name: &'static str, columns: &'static [&'static str]) -> Table {
    Table { name, columns, key: 1, is_numbered: true }
}

/// All tables but `log_head`.
pub(super) const TABLES: &[Table] = &[
    table("event", 1, &["sequence", "at", "as_of", "environment", "run", "asset", "kind", "key", "body", "leaf"]),
    table("commit_record", 1, &["id", "parent", "content", "merged"]),
    table("environment", 1, &["name", "commit_id"]),
    table("tag", 1, &["name", "commit_id"]),
    table("lease", 1, &["name", "holder", "token", "until"]),
    table("schedule_cursor", 2, &["environment", "schedule", "cursor"]),
    numbered(
        "request",
        &[
            "id",
            "environment",
            "schedule",
            "trigger",
            "key",
            "due_at",
            "as_of",
            "requested_at",
            "priority",
            "parameters",
            "state",
            "attempts",
            "not_before",
            "token",
            "reason",
        ],
    ),
    table(
        "run",
        1,
        &[
            "id",
            "environment",
            "command",
            "schedule",
            "trigger",
            "due_at",
            "as_of",
            "author",
            "started_at",
            "finished_at",
            "state",
            "commit_id",
            "steps",
            "failed",
            "cause",
            "cancelled",
            "parameters",
            "planned",
            "request",
        ],
    ),
    table(
        "run_step",
        2,
        &["run", "number", "asset", "verb", "state", "attempts", "started_at", "finished_at", "detail", "hit", "rows"],
    ),
    table("pool_wait", 2, &["pool", "holder", "priority", "since", "until"]),
    table("adjustment", 2, &["environment", "subject", "value", "until", "at", "author", "reason"]),
    numbered("run_log", &["id", "run", "asset", "at", "level", "text"]),
    numbered(
        "message",
        &["id", "environment", "channel", "cause", "ends", "at", "body", "state", "attempts", "not_before", "reason"],
    ),
];

/// Some rows of a table at a time, and the digest over all that were read.
pub(super) struct Page {
    table: &'static Table,
    rows: Vec<Cells>,
    count: u64,
    digest: Sha256,
}

impl Page {
    /// Before the first row.
    pub(super) fn first(table: &'static Table) -> Self {
        Self { table, rows: Vec::new(), count: 0, digest: Sha256::new() }
    }

    /// Goes on to the next rows; `false` behind the last.
    pub(super) async fn read(&mut self, from: &mut Transaction) -> sqlx::Result<bool> {
        let last = self.rows.pop();
        if last.is_none() && self.count > 0 {
            return Ok(false);
        }
        self.rows = from.all(select(self.table, last)).await?;
        for row in &self.rows {
            row.digest_into(&mut self.digest);
        }
        self.count += self.rows.len() as u64;
        Ok(!self.rows.is_empty())
    }

    /// Writes the rows that were read last.
    pub(super) async fn write(&self, to: &mut Transaction) -> sqlx::Result<()> {
        let head = format!("INSERT INTO {} ({}) VALUES ", self.table.name, self.table.columns.join(", "));
        let rows = self.rows.iter().map(|Cells(values)| values.clone()).collect();
        for insert in Statement::inserts(&head, rows, "") {
            to.execute(insert).await?;
        }
        Ok(())
    }

    /// How many rows were read, and the digest over them.
    pub(super) fn total(self) -> (u64, [u8; 32]) {
        (self.count, self.digest.finalize().into())
    }
}

fn select(table: &Table, last: Option<Cells>) -> Statement {
    let key = table.columns[..table.key].join(", ");
    let mut select = Statement::new(format!("SELECT {} FROM {}", table.columns.join(", "), table.name));
    if let Some(Cells(values)) = last {
        select.push(&format!(" WHERE ({key}) > ("));
        for (place, value) in values.into_iter().take(table.key).enumerate() {
            select.push(if place == 0 { "" } else { ", " }).push_bind(value);
        }
        select.push(")");
    }
    select.push(&format!(" ORDER BY {key} LIMIT {PAGE}"));
    select
}

/// The values of a row in the order of its columns.
#[derive(Debug, Clone, PartialEq)]
struct Cells(Vec<Value>);

impl Cells {
    /// Adds the row: of each value its kind, its length and its bytes.
    fn digest_into(&self, digest: &mut Sha256) {
        for value in &self.0 {
            let (kind, bytes) = match value {
                Value::Integer(None) | Value::Real(None) | Value::Text(None) => (0_u8, Vec::new()),
                Value::Integer(Some(number)) => (1, number.to_be_bytes().to_vec()),
                Value::Text(Some(text)) => (2, text.clone().into_bytes()),
                Value::Bytes(bytes) => (3, bytes.clone()),
                Value::Real(Some(number)) => (4, number.to_be_bytes().to_vec()),
            };
            digest.update([kind]);
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        }
    }
}

impl<'r, R> FromRow<'r, R> for Cells
where
    R: Row,
    usize: ColumnIndex<R>,
    Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        let value = |column: &<R::Database as Database>::Column| {
            let place = column.ordinal();
            Ok(match column.type_info().name() {
                "INTEGER" | "INT8" => Value::Integer(row.try_get(place)?),
                "BLOB" | "BYTEA" => Value::Bytes(row.try_get(place)?),
                _ => Value::Text(row.try_get(place)?),
            })
        };
        row.columns().iter().map(value).collect::<sqlx::Result<_>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use baton_testkit::postgres::TestPostgres;

    use super::*;
    use crate::{Location, SqlLedger};

    /// `table.column` of all that is copied.
    fn copied() -> BTreeSet<String> {
        let of = |table: &'static Table| table.columns.iter().map(|column| format!("{}.{column}", table.name));
        TABLES.iter().flat_map(of).collect()
    }

    /// `table.column` of all that a database has, but for the log's head, which is written by itself, and the migrations.
    async fn there(ledger: &SqlLedger, text: &'static str) -> BTreeSet<String> {
        let rows: Vec<(String,)> = ledger.database.all(Statement::new(text)).await.unwrap();
        let names = rows.into_iter().map(|(name,)| name);
        names.filter(|name| !name.starts_with("log_head.") && !name.starts_with("_sqlx_migrations.")).collect()
    }

    #[tokio::test]
    async fn every_column_of_both_databases_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let file = SqlLedger::open_file(folder.path().join("ledger.db")).await.unwrap();
        let columns = "SELECT t.name || '.' || c.name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c \
                       WHERE t.type = 'table'";
        assert_eq!(there(&file, columns).await, copied());
        let location = Location::parse(&TestPostgres::shared().database(), Path::new("")).unwrap();
        let server = SqlLedger::open(&location).await.unwrap();
        let columns = "SELECT table_name || '.' || column_name FROM information_schema.columns \
                       WHERE table_schema = current_schema()";
        assert_eq!(there(&server, columns).await, copied());
    }

    #[test]
    fn both_databases_have_the_same_newest_migration() {
        let newest = |folder: &str| {
            let files =
                std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder)).unwrap();
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).max()
        };
        assert_eq!(newest("sqlite"), newest("postgres"));
    }
}
