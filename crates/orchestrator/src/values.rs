//! Single values out of Arrow arrays, where a column kernel does not reach: keys, samples, online rows.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use baton_core::scalar::Scalar;

/// The instant at `row` in microseconds; `None` for null and for columns that hold no instants.
pub(crate) fn micros_at(array: &ArrayRef, row: usize) -> Option<i64> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            Some(array.as_primitive::<TimestampSecondType>().value(row) * 1_000_000)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Some(array.as_primitive::<TimestampMillisecondType>().value(row) * 1_000)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Some(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            Some(array.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1_000))
        }
        DataType::Date32 => Some(i64::from(array.as_primitive::<Date32Type>().value(row)) * 86_400_000_000),
        _ => None,
    }
}

/// The value at `row`; instants are microseconds, types without a scalar form are null.
pub(crate) fn scalar_at(array: &ArrayRef, row: usize) -> Scalar {
    if array.is_null(row) {
        return Scalar::Null;
    }
    match array.data_type() {
        DataType::Boolean => Scalar::Bool(array.as_boolean().value(row)),
        DataType::Int8 => Scalar::Int(i64::from(array.as_primitive::<Int8Type>().value(row))),
        DataType::Int16 => Scalar::Int(i64::from(array.as_primitive::<Int16Type>().value(row))),
        DataType::Int32 => Scalar::Int(i64::from(array.as_primitive::<Int32Type>().value(row))),
        DataType::Int64 => Scalar::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => Scalar::Float(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => Scalar::Float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Scalar::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::LargeUtf8 => Scalar::Text(array.as_string::<i64>().value(row).to_owned()),
        DataType::Utf8View => Scalar::Text(array.as_string_view().value(row).to_owned()),
        _ => micros_at(array, row).map_or(Scalar::Null, Scalar::Int),
    }
}

/// A column as numbers; nulls, text and other types are NaN.
pub(crate) fn numbers(array: &ArrayRef) -> Vec<f64> {
    match arrow::compute::cast(array, &DataType::Float64) {
        Ok(cast) if !matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
            cast.as_primitive::<Float64Type>().iter().map(|value| value.unwrap_or(f64::NAN)).collect()
        }
        _ => vec![f64::NAN; array.len()],
    }
}
