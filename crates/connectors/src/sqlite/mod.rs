//! Connector `sqlite`: tables and queries of a database file, whole or from a cursor on.
//!
//! SQLite stores any value in any column, so values are taken as text and held to the declared type of their column; where
//! none is declared, to that of its first value.

mod config;
mod types;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use futures::TryStreamExt as _;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

use crate::cursor::{CursorPosition, CursorReader, Verdict};
use crate::relation::{cursor_of, quoted};
use crate::written::WrittenRows;
use crate::{ConnectorError, Mode, Position, PullRequest, PullSink, PullSource, Pulled, Puller};
use config::{SqliteOptions, SqliteSource};

/// The connector for database files of SQLite.
#[derive(Debug, Clone, Copy)]
pub struct SqlitePuller;

#[async_trait]
impl Puller for SqlitePuller {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn options(&self) -> schemars::Schema {
        schemars::schema_for!(SqliteOptions)
    }

    fn examine(&self, source: &PullSource) -> Result<(), ConnectorError> {
        SqliteSource::parse(source).map(drop)
    }

    async fn check(&self, source: &PullSource) -> Result<String, ConnectorError> {
        let sqlite = SqliteSource::parse(source)?;
        let mut connection = connect(&sqlite).await?;
        let columns = types::columns(&mut connection, &sqlite).await?;
        let version: String = sqlx::query_scalar("select sqlite_version()")
            .fetch_one(&mut connection)
            .await
            .map_err(|error| refused(&sqlite, &error))?;
        Ok(format!("SQLite {version}, {}: {} columns", sqlite.relation.name(), columns.fields().len()))
    }

    async fn describe(&self, source: &PullSource) -> Result<SchemaRef, ConnectorError> {
        let sqlite = SqliteSource::parse(source)?;
        let mut connection = connect(&sqlite).await?;
        types::columns(&mut connection, &sqlite).await
    }

    async fn pull(&self, request: &PullRequest, sink: &mut PullSink) -> Result<Pulled, ConnectorError> {
        let sqlite = SqliteSource::parse(&request.source)?;
        let mut connection = connect(&sqlite).await?;
        let natural = types::columns(&mut connection, &sqlite).await?;
        match request.source.mode {
            Mode::Incremental => incremental(&mut connection, &sqlite, &natural, request, sink).await,
            Mode::Full | Mode::Cdc => full(&mut connection, &sqlite, &natural, sink).await,
        }
    }
}

async fn connect(sqlite: &SqliteSource) -> Result<SqliteConnection, ConnectorError> {
    if !sqlite.path.is_file() {
        return Err(ConnectorError::Origin {
            origin: sqlite.origin.clone(),
            reason: "is not there".to_owned(),
            hint: "mend `path`".to_owned(),
            is_transient: false,
        });
    }
    let options = SqliteConnectOptions::new().filename(&sqlite.path).read_only(true).disable_statement_logging();
    options.connect().await.map_err(|error| refused(sqlite, &error))
}

fn refused(sqlite: &SqliteSource, error: &sqlx::Error) -> ConnectorError {
    let reason = match error {
        sqlx::Error::Database(error) => format!("refuses: {}", error.message()),
        other => format!("cannot be read: {other}"),
    };
    let is_transient = reason.contains("locked") || reason.contains("busy");
    let hint = "mend `path`, `table` or `query`".to_owned();
    ConnectorError::Origin { origin: sqlite.origin.clone(), reason, hint, is_transient }
}

async fn full(
    connection: &mut SqliteConnection,
    sqlite: &SqliteSource,
    natural: &Schema,
    sink: &mut PullSink,
) -> Result<Pulled, ConnectorError> {
    let mut rows = WrittenRows::new(natural);
    sink.begin(natural, rows.schema())?;
    let statement = format!("select * from {}", sqlite.relation.as_sql());
    let mut stream = sqlx::query(AssertSqlSafe(statement)).fetch(connection);
    while let Some(row) = stream.try_next().await.map_err(|error| refused(sqlite, &error))? {
        for column in 0..natural.fields().len() {
            push(&mut rows, column, &row).map_err(|error| refused(sqlite, &error))?;
        }
        rows.end_row();
        rows.flush_when_full(sink).await?;
    }
    rows.flush(sink).await?;
    Ok(Pulled { position: Position(json!({})), complete: true, replaces: true })
}

async fn incremental(
    connection: &mut SqliteConnection,
    sqlite: &SqliteSource,
    natural: &Schema,
    request: &PullRequest,
    sink: &mut PullSink,
) -> Result<Pulled, ConnectorError> {
    let source = &request.source;
    let cursor = cursor_of(source)?;
    let column = natural.index_of(cursor).map_err(|_| no_cursor(sqlite, cursor))?;
    let position: Option<CursorPosition> = request.position.as_ref().map(Position::read).transpose()?;
    let mut rows = WrittenRows::new(natural);
    sink.begin(natural, rows.schema())?;
    let mut reader = CursorReader::new(column, position.as_ref(), source.lag > 0, request.limits);
    let statement = statement(sqlite, cursor, source.lag, position.is_some());
    let mut query = sqlx::query(AssertSqlSafe(statement));
    if let Some(position) = &position {
        query = query.bind(position.cursor.clone());
    }
    let mut complete = true;
    let mut stream = query.fetch(connection);
    while let Some(row) = stream.try_next().await.map_err(|error| refused(sqlite, &error))? {
        let values = texts(&row, natural.fields().len()).map_err(|error| refused(sqlite, &error))?;
        match reader.judge((cursor, natural), &values, sink) {
            Verdict::Take => {
                for column in 0..values.len() {
                    push(&mut rows, column, &row).map_err(|error| refused(sqlite, &error))?;
                }
                rows.end_row();
            }
            Verdict::Skip => {}
            Verdict::Stop => {
                complete = false;
                break;
            }
        }
        rows.flush_when_full(sink).await?;
    }
    rows.flush(sink).await?;
    reader.pulled(request, complete)
}

/// Numbers are compared as numbers, and texts as they are; with a lag, texts are times.
fn statement(sqlite: &SqliteSource, cursor: &str, lag: i64, goes_on: bool) -> String {
    let (from, cursor) = (sqlite.relation.as_sql(), quoted(cursor));
    let newest = format!("case typeof({cursor}) when 'text' then ?1 else cast(?1 as numeric) end");
    let condition = match (goes_on, lag) {
        (false, _) => String::new(),
        (true, 0) => format!(" where {cursor} >= {newest}"),
        (true, lag) => format!(
            " where case typeof({cursor}) when 'text' then julianday({cursor}) >= julianday(?1, '-{lag} seconds') \
             else {cursor} >= cast(?1 as numeric) - {lag} end"
        ),
    };
    format!("select * from {from}{condition} order by {cursor}")
}

fn no_cursor(sqlite: &SqliteSource, cursor: &str) -> ConnectorError {
    ConnectorError::Origin {
        origin: sqlite.origin.clone(),
        reason: format!("has no column `{cursor}` in {}", sqlite.relation.name()),
        hint: "mend `cursor`".to_owned(),
        is_transient: false,
    }
}

fn texts(row: &SqliteRow, n_columns: usize) -> Result<Vec<Option<String>>, sqlx::Error> {
    (0..n_columns).map(|column| types::text(row, column)).collect()
}

fn push(rows: &mut WrittenRows, column: usize, row: &SqliteRow) -> Result<(), sqlx::Error> {
    if types::is_blob(row, column)? {
        rows.push_bytes(column, row.try_get_unchecked(column)?);
    } else {
        rows.push(column, types::text(row, column)?.as_deref());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
