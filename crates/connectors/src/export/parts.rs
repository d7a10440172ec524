//! Parts of a delivery on their way: files on this machine, in the form of the destination.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow::csv::WriterBuilder as CsvBuilder;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::json::LineDelimitedWriter;
use arrow::json::writer::{LineDelimited, WriterBuilder as JsonBuilder};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tempfile::NamedTempFile;

use super::Change;
use crate::ConnectorError;

/// Rows of one part.
const PART_ROWS: u64 = 1 << 20;
/// The column that says what happened to a row, where only changes are delivered.
const OPERATION: &str = "_operation";

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Parquet,
    Csv,
    Json,
}

impl Form {
    /// The form that a word of a project file means.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "parquet" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The form that a name tells.
    pub(crate) fn by_ending(name: &str) -> Option<Self> {
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        match ending {
            "parquet" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            "json" | "jsonl" | "ndjson" => Some(Self::Json),
            _ => None,
        }
    }

    pub(crate) fn ending(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Json => "jsonl",
        }
    }
}

/// A file that takes rows.
enum Writer {
    Parquet(Box<ArrowWriter<File>>),
    Csv(Box<arrow::csv::Writer<BufWriter<File>>>),
    Json(LineDelimitedWriter<BufWriter<File>>),
}

/// The files of one delivery.
pub(crate) struct Parts {
    form: Form,
    /// Of the rows as they are written.
    schema: SchemaRef,
    says_operation: bool,
    /// Whether all rows come into one file, which is there even without rows.
    is_one: bool,
    open: Option<(NamedTempFile, Writer, u64)>,
    closed: Vec<(NamedTempFile, u64)>,
}

impl Parts {
    pub(crate) fn new(
        form: Form,
        schema: &SchemaRef,
        says_operation: bool,
        is_one: bool,
    ) -> Result<Self, ConnectorError> {
        // Of rows that are gone, the key alone is there.
        let nullable = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
        let mut fields: Vec<Field> = schema.fields().iter().map(nullable).collect();
        if says_operation {
            fields.push(Field::new(OPERATION, DataType::Utf8, false));
        }
        let schema = Arc::new(Schema::new(fields));
        let mut parts = Self { form, schema, says_operation, is_one, open: None, closed: Vec::new() };
        if is_one {
            parts.open_next()?;
        }
        Ok(parts)
    }

    /// Takes rows; of deleted ones, columns may be missing.
    pub(crate) fn write(&mut self, change: Change, rows: &RecordBatch) -> Result<(), ConnectorError> {
        let rows = self.as_written(change, rows)?;
        if self.open.is_none() {
            self.open_next()?;
        }
        if let Some((_, writer, count)) = &mut self.open {
            writer.write(&rows)?;
            *count += rows.num_rows() as u64;
        }
        let is_full = self.open.as_ref().is_some_and(|(_, _, count)| *count >= PART_ROWS);
        if is_full && !self.is_one { self.close() } else { Ok(()) }
    }

    fn as_written(&self, change: Change, rows: &RecordBatch) -> Result<RecordBatch, ConnectorError> {
        let column = |field: &Arc<Field>| -> ArrayRef {
            match rows.column_by_name(field.name()) {
                _ if self.says_operation && field.name() == OPERATION => {
                    Arc::new(StringArray::from(vec![change.word(); rows.num_rows()]))
                }
                Some(found) => Arc::clone(found),
                None => new_null_array(field.data_type(), rows.num_rows()),
            }
        };
        let columns = self.schema.fields().iter().map(column).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(ConnectorError::sink)
    }

    fn open_next(&mut self) -> Result<(), ConnectorError> {
        let made = NamedTempFile::new().and_then(|file| Ok((file.reopen()?, file)));
        let (handle, file) = made.map_err(aside)?;
        let writer = match self.form {
            Form::Parquet => {
                let level = ZstdLevel::try_new(3).map_err(ConnectorError::sink)?;
                let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
                let writer = ArrowWriter::try_new(handle, Arc::clone(&self.schema), Some(properties));
                Writer::Parquet(Box::new(writer.map_err(ConnectorError::sink)?))
            }
            Form::Csv => {
                let mut writer = CsvBuilder::new().with_header(true).build(BufWriter::new(handle));
                // The names of the columns are there even without rows.
                let none = RecordBatch::new_empty(Arc::clone(&self.schema));
                writer.write(&none).map_err(ConnectorError::sink)?;
                Writer::Csv(Box::new(writer))
            }
            Form::Json => {
                let builder = JsonBuilder::new().with_explicit_nulls(true);
                Writer::Json(builder.build::<_, LineDelimited>(BufWriter::new(handle)))
            }
        };
        self.open = Some((file, writer, 0));
        Ok(())
    }

    fn close(&mut self) -> Result<(), ConnectorError> {
        if let Some((file, writer, rows)) = self.open.take() {
            writer.close()?;
            self.closed.push((file, rows));
        }
        Ok(())
    }

    /// The files with how many rows each has.
    pub(crate) fn finish(mut self) -> Result<Vec<(NamedTempFile, u64)>, ConnectorError> {
        self.close()?;
        Ok(self.closed)
    }
}

impl Writer {
    fn write(&mut self, rows: &RecordBatch) -> Result<(), ConnectorError> {
        match self {
            Self::Parquet(writer) => writer.write(rows).map_err(ConnectorError::sink),
            Self::Csv(writer) => writer.write(rows).map_err(ConnectorError::sink),
            Self::Json(writer) => writer.write(rows).map_err(ConnectorError::sink),
        }
    }

    fn close(self) -> Result<(), ConnectorError> {
        match self {
            Self::Parquet(writer) => writer.close().map(drop).map_err(ConnectorError::sink),
            Self::Csv(writer) => writer.into_inner().flush().map_err(aside),
            Self::Json(mut writer) => {
                writer.finish().map_err(ConnectorError::sink)?;
                writer.into_inner().flush().map_err(aside)
            }
        }
    }
}

fn aside(source: std::io::Error) -> ConnectorError {
    ConnectorError::Io { path: "a temporary file".to_owned(), action: "write", source }
}
