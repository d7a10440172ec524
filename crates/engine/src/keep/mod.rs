//! How the rows of a query meet those that a table holds: by interval, by key, each once, as a history, as snapshots.
//!
//! Pure functions over Arrow batches: [`effect`] says which keys of the table go and which rows come, and
//! [`materialize`] what the table holds afterwards. Rows are those of the query with their system columns; stored rows
//! those of the table with theirs. The same rows in any order, and in any number of batches, come to the same table.
//!
//! | kind | the table after a batch |
//! |---|---|
//! | table, view | the rows |
//! | incremental | its rows outside of the interval, and the rows |
//! | merge | for each key the row with the latest time (else the one known last); keys whose row is a deletion have none |
//! | append | its rows, and those rows that it does not hold yet |
//! | history | for each key all states that were ever seen, each valid until the next one or until its deletion |
//! | snapshot | its rows, and the rows with the clock as `snapshot_at` |

mod append;
mod history;
mod merge;
mod rows;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use baton_core::Interval;
use baton_core::asset::{Materialize, SNAPSHOT_AT, Table, VALID_FROM, VALID_TO};

use crate::error::EngineError;
use crate::{AVAILABLE_AT, is_system_column};

pub use append::Held;
pub use rows::Keys;

/// The system column that says when the end of a state became known (timestamp, microseconds, UTC).
pub const VALID_TO_AVAILABLE_AT: &str = "_valid_to_available_at";

/// What decides how rows meet those of a table.
#[derive(Debug, Clone, Copy)]
pub struct Keeping<'a> {
    /// The table: how it is kept, its grain, its time.
    pub table: &'a Table,
    /// The logical clock, in microseconds.
    pub clock: i64,
    /// For incremental tables: the time that is computed.
    pub interval: Option<Interval>,
    /// Whether the rows are all that the query yields: then a key without a row is one that is gone.
    pub whole: bool,
}

/// What a batch does to a table.
#[derive(Debug, Clone)]
pub struct Effect {
    /// Keys, as a batch of the grain's columns, of which every stored row goes.
    pub gone: RecordBatch,
    /// The rows that come, with all columns of the table.
    pub rows: RecordBatch,
}

/// The schema of a table that is kept like this, whose query yields rows of `query`: system columns come last. A column
/// may be null even if the query's never is: rows of before it came have none.
pub fn kept_schema(query: &Schema, how: Materialize) -> SchemaRef {
    let nullable = |field: &FieldRef| Arc::new(field.as_ref().clone().with_nullable(true));
    let (system, visible): (Vec<FieldRef>, Vec<FieldRef>) =
        query.fields().iter().map(nullable).partition(|field| is_system_column(field.name()));
    let added = how.added_columns().iter().map(|name| Arc::new(Field::new(*name, instant_type(), true)));
    let closing =
        (how == Materialize::History).then(|| Arc::new(Field::new(VALID_TO_AVAILABLE_AT, instant_type(), true)));
    let fields: Vec<FieldRef> = visible.into_iter().chain(added).chain(system).chain(closing).collect();
    Arc::new(Schema::new(fields))
}

/// What `rows` of the query do to a table that holds `stored`; of a table that is kept by key, the rows of the keys
/// among `rows` are enough, and all rows where keys that are gone are closed.
///
/// # Errors
/// [`EngineError::Kept`] when a key has rows of which none is the newest, or a row lacks its key or its time.
pub fn effect(stored: &[RecordBatch], rows: &[RecordBatch], keeping: &Keeping<'_>) -> Result<Effect, EngineError> {
    let how = keeping.table.materialize;
    let query = rows.first().map(RecordBatch::schema).or_else(|| stored.first().map(RecordBatch::schema));
    let query = query.unwrap_or_else(|| Arc::new(Schema::empty()));
    let own = kept_schema(&without_added(&query, how), how);
    let schema = with_former(&own, stored);
    let stored = rows::together(stored, &schema)?;
    let rows = rows::together(rows, &schema)?;
    match how {
        Materialize::Merge => merge::merge(&stored, &rows, keeping, &own),
        Materialize::History => history::history(&stored, &rows, keeping, &own),
        Materialize::Append => {
            let mut held = Held::new(keeping.table, &schema)?;
            held.add(&stored)?;
            only(held.new_rows(&rows)?)
        }
        Materialize::Snapshot => only(taken_at(&rows, keeping.clock)?),
        Materialize::Table | Materialize::View | Materialize::Incremental => only(rows),
    }
}

/// What a table that holds `stored` holds after `rows` of its query.
///
/// # Errors
/// As [`effect`].
pub fn materialize(
    stored: &[RecordBatch],
    rows: &[RecordBatch],
    keeping: &Keeping<'_>,
) -> Result<Vec<RecordBatch>, EngineError> {
    let effect = effect(stored, rows, keeping)?;
    let schema = effect.rows.schema();
    let kept = match (keeping.table.materialize, keeping.interval, &keeping.table.time) {
        (Materialize::Table | Materialize::View, ..) => Vec::new(),
        (Materialize::Incremental, Some(interval), Some(time)) => {
            let stored = rows::together(stored, &schema)?;
            vec![rows::outside(&stored, time, interval)?]
        }
        (Materialize::Incremental, ..) => Vec::new(),
        (Materialize::Merge | Materialize::History, ..) => {
            let keys = Keys::of(std::slice::from_ref(&effect.gone), &keeping.table.grain)?;
            vec![keys.others(&rows::together(stored, &schema)?)?]
        }
        (Materialize::Append | Materialize::Snapshot, ..) => vec![rows::together(stored, &schema)?],
    };
    Ok(kept.into_iter().chain([effect.rows]).collect())
}

/// `rows` as taken at `clock`: that is when they became known in this form.
///
/// # Errors
/// [`EngineError::Kept`] when the query has a column of that name.
pub fn taken_at(rows: &RecordBatch, clock: i64) -> Result<RecordBatch, EngineError> {
    let schema = kept_schema(&without_added(&rows.schema(), Materialize::Snapshot), Materialize::Snapshot);
    let rows = rows::conformed(rows, &schema)?;
    rows::with_columns(
        &rows,
        &[
            (SNAPSHOT_AT, instants(vec![Some(clock); rows.num_rows()])),
            (AVAILABLE_AT, instants(vec![Some(clock); rows.num_rows()])),
        ],
    )
}

/// The schema with columns that only the table still has: a row that is written again keeps them.
fn with_former(schema: &SchemaRef, stored: &[RecordBatch]) -> SchemaRef {
    let held = stored.first().map(RecordBatch::schema);
    let fields = held.iter().flat_map(|held| held.fields().iter().cloned());
    let former = fields.filter(|field| schema.column_with_name(field.name()).is_none());
    Arc::new(Schema::new(schema.fields().iter().cloned().chain(former).collect::<Vec<_>>()))
}

/// The schema without the columns that keeping adds.
fn without_added(schema: &Schema, how: Materialize) -> Schema {
    let is_added = |name: &str| how.added_columns().contains(&name) || name == VALID_TO_AVAILABLE_AT;
    let fields: Vec<FieldRef> = schema.fields().iter().filter(|field| !is_added(field.name())).cloned().collect();
    Schema::new(fields)
}

/// Rows come and none goes.
fn only(rows: RecordBatch) -> Result<Effect, EngineError> {
    Ok(Effect { gone: RecordBatch::new_empty(Arc::new(Schema::empty())), rows })
}

fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn instants(values: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
}

fn concatenated(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<RecordBatch, EngineError> {
    concat_batches(schema, batches).map_err(rows::failed)
}

/// The names of the columns that a history adds, for the message about a query that has them itself.
pub const HISTORY_COLUMNS: [&str; 2] = [VALID_FROM, VALID_TO];
