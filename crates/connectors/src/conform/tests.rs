//! Names and conversions of types.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, TimeUnit};

use super::convert::{can_convert, convert, reads_as};
use super::type_name;

#[test]
fn types_are_named_for_people() {
    let names = [
        DataType::Int64,
        DataType::LargeUtf8,
        DataType::Timestamp(TimeUnit::Nanosecond, None),
        DataType::Decimal128(10, 2),
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
    ]
    .map(|data_type| type_name(&data_type));
    assert_eq!(names, ["int64", "string", "timestamp without zone", "decimal(10, 2)", "string"]);
}

#[test]
fn numbers_and_times_are_never_taken_for_each_other() {
    let times = [DataType::Date32, DataType::Timestamp(TimeUnit::Microsecond, None)];
    let numbers = [DataType::Int64, DataType::Float64, DataType::Boolean, DataType::Decimal128(10, 2)];
    for time in &times {
        for number in &numbers {
            assert!(!can_convert(number, time) && !can_convert(time, number), "{number} {time}");
            assert!(!reads_as(number, time) && !reads_as(time, number), "{number} {time}");
        }
    }
    assert!(!can_convert(&DataType::Int64, &DataType::Boolean));
    assert!(!can_convert(&DataType::Boolean, &DataType::Int64));
}

#[test]
fn widths_are_no_change_but_kinds_are() {
    assert!(reads_as(&DataType::Int64, &DataType::Int16));
    assert!(reads_as(&DataType::Int64, &DataType::Float64));
    assert!(!reads_as(&DataType::Float64, &DataType::Int64));
    assert!(!reads_as(&DataType::Utf8, &DataType::Int64));
    assert!(!reads_as(&DataType::Int64, &DataType::Utf8));
    assert!(reads_as(&DataType::Utf8, &DataType::Date32));
}

#[test]
fn nothing_is_cut_off_in_silence() {
    let fractions: ArrayRef =
        Arc::new(Float64Array::from(vec![Some(1.0), Some(1.5), None, Some(f64::NAN), Some(1e300), Some(-0.0)]));
    let whole = convert(&fractions, &DataType::Int64).unwrap();
    let expected: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, None, None, None, Some(0)]));
    assert_eq!(&whole, &expected);

    let large: ArrayRef = Arc::new(Int64Array::from(vec![1 << 53, (1 << 53) + 1, i64::MAX]));
    let float = convert(&large, &DataType::Float64).unwrap();
    assert_eq!((float.null_count(), float.is_null(0)), (2, false));

    let days: ArrayRef = Arc::new(StringArray::from(vec!["2013-01-01", "2013-01-01T05:00:00Z", "2013-13-01"]));
    let days = convert(&days, &DataType::Date32).unwrap();
    assert_eq!((days.null_count(), days.is_null(0)), (2, false));
}
