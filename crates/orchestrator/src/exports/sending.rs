//! Rows on their way into a destination, batch by batch.

use arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::kernels::boolean::{and, and_not, not};
use arrow::compute::{cast, filter_record_batch, take_record_batch};
use arrow::datatypes::SchemaRef;
use baton_connectors::{Change, Destination};
use baton_core::asset::{Export, GoneRows};
use baton_core::failpoint;
use futures::TryStreamExt as _;

use super::changes::{Changes, Shape, count_at};
use super::schema::{Exported, delivered_schema};
use crate::error::RunError;

/// How many rows are new, changed and gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) inserted: u64,
    pub(super) updated: u64,
    pub(super) deleted: u64,
}

/// Rows that go out, and those whose keys do.
struct Piece {
    rows: Option<RecordBatch>,
    gone: Option<RecordBatch>,
}

/// Sends all changes; without a destination they are counted only.
pub(super) async fn send(
    changes: &Changes,
    export: &Export,
    columns: &[Exported],
    mut destination: Option<&mut (dyn Destination + 'static)>,
) -> Result<Counts, RunError> {
    let schema = delivered_schema(columns);
    let mut counts = Counts::default();
    let mut stream = changes.stream().await?;
    while let Some(batch) = stream.try_next().await? {
        if batch.num_rows() == 0 {
            continue;
        }
        let piece = piece(changes.shape, export, columns, &schema, &batch, &mut counts);
        let piece = piece.map_err(RunError::rows(&export.from))?;
        let Some(destination) = destination.as_deref_mut() else { continue };
        for (change, rows) in [(Change::Upsert, piece.rows), (Change::Delete, piece.gone)] {
            if let Some(rows) = rows.filter(|rows| rows.num_rows() > 0) {
                destination.send(change, &rows).await?;
                failpoint::reach("export.sent");
            }
        }
    }
    Ok(counts)
}

type Arrow<T> = Result<T, arrow::error::ArrowError>;

fn piece(
    shape: Shape,
    export: &Export,
    columns: &[Exported],
    schema: &SchemaRef,
    batch: &RecordBatch,
    counts: &mut Counts,
) -> Arrow<Piece> {
    match shape {
        Shape::Rows => {
            counts.inserted += batch.num_rows() as u64;
            Ok(Piece { rows: Some(as_delivered(schema, batch.columns())?), gone: None })
        }
        Shape::Counted => {
            let more = batch.column(columns.len());
            let repeated = |row: usize| std::iter::repeat_n(row as u64, count_at(more.as_ref(), row));
            let places = UInt64Array::from_iter_values((0..batch.num_rows()).flat_map(repeated));
            counts.inserted += places.len() as u64;
            let rows = take_record_batch(batch, &places)?;
            Ok(Piece { rows: Some(as_delivered(schema, &rows.columns()[..columns.len()])?), gone: None })
        }
        Shape::Matched => matched(export, columns, schema, batch, counts),
    }
}

fn matched(
    export: &Export,
    columns: &[Exported],
    schema: &SchemaRef,
    batch: &RecordBatch,
    counts: &mut Counts,
) -> Arrow<Piece> {
    let (was, is): (&BooleanArray, &BooleanArray) = (batch.column(0).as_boolean(), batch.column(1).as_boolean());
    counts.inserted += and_not(is, was)?.true_count() as u64;
    counts.updated += and(is, was)?.true_count() as u64;
    let rows = filter_record_batch(batch, is)?;
    let rows = as_delivered(schema, &rows.columns()[2..])?;
    let gone = not(is)?;
    if export.deletes == GoneRows::Ignore {
        return Ok(Piece { rows: Some(rows), gone: None });
    }
    counts.deleted += gone.true_count() as u64;
    let keys: Vec<usize> = (0..columns.len()).filter(|place| columns[*place].is_key).collect();
    let gone = filter_record_batch(batch, &gone)?;
    let gone: Vec<ArrayRef> = keys.iter().map(|place| gone.column(place + 2).clone()).collect();
    let key_schema: SchemaRef = schema.project(&keys)?.into();
    Ok(Piece { rows: Some(rows), gone: Some(as_delivered(&key_schema, &gone)?) })
}

/// The columns under the names and types that the destination was told.
fn as_delivered(schema: &SchemaRef, columns: &[ArrayRef]) -> Arrow<RecordBatch> {
    let typed = columns.iter().zip(schema.fields()).map(|(column, field)| match column.data_type() {
        same if same == field.data_type() => Ok(column.clone()),
        _ => cast(column, field.data_type()),
    });
    RecordBatch::try_new(SchemaRef::clone(schema), typed.collect::<Arrow<Vec<_>>>()?)
}
