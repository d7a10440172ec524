//! Rows as a Parquet file for others, outside of any table.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;

use crate::error::LakeError;

/// A Parquet file that is being written.
pub struct ParquetExport {
    path: PathBuf,
    writer: ArrowWriter<File>,
}

impl ParquetExport {
    /// Begins the file `path` with rows of `schema`.
    ///
    /// # Errors
    /// [`LakeError::Write`].
    pub fn create(path: &Path, schema: SchemaRef) -> Result<Self, LakeError> {
        let failed = |error: &(dyn std::error::Error + 'static)| LakeError::write(path.display(), error);
        let file = File::create(path).map_err(|error| failed(&error))?;
        let writer = ArrowWriter::try_new(file, schema, None).map_err(|error| failed(&error))?;
        Ok(Self { path: path.to_owned(), writer })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// [`LakeError::Write`].
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        self.writer.write(batch).map_err(|error| LakeError::write(self.path.display(), &error))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`LakeError::Write`].
    pub fn finish(self) -> Result<(), LakeError> {
        self.writer.close().map(drop).map_err(|error| LakeError::write(self.path.display(), &error))
    }
}
