//! A stream of record batches whose errors are this crate's.

use std::pin::Pin;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use futures::{Stream, StreamExt, TryStreamExt};

use crate::error::{EngineError, execution_error};

/// Record batches as they are computed; all have the schema of [`BatchStream::schema`].
pub struct BatchStream {
    schema: SchemaRef,
    inner: Pin<Box<dyn Stream<Item = Result<RecordBatch, EngineError>> + Send>>,
}

impl BatchStream {
    pub(crate) fn new(stream: SendableRecordBatchStream, limit_bytes: usize) -> Self {
        let schema = stream.schema();
        let inner = stream.map_err(move |error| execution_error(&error, limit_bytes)).boxed();
        Self { schema, inner }
    }

    /// The schema of every batch.
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// All batches at once.
    ///
    /// # Errors
    /// The first error of the stream.
    pub async fn collect(self) -> Result<Vec<RecordBatch>, EngineError> {
        self.inner.try_collect().await
    }
}

impl Stream for BatchStream {
    type Item = Result<RecordBatch, EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inner.as_mut().poll_next(context)
    }
}
