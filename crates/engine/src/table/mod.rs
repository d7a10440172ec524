//! What a session can read under a name: the files of a table version, batches in memory, a schema alone, or a view.

mod estimates;
mod files;
mod implied;
mod order;
mod records;
mod visible;

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use baton_lake::Snapshot;
use datafusion::common::ScalarValue;
use datafusion::datasource::{MemTable, TableProvider};

use crate::error::{EngineError, plain_message};
use crate::is_system_column;

pub(crate) use files::FilesTable;
pub(crate) use records::RecordsTable;
pub use records::{Comparand, Condition, Is, RecordSource, Wanted};
pub(crate) use visible::VisibleTable;

/// A Parquet file of a table version.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    /// Absolute path.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// Number of rows, when the log knows it.
    pub rows: Option<u64>,
    /// What is known of some columns' values.
    pub columns: Vec<ColumnRange>,
}

/// The range of one column's values in one file; both ends may be wider than the truth, never narrower.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnRange {
    /// The column.
    pub column: String,
    /// The lowest value as an array of length one; `None` when not known.
    pub min: Option<arrow::array::ArrayRef>,
    /// The highest value as an array of length one; `None` when not known.
    pub max: Option<arrow::array::ArrayRef>,
    /// How many values are null; `None` when not known.
    pub nulls: Option<u64>,
    /// Whether it is known that no value is null or lower than that of the row before.
    pub ascending: bool,
}

/// The files of one table version, in reading order.
#[derive(Debug, Clone, PartialEq)]
pub struct TableFiles {
    /// All columns, system columns included. Files may lack columns (read as null).
    pub schema: SchemaRef,
    /// The files; the order is kept.
    pub files: Vec<DataFile>,
}

impl TableFiles {
    /// These files, of rows of `schema`.
    pub fn of(schema: &SchemaRef, files: &[baton_lake::StagedFile]) -> Self {
        let files = files.iter().map(|file| {
            let range = |(column, stats): (&String, &baton_lake::ColumnStats)| ColumnRange {
                column: column.clone(),
                min: stats.min.clone(),
                max: stats.max.clone(),
                nulls: stats.nulls,
                ascending: stats.ascending,
            };
            let columns = file.stats().columns.iter().map(range).collect();
            DataFile { path: file.path.clone(), size: file.size, rows: Some(file.rows), columns }
        });
        Self { schema: SchemaRef::clone(schema), files: files.collect() }
    }
}

impl From<&Snapshot> for TableFiles {
    fn from(snapshot: &Snapshot) -> Self {
        Self::of(snapshot.schema(), snapshot.files())
    }
}

/// What stands behind a table's name.
#[derive(Debug, Clone)]
pub enum TableInput {
    /// A table version.
    Files(TableFiles),
    /// Rows in memory.
    Batches {
        /// All columns.
        schema: SchemaRef,
        /// The rows.
        batches: Vec<RecordBatch>,
    },
    /// Columns without rows, for planning only.
    Schema(SchemaRef),
    /// A query over the other tables.
    View {
        /// A SELECT.
        sql: String,
    },
}

impl TableInput {
    /// The provider of everything but a view.
    pub(crate) fn provider(&self) -> Result<Option<Arc<dyn TableProvider>>, EngineError> {
        let in_memory = |schema: &SchemaRef, batches: Vec<RecordBatch>| {
            let table = MemTable::try_new(SchemaRef::clone(schema), vec![batches]);
            table.map_err(|error| EngineError::Setup(plain_message(&error)))
        };
        Ok(match self {
            Self::Files(files) => Some(Arc::new(FilesTable::new(files.clone()))),
            Self::Batches { schema, batches } => Some(Arc::new(in_memory(schema, batches.clone())?)),
            Self::Schema(schema) => Some(Arc::new(in_memory(schema, Vec::new())?)),
            Self::View { .. } => None,
        })
    }
}

/// The columns of `schema` that users see: all but system columns.
pub fn visible_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().filter(|field| !is_system_column(field.name()));
    Arc::new(Schema::new_with_metadata(fields.cloned().collect::<Vec<_>>(), schema.metadata().clone()))
}

/// The single value of `array` as the engine's scalar.
fn scalar(array: &arrow::array::ArrayRef) -> Option<ScalarValue> {
    ScalarValue::try_from_array(array, 0).ok()
}
