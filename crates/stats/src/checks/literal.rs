//! Literals of YAML as Arrow scalars of the type in which a column is compared.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field};
use baton_core::check::{Check, Literal};

use crate::error::StatsError;

/// The type in which the values of a column are compared with these literals.
///
/// # Errors
/// [`StatsError::CheckType`] when the column's type cannot be compared with one of them.
pub(super) fn comparison_type(check: &Check, field: &Field, literals: &[&Literal]) -> Result<DataType, StatsError> {
    let data_type = value_type(field.data_type());
    let wrong = |reason: &str, action: &'static str| type_error(check, field, reason.to_owned(), action);
    let is_text = |literal: &&Literal| matches!(literal, Literal::Text(_));
    let is_number = |literal: &&Literal| matches!(literal, Literal::Int(_) | Literal::Float(_));
    match data_type {
        DataType::Null => Err(wrong(
            "all of its values are null, so it has no type",
            "declare the column's type in the contract or cast it in the query",
        )),
        DataType::Boolean if literals.iter().all(|literal| matches!(literal, Literal::Bool(_))) => {
            Ok(DataType::Boolean)
        }
        DataType::Boolean => Err(wrong("it holds true and false", "write `true` or `false`")),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View if literals.iter().all(is_text) => {
            Ok(data_type.clone())
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            Err(wrong("it holds text", "put the values in quotes, or cast the column to a number in the query"))
        }
        number if number.is_numeric() && literals.iter().all(is_number) => Ok(numeric_type(number, literals)),
        number if number.is_numeric() => Err(wrong("it holds numbers", "write numbers, without quotes")),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) if literals.iter().all(is_text) => {
            Ok(data_type.clone())
        }
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => {
            Err(wrong("it holds dates or times", "write a date or time in quotes, such as '2013-07-01T12:00:00'"))
        }
        _ => Err(wrong("its values cannot be compared with a literal", "use a `sql` check")),
    }
}

/// The literal as an array of one value of the comparison type.
///
/// # Errors
/// [`StatsError::CheckType`] when a text is not a date or time.
pub(super) fn scalar(
    check: &Check,
    field: &Field,
    literal: &Literal,
    data_type: &DataType,
) -> Result<ArrayRef, StatsError> {
    let plain: ArrayRef = match literal {
        Literal::Bool(value) => Arc::new(BooleanArray::from(vec![*value])),
        Literal::Int(value) => Arc::new(Int64Array::from(vec![*value])),
        Literal::Float(value) => Arc::new(Float64Array::from(vec![*value])),
        Literal::Text(value) => Arc::new(StringArray::from(vec![value.as_str()])),
    };
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(&plain, data_type, &strict).map_err(|_| {
        let reason = format!("{} cannot be read as that type", shown(literal));
        type_error(check, field, reason, "write it as '2013-07-01' or '2013-07-01T12:00:00'")
    })
}

/// A literal as people write it in a message.
pub(super) fn shown(literal: &Literal) -> String {
    match literal {
        Literal::Bool(value) => value.to_string(),
        Literal::Int(value) => value.to_string(),
        Literal::Float(value) => value.to_string(),
        Literal::Text(value) => format!("`{value}`"),
    }
}

/// The type of the values, through dictionaries.
pub(super) fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        plain => plain,
    }
}

pub(super) fn type_error(check: &Check, field: &Field, reason: String, action: &'static str) -> StatsError {
    StatsError::CheckType {
        check: check.name.clone(),
        column: field.name().clone(),
        data_type: field.data_type().to_string(),
        reason,
        action,
    }
}

/// Whole columns compare with whole literals exactly; a 32-bit float must not be widened, since 0.1 would differ.
fn numeric_type(data_type: &DataType, literals: &[&Literal]) -> DataType {
    let whole = literals.iter().all(|literal| matches!(literal, Literal::Int(_)));
    match data_type {
        DataType::Float16 | DataType::Float32 => DataType::Float32,
        integer if integer.is_integer() && *integer != DataType::UInt64 && whole => DataType::Int64,
        _ => DataType::Float64,
    }
}
