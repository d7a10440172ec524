//! Files that a command makes and that are kept as they are: a row each, with path, size, hash and content. A command that
//! reads such rows finds the files again.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arrow::array::{ArrayRef, AsArray as _, BinaryArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use baton_core::asset::CommandStep;
use sha2::{Digest as _, Sha256};

use super::error::ProgramError;
use super::{Scratch, WRITTEN};
use crate::error::RunError;
use crate::python::TableCall;

/// The largest file that is kept, in bytes: it is one value of a row.
const LARGEST: u64 = 256 << 20;

/// The columns of kept files, without since when they are known.
pub(crate) fn columns_of_files() -> Vec<Field> {
    let types = [DataType::Utf8, DataType::Int64, DataType::Utf8, DataType::Binary];
    CommandStep::OF_FILES.into_iter().zip(types).map(|(name, kind)| Field::new(name, kind, true)).collect()
}

/// Whether rows are kept files.
pub(crate) fn are_files(schema: &Schema) -> bool {
    schema.fields().iter().map(|field| field.name().as_str()).eq(CommandStep::OF_FILES)
}

/// The files that a command wrote as rows: those of its own folder, else those of the project's, which must all be new.
pub(super) fn written_files(
    call: &TableCall<'_>,
    step: &CommandStep,
    scratch: &Scratch,
    began: SystemTime,
    lines: Vec<String>,
) -> Result<Vec<RecordBatch>, RunError> {
    let of_own = found(&scratch.outputs().join(&step.output));
    let files = match of_own.is_empty() {
        false => of_own,
        true => found(&call.services.folder.join(&step.output)),
    };
    let is_new = |path: &PathBuf| {
        let at = fs::metadata(path).and_then(|found| found.modified());
        at.is_ok_and(|at| at + WRITTEN >= began)
    };
    if files.is_empty() || !files.iter().all(|(_, path)| is_new(path)) {
        let (table, output) = (call.asset.to_string(), step.output.clone());
        return Err(ProgramError::NoOutput { table, output, lines }.into());
    }
    let schema = Arc::new(Schema::new(columns_of_files()));
    files.iter().map(|(name, path)| row(call, &schema, name, path)).collect()
}

/// Files by their names below `place`, in order; of a file, it alone. Links are not followed.
fn found(place: &Path) -> Vec<(String, PathBuf)> {
    let mut files = Vec::new();
    if place.is_file() {
        let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return vec![(name, place.to_owned())];
    }
    collect(place, "", &mut files);
    files.sort();
    files
}

fn collect(folder: &Path, below: &str, files: &mut Vec<(String, PathBuf)>) {
    // A folder that is not there has no files.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&entry.path(), &format!("{name}/"), files),
            Ok(kind) if kind.is_file() => files.push((name, entry.path())),
            _ => {}
        }
    }
}

fn row(call: &TableCall<'_>, schema: &SchemaRef, name: &str, path: &Path) -> Result<RecordBatch, RunError> {
    let unreadable = |error: std::io::Error| {
        RunError::Project(format!("`{name}`, which the command of `{}` wrote, cannot be read: {error}", call.asset))
    };
    let bytes = fs::metadata(path).map_err(unreadable)?.len();
    if bytes > LARGEST {
        let message = format!(
            "`{name}`, which the command of `{}` wrote, has {bytes} bytes, and {LARGEST} are the most: write parts of it",
            call.asset
        );
        return Err(RunError::Project(message));
    }
    let content = fs::read(path).map_err(unreadable)?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![name])),
        Arc::new(Int64Array::from(vec![content.len() as i64])),
        Arc::new(StringArray::from(vec![sha256_of(&content)])),
        Arc::new(BinaryArray::from(vec![content.as_slice()])),
    ];
    RecordBatch::try_new(SchemaRef::clone(schema), columns).map_err(RunError::rows(call.asset))
}

/// Writes kept files below `folder`.
pub(crate) fn write_files(folder: &Path, rows: &RecordBatch) -> Result<(), String> {
    let column = |place: usize, kind: &DataType| cast(rows.column(place), kind).map_err(|error| error.to_string());
    let (names, contents) = (column(0, &DataType::Utf8)?, column(3, &DataType::Binary)?);
    let hashes = column(2, &DataType::Utf8)?;
    for row in 0..rows.num_rows() {
        let (name, content) = (names.as_string::<i32>().value(row), contents.as_binary::<i32>().value(row));
        if sha256_of(content) != hashes.as_string::<i32>().value(row) {
            return Err(format!("`{name}` is not what was kept: its sha256 is another one"));
        }
        write_file(folder, name, content)?;
    }
    Ok(())
}

fn write_file(folder: &Path, name: &str, content: &[u8]) -> Result<(), String> {
    let is_below = !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if !is_below {
        return Err(format!("`{name}` is no path below a folder"));
    }
    let path = folder.join(name);
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(&path, content))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

fn sha256_of(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(name: &str, hash: &str) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![name])),
            Arc::new(Int64Array::from(vec![3])),
            Arc::new(StringArray::from(vec![hash])),
            Arc::new(BinaryArray::from(vec![b"abc".as_slice()])),
        ];
        RecordBatch::try_new(Arc::new(Schema::new(columns_of_files())), columns).unwrap()
    }

    /// Of FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn files_are_written_below_the_folder_only_and_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        assert!(are_files(rows("a", ABC).schema_ref()));
        write_files(folder.path(), &rows("a/b.txt", ABC)).unwrap();
        assert_eq!(found(folder.path()), [("a/b.txt".to_owned(), folder.path().join("a/b.txt"))]);
        assert_eq!(fs::read(folder.path().join("a/b.txt")).unwrap(), b"abc");
        for name in ["../b", "/b", "", "a/../../b"] {
            assert!(write_files(folder.path(), &rows(name, ABC)).unwrap_err().contains("no path below"), "{name}");
        }
        let told = write_files(folder.path(), &rows("b", "00")).unwrap_err();
        assert!(told.contains("its sha256 is another one"), "{told}");
    }
}
