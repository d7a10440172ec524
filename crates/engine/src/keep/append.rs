//! Rows that a table does not hold yet, each added once: by the grain, where there is one, else as a multiset of rows.

use std::collections::HashMap;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Schema;
use arrow::row::RowConverter;
use baton_core::asset::Table;

use super::rows::{columns, converter_of, failed, visible};
use crate::error::EngineError;

/// What a table holds, as hashes of its rows' keys: 16 bytes a row.
#[derive(Debug)]
pub struct Held {
    columns: Vec<String>,
    /// With a grain one row a key; without, a row counts as often as it is there.
    by_key: bool,
    converter: Option<RowConverter>,
    /// How often each key is held and not met yet.
    counts: HashMap<[u8; 16], u64>,
}

impl Held {
    /// Of a table that holds nothing yet; `schema` is that of its rows.
    ///
    /// # Errors
    /// None today; reserved for types without an order.
    pub fn new(table: &Table, schema: &Schema) -> Result<Self, EngineError> {
        let by_key = !table.grain.is_empty();
        let columns = if by_key { table.grain.clone() } else { visible(schema, &[]) };
        Ok(Self { columns, by_key, converter: None, counts: HashMap::new() })
    }

    /// The columns that are compared.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Takes in rows that the table holds.
    ///
    /// # Errors
    /// [`EngineError::Kept`] when a column is missing.
    pub fn add(&mut self, stored: &RecordBatch) -> Result<(), EngineError> {
        for key in self.keys(stored)? {
            *self.counts.entry(key).or_default() += 1;
        }
        Ok(())
    }

    /// The rows of `batch` that are not held; from then on they are.
    ///
    /// # Errors
    /// As [`Held::add`].
    pub fn new_rows(&mut self, batch: &RecordBatch) -> Result<RecordBatch, EngineError> {
        let keys = self.keys(batch)?;
        let mask: BooleanArray = keys.into_iter().map(|key| Some(self.is_new(key))).collect();
        filter_record_batch(batch, &mask).map_err(failed)
    }

    fn is_new(&mut self, key: [u8; 16]) -> bool {
        match self.counts.get_mut(&key) {
            Some(_) if self.by_key => false,
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => {
                if self.by_key {
                    self.counts.insert(key, 1);
                }
                true
            }
        }
    }

    fn keys(&mut self, batch: &RecordBatch) -> Result<Vec<[u8; 16]>, EngineError> {
        let columns = columns(batch, &self.columns)?;
        let converter = match &self.converter {
            Some(converter) => converter,
            None => self.converter.insert(converter_of(&columns)?),
        };
        let rows = converter.convert_columns(&columns).map_err(failed)?;
        let hash = |row: arrow::row::Row<'_>| {
            let mut short = [0; 16];
            short.copy_from_slice(&blake3::hash(row.as_ref()).as_bytes()[..16]);
            short
        };
        Ok(rows.iter().map(hash).collect())
    }
}
