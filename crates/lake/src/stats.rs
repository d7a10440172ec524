//! File statistics: smallest, largest and number of null values of each column, as Delta Lake stores them (JSON).
//!
//! Drawn from the Parquet footer, so they cost no second pass. Bounds are bounds: long texts are cut, and a float
//! column that holds a NaN has none, because NaN has no agreed place in the order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _, StringArray};
use arrow::compute::{SortOptions, cast, sort_limit};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Schema, TimestampMicrosecondType};
use arrow::util::display::array_value_to_string;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::ParquetMetaData;
use serde_json::{Map, Value, json};

/// What is known of a file's content without reading it.
#[derive(Debug, Clone, Default)]
pub struct FileStats {
    /// Rows in the file.
    pub rows: u64,
    /// By column name; a column may be absent (nested, or newer than the file).
    pub columns: BTreeMap<String, ColumnStats>,
}

/// What is known of one column of a file.
#[derive(Debug, Clone, Default)]
pub struct ColumnStats {
    /// A lower bound of the values, as an array of one value of the column's type.
    pub min: Option<ArrayRef>,
    /// An upper bound of the values, as an array of one value of the column's type.
    pub max: Option<ArrayRef>,
    /// How many values are null.
    pub nulls: Option<u64>,
    /// Whether no value is null or lower than that of the row before; `false` where nobody looked.
    pub ascending: bool,
}

impl FileStats {
    /// Reads Delta statistics of a file whose columns `ascending` never go down; `None` when they are not JSON or do not say the
    /// number of rows.
    pub(crate) fn parse(text: &str, schema: &Schema, ascending: &BTreeSet<String>) -> Option<Self> {
        let document: Value = serde_json::from_str(text).ok()?;
        let rows = document.get("numRecords")?.as_u64()?;
        let mut columns = BTreeMap::new();
        for field in schema.fields() {
            let of = |group: &str| document.get(group).and_then(|values| values.get(field.name()));
            let stats = ColumnStats {
                min: of("minValues").and_then(|value| array_of(value, field.data_type())),
                max: of("maxValues").and_then(|value| array_of(value, field.data_type())),
                nulls: of("nullCount").and_then(Value::as_u64),
                ascending: ascending.contains(field.name()),
            };
            if stats.min.is_some() || stats.nulls.is_some() {
                columns.insert(field.name().clone(), stats);
            }
        }
        Some(Self { rows, columns })
    }
}

/// The number of rows alone, without the cost of the columns.
pub(crate) fn parse_rows(text: &str) -> Option<u64> {
    serde_json::from_str::<Value>(text).ok()?.get("numRecords")?.as_u64()
}

/// Delta statistics of a file of `schema`, from its footer. `unordered` columns get no bounds.
pub(crate) fn stats_json(metadata: &ParquetMetaData, schema: &Schema, unordered: &BTreeSet<String>) -> String {
    let (mut minima, mut maxima, mut nulls) = (Map::new(), Map::new(), Map::new());
    for field in schema.fields() {
        let name = field.name();
        let descriptor = metadata.file_metadata().schema_descr();
        let Ok(converter) = StatisticsConverter::try_new(name, schema, descriptor) else { continue };
        let groups = metadata.row_groups();
        if field.data_type().is_nested() {
            continue;
        }
        let Ok(null_counts) = converter.row_group_null_counts(groups) else { continue };
        nulls.insert(name.clone(), json!(null_counts.iter().flatten().sum::<u64>()));
        if unordered.contains(name) {
            continue;
        }
        // A group of nulls only has no bounds, rightly; any other group without bounds leaves the file without.
        let empty_groups =
            groups.iter().zip(null_counts.iter()).filter(|(group, nulls)| *nulls == Some(group.num_rows() as u64));
        let n_empty = empty_groups.count();
        let bound =
            |values: ArrayRef, descending| outermost(&values, descending, n_empty).and_then(|value| json_of(&value));
        let min = converter.row_group_mins(groups).ok().and_then(|values| bound(values, false));
        let max = converter.row_group_maxes(groups).ok().and_then(|values| bound(values, true));
        if let (Some(min), Some(max)) = (min, max) {
            minima.insert(name.clone(), min);
            maxima.insert(name.clone(), max);
        }
    }
    let rows = metadata.file_metadata().num_rows();
    json!({"numRecords": rows, "minValues": minima, "maxValues": maxima, "nullCount": nulls}).to_string()
}

/// Whether a float column holds a NaN.
pub(crate) fn has_nan(array: &dyn Array) -> bool {
    match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().iter().flatten().any(f32::is_nan),
        DataType::Float64 => array.as_primitive::<Float64Type>().iter().flatten().any(f64::is_nan),
        _ => false,
    }
}

/// The smallest (or largest) of `values`; `None` unless exactly `n_empty` are missing.
fn outermost(values: &ArrayRef, descending: bool, n_empty: usize) -> Option<ArrayRef> {
    if values.null_count() != n_empty || values.len() == n_empty {
        return None;
    }
    sort_limit(values, Some(SortOptions { descending, nulls_first: false }), Some(1)).ok()
}

/// The JSON form of the one value of `array`; `None` for types whose bounds Delta does not keep.
fn json_of(array: &ArrayRef) -> Option<Value> {
    let text = || array_value_to_string(array, 0).ok();
    match array.data_type() {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            text()?.parse::<i64>().ok().map(Value::from)
        }
        DataType::Float32 => finite(f64::from(array.as_primitive::<Float32Type>().value(0))),
        DataType::Float64 => finite(array.as_primitive::<Float64Type>().value(0)),
        // Beyond 15 digits a JSON number is not exact.
        DataType::Decimal128(precision, _) if *precision <= 15 => finite(text()?.parse::<f64>().ok()?),
        DataType::Utf8 | DataType::Date32 => text().map(Value::from),
        DataType::Timestamp(..) => {
            instant_text(array.as_primitive::<TimestampMicrosecondType>().value(0)).map(Value::from)
        }
        _ => None,
    }
}

fn finite(number: f64) -> Option<Value> {
    serde_json::Number::from_f64(number).map(Value::Number)
}

/// RFC 3339 with microseconds; `None` outside of the years that every reader can parse.
fn instant_text(micros: i64) -> Option<String> {
    use chrono::Datelike as _;
    let instant = chrono::DateTime::from_timestamp_micros(micros)?;
    (0..=9999).contains(&instant.year()).then(|| instant.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

/// The value as an array of one; `None` when it is not of the type.
fn array_of(value: &Value, data_type: &DataType) -> Option<ArrayRef> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let array: ArrayRef = Arc::new(StringArray::from(vec![text]));
    cast(&array, data_type).ok().filter(|array| array.is_valid(0))
}

#[cfg(test)]
mod tests;
