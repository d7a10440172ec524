//! Arrow columns as numbers: which types are features, and how their values are read.
//!
//! Knows nothing of matrices; [`super::FeatureEncoder`] lays the values out.

use super::{FeatureColumn, FeatureKind, finite};
use crate::error::{MlError, Result};
use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use std::collections::{BTreeMap, HashMap};

/// A column of numbers or booleans as `f32`, for labels; missing and infinite values are NaN.
///
/// # Errors
///
/// [`MlError::FeatureMissing`] for an unknown column, [`MlError::FeatureType`] for text and instants.
pub fn numbers_of(batches: &[RecordBatch], column: &str) -> Result<Vec<f32>> {
    let mut numbers = Vec::new();
    for batch in batches {
        let found = find(batch, column)?;
        if is_text(column, found.data_type())? {
            return Err(wrong_type(column, found.data_type(), "derive a number in SQL, for example 0 and 1"));
        }
        let cast = as_number(column, found)?;
        let read = |value: Option<f64>| value.map_or(f32::NAN, |value| finite(value as f32));
        numbers.extend(cast.as_primitive::<Float64Type>().iter().map(read));
    }
    Ok(numbers)
}

/// A column of any plain type as text, for slices and groups; missing values are empty text.
///
/// # Errors
///
/// [`MlError::FeatureMissing`] for an unknown column, [`MlError::FeatureType`] for one without a text form.
pub fn texts_of(batches: &[RecordBatch], column: &str) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for batch in batches {
        let cast = as_text(column, find(batch, column)?)?;
        texts.extend(cast.as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_owned()));
    }
    Ok(texts)
}

/// A column of instants or dates as microseconds since the epoch.
///
/// # Errors
///
/// [`MlError::FeatureMissing`] for an unknown column, [`MlError::FeatureType`] for one that holds no instants,
/// [`MlError::NotEnoughData`] for a missing instant.
pub fn instants_of(batches: &[RecordBatch], column: &str) -> Result<Vec<i64>> {
    let mut instants = Vec::new();
    for batch in batches {
        let found = find(batch, column)?;
        if !matches!(found.data_type(), DataType::Timestamp(..) | DataType::Date32 | DataType::Date64) {
            return Err(wrong_type(column, found.data_type(), "name a column of instants or dates"));
        }
        if found.null_count() > 0 {
            return Err(MlError::NotEnoughData {
                purpose: format!("order rows by `{column}`"),
                reason: format!("{} rows have no instant; drop them first", found.null_count()),
            });
        }
        let cast = cast(found, &DataType::Timestamp(TimeUnit::Microsecond, None))
            .map_err(|error| wrong_type(column, found.data_type(), &error.to_string()))?;
        instants.extend_from_slice(cast.as_primitive::<TimestampMicrosecondType>().values());
    }
    Ok(instants)
}

/// Learns one feature from all batches.
pub(super) fn learn(batches: &[RecordBatch], feature: &str) -> Result<FeatureColumn> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut categorical = false;
    for batch in batches {
        let column = find(batch, feature)?;
        if is_text(feature, column.data_type())? {
            categorical = true;
            let texts = as_text(feature, column)?;
            for text in texts.as_string::<i32>().iter().flatten() {
                count(&mut counts, text);
            }
        }
    }
    let kind =
        if categorical { FeatureKind::Categorical { categories: by_frequency(counts) } } else { FeatureKind::Numeric };
    Ok(FeatureColumn { name: feature.to_owned(), kind })
}

/// Reads one feature of a batch, calling `write` once a row with NaN for missing.
pub(super) fn encode(
    batch: &RecordBatch,
    feature: &FeatureColumn,
    codes: &HashMap<String, f32>,
    mut write: impl FnMut(f32),
) -> Result<()> {
    let column = find(batch, &feature.name)?;
    let text = is_text(&feature.name, column.data_type())?;
    match &feature.kind {
        FeatureKind::Numeric if text => Err(wrong_type(
            &feature.name,
            column.data_type(),
            "the model learnt it as a number; cast it in SQL or train again",
        )),
        FeatureKind::Numeric => {
            let numbers = as_number(&feature.name, column)?;
            for value in numbers.as_primitive::<Float64Type>() {
                write(value.map_or(f32::NAN, |value| value as f32));
            }
            Ok(())
        }
        FeatureKind::Categorical { .. } => {
            let texts = as_text(&feature.name, column)?;
            write_codes(texts.as_string::<i32>(), codes, write);
            Ok(())
        }
    }
}

fn write_codes(texts: &StringArray, codes: &HashMap<String, f32>, mut write: impl FnMut(f32)) {
    for text in texts {
        let code = text.and_then(|text| codes.get(text)).copied();
        write(code.unwrap_or(f32::NAN));
    }
}

fn count(counts: &mut BTreeMap<String, u64>, text: &str) {
    if let Some(count) = counts.get_mut(text) {
        *count += 1;
    } else {
        counts.insert(text.to_owned(), 1);
    }
}

/// Most frequent first; the stable sort keeps ties in name order.
fn by_frequency(counts: BTreeMap<String, u64>) -> Vec<String> {
    let mut counted: Vec<_> = counts.into_iter().collect();
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counted.into_iter().map(|(category, _)| category).collect()
}

fn find<'a>(batch: &'a RecordBatch, feature: &str) -> Result<&'a ArrayRef> {
    batch.column_by_name(feature).ok_or_else(|| {
        let schema = batch.schema();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        MlError::FeatureMissing { feature: feature.to_owned(), columns: names.join(", ") }
    })
}

/// Whether a column is text (true) or a number (false).
fn is_text(feature: &str, data_type: &DataType) -> Result<bool> {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(true),
        DataType::Dictionary(_, values) => is_text(feature, values),
        DataType::Boolean | DataType::Null => Ok(false),
        other if other.is_numeric() => Ok(false),
        other if other.is_temporal() => Err(wrong_type(
            feature,
            other,
            "derive a number in SQL, for example the hour or the age in days, or drop the feature",
        )),
        other => Err(wrong_type(feature, other, "derive numbers or text in SQL, or drop the feature")),
    }
}

fn as_text(feature: &str, column: &ArrayRef) -> Result<ArrayRef> {
    cast(column, &DataType::Utf8).map_err(|error| wrong_type(feature, column.data_type(), &error.to_string()))
}

fn as_number(feature: &str, column: &ArrayRef) -> Result<ArrayRef> {
    cast(column, &DataType::Float64).map_err(|error| wrong_type(feature, column.data_type(), &error.to_string()))
}

fn wrong_type(feature: &str, data_type: &DataType, advice: &str) -> MlError {
    MlError::FeatureType { feature: feature.to_owned(), data_type: data_type.to_string(), advice: advice.to_owned() }
}
