//! Arrow arrays to plain slices: one match on the type for a whole array, none for a row.

use arrow::array::{Array, ArrayAccessor, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowNativeType, DataType, Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use crate::error::StatsError;

const MILLISECONDS_IN_DAY: i64 = 86_400_000;

/// The array itself, or the values of a dictionary written out.
pub(super) fn plain_array(array: &ArrayRef) -> Result<ArrayRef, StatsError> {
    match array.data_type() {
        DataType::Dictionary(_, values) => Ok(cast(array, values)?),
        _ => Ok(array.clone()),
    }
}

/// Appends the non-null values of a whole-number, boolean, date or time array; times in microseconds, dates in days.
pub(super) fn append_whole(array: &dyn Array, into: &mut Vec<i64>) -> Result<(), StatsError> {
    match array.data_type() {
        DataType::Boolean => into.extend(array.as_boolean().iter().flatten().map(i64::from)),
        DataType::Int8 => append::<Int8Type, _>(array, into, i64::from),
        DataType::Int16 => append::<Int16Type, _>(array, into, i64::from),
        DataType::Int32 => append::<Int32Type, _>(array, into, i64::from),
        DataType::Int64 => append::<Int64Type, _>(array, into, |value| value),
        DataType::UInt8 => append::<UInt8Type, _>(array, into, i64::from),
        DataType::UInt16 => append::<UInt16Type, _>(array, into, i64::from),
        DataType::UInt32 => append::<UInt32Type, _>(array, into, i64::from),
        DataType::Date32 => append::<Date32Type, _>(array, into, i64::from),
        DataType::Date64 => append::<Date64Type, _>(array, into, |value| value.div_euclid(MILLISECONDS_IN_DAY)),
        DataType::Timestamp(unit, _) => append_time(array, *unit, into),
        _ => append::<Int64Type, _>(&cast(array, &DataType::Int64)?, into, |value| value),
    }
    Ok(())
}

/// Appends the non-null values of a floating-point, decimal or unsigned array.
pub(super) fn append_real(array: &dyn Array, into: &mut Vec<f64>) -> Result<(), StatsError> {
    match array.data_type() {
        DataType::Float64 => append::<Float64Type, _>(array, into, |value| value),
        DataType::Float32 => append::<Float32Type, _>(array, into, f64::from),
        DataType::UInt64 => append::<UInt64Type, _>(array, into, |value| value as f64),
        DataType::Decimal128(_, scale) if *scale >= 0 => append_decimal(array, *scale, into),
        _ => append::<Float64Type, _>(&cast(array, &DataType::Float64)?, into, |value| value),
    }
    Ok(())
}

/// Calls `each` with every non-null text of a text array.
pub(super) fn for_each_text(array: &dyn Array, each: impl FnMut(&str)) {
    match array.data_type() {
        DataType::Utf8 => visit(array.as_string::<i32>(), each),
        DataType::LargeUtf8 => visit(array.as_string::<i64>(), each),
        DataType::Utf8View => visit(array.as_string_view(), each),
        _ => {}
    }
}

fn visit<'a>(array: impl ArrayAccessor<Item = &'a str>, mut each: impl FnMut(&str)) {
    match array.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
        None => (0..array.len()).for_each(|row| each(array.value(row))),
        Some(nulls) => nulls.valid_indices().for_each(|row| each(array.value(row))),
    }
}

fn append_time(array: &dyn Array, unit: TimeUnit, into: &mut Vec<i64>) {
    match unit {
        TimeUnit::Second => append::<TimestampSecondType, _>(array, into, |value| value.saturating_mul(1_000_000)),
        TimeUnit::Millisecond => append::<TimestampMillisecondType, _>(array, into, |value| value.saturating_mul(1000)),
        TimeUnit::Microsecond => append::<TimestampMicrosecondType, _>(array, into, |value| value),
        TimeUnit::Nanosecond => append::<TimestampNanosecondType, _>(array, into, |value| value.div_euclid(1000)),
    }
}

/// Divides the unscaled number by a power of ten; the detour over `i64`, where it fits, is several times faster.
fn append_decimal(array: &dyn Array, scale: i8, into: &mut Vec<f64>) {
    let divisor = 10.0_f64.powi(i32::from(scale));
    append::<Decimal128Type, _>(array, into, |value| match i64::try_from(value) {
        Ok(small) => small as f64 / divisor,
        Err(_) => value as f64 / divisor,
    });
}

fn append<T: ArrowPrimitiveType, V>(array: &dyn Array, into: &mut Vec<V>, convert: impl Fn(T::Native) -> V)
where
    T::Native: ArrowNativeType,
{
    let array: &PrimitiveArray<T> = array.as_primitive();
    let values = array.values();
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => into.extend(values.iter().map(|value| convert(*value))),
        Some(nulls) => into.extend(nulls.valid_indices().map(|row| convert(values[row]))),
    }
}
