//! Conversion of columns: what may be read as what, the kernels that do it, and words for what could not be read.

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int8Array, Scalar};
use arrow::compute::kernels::cmp::{distinct, neq};
use arrow::compute::kernels::numeric::add;
use arrow::compute::{CastOptions, can_cast_types, cast, cast_with_options, nullif};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::type_name;

/// Says whether a stored type is a plain way to write a promised one, so that the schema has not changed: any width of
/// the same kind, whole numbers for fractions, dates for timestamps, and text for dates and times, which JSON has no
/// other form for.
pub(super) fn reads_as(stored: &DataType, promised: &DataType) -> bool {
    use Kind::{Date, Decimal, Float, Integer, Text, Time, Timestamp};
    if stored == promised || *stored == DataType::Null {
        return true;
    }
    match (kind(stored), kind(promised)) {
        (Kind::Other, Kind::Other) => can_cast_types(stored, promised),
        (Integer, Float | Decimal) | (Decimal, Float) | (Date, Timestamp) | (Text, Date | Time | Timestamp) => true,
        (stored, promised) => stored == promised,
    }
}

/// Says whether values of a stored type can be read as a promised one at all. Numbers are not read as times: their
/// unit would be a guess.
pub(crate) fn can_convert(stored: &DataType, promised: &DataType) -> bool {
    let is_time = |kind: Kind| matches!(kind, Kind::Date | Kind::Time | Kind::Timestamp);
    let is_number = |kind: Kind| matches!(kind, Kind::Integer | Kind::Float | Kind::Decimal | Kind::Boolean);
    let (from, to) = (kind(stored), kind(promised));
    let is_guess = (is_number(from) && is_time(to)) || (is_time(from) && is_number(to));
    let is_truth_of_number = (from == Kind::Boolean) != (to == Kind::Boolean) && is_number(from) && is_number(to);
    stored == promised || (can_cast_types(stored, promised) && !is_guess && !is_truth_of_number)
}

/// Converts a column; null stands where a value could not be read without loss.
pub(super) fn convert(stored: &ArrayRef, promised: &DataType) -> Result<ArrayRef, ArrowError> {
    let options = CastOptions { safe: true, ..Default::default() };
    let landed = cast_with_options(stored, promised, &options)?;
    let is_other = match (kind(stored.data_type()), kind(promised)) {
        (Kind::Text, Kind::Date) => {
            let instant = DataType::Timestamp(TimeUnit::Microsecond, None);
            let written = cast_with_options(stored, &instant, &options)?;
            neq(&written, &cast_with_options(&landed, &instant, &options)?)?
        }
        (from, to) if may_lose(from, to) => {
            let back = cast_with_options(&landed, stored.data_type(), &options)?;
            if from == Kind::Float {
                distinct(&without_negative_zero(stored)?, &back)?
            } else {
                distinct(stored, &back)?
            }
        }
        _ => return Ok(landed),
    };
    // Casts cut fractions and times of day off without a word, so what does not come back the same is not taken.
    if is_other.true_count() == 0 { Ok(landed) } else { nullif(&landed, &is_other) }
}

/// Comparison tells -0.0 from 0.0, but as whole numbers the two are the same.
fn without_negative_zero(floats: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let zero = cast(&Int8Array::from(vec![0]), floats.data_type())?;
    add(floats, &Scalar::new(zero))
}

/// Returns one value as text.
pub(super) fn text(column: &ArrayRef, row: usize) -> String {
    if let Some(column) = column.as_string_opt::<i32>() {
        return column.value(row).to_owned();
    }
    let options = FormatOptions::default();
    ArrayFormatter::try_new(column, &options)
        .map_or_else(|_| String::new(), |formatter| formatter.value(row).to_string())
}

/// Says why `value` could not be read as `promised`.
pub(super) fn reason(value: &str, promised: &DataType) -> String {
    let shown = crate::report::shorten(value);
    let name = type_name(promised);
    let is_number = value.trim().parse::<f64>().is_ok_and(f64::is_finite);
    let is_whole = is_number && !value.contains(['.', 'e', 'E']);
    match kind(promised) {
        Kind::Integer if is_whole => format!("`{shown}` does not fit {name}"),
        Kind::Integer => format!("`{shown}` is not a whole number ({name})"),
        Kind::Float if is_number => format!("`{shown}` has more digits than {name} holds"),
        Kind::Float => format!("`{shown}` is not a number ({name})"),
        Kind::Decimal if is_number => format!("`{shown}` does not fit {name}"),
        Kind::Date if value.contains(':') => {
            format!("`{shown}` has a time of day, which {name} would lose")
        }
        Kind::Date => format!("`{shown}` is not a {name} (YYYY-MM-DD)"),
        Kind::Timestamp => format!("`{shown}` is not a {name} (ISO 8601)"),
        Kind::Boolean => format!("`{shown}` is neither true nor false ({name})"),
        _ => format!("`{shown}` cannot be read as {name}"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Integer,
    Float,
    Decimal,
    Text,
    Date,
    Time,
    Timestamp,
    Other,
}

fn kind(data_type: &DataType) -> Kind {
    match data_type {
        DataType::Boolean => Kind::Boolean,
        DataType::Dictionary(_, value) => kind(value),
        DataType::Date32 | DataType::Date64 => Kind::Date,
        DataType::Time32(_) | DataType::Time64(_) => Kind::Time,
        DataType::Timestamp(_, _) => Kind::Timestamp,
        other if other.is_integer() => Kind::Integer,
        other if other.is_floating() => Kind::Float,
        other if other.is_decimal() => Kind::Decimal,
        other if other.is_string() => Kind::Text,
        _ => Kind::Other,
    }
}

fn may_lose(stored: Kind, promised: Kind) -> bool {
    matches!(
        (stored, promised),
        (Kind::Float | Kind::Decimal, Kind::Integer)
            | (Kind::Integer, Kind::Float)
            | (Kind::Timestamp, Kind::Date)
            | (Kind::Decimal, Kind::Decimal)
    )
}
