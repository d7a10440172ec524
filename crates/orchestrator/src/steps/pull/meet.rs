//! How pulled rows meet landed ones by key: the last of each key counts, what an update left out comes from the landed row,
//! and deleted rows go or are marked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{concat, concat_batches, filter_record_batch, interleave, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::row::{OwnedRow, RowConverter, Rows, SortField};
use baton_connectors::{FORMER_KEY, OPERATION, UNCHANGED, is_change_column};
use baton_core::TableVersion;
use baton_core::asset::Pull;
use baton_engine::keep::Keys;
use baton_engine::{SessionInput, TableFiles, TableInput};
use futures::TryStreamExt as _;

use super::Pulling;
use super::fetch::keeps_deleted;
use crate::error::RunError;
use crate::services::Services;

/// The column that marks rows which were deleted at the origin, where those stay.
pub(super) const IS_DELETED: &str = "is_deleted";

/// What meeting came to.
pub(super) struct Met {
    /// Rows that come.
    pub(super) rows: RecordBatch,
    /// The keys of landed rows that go.
    pub(super) gone: RecordBatch,
}

/// Works out what `batches` do to the rows of `base`.
pub(super) async fn meet(
    services: &Services,
    pulling: &Pulling<'_>,
    batches: Vec<RecordBatch>,
    base: Option<&TableVersion>,
) -> Result<Met, RunError> {
    let (asset, key) = (pulling.asset.as_str(), &pulling.pull.key);
    let Some(first) = batches.first() else {
        return Err(RunError::Project(format!("nothing of `{asset}` was pulled")));
    };
    let missing = key.iter().find(|column| first.column_by_name(column).is_none());
    if let Some(column) = missing {
        return Err(RunError::Project(format!("`{asset}` has no column `{column}`, which its `key` names")));
    }
    let failed = |source| RunError::Rows { asset: asset.to_owned(), source };
    let all = concat_batches(&first.schema(), &batches).map_err(failed)?;
    let last = last_of_each_key(&all, key).map_err(failed)?;
    let origins = origin_keys(&last, key).map_err(failed)?;
    let filled = match base {
        Some(base) if has_unchanged(&last) => {
            let there = landed_rows(services, pulling, base, &origins).await?;
            filled(&last, &origins, &there, key).map_err(failed)?
        }
        _ => last.clone(),
    };
    let gone = both_keys(&last, &origins, key).map_err(failed)?;
    let is_deleted: BooleanArray = match last.column_by_name(OPERATION) {
        Some(operations) => operations.as_string::<i32>().iter().map(|found| Some(found == Some("delete"))).collect(),
        None => BooleanArray::from(vec![false; last.num_rows()]),
    };
    let rows = with_deleted_flag(&filled, pulling.pull, Some(&is_deleted))?;
    let rows = match keeps_deleted(pulling.pull) {
        true => rows,
        false => filter_record_batch(&rows, &arrow::compute::not(&is_deleted).map_err(failed)?).map_err(failed)?,
    };
    Ok(Met { rows, gone })
}

/// The rows without what says what happened to them, and with [`IS_DELETED`] where deleted rows stay.
pub(super) fn with_deleted_flag(
    batch: &RecordBatch,
    pull: &Pull,
    is_deleted: Option<&BooleanArray>,
) -> Result<RecordBatch, RunError> {
    let schema = batch.schema();
    let seen: Vec<usize> =
        (0..schema.fields().len()).filter(|index| !is_change_column(schema.field(*index).name())).collect();
    let plain = batch.project(&seen).map_err(RunError::rows("the pulled rows"))?;
    if !keeps_deleted(pull) {
        return Ok(plain);
    }
    let flags = is_deleted.cloned().unwrap_or_else(|| BooleanArray::from(vec![false; batch.num_rows()]));
    let mut fields: Vec<Arc<Field>> = plain.schema().fields().iter().cloned().collect();
    let mut columns = plain.columns().to_vec();
    fields.push(Arc::new(Field::new(IS_DELETED, DataType::Boolean, true)));
    columns.push(Arc::new(flags));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(RunError::rows("the pulled rows"))
}

fn has_unchanged(batch: &RecordBatch) -> bool {
    batch.column_by_name(UNCHANGED).is_some_and(|column| column.null_count() < column.len())
}

/// The columns called `names`.
fn columns_of(batch: &RecordBatch, names: &[String]) -> Vec<ArrayRef> {
    names.iter().filter_map(|name| batch.column_by_name(name).cloned()).collect()
}

fn rows_of(columns: &[ArrayRef]) -> Result<Rows, ArrowError> {
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    RowConverter::new(fields)?.convert_columns(columns)
}

fn keys_of(columns: &[ArrayRef]) -> Result<Vec<OwnedRow>, ArrowError> {
    Ok(rows_of(columns)?.iter().map(|row| row.owned()).collect())
}

/// The rows whose key does not come again behind them, in their order.
fn last_of_each_key(batch: &RecordBatch, key: &[String]) -> Result<RecordBatch, ArrowError> {
    let keys = rows_of(&columns_of(batch, key))?;
    let mut seen = HashSet::with_capacity(batch.num_rows());
    let mut kept: Vec<u64> = Vec::with_capacity(batch.num_rows());
    for index in (0..batch.num_rows()).rev() {
        if seen.insert(keys.row(index)) {
            kept.push(index as u64);
        }
    }
    if kept.len() == batch.num_rows() {
        return Ok(batch.clone());
    }
    kept.reverse();
    take_record_batch(batch, &UInt64Array::from(kept))
}

/// The keys that rows had where they were landed: the former ones where a change moved a row.
fn origin_keys(batch: &RecordBatch, key: &[String]) -> Result<RecordBatch, ArrowError> {
    let mut columns = Vec::with_capacity(key.len());
    for name in key {
        let Some(now) = batch.column_by_name(name) else { continue };
        let former =
            batch.column_by_name(&format!("{FORMER_KEY}{name}")).filter(|former| former.null_count() < former.len());
        columns.push(match former {
            None => now.clone(),
            Some(former) => {
                let former = arrow::compute::cast(former, now.data_type())?;
                let choice: Vec<(usize, usize)> =
                    (0..now.len()).map(|row| (usize::from(former.is_valid(row)), row)).collect();
                interleave(&[now.as_ref(), former.as_ref()], &choice)?
            }
        });
    }
    key_batch(batch, key, columns)
}

fn key_batch(batch: &RecordBatch, key: &[String], columns: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
    let fields = key.iter().filter_map(|name| batch.schema().field_with_name(name).ok().cloned());
    let fields: Vec<Field> = fields.map(|field| field.with_nullable(true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// The keys that rows have and had.
fn both_keys(batch: &RecordBatch, origins: &RecordBatch, key: &[String]) -> Result<RecordBatch, ArrowError> {
    let now = columns_of(batch, key);
    // No row came from another key, as in most pulls.
    if now.iter().zip(origins.columns()).all(|(now, origin)| Arc::ptr_eq(now, origin)) {
        return key_batch(batch, key, now);
    }
    let both = now.iter().zip(origins.columns()).map(|(now, origin)| concat(&[now.as_ref(), origin.as_ref()]));
    key_batch(batch, key, both.collect::<Result<_, _>>()?)
}

/// The landed rows of these keys.
async fn landed_rows(
    services: &Services,
    pulling: &Pulling<'_>,
    base: &TableVersion,
    keys: &RecordBatch,
) -> Result<Vec<RecordBatch>, RunError> {
    let snapshot = services.lake.snapshot(base).await?;
    let stored = TableFiles::from(snapshot.as_ref());
    let tables = BTreeMap::from([(pulling.asset.to_string(), TableInput::Files(stored))]);
    let session = services.engine.session(SessionInput { tables, as_of: None })?;
    // Keys are compared as they are stored.
    let schema = baton_lake::delta_schema(&keys.schema())?;
    let keys = Keys::of(&[baton_lake::conform(keys, &schema)?], &pulling.pull.key)?;
    let mut stream = session.scan(pulling.asset).await?;
    let mut found = Vec::new();
    while let Some(batch) = stream.try_next().await? {
        let matching = keys.matching(&batch)?;
        if matching.num_rows() > 0 {
            found.push(matching);
        }
    }
    Ok(found)
}

/// The rows with the values that their changes left out, from the landed rows of their keys.
fn filled(
    batch: &RecordBatch,
    origins: &RecordBatch,
    there: &[RecordBatch],
    key: &[String],
) -> Result<RecordBatch, ArrowError> {
    let Some(first) = there.first() else { return Ok(batch.clone()) };
    let there = concat_batches(&first.schema(), there)?;
    let landed_keys: Vec<ArrayRef> = columns_of(&there, key)
        .iter()
        .zip(origins.columns())
        .map(|(landed, origin)| arrow::compute::cast(landed, origin.data_type()))
        .collect::<Result<_, _>>()?;
    let places: HashMap<OwnedRow, usize> =
        keys_of(&landed_keys)?.into_iter().enumerate().map(|(place, key)| (key, place)).collect();
    let wanted: Vec<Option<usize>> = keys_of(origins.columns())?.iter().map(|key| places.get(key).copied()).collect();
    let left_out = left_out(batch);
    let mut columns = batch.columns().to_vec();
    for (index, field) in batch.schema().fields().iter().enumerate() {
        let Some(landed) = there.column_by_name(field.name()).filter(|_| !key.contains(field.name())) else { continue };
        let choice: Vec<(usize, usize)> = (0..batch.num_rows())
            .map(|row| match wanted[row].filter(|_| left_out[row].contains(field.name())) {
                Some(place) => (1, place),
                None => (0, row),
            })
            .collect();
        if choice.iter().any(|(side, _)| *side == 1) {
            let landed = arrow::compute::cast(landed, field.data_type())?;
            columns[index] = interleave(&[columns[index].as_ref(), landed.as_ref()], &choice)?;
        }
    }
    RecordBatch::try_new(batch.schema(), columns)
}

/// The columns that each row's change left out.
fn left_out(batch: &RecordBatch) -> Vec<HashSet<String>> {
    let Some(column) = batch.column_by_name(UNCHANGED) else { return vec![HashSet::new(); batch.num_rows()] };
    let names = |text: Option<&str>| text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    column.as_string::<i32>().iter().map(names).collect()
}
