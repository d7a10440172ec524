//! Connector `mysql`: tables and queries of MariaDB and MySQL, whole or from a cursor on.

mod config;
mod connect;
mod export;
mod types;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::TryStreamExt as _;
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::cursor::{CursorPosition, CursorReader, Verdict};
use crate::relation::{cursor_of, wrong};
use crate::written::WrittenRows;
use crate::{ConnectorError, Mode, Position, PullRequest, PullSink, PullSource, Pulled, Puller};
use config::{MysqlOptions, MysqlSource, quoted};
use connect::Session;
use types::{Kind, MyColumn, natural_schema, select_list, values};

pub use export::MysqlExporter;

/// The connector for MariaDB and MySQL.
#[derive(Debug, Clone, Copy)]
pub struct MysqlPuller;

#[async_trait]
impl Puller for MysqlPuller {
    fn kind(&self) -> &'static str {
        "mysql"
    }

    fn options(&self) -> schemars::Schema {
        schemars::schema_for!(MysqlOptions)
    }

    fn incidental(&self) -> &'static [&'static str] {
        &["certificate_authority"]
    }

    fn examine(&self, source: &PullSource) -> Result<(), ConnectorError> {
        MysqlSource::parse(source).map(drop)
    }

    async fn check(&self, source: &PullSource) -> Result<String, ConnectorError> {
        let mysql = MysqlSource::parse(source)?;
        let mut session = Session::open(&mysql).await?;
        let columns = types::columns(&mut session, &mysql).await?;
        let version: Result<String, sqlx::Error> =
            sqlx::query_scalar("select cast(version() as char)").fetch_one(&mut session.connection).await;
        let version = version.map_err(|error| session.origin.refused(&error))?;
        let product = if version.contains("MariaDB") { "MariaDB" } else { "MySQL" };
        let number = version.split('-').next().unwrap_or_default();
        Ok(format!("{product} {number}, {}: {} columns", mysql.relation.name(), columns.len()))
    }

    async fn describe(&self, source: &PullSource) -> Result<SchemaRef, ConnectorError> {
        let mysql = MysqlSource::parse(source)?;
        let mut session = Session::open(&mysql).await?;
        Ok(natural_schema(&types::columns(&mut session, &mysql).await?).into())
    }

    async fn pull(&self, request: &PullRequest, sink: &mut PullSink) -> Result<Pulled, ConnectorError> {
        let mysql = MysqlSource::parse(&request.source)?;
        let mut session = Session::open(&mysql).await?;
        let columns = types::columns(&mut session, &mysql).await?;
        match request.source.mode {
            Mode::Incremental => incremental(session, &mysql, &columns, request, sink).await,
            Mode::Full | Mode::Cdc => full(session, &mysql, &columns, sink).await,
        }
    }
}

async fn full(
    session: Session,
    mysql: &MysqlSource,
    columns: &[MyColumn],
    sink: &mut PullSink,
) -> Result<Pulled, ConnectorError> {
    let statement = format!("select {} from {}", select_list(columns), mysql.from());
    read(session, statement, columns, sink, &mut |_, _| Verdict::Take).await?;
    Ok(Pulled { position: Position(json!({})), complete: true, replaces: true })
}

async fn incremental(
    session: Session,
    mysql: &MysqlSource,
    columns: &[MyColumn],
    request: &PullRequest,
    sink: &mut PullSink,
) -> Result<Pulled, ConnectorError> {
    let source = &request.source;
    let cursor = cursor_of(source)?;
    let Some(place) = columns.iter().position(|column| column.name == cursor) else {
        let reason = format!("has no column `{cursor}` in {}", mysql.relation.name());
        return Err(session.origin.missing(reason, "mend `cursor`"));
    };
    let position: Option<CursorPosition> = request.position.as_ref().map(Position::read).transpose()?;
    let order = order(source, &columns[place])?;
    let condition = match &position {
        Some(position) => condition(source, &columns[place], &position.cursor)?,
        None => String::new(),
    };
    let statement = format!("select {} from {}{condition} order by {order}", select_list(columns), mysql.from());
    let mut reader = CursorReader::new(place, position.as_ref(), source.lag > 0, request.limits);
    let natural = natural_schema(columns);
    let complete = read(session, statement, columns, sink, &mut |sink, values| {
        let pairs = columns.iter().zip(values);
        let texts: Vec<Option<String>> = pairs.map(|(column, value)| Some(column.text(*value)?.into_owned())).collect();
        reader.judge((cursor, &natural), &texts, sink)
    })
    .await?;
    reader.pulled(request, complete)
}

/// Decides about a row by its values.
type Judge<'j> = &'j mut (dyn FnMut(&mut PullSink, &[Option<&[u8]>]) -> Verdict + Send);

/// Hands the rows of `statement` to `sink`, as long as `judge` takes them; false when it stopped. The session ends with
/// it: what the server has sent beyond that is not waited for.
async fn read(
    mut session: Session,
    statement: String,
    columns: &[MyColumn],
    sink: &mut PullSink,
    judge: Judge<'_>,
) -> Result<bool, ConnectorError> {
    let natural = natural_schema(columns);
    let mut rows = WrittenRows::new(&natural);
    sink.begin(&natural, rows.schema())?;
    let origin = session.origin.clone();
    // The text form of the protocol streams row by row, and numbers keep the digits that the server prints.
    let mut stream = sqlx::raw_sql(AssertSqlSafe(statement)).fetch(&mut session.connection);
    while let Some(row) = stream.try_next().await.map_err(|error| origin.refused(&error))? {
        let values = values(&row, columns.len()).map_err(|error| origin.refused(&error))?;
        match judge(sink, &values) {
            Verdict::Take => {
                for (place, (column, value)) in columns.iter().zip(&values).enumerate() {
                    column.push(&mut rows, place, *value);
                }
                rows.end_row();
            }
            Verdict::Skip => continue,
            Verdict::Stop => {
                rows.flush(sink).await?;
                return Ok(false);
            }
        }
        rows.flush_when_full(sink).await?;
    }
    rows.flush(sink).await?;
    Ok(true)
}

/// By what rows are ordered. Texts go byte by byte, so that texts which differ are never equal, as they are to most
/// collations.
fn order(source: &PullSource, column: &MyColumn) -> Result<String, ConnectorError> {
    let name = quoted(&column.name);
    match column.kind {
        Kind::Whole | Kind::Decimal | Kind::Double | Kind::Date | Kind::Instant => Ok(name),
        Kind::Text => Ok(format!("cast({name} as binary)")),
        _ => Err(wrong(
            source,
            &format!("column `{}` cannot be a cursor: its values have no order that new rows follow", column.name),
            "name a whole number, decimal, double, date, datetime, timestamp or text that only grows",
        )),
    }
}

/// Which rows are asked for. The newest value is the server's own text.
fn condition(source: &PullSource, column: &MyColumn, newest: &str) -> Result<String, ConnectorError> {
    let (name, lag) = (quoted(&column.name), source.lag);
    let is_plain = newest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.: ".contains(&byte));
    if column.kind != Kind::Text && !is_plain {
        return Err(ConnectorError::position(format!("says `{newest}`, which is no value of `{}`", column.name)));
    }
    Ok(match (column.kind, lag) {
        // A number in quotes would be compared as a double, which does not tell large ones apart.
        (Kind::Whole | Kind::Decimal | Kind::Double, 0) => format!(" where {name} >= {newest}"),
        (Kind::Whole | Kind::Decimal | Kind::Double, lag) => format!(" where {name} >= {newest} - {lag}"),
        (Kind::Date, lag) => format!(" where {name} >= date(cast('{newest}' as datetime) - interval {lag} second)"),
        (Kind::Instant, lag) => format!(" where {name} >= cast('{newest}' as datetime(6)) - interval {lag} second"),
        (Kind::Text, 0) => format!(" where cast({name} as binary) >= x'{}'", hex::encode(newest)),
        _ => {
            return Err(wrong(
                source,
                &format!("`lag` needs a cursor that is a time or a number, and `{}` is text", column.name),
                "take `lag` out, or choose another cursor",
            ));
        }
    })
}

#[cfg(test)]
mod tests;
