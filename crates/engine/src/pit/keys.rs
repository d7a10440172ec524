//! Entity keys: hashed for sorting, compared for truth. A single whole number hashes without collisions, so it needs
//! no comparing.

use std::hash::Hasher;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::row::{RowConverter, Rows, SortField};
use rustc_hash::FxHasher;

use super::wrong;
use crate::error::EngineError;

/// One key column of one batch.
#[derive(Debug)]
enum KeyColumn {
    Int(arrow::array::Int64Array),
    Text(arrow::array::StringArray),
    /// Any other type, as comparable bytes; the array says which are null.
    Other(Rows, ArrayRef),
}

impl KeyColumn {
    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Int(values) => values.is_null(row),
            Self::Text(values) => values.is_null(row),
            Self::Other(_, values) => values.is_null(row),
        }
    }

    fn add_to(&self, hasher: &mut FxHasher, row: usize) {
        match self {
            Self::Int(values) => hasher.write_i64(values.value(row)),
            Self::Text(values) => {
                hasher.write(values.value(row).as_bytes());
                hasher.write_u8(0xff);
            }
            Self::Other(values, _) => hasher.write(values.row(row).as_ref()),
        }
    }

    fn equals(&self, row: usize, other: &Self, other_row: usize) -> bool {
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => left.value(row) == right.value(other_row),
            (Self::Text(left), Self::Text(right)) => left.value(row) == right.value(other_row),
            (Self::Other(left, _), Self::Other(right, _)) => left.row(row).as_ref() == right.row(other_row).as_ref(),
            _ => false,
        }
    }
}

/// The key columns of one side: `columns[batch][key]`.
#[derive(Debug)]
pub(super) struct Keys {
    columns: Vec<Vec<KeyColumn>>,
    exact: bool,
}

impl Keys {
    /// Whether different keys always have different hashes.
    pub(super) fn exact(&self) -> bool {
        self.exact
    }

    /// The hash of a row's key; `None` when a part is null: null equals nothing.
    #[inline]
    pub(super) fn hash(&self, batch: usize, row: usize) -> Option<u64> {
        let columns = &self.columns[batch];
        if self.exact
            && let [KeyColumn::Int(values)] = columns.as_slice()
        {
            return (!values.is_null(row)).then(|| mixed(values.value(row) as u64));
        }
        let mut hasher = FxHasher::default();
        for column in columns {
            if column.is_null(row) {
                return None;
            }
            column.add_to(&mut hasher, row);
        }
        Some(mixed(hasher.finish()))
    }

    /// Whether two rows of this side and `other` have the same key.
    pub(super) fn equal(&self, (batch, row): (usize, usize), other: &Self, (to_batch, to_row): (usize, usize)) -> bool {
        let pairs = self.columns[batch].iter().zip(&other.columns[to_batch]);
        pairs.into_iter().all(|(left, right)| left.equals(row, right, to_row))
    }
}

/// A bijection on 64 bits that spreads neighbours (the finalizer of MurmurHash3).
#[inline]
fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let value = (value ^ (value >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ (value >> 33)
}

/// The keys of both sides, brought to the same types.
pub(super) fn both_sides(
    left: &[RecordBatch],
    left_names: &[String],
    right: &[RecordBatch],
    right_names: &[String],
) -> Result<(Keys, Keys), EngineError> {
    if left_names.len() != right_names.len() || left_names.is_empty() {
        return Err(wrong("both sides need the same number of entity columns, at least one"));
    }
    let mut kinds = Vec::new();
    for (left_name, right_name) in left_names.iter().zip(right_names) {
        kinds.push(common_kind((left, left_name), (right, right_name))?);
    }
    Ok((side(left, left_names, &kinds)?, side(right, right_names, &kinds)?))
}

fn common_kind(left: (&[RecordBatch], &String), right: (&[RecordBatch], &String)) -> Result<DataType, EngineError> {
    let (left_kind, right_kind) = (kind_of(left.0, left.1)?, kind_of(right.0, right.1)?);
    match (left_kind, right_kind) {
        (Some(left_kind), Some(right_kind)) if left_kind != right_kind => Err(wrong(format!(
            "the entity columns `{}` ({left_kind}) and `{}` ({right_kind}) have different types: cast one",
            left.1, right.1
        ))),
        (Some(kind), _) | (None, Some(kind)) => Ok(kind),
        (None, None) => Ok(DataType::Int64),
    }
}

/// The type in which a column is compared; `None` without batches.
fn kind_of(batches: &[RecordBatch], name: &str) -> Result<Option<DataType>, EngineError> {
    let Some(batch) = batches.first() else { return Ok(None) };
    Ok(Some(compared_as(column(batch, name)?.data_type())))
}

fn compared_as(kind: &DataType) -> DataType {
    match kind {
        kind if kind.is_integer() && *kind != DataType::UInt64 => DataType::Int64,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Dictionary(_, value) => compared_as(value),
        other => other.clone(),
    }
}

fn side(batches: &[RecordBatch], names: &[String], kinds: &[DataType]) -> Result<Keys, EngineError> {
    let converters: Result<Vec<RowConverter>, _> =
        kinds.iter().map(|kind| RowConverter::new(vec![SortField::new(kind.clone())])).collect();
    let converters = converters.map_err(|error| wrong(error.to_string()))?;
    let columns = batches.iter().map(|batch| {
        let parts = names.iter().zip(kinds).zip(&converters);
        parts.map(|((name, kind), converter)| key_column(column(batch, name)?, kind, converter)).collect()
    });
    Ok(Keys { columns: columns.collect::<Result<_, EngineError>>()?, exact: kinds == [DataType::Int64] })
}

fn key_column(array: &ArrayRef, kind: &DataType, converter: &RowConverter) -> Result<KeyColumn, EngineError> {
    let array = cast(array, kind).map_err(|error| wrong(error.to_string()))?;
    Ok(match kind {
        DataType::Int64 => KeyColumn::Int(array.as_primitive::<Int64Type>().clone()),
        DataType::Utf8 => KeyColumn::Text(array.as_string::<i32>().clone()),
        _ => {
            let rows = converter.convert_columns(&[ArrayRef::clone(&array)]);
            KeyColumn::Other(rows.map_err(|error| wrong(error.to_string()))?, array)
        }
    })
}

/// The column `name` of `batch`.
pub(super) fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, EngineError> {
    batch.column_by_name(name).ok_or_else(|| wrong(format!("there is no column `{name}`")))
}
