//! An input of a call as an Arrow IPC stream, encoded piece by piece as the worker asks for it.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use baton_engine::{AVAILABLE_AT, BatchStream};
use futures::TryStreamExt as _;

use super::error::PythonError;
use crate::values::micros_at;

/// Bytes after which a piece is sent.
const PIECE: usize = 1 << 20;

/// Rows of an input, with the instant since when each is known.
pub(super) struct Input {
    rows: BatchStream,
    /// The columns that the function sees.
    visible: Vec<usize>,
    available_at: Option<usize>,
    writer: Option<StreamWriter<Vec<u8>>>,
    has_ended: bool,
    /// Since when the newest row that was handed over is known, in microseconds.
    pub(super) newest: Option<i64>,
}

impl Input {
    /// An input of these rows.
    pub(super) fn new(rows: BatchStream) -> Self {
        let schema = rows.schema();
        let available_at = schema.index_of(AVAILABLE_AT).ok();
        let visible = (0..schema.fields().len()).filter(|column| Some(*column) != available_at).collect();
        Self { rows, visible, available_at, writer: None, has_ended: false, newest: None }
    }

    /// The next piece of the stream; `None` when it has ended.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, PythonError> {
        if self.has_ended {
            return Ok(None);
        }
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => StreamWriter::try_new(Vec::new(), self.seen_schema()?.as_ref())?,
        };
        while writer.get_ref().len() < PIECE {
            match self.rows.try_next().await? {
                Some(batch) => writer.write(&self.seen(&batch)?)?,
                None => {
                    writer.finish()?;
                    self.has_ended = true;
                    break;
                }
            }
        }
        let piece = std::mem::take(writer.get_mut());
        self.writer = Some(writer);
        Ok(Some(piece))
    }

    fn seen_schema(&self) -> Result<SchemaRef, ArrowError> {
        Ok(self.rows.schema().project(&self.visible)?.into())
    }

    /// The visible columns of a batch; takes note of when its rows became known.
    fn seen(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        if let Some(column) = self.available_at {
            let known = batch.column(column);
            let newest = (0..batch.num_rows()).filter_map(|row| micros_at(known, row)).max();
            self.newest = self.newest.max(newest);
        }
        batch.project(&self.visible)
    }
}
