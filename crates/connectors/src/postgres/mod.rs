//! Connector `postgres`: tables and queries whole or from a cursor on, and changes by logical replication.

mod cdc;
mod config;
mod connect;
mod copy;
mod export;
mod pgoutput;
mod slot;
mod types;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use serde_json::json;
use tokio_postgres::types::Type;

use crate::cursor::{CursorPosition, CursorReader, Verdict};
use crate::relation::{cursor_of, quoted, wrong};
use crate::{ConnectorError, Mode, Position, PullRequest, PullSink, PullSource, Pulled, Puller};
use config::{PostgresOptions, PostgresSource};
use connect::Session;
use copy::copy;
use types::{PgColumn, natural_schema};

pub use export::PostgresExporter;

/// The connector for PostgreSQL.
#[derive(Debug, Clone, Copy)]
pub struct PostgresPuller;

#[async_trait]
impl Puller for PostgresPuller {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn options(&self) -> schemars::Schema {
        schemars::schema_for!(PostgresOptions)
    }

    fn incidental(&self) -> &'static [&'static str] {
        &["certificate_authority"]
    }

    fn examine(&self, source: &PullSource) -> Result<(), ConnectorError> {
        PostgresSource::parse(source).map(drop)
    }

    async fn check(&self, source: &PullSource) -> Result<String, ConnectorError> {
        let postgres = PostgresSource::parse(source)?;
        let session = Session::open(&postgres).await?;
        let columns = columns(&session, &postgres).await?;
        let version = session.client.query_one("show server_version", &[]).await;
        let version: String = version.map_err(|error| session.refused(&error))?.get(0);
        let mut answer = format!("PostgreSQL {version}, {}: {} columns", postgres.relation.name(), columns.len());
        if source.mode == Mode::Cdc {
            answer.push_str(&format!("; {}", slot::examine(&session, &postgres, &source.key).await?));
        }
        Ok(answer)
    }

    async fn describe(&self, source: &PullSource) -> Result<SchemaRef, ConnectorError> {
        let postgres = PostgresSource::parse(source)?;
        let session = Session::open(&postgres).await?;
        Ok(natural_schema(&columns(&session, &postgres).await?).into())
    }

    async fn pull(&self, request: &PullRequest, sink: &mut PullSink) -> Result<Pulled, ConnectorError> {
        let postgres = PostgresSource::parse(&request.source)?;
        let session = Session::open(&postgres).await?;
        let columns = columns(&session, &postgres).await?;
        match request.source.mode {
            Mode::Full => full(&session, &postgres, &columns, sink).await,
            Mode::Incremental => incremental(&session, &postgres, &columns, request, sink).await,
            Mode::Cdc => cdc::pull(&session, &postgres, &columns, request, sink).await,
        }
    }

    async fn confirm(&self, source: &PullSource, position: &Position) -> Result<(), ConnectorError> {
        if source.mode != Mode::Cdc {
            return Ok(());
        }
        let postgres = PostgresSource::parse(source)?;
        let session = Session::open(&postgres).await?;
        cdc::confirm(&session, &postgres, position).await
    }
}

/// The columns of the table or query, as the server says them.
async fn columns(session: &Session, postgres: &PostgresSource) -> Result<Vec<PgColumn>, ConnectorError> {
    let statement = format!("select * from {} limit 0", postgres.relation.as_sql());
    let prepared = session.client.prepare(&statement).await.map_err(|error| session.refused(&error))?;
    let column = |column: &tokio_postgres::Column| PgColumn {
        name: column.name().to_owned(),
        kind: column.type_().clone(),
        modifier: column.type_modifier(),
    };
    Ok(prepared.columns().iter().map(column).collect())
}

async fn full(
    session: &Session,
    postgres: &PostgresSource,
    columns: &[PgColumn],
    sink: &mut PullSink,
) -> Result<Pulled, ConnectorError> {
    let select = format!("select * from {}", postgres.relation.as_sql());
    copy(session, &select, columns, sink, &mut |_, _| Verdict::Take).await?;
    Ok(Pulled { position: Position(json!({})), complete: true, replaces: true })
}

async fn incremental(
    session: &Session,
    postgres: &PostgresSource,
    columns: &[PgColumn],
    request: &PullRequest,
    sink: &mut PullSink,
) -> Result<Pulled, ConnectorError> {
    let source = &request.source;
    let cursor = cursor_of(source)?;
    let Some(place) = columns.iter().position(|column| column.name == cursor) else {
        return Err(
            session.missing(format!("has no column `{cursor}` in {}", postgres.relation.name()), "mend `cursor`")
        );
    };
    let position: Option<CursorPosition> = request.position.as_ref().map(Position::read).transpose()?;
    let condition = condition(source, &columns[place], position.as_ref())?;
    let (from, order) = (postgres.relation.as_sql(), quoted(cursor));
    let select = format!("select * from {from}{condition} order by {order}");
    let mut reader = CursorReader::new(place, position.as_ref(), source.lag > 0, request.limits);
    let natural = natural_schema(columns);
    let complete =
        copy(session, &select, columns, sink, &mut |sink, values| reader.judge((cursor, &natural), &values(), sink))
            .await?;
    reader.pulled(request, complete)
}

/// Which rows are asked for. The newest value stands as text, which the server takes for the column's type.
fn condition(
    source: &PullSource,
    column: &PgColumn,
    position: Option<&CursorPosition>,
) -> Result<String, ConnectorError> {
    let Some(position) = position else { return Ok(String::new()) };
    let name = quoted(&column.name);
    let newest = format!("'{}'", position.cursor.replace('\'', "''"));
    if source.lag == 0 {
        return Ok(format!(" where {name} >= {newest}"));
    }
    let lag = source.lag;
    let from = match column.kind {
        Type::TIMESTAMPTZ => format!("{newest}::timestamptz - interval '{lag} seconds'"),
        Type::TIMESTAMP => format!("{newest}::timestamp - interval '{lag} seconds'"),
        Type::DATE => format!("({newest}::date - interval '{lag} seconds')::date"),
        Type::INT2 | Type::INT4 | Type::INT8 | Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => {
            format!("{newest}::numeric - {lag}")
        }
        _ => {
            return Err(wrong(
                source,
                &format!("`lag` needs a cursor that is a time or a number, and `{}` is {}", column.name, column.kind),
                "take `lag` out, or choose another cursor",
            ));
        }
    };
    Ok(format!(" where {name} >= {from}"))
}

#[cfg(test)]
mod tests;
