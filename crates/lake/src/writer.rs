//! Writing rows into staged files: Parquet, with statistics and digests, on the disk before anybody hears of them.
//!
//! The same rows written in the same batches from the same base give the same files, byte for byte and name for name:
//! `part-<generation>-<sequence>-<hash>.parquet`. The generation is one more than the highest among the base's files,
//! so names tell the order of writing and do not depend on runs that were killed in between.

use std::collections::BTreeSet;
use std::mem;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use baton_core::failpoint;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ArrowWriter;
use parquet::basic::ZstdLevel;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::digest::RowDigest;
use crate::encoding::encoded;
use crate::error::LakeError;
use crate::order::{ASCENDING_TAG, AscendingColumns};
use crate::schema::conform;
use crate::snapshot::{DIGEST_TAG, FileEntry, StagedFile};
use crate::stats::{has_nan, stats_json};

/// Rows of a row group: large enough to compress well, small enough for several readers of one file.
const ROW_GROUP_ROWS: usize = 256 * 1024;

/// Fewer rows than this are done before another thread wakes up.
const WORTH_TWO_THREADS: usize = 4096;

/// How files are written.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// The version that the commit will start from; it only decides how the files are called.
    pub base: Option<u64>,
    /// How many files of the same commit come before these: files are read in the order of their names.
    pub files_before: usize,
    /// The compression of pages.
    pub compression: Compression,
    /// A file is closed when it holds this many rows; also the bound of what the writer keeps in memory.
    pub target_file_rows: usize,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { base: None, files_before: 0, compression: Compression::Snappy, target_file_rows: 1024 * 1024 }
    }
}

/// The compression of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Zstandard at level 1: smaller.
    Zstd,
    /// Snappy: faster to read; what the engines that share the tables write.
    Snappy,
}

/// Writes rows, in their order, into staged files of one table. Dropped without [`Writer::finish`], it leaves at most
/// files that nothing names.
pub struct Writer {
    store: Arc<dyn ObjectStore>,
    folder: PathBuf,
    schema: SchemaRef,
    options: WriteOptions,
    names: FileNames,
    open: Option<OpenFile>,
    staged: Vec<StagedFile>,
}

/// The next file's place in the order of files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileNames {
    pub(crate) generation: u64,
    pub(crate) sequence: usize,
}

struct OpenFile {
    parquet: ArrowWriter<Vec<u8>>,
    rows: usize,
    digest: RowDigest,
    /// Float columns that hold a NaN.
    unordered: BTreeSet<String>,
    ascending: AscendingColumns,
}

impl Writer {
    /// A writer into the table folder `folder`; `schema` is a stored schema.
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        folder: PathBuf,
        schema: SchemaRef,
        options: WriteOptions,
        names: FileNames,
    ) -> Self {
        Self { store, folder, schema, options, names, open: None, staged: Vec::new() }
    }

    /// The schema in which rows are stored.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Adds the rows of `batch`; columns are taken by name and cast to the stored types.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        let batch = conform(batch, &self.schema)?;
        let target_rows = self.options.target_file_rows.max(1);
        let mut start = 0;
        while start < batch.num_rows() {
            let mut file = match self.open.take() {
                Some(file) => file,
                None => OpenFile::new(&batch.slice(start, batch.num_rows() - start), self.options.compression)?,
            };
            let length = (batch.num_rows() - start).min(target_rows - file.rows);
            file.append(&batch.slice(start, length))?;
            start += length;
            if file.rows >= target_rows {
                self.close(file).await?;
            } else {
                self.open = Some(file);
            }
        }
        Ok(())
    }

    /// Adds the rows of `batch` to the file that is open, however many it has: for callers that say themselves, with
    /// [`Writer::finish`], when it ends.
    ///
    /// # Errors
    /// The rows do not fit the schema.
    pub fn append(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = conform(batch, &self.schema)?;
        let mut file = match self.open.take() {
            Some(file) => file,
            None => OpenFile::new(&batch, self.options.compression)?,
        };
        file.append(&batch)?;
        self.open = Some(file);
        Ok(())
    }

    /// Closes the last file and returns all, each on the disk. No rows, no files.
    pub async fn finish(mut self) -> Result<Vec<StagedFile>, LakeError> {
        if let Some(file) = self.open.take() {
            self.close(file).await?;
        }
        Ok(self.staged)
    }

    async fn close(&mut self, file: OpenFile) -> Result<(), LakeError> {
        let (bytes, mut entry) = file.close(&self.schema)?;
        let hash = content_hash(&bytes);
        let FileNames { generation, sequence } = self.names;
        entry.name = format!("part-{generation:020}-{sequence:05}-{hash}.parquet");
        entry.path = self.folder.join(&entry.name);
        let path =
            Path::from_absolute_path(&entry.path).map_err(|error| LakeError::write(entry.path.display(), &error))?;
        self.store.put(&path, bytes.into()).await.map_err(|error| LakeError::write(entry.path.display(), &error))?;
        failpoint::reach("lake.file_written");
        self.names.sequence += 1;
        self.staged.push(Arc::new(entry));
        Ok(())
    }
}

impl FileNames {
    /// Names that come after those of `files`.
    pub(crate) fn after(files: &[Arc<FileEntry>]) -> Self {
        let generation = files.iter().filter_map(|file| Self::of(&file.name)).map(|names| names.generation).max();
        Self { generation: generation.map_or(0, |highest| highest + 1), sequence: 0 }
    }

    /// The place of the file called `name`; `None` when the name is not one of ours.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix("part-")?.split('-');
        Some(Self { generation: parts.next()?.parse().ok()?, sequence: parts.next()?.parse().ok()? })
    }
}

/// The first 16 hex digits of the BLAKE3 hash of a file's bytes.
pub(crate) fn content_hash(bytes: &[u8]) -> String {
    hex::encode(&blake3::hash(bytes).as_bytes()[..8])
}

/// The content hash that a file's name promises; `None` when the name is not one of ours.
pub(crate) fn promised_hash(name: &str) -> Option<&str> {
    let hash = name.strip_prefix("part-")?.strip_suffix(".parquet")?.rsplit('-').next()?;
    (hash.len() == 16).then_some(hash)
}

impl OpenFile {
    /// A file for rows like those of `first`.
    fn new(first: &RecordBatch, compression: Compression) -> Result<Self, LakeError> {
        let codec = match compression {
            Compression::Zstd => parquet::basic::Compression::ZSTD(ZstdLevel::default()),
            Compression::Snappy => parquet::basic::Compression::SNAPPY,
        };
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_created_by("baton".to_owned());
        let properties = encoded(properties, first, codec).build();
        let parquet = ArrowWriter::try_new(Vec::new(), first.schema(), Some(properties)).map_err(parquet_failure)?;
        Ok(Self {
            parquet,
            rows: 0,
            digest: RowDigest::default(),
            unordered: BTreeSet::new(),
            ascending: AscendingColumns::new(first.num_columns()),
        })
    }

    fn append(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        self.rows += batch.num_rows();
        let Self { parquet, digest, unordered, ascending, .. } = self;
        let mut look = || {
            for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
                if has_nan(column) {
                    unordered.insert(field.name().clone());
                }
            }
            ascending.append(batch);
            RowDigest::of(batch)
        };
        let mut write = || parquet.write(batch).map_err(parquet_failure);
        let (of_batch, written) = match batch.num_rows() < WORTH_TWO_THREADS {
            true => (look(), write()),
            false => rayon::join(look, write),
        };
        *digest = digest.and(of_batch?);
        written
    }

    /// The file's bytes, and its entry without a name.
    fn close(mut self, schema: &SchemaRef) -> Result<(Vec<u8>, FileEntry), LakeError> {
        let metadata = self.parquet.finish().map_err(parquet_failure)?;
        let bytes = mem::take(self.parquet.inner_mut());
        let digest = (DIGEST_TAG.to_owned(), self.digest.to_string());
        let ascending = self.ascending.tag(schema).map(|columns| (ASCENDING_TAG.to_owned(), columns));
        let entry = FileEntry {
            name: String::new(),
            path: PathBuf::new(),
            size: bytes.len() as u64,
            rows: self.rows as u64,
            digest: self.digest,
            modified_at_millis: 0,
            tags: [digest].into_iter().chain(ascending).collect(),
            stats_json: stats_json(&metadata, schema, &self.unordered),
            schema: schema.clone(),
            parsed: OnceLock::new(),
        };
        Ok((bytes, entry))
    }
}

fn parquet_failure(error: ParquetError) -> LakeError {
    LakeError::Compute { what: "a Parquet file", reason: error.to_string() }
}
