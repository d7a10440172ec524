//! Digests of rows as a multiset: equal for equal rows, however they are ordered, split or stored.
//!
//! A row's hash is the first 128 bits of BLAKE3 over its non-null cells, by column name; a digest is the sum of the
//! row hashes modulo 2^128. A null cell adds nothing, so that a new, empty column changes no digest. Columns whose
//! name starts with `_` are the system's and do not count. Knows nothing of files.

mod lanes;

use std::fmt;
use std::iter::Sum;
use std::slice;

use arrow::array::{
    Array as _, ArrayData, ArrayRef, AsArray as _, BinaryArray, BooleanArray, RecordBatch, StringArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field};
use arrow::row::{RowConverter, Rows, SortField};

use self::lanes::{LANES, Texts, first_128_bits};
use crate::error::LakeError;

/// The digest of a multiset of rows. The empty multiset is zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RowDigest(u128);

impl RowDigest {
    /// The digest of the rows of `batch`.
    pub fn of(batch: &RecordBatch) -> Result<Self, LakeError> {
        let columns = counted_columns(batch)?;
        let n_whole = batch.num_rows() / LANES * LANES;
        let mut texts = Texts::default();
        let mut sum = 0_u128;
        for first in (0..n_whole).step_by(LANES) {
            let rows = texts.cleared();
            columns.iter().for_each(|column| column.append_cells(first, rows));
            sum = texts.hashes().into_iter().fold(sum, u128::wrapping_add);
        }
        for row in n_whole..batch.num_rows() {
            let mut cells = [Vec::new()];
            columns.iter().for_each(|column| column.append_cells(row, &mut cells));
            sum = sum.wrapping_add(first_128_bits(&cells[0]));
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
    nulls: Option<NullBuffer>,
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
        Ok(Self { tag, nulls: array.nulls().cloned(), cells })
    }

    /// Appends the cells of the rows from `first` on, each to what there is of its row.
    fn append_cells(&self, first: usize, rows: &mut [Vec<u8>]) {
        let framed = |value: &[u8], bytes: &mut Vec<u8>| {
            bytes.extend_from_slice(&self.tagged::<4, 12>((value.len() as u32).to_le_bytes()));
            bytes.extend_from_slice(value);
        };
        match &self.cells {
            Cells::Fixed(data, width) => {
                let values = &data.buffers()[0].as_slice()[(data.offset() + first) * width..];
                match values.as_chunks::<8>().0 {
                    // Most cells are as wide, and copied without looking how wide they are.
                    words if *width == 8 => {
                        self.append(first, rows, |row, bytes| {
                            bytes.extend_from_slice(&self.tagged::<8, 16>(words[row]));
                        });
                    }
                    _ => self.append(first, rows, |row, bytes| {
                        bytes.extend_from_slice(&self.tag);
                        bytes.extend_from_slice(&values[row * width..(row + 1) * width]);
                    }),
                }
            }
            Cells::Boolean(values) => self.append(first, rows, |row, bytes| {
                bytes.extend_from_slice(&self.tagged::<1, 9>([u8::from(values.value(first + row))]));
            }),
            Cells::Text(values) => {
                self.append(first, rows, |row, bytes| framed(values.value(first + row).as_bytes(), bytes));
            }
            Cells::Binary(values) => self.append(first, rows, |row, bytes| framed(values.value(first + row), bytes)),
            Cells::Rows(values) => {
                self.append(first, rows, |row, bytes| framed(values.row(first + row).as_ref(), bytes));
            }
        }
    }

    /// Calls `cell` for each row whose cell is not null.
    #[inline]
    fn append(&self, first: usize, rows: &mut [Vec<u8>], cell: impl Fn(usize, &mut Vec<u8>)) {
        for (row, bytes) in rows.iter_mut().enumerate() {
            if self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(first + row)) {
                cell(row, bytes);
            }
        }
    }

    /// The tag with what follows it, which is appended at once: many short appends would take as long as the hash.
    #[inline]
    fn tagged<const WIDTH: usize, const BOTH: usize>(&self, value: [u8; WIDTH]) -> [u8; BOTH] {
        let mut both = [0; BOTH];
        both[..8].copy_from_slice(&self.tag);
        both[8..].copy_from_slice(&value);
        both
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
