//! Connector `duckdb`: tables and queries of a database file, whole or from a cursor on, as batches of Arrow all the way.

mod config;
mod library;

use arrow::array::{AsArray as _, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use async_trait::async_trait;
use serde_json::json;
use tokio::sync::mpsc;

use crate::cursor::{CursorPosition, CursorReader, Verdict};
use crate::relation::{cursor_of, quoted, wrong};
use crate::{ConnectorError, Mode, Position, PullRequest, PullSink, PullSource, Pulled, Puller};
use config::{DuckdbOptions, DuckdbSource};
use library::{Session, told};

/// Batches that may be on their way.
const ON_THE_WAY: usize = 4;

/// The connector for database files of DuckDB.
#[derive(Debug, Clone, Copy)]
pub struct DuckdbPuller;

#[async_trait]
impl Puller for DuckdbPuller {
    fn kind(&self) -> &'static str {
        "duckdb"
    }

    fn options(&self) -> schemars::Schema {
        schemars::schema_for!(DuckdbOptions)
    }

    fn incidental(&self) -> &'static [&'static str] {
        &["library"]
    }

    fn examine(&self, source: &PullSource) -> Result<(), ConnectorError> {
        DuckdbSource::parse(source).map(drop)
    }

    async fn check(&self, source: &PullSource) -> Result<String, ConnectorError> {
        let duckdb = DuckdbSource::parse(source)?;
        on_a_thread(move || {
            let mut session = Session::open(&duckdb)?;
            let (version, columns) = (session.text("select version()")?, columns(&mut session, &duckdb)?);
            Ok(format!("DuckDB {version}, {}: {} columns", duckdb.relation.name(), columns.fields().len()))
        })
        .await
    }

    async fn describe(&self, source: &PullSource) -> Result<SchemaRef, ConnectorError> {
        let duckdb = DuckdbSource::parse(source)?;
        on_a_thread(move || columns(&mut Session::open(&duckdb)?, &duckdb)).await
    }

    async fn pull(&self, request: &PullRequest, sink: &mut PullSink) -> Result<Pulled, ConnectorError> {
        let duckdb = DuckdbSource::parse(&request.source)?;
        let opened = duckdb.clone();
        let (session, natural) = on_a_thread(move || {
            let mut session = Session::open(&opened)?;
            let natural = columns(&mut session, &opened)?;
            Ok((session, natural))
        })
        .await?;
        sink.begin(&natural, &natural)?;
        match request.source.mode {
            Mode::Incremental => incremental(session, &duckdb, &natural, request, sink).await,
            Mode::Full | Mode::Cdc => full(session, &duckdb, &natural, sink).await,
        }
    }
}

/// Does what blocks where that is allowed.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ConnectorError> + Send + 'static,
) -> Result<T, ConnectorError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ConnectorError::sink(error.to_string()))?
}

/// The columns, as they land.
fn columns(session: &mut Session, duckdb: &DuckdbSource) -> Result<SchemaRef, ConnectorError> {
    let found = session.columns(&format!("select * from {} limit 0", duckdb.from()))?;
    let field = |field: &arrow::datatypes::FieldRef| {
        let landed = if is_taken_as_text(field) { DataType::Utf8 } else { field.data_type().clone() };
        Field::new(field.name(), landed, true)
    };
    Ok(Schema::new(found.fields().iter().map(field).collect::<Vec<_>>()).into())
}

/// Types that tables do not have.
fn is_taken_as_text(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Interval(_) | DataType::Union(..))
}

/// What stands between SELECT and FROM: `natural` says which columns are to come as text.
fn select_list(natural: &Schema) -> String {
    let item = |field: &arrow::datatypes::FieldRef| {
        let name = quoted(field.name());
        match field.data_type() {
            DataType::Utf8 => format!("cast(pulled.{name} as varchar) as {name}"),
            _ => format!("pulled.{name}"),
        }
    };
    natural.fields().iter().map(item).collect::<Vec<_>>().join(", ")
}

async fn full(
    session: Session,
    duckdb: &DuckdbSource,
    natural: &Schema,
    sink: &mut PullSink,
) -> Result<Pulled, ConnectorError> {
    let statement = format!("select {} from {}", select_list(natural), duckdb.from());
    let (mut batches, reading) = read(session, statement);
    while let Some(batch) = batches.recv().await {
        sink.rows(&batch).await?;
    }
    reading.await.map_err(|error| ConnectorError::sink(error.to_string()))??;
    Ok(Pulled { position: Position(json!({})), complete: true, replaces: true })
}

async fn incremental(
    session: Session,
    duckdb: &DuckdbSource,
    natural: &Schema,
    request: &PullRequest,
    sink: &mut PullSink,
) -> Result<Pulled, ConnectorError> {
    let source = &request.source;
    let cursor = cursor_of(source)?;
    let Ok(field) = natural.field_with_name(cursor) else {
        let reason = format!("has no column `{cursor}` in {}", duckdb.relation.name());
        return Err(told(&duckdb.origin, reason, "mend `cursor`", false));
    };
    let position: Option<CursorPosition> = request.position.as_ref().map(Position::read).transpose()?;
    let condition = match &position {
        Some(position) => condition(source, field, &position.cursor)?,
        None => String::new(),
    };
    let (list, from, name) = (select_list(natural), duckdb.from(), quoted(cursor));
    // Behind the columns: the cursor and the whole row as text, by which rows are known again.
    let statement = format!(
        "select {list}, cast(pulled.{name} as varchar), cast(pulled as varchar) from {from}{condition} \
         order by pulled.{name}"
    );
    let mut reader = CursorReader::new(0, position.as_ref(), source.lag > 0, request.limits);
    let (mut batches, reading) = read(session, statement);
    let mut complete = true;
    while let Some(batch) = batches.recv().await {
        let (kept, has_stopped) = judged(&batch, natural.fields().len(), cursor, &mut reader, sink);
        let rows = rows_of(&batch, natural, &kept).map_err(|error| ConnectorError::sink(error.to_string()))?;
        if rows.num_rows() > 0 {
            sink.rows(&rows).await?;
        }
        if has_stopped {
            complete = false;
            break;
        }
    }
    drop(batches);
    reading.await.map_err(|error| ConnectorError::sink(error.to_string()))??;
    reader.pulled(request, complete)
}

/// Reads on a thread; batches come as they are taken.
fn read(
    mut session: Session,
    statement: String,
) -> (mpsc::Receiver<RecordBatch>, tokio::task::JoinHandle<Result<(), ConnectorError>>) {
    let (sender, receiver) = mpsc::channel(ON_THE_WAY);
    (receiver, tokio::task::spawn_blocking(move || session.send(&statement, &sender)))
}

/// Which rows of a batch are new, and whether the rest is for the next time.
fn judged(
    batch: &RecordBatch,
    n_columns: usize,
    cursor: &str,
    reader: &mut CursorReader,
    sink: &mut PullSink,
) -> (BooleanArray, bool) {
    let text = |column: usize, row: usize| {
        let texts = batch.columns().get(n_columns + column)?.as_string_opt::<i32>()?;
        arrow::array::Array::is_valid(texts, row).then(|| texts.value(row).to_owned())
    };
    let shown = Schema::new(vec![Field::new(cursor, DataType::Utf8, true), Field::new("row", DataType::Utf8, true)]);
    let (mut kept, mut has_stopped) = (Vec::with_capacity(batch.num_rows()), false);
    for row in 0..batch.num_rows() {
        has_stopped = has_stopped
            || match reader.judge((cursor, &shown), &[text(0, row), text(1, row)], sink) {
                Verdict::Take => {
                    kept.push(true);
                    continue;
                }
                Verdict::Skip => false,
                Verdict::Stop => true,
            };
        kept.push(false);
    }
    (BooleanArray::from(kept), has_stopped)
}

fn rows_of(batch: &RecordBatch, natural: &Schema, kept: &BooleanArray) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<usize> = (0..natural.fields().len()).collect();
    filter_record_batch(&batch.project(&columns)?, kept)
}

/// Which rows are asked for. The newest value is the library's own text, which is taken for the column's type.
fn condition(source: &PullSource, field: &Field, newest: &str) -> Result<String, ConnectorError> {
    let (name, lag) = (quoted(field.name()), source.lag);
    let newest = format!("'{}'", newest.replace('\'', "''"));
    if lag == 0 {
        return Ok(format!(" where pulled.{name} >= {newest}"));
    }
    let from = match field.data_type() {
        DataType::Timestamp(_, Some(_)) => format!("{newest}::timestamptz - to_seconds({lag})"),
        DataType::Timestamp(_, None) => format!("{newest}::timestamp - to_seconds({lag})"),
        DataType::Date32 => format!("{newest}::date - to_seconds({lag})"),
        DataType::Float32 | DataType::Float64 => format!("{newest}::double - {lag}"),
        DataType::Decimal128(_, scale) => format!("{newest}::decimal(38, {scale}) - {lag}"),
        kind if kind.is_integer() => format!("{newest}::hugeint - {lag}"),
        _ => {
            let reason = format!("`lag` needs a cursor that is a time or a number, and `{}` is none", field.name());
            return Err(wrong(source, &reason, "take `lag` out, or choose another cursor"));
        }
    };
    Ok(format!(" where pulled.{name} >= {from}"))
}

#[cfg(test)]
mod tests;
