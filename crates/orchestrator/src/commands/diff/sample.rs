//! The first rows of a stream by their key, whatever order they come in; and cells as JSON.

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, concat_batches, filter_record_batch, lexsort_to_indices, take_record_batch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use baton_core::scalar::Scalar;
use serde_json::{Value, json};

use crate::values::scalar_at;

/// The least rows by the first `keys` columns from `first_key` on; never more than `limit` are kept.
#[derive(Debug)]
pub(super) struct LeastRows {
    limit: usize,
    keys: std::ops::Range<usize>,
    rows: Option<RecordBatch>,
}

impl LeastRows {
    pub(super) fn new(limit: usize, keys: std::ops::Range<usize>) -> Self {
        Self { limit, keys, rows: None }
    }

    /// Takes in the rows of `batch` where `wanted`.
    pub(super) fn update(&mut self, batch: &RecordBatch, wanted: &BooleanArray) -> Result<(), ArrowError> {
        if self.limit == 0 || wanted.true_count() == 0 {
            return Ok(());
        }
        let found = filter_record_batch(batch, wanted)?;
        let all = match self.rows.take() {
            Some(kept) => concat_batches(&batch.schema(), [&kept, &found])?,
            None => found,
        };
        self.rows = Some(take_record_batch(&all, &self.order(&all)?)?);
        Ok(())
    }

    fn order(&self, rows: &RecordBatch) -> Result<UInt32Array, ArrowError> {
        let is_sortable = |array: &ArrayRef| !array.data_type().is_nested();
        let keys: Vec<SortColumn> = rows.columns()[self.keys.clone()]
            .iter()
            .filter(|array| is_sortable(array))
            .map(|array| SortColumn { values: array.clone(), options: None })
            .collect();
        if keys.is_empty() {
            return Ok((0..rows.num_rows().min(self.limit) as u32).collect());
        }
        lexsort_to_indices(&keys, Some(self.limit))
    }

    /// The rows, least first.
    pub(super) fn finish(self) -> Option<RecordBatch> {
        self.rows
    }
}

/// A cell as JSON: numbers and truth values as they are, everything else as text.
pub(super) fn cell(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let is_plain =
        matches!(array.data_type(), DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    if is_plain || (array.data_type().is_numeric() && !matches!(array.data_type(), DataType::Decimal128(..))) {
        match scalar_at(array, row) {
            Scalar::Null => {}
            Scalar::Bool(value) => return json!(value),
            Scalar::Int(value) => return json!(value),
            Scalar::Float(value) => return json!(value),
            Scalar::Text(value) => return json!(value),
        }
    }
    let shown = ArrayFormatter::try_new(array, &FormatOptions::default());
    shown.map_or(Value::Null, |shown| json!(shown.value(row).to_string()))
}
