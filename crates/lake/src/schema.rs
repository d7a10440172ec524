//! Schemas that a table can hold: normalisation, conforming batches to it, and evolution.
//!
//! What Delta Lake cannot hold is widened without loss where that is possible: unsigned integers to the next signed
//! type (`UInt64` to `Int64`, checked value by value), large and view types to the plain ones, dictionaries to their
//! values, all instants to microseconds in UTC (an instant without a zone is taken as UTC), times of day to text,
//! durations to microseconds. Every column may be null: what may be null is for checks to say, not for storage.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::{TryIntoArrow as _, TryIntoKernel as _};

use crate::error::LakeError;

/// The schema with which rows of `schema` are stored, as a reader will see it.
///
/// Fails on a type without a place in Delta Lake (intervals, unions, run-end encoding).
pub fn delta_schema(schema: &Schema) -> Result<SchemaRef, LakeError> {
    let fields =
        schema.fields().iter().map(|field| stored_field(field, field.name())).collect::<Result<Vec<_>, _>>()?;
    arrow_from_delta(&delta_from_arrow(&Schema::new(fields))?)
}

/// Brings `batch` to `schema`: columns by name, cast where the type differs, null where there is no such column.
///
/// A value that does not fit (text that is no number, a number out of range) is an error that names the column.
pub fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, LakeError> {
    if batch.schema_ref() == schema {
        return Ok(batch.clone());
    }
    let columns = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) => cast_column(column, field),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
        .map_err(LakeError::compute("a conforming batch"))
}

/// The schema of a table of `recorded` columns after rows of `written` columns are added to it: new columns come
/// last. Both are stored schemas. A changed type is an error.
pub(crate) fn evolve(table: &str, recorded: &SchemaRef, written: &SchemaRef) -> Result<SchemaRef, LakeError> {
    let mut fields: Vec<FieldRef> = recorded.fields().iter().cloned().collect();
    for field in written.fields() {
        match recorded.field_with_name(field.name()) {
            Ok(known) if known.data_type() == field.data_type() => {}
            Ok(known) => {
                return Err(LakeError::TypeChanged {
                    table: table.to_owned(),
                    column: field.name().clone(),
                    recorded: known.data_type().to_string(),
                    wanted: field.data_type().to_string(),
                });
            }
            Err(_) => fields.push(field.clone()),
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The Delta schema of a stored schema.
pub(crate) fn delta_from_arrow(schema: &Schema) -> Result<StructType, LakeError> {
    schema.try_into_kernel().map_err(LakeError::compute("a Delta schema"))
}

/// The Arrow schema of a Delta schema.
pub(crate) fn arrow_from_delta(schema: &StructType) -> Result<SchemaRef, LakeError> {
    let schema: Schema = schema.try_into_arrow().map_err(LakeError::compute("an Arrow schema"))?;
    Ok(Arc::new(schema))
}

fn cast_column(column: &ArrayRef, field: &Field) -> Result<ArrayRef, LakeError> {
    if column.data_type() == field.data_type() {
        return Ok(column.clone());
    }
    let checked = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(column, field.data_type(), &checked)
        .map_err(|error| LakeError::Value { column: field.name().clone(), reason: error.to_string() })
}

/// `path` is the column's full name, for the message.
fn stored_field(field: &Field, path: &str) -> Result<Field, LakeError> {
    Ok(Field::new(field.name(), stored_type(field.data_type(), path)?, true))
}

fn stored_type(data_type: &DataType, path: &str) -> Result<DataType, LakeError> {
    use DataType as T;
    Ok(match data_type {
        T::Boolean | T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Float32 | T::Float64 => data_type.clone(),
        T::Utf8 | T::Binary | T::Date32 | T::Decimal128(..) => data_type.clone(),
        T::UInt8 => T::Int16,
        T::UInt16 => T::Int32,
        T::UInt32 | T::UInt64 => T::Int64,
        T::Float16 => T::Float32,
        T::LargeUtf8 | T::Utf8View | T::Null | T::Time32(_) | T::Time64(_) => T::Utf8,
        T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => T::Binary,
        T::Date64 => T::Date32,
        T::Timestamp(..) => T::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        T::Duration(_) => T::Int64,
        T::Decimal32(precision, scale) | T::Decimal64(precision, scale) => T::Decimal128(*precision, *scale),
        T::Decimal256(precision, scale) if *precision <= 38 => T::Decimal128(*precision, *scale),
        T::Dictionary(_, values) => stored_type(values, path)?,
        T::List(item) | T::LargeList(item) | T::ListView(item) | T::LargeListView(item) | T::FixedSizeList(item, _) => {
            T::List(Arc::new(stored_field(item, &format!("{path}[]"))?))
        }
        T::Struct(fields) => T::Struct(stored_fields(fields, path)?),
        T::Map(entries, sorted) => stored_map(entries, *sorted, path)?,
        _ => return Err(LakeError::UnsupportedType { column: path.to_owned(), data_type: data_type.to_string() }),
    })
}

fn stored_fields(fields: &Fields, path: &str) -> Result<Fields, LakeError> {
    fields.iter().map(|field| stored_field(field, &format!("{path}.{}", field.name()))).collect()
}

/// A map's keys may not be null.
fn stored_map(entries: &FieldRef, sorted: bool, path: &str) -> Result<DataType, LakeError> {
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(LakeError::UnsupportedType { column: path.to_owned(), data_type: entries.data_type().to_string() });
    };
    let mut stored: Vec<Field> = stored_fields(fields, path)?.iter().map(|field| field.as_ref().clone()).collect();
    if let Some(key) = stored.first_mut() {
        key.set_nullable(false);
    }
    let entries = Field::new(entries.name(), DataType::Struct(stored.into()), false);
    Ok(DataType::Map(Arc::new(entries), sorted))
}

#[cfg(test)]
mod tests;
