//! Rows whose values an origin hands over as text, gathered column by column into batches.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryBuilder, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::sink::text_schema;
use crate::{ConnectorError, PullSink};

/// Rows of one batch, at most.
const BATCH_ROWS: usize = 32_768;
/// Text of one batch, about.
const BATCH_BYTES: usize = 16 << 20;

/// Columns under construction: text for all types but binary.
pub(crate) struct WrittenRows {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

enum Column {
    Text(StringBuilder),
    Binary(BinaryBuilder),
}

impl WrittenRows {
    /// No rows yet, of columns that have the types of `natural` at the origin.
    pub(crate) fn new(natural: &Schema) -> Self {
        let schema = text_schema(natural);
        let columns = schema.fields().iter().map(|field| match field.data_type() {
            DataType::Binary => Column::Binary(BinaryBuilder::new()),
            _ => Column::Text(StringBuilder::new()),
        });
        Self { columns: columns.collect(), schema, rows: 0, bytes: 0 }
    }

    /// The schema of the batches: what [`crate::PullSink::begin`] calls stored.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Appends one value to a column; every column gets one before [`WrittenRows::end_row`].
    pub(crate) fn push(&mut self, column: usize, value: Option<&str>) {
        self.bytes += value.map_or(1, str::len);
        match self.columns.get_mut(column) {
            Some(Column::Text(builder)) => builder.append_option(value),
            Some(Column::Binary(builder)) => builder.append_option(value),
            None => {}
        }
    }

    /// Appends bytes to a binary column; to a text column what of them is text.
    pub(crate) fn push_bytes(&mut self, column: usize, value: &[u8]) {
        self.bytes += value.len();
        match self.columns.get_mut(column) {
            Some(Column::Text(builder)) => builder.append_value(String::from_utf8_lossy(value)),
            Some(Column::Binary(builder)) => builder.append_value(value),
            None => {}
        }
    }

    pub(crate) fn end_row(&mut self) {
        self.rows += 1;
    }

    /// Hands the rows gathered to `sink` once they are enough for a batch.
    pub(crate) async fn flush_when_full(&mut self, sink: &mut PullSink) -> Result<(), ConnectorError> {
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.flush(sink).await } else { Ok(()) }
    }

    /// Hands the rows gathered since the last batch to `sink`, if there are any.
    pub(crate) async fn flush(&mut self, sink: &mut PullSink) -> Result<(), ConnectorError> {
        if self.rows == 0 {
            return Ok(());
        }
        let batch = self.take().map_err(|error| ConnectorError::sink(error.to_string()))?;
        sink.rows(&batch).await
    }

    /// The rows gathered since the last batch.
    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let columns = self.columns.iter_mut().map(|column| match column {
            Column::Text(builder) => Arc::new(builder.finish()) as ArrayRef,
            Column::Binary(builder) => Arc::new(builder.finish()),
        });
        let batch = RecordBatch::try_new(self.schema.clone(), columns.collect());
        (self.rows, self.bytes) = (0, 0);
        batch
    }
}
