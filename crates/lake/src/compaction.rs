//! Keeps tables that grow by a few rows a day from becoming hundreds of files: a commit that leaves many small files
//! puts the older of them into one. Same rows, in the same order; knows nothing of the log.
//!
//! The cost is bounded: files come together at most once in as many commits as there must be small ones, what came
//! together is written again only while it is small itself, and one commit reads and writes one file's worth of rows.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use object_store::ObjectStore;

use crate::digest::RowDigest;
use crate::error::LakeError;
use crate::read::read_file;
use crate::snapshot::FileEntry;
use crate::writer::{FileNames, WriteOptions, Writer};

/// A table may have this many small files.
const SMALL_FILES: usize = 32;
/// The newest small files stay: a change of the last days must find them small.
const NEWEST_FILES: usize = 4;
/// A file of this size is not small.
const SMALL_BYTES: u64 = 1024 * 1024;
/// A file of more rows is not small, so that any two small ones fit into one.
const SMALL_ROWS: u64 = JOINED_ROWS / 2;
/// Rows of one file that was put together.
const JOINED_ROWS: u64 = 1024 * 1024;
/// Bytes of the files that are put together, which bounds the memory for wide rows.
const JOINED_BYTES: u64 = 64 * 1024 * 1024;

/// Files whose rows are in one other file now.
pub(crate) struct Joined {
    /// The names of the files that went.
    pub(crate) from: BTreeSet<String>,
    /// The file that came.
    pub(crate) into: Arc<FileEntry>,
}

/// Puts the older small files of `untouched` together; `None` while there are few. The new file's name sorts where the
/// last of them was.
pub(crate) async fn join_small_files(
    store: &Arc<dyn ObjectStore>,
    folder: &Path,
    schema: &SchemaRef,
    untouched: impl Iterator<Item = &Arc<FileEntry>>,
) -> Result<Option<Joined>, LakeError> {
    let sources = to_join(untouched);
    let Some(names) = sources.last().and_then(|last| FileNames::of(&last.name)) else { return Ok(None) };
    let options = WriteOptions { target_file_rows: usize::MAX, ..WriteOptions::default() };
    let mut writer = Writer::new(store.clone(), folder.to_owned(), schema.clone(), options, names);
    for file in &sources {
        for batch in read_file(&**store, file, schema).await? {
            writer.write(&batch).await?;
        }
    }
    let Some(into) = writer.finish().await?.pop() else { return Ok(None) };
    let expected: RowDigest = sources.iter().map(|file| file.digest).sum();
    if into.digest != expected {
        return Err(LakeError::corrupt(&into.path, "its rows are not those of the files it was put together from"));
    }
    Ok(Some(Joined { from: sources.iter().map(|file| file.name.clone()).collect(), into }))
}

/// The small files but for the newest, by name, as many as one file may hold; none unless there are too many.
fn to_join<'a>(untouched: impl Iterator<Item = &'a Arc<FileEntry>>) -> Vec<&'a Arc<FileEntry>> {
    let mut small: Vec<_> = untouched.filter(|file| file.size < SMALL_BYTES && file.rows <= SMALL_ROWS).collect();
    if small.len() <= SMALL_FILES {
        return Vec::new();
    }
    small.sort_by(|left, right| left.name.cmp(&right.name));
    small.truncate(small.len() - NEWEST_FILES);
    let (mut rows, mut bytes) = (0, 0);
    let fitting = small.iter().take_while(|file| {
        rows += file.rows;
        bytes += file.size;
        rows <= JOINED_ROWS && bytes <= JOINED_BYTES
    });
    let n_fitting = fitting.count();
    small.truncate(n_fitting);
    small
}
