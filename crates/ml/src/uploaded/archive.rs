//! The files of a model as one file: an Arrow table of names and contents.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Component, Path};
use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, LargeBinaryArray, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use arrow::record_batch::RecordBatch;

use crate::error::{MlError, Result};

/// Packs files by name; the same files give the same bytes.
pub(crate) fn pack(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("content", DataType::LargeBinary, false),
    ]));
    let names = StringArray::from_iter_values(files.keys());
    let contents = LargeBinaryArray::from_iter_values(files.values());
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(names), Arc::new(contents)]);
    let mut bytes = Vec::new();
    let mut writer = FileWriter::try_new(&mut bytes, &schema).map_err(MlError::unreadable)?;
    writer.write(&batch.map_err(MlError::unreadable)?).map_err(MlError::unreadable)?;
    writer.finish().map_err(MlError::unreadable)?;
    drop(writer);
    Ok(bytes)
}

/// Writes what [`pack`] packed to `folder`.
pub(crate) fn unpack(bytes: &[u8], folder: &Path) -> Result<()> {
    let reader = FileReader::try_new(Cursor::new(bytes), None).map_err(MlError::unreadable)?;
    for batch in reader {
        let batch = batch.map_err(MlError::unreadable)?;
        let columns = (batch.column(0).as_string_opt::<i32>(), batch.column(1).as_binary_opt::<i64>());
        let (Some(names), Some(contents)) = columns else {
            return Err(MlError::unreadable("it is no table of files"));
        };
        for row in 0..names.len() {
            write(folder, names.value(row), contents.value(row))?;
        }
    }
    Ok(())
}

/// Writes files by name to `folder`.
pub(super) fn write_all(files: &BTreeMap<String, Vec<u8>>, folder: &Path) -> Result<()> {
    files.iter().try_for_each(|(name, content)| write(folder, name, content))
}

fn write(folder: &Path, name: &str, content: &[u8]) -> Result<()> {
    let is_below = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || !is_below {
        return Err(MlError::unreadable(format!("the file `{name}` would lie outside of the model")));
    }
    let path = folder.join(name);
    let parent = path.parent().unwrap_or(folder);
    let written = std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&path, content));
    written.map_err(|error| MlError::unreadable(format!("`{name}` cannot be written for its worker: {error}")))
}
