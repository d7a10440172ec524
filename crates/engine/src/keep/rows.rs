//! Rows as keys and contents: comparing, finding, filtering.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::row::{OwnedRow, RowConverter, Rows, SortField};
use baton_core::Interval;

use super::concatenated;
use crate::AVAILABLE_AT;
use crate::error::EngineError;

/// The keys of some rows.
#[derive(Debug)]
pub struct Keys {
    columns: Vec<String>,
    converter: Option<RowConverter>,
    keys: HashSet<OwnedRow>,
}

impl Keys {
    /// The keys among `batches`, by the columns of the grain.
    ///
    /// # Errors
    /// [`EngineError::Kept`] when a column is missing.
    pub fn of(batches: &[RecordBatch], grain: &[String]) -> Result<Self, EngineError> {
        let mut found = Self { columns: grain.to_vec(), converter: None, keys: HashSet::new() };
        for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
            let columns = columns(batch, grain)?;
            let converter = match &found.converter {
                Some(converter) => converter,
                None => found.converter.insert(converter_of(&columns)?),
            };
            let rows = converter.convert_columns(&columns).map_err(failed)?;
            found.keys.extend(rows.iter().map(|row| row.owned()));
        }
        Ok(found)
    }

    /// The rows of `batch` whose key is among these.
    ///
    /// # Errors
    /// As [`Keys::of`].
    pub fn matching(&self, batch: &RecordBatch) -> Result<RecordBatch, EngineError> {
        self.filtered(batch, true)
    }

    /// The rows of `batch` whose key is not among these.
    ///
    /// # Errors
    /// As [`Keys::of`].
    pub fn others(&self, batch: &RecordBatch) -> Result<RecordBatch, EngineError> {
        self.filtered(batch, false)
    }

    fn filtered(&self, batch: &RecordBatch, among: bool) -> Result<RecordBatch, EngineError> {
        let Some(converter) = &self.converter else {
            return Ok(if among { batch.slice(0, 0) } else { batch.clone() });
        };
        let rows = converter.convert_columns(&columns(batch, &self.columns)?).map_err(failed)?;
        let mask: BooleanArray = rows.iter().map(|row| Some(self.keys.contains(&row.owned()) == among)).collect();
        filter_record_batch(batch, &mask).map_err(failed)
    }
}

/// Some columns of two batches of one schema as comparable rows.
pub(super) struct Compared {
    pub(super) stored: Rows,
    pub(super) new: Rows,
}

impl Compared {
    pub(super) fn of(stored: &RecordBatch, new: &RecordBatch, names: &[String]) -> Result<Self, EngineError> {
        let (stored, new) = (columns(stored, names)?, columns(new, names)?);
        let converter = converter_of(&new)?;
        Ok(Self {
            stored: converter.convert_columns(&stored).map_err(failed)?,
            new: converter.convert_columns(&new).map_err(failed)?,
        })
    }
}

/// All rows of `batches` in one, with the columns of `schema`.
pub(super) fn together(batches: &[RecordBatch], schema: &SchemaRef) -> Result<RecordBatch, EngineError> {
    let conformed = batches.iter().map(|batch| conformed(batch, schema)).collect::<Result<Vec<_>, _>>()?;
    concatenated(schema, &conformed)
}

/// `batch` with the columns of `schema`, null where it has none.
pub(super) fn conformed(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, EngineError> {
    baton_lake::conform(batch, schema).map_err(|error| EngineError::Kept { reason: error.to_string() })
}

/// `batch` with other values in some columns.
pub(super) fn with_columns(batch: &RecordBatch, new: &[(&str, ArrayRef)]) -> Result<RecordBatch, EngineError> {
    let schema = batch.schema();
    let value = |name: &str, old: &ArrayRef| {
        new.iter().find(|(column, _)| *column == name).map_or_else(|| Arc::clone(old), |(_, array)| Arc::clone(array))
    };
    let columns: Vec<ArrayRef> =
        schema.fields().iter().zip(batch.columns()).map(|(field, old)| value(field.name(), old)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(failed)
}

/// The rows of `batch` whose `time` lies outside of `interval`; null is outside.
pub(super) fn outside(batch: &RecordBatch, time: &str, interval: Interval) -> Result<RecordBatch, EngineError> {
    let times = micros(batch, time)?;
    let mask: BooleanArray =
        times.iter().map(|time| Some(time.is_none_or(|micros| !interval.contains(micros)))).collect();
    filter_record_batch(batch, &mask).map_err(failed)
}

/// An instant or date column in microseconds; all null when there is no such column.
pub(super) fn micros(batch: &RecordBatch, column: &str) -> Result<Vec<Option<i64>>, EngineError> {
    let Some(array) = batch.column_by_name(column) else { return Ok(vec![None; batch.num_rows()]) };
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let array = cast(array, &utc).map_err(failed)?;
    Ok(array.as_primitive::<TimestampMicrosecondType>().iter().collect())
}

/// When each row became known; null is always.
pub(super) fn known(batch: &RecordBatch) -> Result<Vec<Option<i64>>, EngineError> {
    micros(batch, AVAILABLE_AT)
}

/// Where a boolean column is true.
pub(super) fn flags(batch: &RecordBatch, column: Option<&str>) -> Result<Vec<bool>, EngineError> {
    let Some(column) = column else { return Ok(vec![false; batch.num_rows()]) };
    let array = columns(batch, &[column.to_owned()])?.remove(0);
    let array = cast(&array, &DataType::Boolean).map_err(failed)?;
    Ok(array.as_boolean().iter().map(|flag| flag == Some(true)).collect())
}

/// Names of the columns that users see, without those of `except`.
pub(super) fn visible(schema: &Schema, except: &[&str]) -> Vec<String> {
    let names = schema.fields().iter().map(|field| field.name());
    names.filter(|name| !crate::is_system_column(name) && !except.contains(&name.as_str())).cloned().collect()
}

pub(super) fn columns(batch: &RecordBatch, names: &[String]) -> Result<Vec<ArrayRef>, EngineError> {
    let column = |name: &String| {
        let missing = || EngineError::Kept { reason: format!("there is no column `{name}`") };
        batch.column_by_name(name).cloned().ok_or_else(missing)
    };
    names.iter().map(column).collect()
}

pub(super) fn converter_of(columns: &[ArrayRef]) -> Result<RowConverter, EngineError> {
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    RowConverter::new(fields).map_err(failed)
}

/// The key of a row for a message: `id=3, day=2024-01-02`.
pub(super) fn key_text(batch: &RecordBatch, grain: &[String], row: usize) -> String {
    let value = |name: &String| {
        let array = batch.column_by_name(name)?;
        let text = arrow::util::display::array_value_to_string(array, row).ok()?;
        Some(format!("{name}={}", if array.is_null(row) { "null" } else { &text }))
    };
    grain.iter().filter_map(value).collect::<Vec<_>>().join(", ")
}

pub(super) fn failed(error: ArrowError) -> EngineError {
    EngineError::Kept { reason: error.to_string() }
}
