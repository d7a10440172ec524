//! Rows of records as Arrow batches: columns by name and kind, cells row by row.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use async_trait::async_trait;
use baton_core::Timestamp;
use baton_engine::{Comparand, Condition, Is, RecordSource, Wanted};
use futures::StreamExt as _;
use futures::stream::BoxStream;

/// Rows of a batch.
const ROWS: usize = 8_192;

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Texts.
    Text,
    /// Whole numbers.
    Integer,
    /// Numbers.
    Number,
    /// Yes or no.
    Flag,
    /// Instants.
    Time,
}

/// Columns by name.
pub type Shape = &'static [(&'static str, Kind)];

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// None.
    Null,
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// An instant, in microseconds since 1970.
    Time(i64),
}

impl Cell {
    /// A text.
    pub fn text(value: impl ToString) -> Self {
        Self::Text(value.to_string())
    }

    /// A whole number; one that is too large is the largest.
    pub fn integer(value: impl TryInto<i64>) -> Self {
        Self::Integer(value.try_into().unwrap_or(i64::MAX))
    }

    /// An instant.
    pub fn time(value: Timestamp) -> Self {
        Self::Time(value.timestamp_micros())
    }

    /// A value that may be missing.
    pub fn maybe<T>(value: Option<T>, cell: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Null, cell)
    }
}

/// The Arrow schema of columns.
pub fn schema_of(shape: Shape) -> SchemaRef {
    Arc::new(Schema::new(
        shape.iter().map(|(name, kind)| Field::new(*name, data_type(*kind), true)).collect::<Vec<_>>(),
    ))
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Integer => DataType::Int64,
        Kind::Number => DataType::Float64,
        Kind::Flag => DataType::Boolean,
        Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// Rows as a batch of the columns at `wanted`. A cell of another kind than its column's is null.
///
/// # Errors
/// Those of Arrow.
pub fn batch_of(shape: Shape, rows: &[Vec<Cell>], wanted: &[usize]) -> Result<RecordBatch, ArrowError> {
    let columns = wanted.iter().map(|place| array(shape[*place].1, rows, *place)).collect();
    let schema = Arc::new(schema_of(shape).project(wanted)?);
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(schema, columns, &options)
}

fn array(kind: Kind, rows: &[Vec<Cell>], place: usize) -> ArrayRef {
    let cells = rows.iter().map(|row| row.get(place).unwrap_or(&Cell::Null));
    match kind {
        Kind::Text => Arc::new(StringArray::from_iter(cells.map(|cell| match cell {
            Cell::Text(text) => Some(text.as_str()),
            _ => None,
        }))),
        Kind::Integer => Arc::new(Int64Array::from_iter(cells.map(|cell| match cell {
            Cell::Integer(value) => Some(*value),
            _ => None,
        }))),
        Kind::Number => Arc::new(Float64Array::from_iter(cells.map(|cell| match cell {
            Cell::Number(value) => Some(*value),
            _ => None,
        }))),
        Kind::Flag => Arc::new(BooleanArray::from_iter(cells.map(|cell| match cell {
            Cell::Flag(value) => Some(*value),
            _ => None,
        }))),
        Kind::Time => {
            let times = TimestampMicrosecondArray::from_iter(cells.map(|cell| match cell {
                Cell::Time(value) => Some(*value),
                _ => None,
            }));
            Arc::new(times.with_timezone("UTC"))
        }
    }
}

/// Records that are few enough to be listed.
#[async_trait]
pub(super) trait List: Send + Sync {
    /// Its columns.
    fn shape(&self) -> Shape;

    /// The rows, or a part of them to which all belong that meet the conditions.
    async fn rows(&self, conditions: &[Condition]) -> Result<Vec<Vec<Cell>>, String>;
}

/// A list as a source.
pub(super) struct Listed<L>(pub(super) Arc<L>);

impl<L> fmt::Debug for Listed<L> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Listed")
    }
}

impl<L: List + 'static> RecordSource for Listed<L> {
    fn schema(&self) -> SchemaRef {
        schema_of(self.0.shape())
    }

    fn read(&self, wanted: Wanted) -> BoxStream<'static, Result<RecordBatch, ArrowError>> {
        let list = Arc::clone(&self.0);
        let batches = async move {
            let rows = list.rows(&wanted.conditions).await.map_err(unreadable)?;
            let batches = rows.chunks(ROWS).map(|rows| batch_of(list.shape(), rows, &wanted.columns));
            batches.collect::<Result<Vec<_>, ArrowError>>()
        };
        futures::stream::once(batches)
            .flat_map(|batches| match batches {
                Ok(batches) => futures::stream::iter(batches).map(Ok).boxed(),
                Err(error) => futures::stream::once(std::future::ready(Err(error))).boxed(),
            })
            .boxed()
    }
}

/// Why records cannot be read.
pub(super) fn unreadable(reason: impl ToString) -> ArrowError {
    ArrowError::ExternalError(reason.to_string().into())
}

/// The texts that a column may have, if conditions say so.
pub(super) fn texts_of<'c>(conditions: &'c [Condition], column: &str) -> Option<Vec<&'c str>> {
    let one_of = |condition: &'c Condition| match &condition.is {
        Is::OneOf(values) if condition.column == column => values
            .iter()
            .map(|value| match value {
                Comparand::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect::<Option<Vec<_>>>(),
        _ => None,
    };
    conditions.iter().find_map(one_of)
}
