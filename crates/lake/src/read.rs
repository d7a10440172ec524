//! Reading whole data files back, checked against the hash in their name.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::error::LakeError;
use crate::schema::conform;
use crate::snapshot::FileEntry;
use crate::writer::{content_hash, promised_hash};

/// The rows of `file` with the columns of `schema` (a stored schema); columns that the file lacks are null.
pub(crate) async fn read_file(
    store: &dyn ObjectStore,
    file: &FileEntry,
    schema: &SchemaRef,
) -> Result<Vec<RecordBatch>, LakeError> {
    let bytes = read_bytes(store, file).await?;
    let corrupt = |error: &dyn std::error::Error| LakeError::corrupt(&file.path, error);
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|error| corrupt(&error))?;
    let wanted = builder
        .schema()
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| schema.column_with_name(field.name()).is_some());
    let roots: Vec<usize> = wanted.map(|(position, _)| position).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let reader = builder.with_projection(mask).build().map_err(|error| corrupt(&error))?;
    reader.map(|batch| conform(&batch.map_err(|error| corrupt(&error))?, schema)).collect()
}

/// The schema of some columns of `schema`.
pub(crate) fn project(schema: &SchemaRef, columns: &[String]) -> Result<SchemaRef, LakeError> {
    let fields = columns.iter().map(|column| {
        let missing =
            || LakeError::Column { column: column.clone(), reason: "the table has no such column".to_owned() };
        schema.field_with_name(column).cloned().map_err(|_| missing())
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>, _>>()?)))
}

async fn read_bytes(store: &dyn ObjectStore, file: &FileEntry) -> Result<bytes::Bytes, LakeError> {
    let failed = |error: &(dyn std::error::Error + 'static)| LakeError::read(file.path.display(), error);
    let path = Path::from_absolute_path(&file.path).map_err(|error| failed(&error))?;
    let answer = store.get(&path).await.map_err(|error| failed(&error))?;
    let bytes = answer.bytes().await.map_err(|error| failed(&error))?;
    match promised_hash(&file.name) {
        Some(promised) if promised != content_hash(&bytes) => {
            Err(LakeError::corrupt(&file.path, "its content does not match the hash in its name"))
        }
        _ => Ok(bytes),
    }
}
