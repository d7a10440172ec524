//! Digests of rows as a multiset: equal for equal rows, however they are ordered, split or stored.
//!
//! A row's hash is the first 128 bits of BLAKE3 over its non-null cells, by column name; a digest is the sum of the
//! row hashes modulo 2^128. A null cell adds nothing, so that a new, empty column changes no digest. Columns whose
//! name starts with `_` are the system's and do not count. Knows nothing of files.

use std::fmt;
use std::iter::Sum;
use std::slice;

use arrow::array::{
    Array as _, ArrayData, ArrayRef, AsArray as _, BinaryArray, BooleanArray, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field};
use arrow::row::{RowConverter, Rows, SortField};

use crate::error::LakeError;

/// The digest of a multiset of rows. The empty multiset is zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RowDigest(u128);

impl RowDigest {
    /// The digest of the rows of `batch`.
    pub fn of(batch: &RecordBatch) -> Result<Self, LakeError> {
        let columns = counted_columns(batch)?;
        let mut sum = 0_u128;
        let mut cells = Vec::with_capacity(64 * columns.len());
        for row in 0..batch.num_rows() {
            cells.clear();
            for column in &columns {
                column.append_cell(row, &mut cells);
            }
            sum = sum.wrapping_add(first_128_bits(&cells));
        }
        Ok(Self(sum))
    }

    /// The digest of the rows of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// Reads what `Display` writes; `None` when it is not 32 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        valid.then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl Sum for RowDigest {
    fn sum<I: Iterator<Item = Self>>(digests: I) -> Self {
        digests.fold(Self::default(), Self::and)
    }
}

impl fmt::Display for RowDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// A column's cells as bytes, framed by the column's tag.
struct Column {
    tag: [u8; 8],
    array: ArrayRef,
    cells: Cells,
}

enum Cells {
    /// Values of one width, in the array's first buffer.
    Fixed(ArrayData, usize),
    Boolean(BooleanArray),
    Text(StringArray),
    Binary(BinaryArray),
    /// Nested values, in Arrow's row format.
    Rows(Rows),
}

impl Column {
    fn new(field: &Field, array: &ArrayRef) -> Result<Self, LakeError> {
        let data_type = array.data_type();
        let cells = match data_type {
            DataType::Boolean => Cells::Boolean(array.as_boolean().clone()),
            DataType::Utf8 => Cells::Text(array.as_string::<i32>().clone()),
            DataType::Binary => Cells::Binary(array.as_binary::<i32>().clone()),
            _ => match data_type.primitive_width() {
                Some(width) => Cells::Fixed(array.to_data(), width),
                None => Cells::Rows(nested_rows(array)?),
            },
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[type_code(data_type)]);
        hasher.update(field.name().as_bytes());
        let mut tag = [0; 8];
        tag.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Ok(Self { tag, array: array.clone(), cells })
    }

    fn append_cell(&self, row: usize, bytes: &mut Vec<u8>) {
        if self.array.is_null(row) {
            return;
        }
        bytes.extend_from_slice(&self.tag);
        match &self.cells {
            Cells::Fixed(data, width) => {
                let start = (data.offset() + row) * width;
                bytes.extend_from_slice(&data.buffers()[0].as_slice()[start..start + width]);
            }
            Cells::Boolean(values) => bytes.push(u8::from(values.value(row))),
            Cells::Text(values) => append_framed(values.value(row).as_bytes(), bytes),
            Cells::Binary(values) => append_framed(values.value(row), bytes),
            Cells::Rows(rows) => append_framed(rows.row(row).as_ref(), bytes),
        }
    }
}

fn counted_columns(batch: &RecordBatch) -> Result<Vec<Column>, LakeError> {
    let schema = batch.schema();
    let mut fields: Vec<(&Field, &ArrayRef)> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref())
        .zip(batch.columns())
        .filter(|(field, _)| !field.name().starts_with('_'))
        .collect();
    fields.sort_by(|left, right| left.0.name().cmp(right.0.name()));
    fields.into_iter().map(|(field, array)| Column::new(field, array)).collect()
}

fn append_framed(value: &[u8], bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
    bytes.extend_from_slice(value);
}

fn first_128_bits(bytes: &[u8]) -> u128 {
    let mut first = [0; 16];
    first.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    u128::from_le_bytes(first)
}

fn nested_rows(array: &ArrayRef) -> Result<Rows, LakeError> {
    let converter = RowConverter::new(vec![SortField::new(array.data_type().clone())]);
    converter
        .and_then(|converter| converter.convert_columns(slice::from_ref(array)))
        .map_err(LakeError::compute("the row digest of a nested column"))
}

/// Our own codes, so that digests do not depend on how a library names its types.
fn type_code(data_type: &DataType) -> u8 {
    match data_type {
        DataType::Boolean => 1,
        DataType::Int8 => 2,
        DataType::Int16 => 3,
        DataType::Int32 => 4,
        DataType::Int64 => 5,
        DataType::Float32 => 6,
        DataType::Float64 => 7,
        DataType::Decimal128(..) => 8,
        DataType::Utf8 => 9,
        DataType::Binary => 10,
        DataType::Date32 => 11,
        DataType::Timestamp(..) => 12,
        DataType::List(_) => 13,
        DataType::Struct(_) => 14,
        DataType::Map(..) => 15,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
