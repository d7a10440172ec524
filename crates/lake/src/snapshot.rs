//! What a table version holds: its schema and its files.
//!
//! A version never changes, so neither does a snapshot; it is shared and cached freely.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use baton_core::TableVersion;
use deltalake::kernel::{Add, Metadata, Remove};

use crate::digest::RowDigest;
use crate::order::{ASCENDING_TAG, ascending_columns};
use crate::stats::{FileStats, parse_rows};

/// The tag of a Delta `add` action that holds the digest of the file's rows.
pub(crate) const DIGEST_TAG: &str = "baton.digest";

/// A written file that no table version names yet.
pub type StagedFile = Arc<FileEntry>;

/// A table version, opened.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) table: TableVersion,
    pub(crate) schema: SchemaRef,
    pub(crate) files: Vec<Arc<FileEntry>>,
    pub(crate) metadata: Metadata,
}

impl Snapshot {
    /// Which version this is.
    pub fn table(&self) -> &TableVersion {
        &self.table
    }

    /// The schema of its rows; every file holds a subset of these columns, the others are null in it.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Its files, by name.
    pub fn files(&self) -> &[Arc<FileEntry>] {
        &self.files
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// The size of all files in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// The digest of its rows as a multiset.
    pub fn digest(&self) -> RowDigest {
        self.files.iter().map(|file| file.digest).sum()
    }
}

/// One data file.
#[derive(Debug)]
pub struct FileEntry {
    /// The file's name, relative to the table's folder.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its number of rows.
    pub rows: u64,
    /// The digest of its rows as a multiset.
    pub digest: RowDigest,
    /// When it was committed, in milliseconds since the Unix epoch.
    pub modified_at_millis: i64,
    /// All tags of the file.
    pub tags: BTreeMap<String, String>,
    pub(crate) stats_json: String,
    pub(crate) schema: SchemaRef,
    pub(crate) parsed: OnceLock<FileStats>,
}

impl FileEntry {
    /// What is known of the file's columns. Parsed at the first call.
    pub fn stats(&self) -> &FileStats {
        self.parsed.get_or_init(|| {
            let bare = FileStats { rows: self.rows, ..FileStats::default() };
            let ascending = self.tags.get(ASCENDING_TAG).map_or_else(BTreeSet::new, |tag| ascending_columns(tag));
            FileStats::parse(&self.stats_json, &self.schema, &ascending).unwrap_or(bare)
        })
    }

    /// What is known of the file, as a Delta `add` action: all that [`crate::Lake::staged`] needs to know it again.
    pub fn to_record(&self) -> serde_json::Value {
        serde_json::json!(self.to_add())
    }

    /// Reads a Delta `add` action. Of a file that another tool wrote, only its name is known: enough to write a version
    /// without it.
    pub(crate) fn from_add(add: Add, folder: &std::path::Path, schema: &SchemaRef) -> Result<Self, String> {
        let tags: BTreeMap<String, String> =
            add.tags.clone().unwrap_or_default().into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        let digest = tags.get(DIGEST_TAG).and_then(|text| RowDigest::parse(text));
        let stats_json = add.stats.clone().unwrap_or_default();
        let rows = parse_rows(&stats_json);
        if digest.is_some() && rows.is_none() {
            return Err(format!("file `{}` has no number of rows, so its entry was changed", add.path));
        }
        if add.deletion_vector.is_some() {
            return Err(format!("file `{}` has a deletion vector, so another tool changed the table", add.path));
        }
        let (digest, rows) = (digest.unwrap_or_default(), rows.unwrap_or_default());
        Ok(Self {
            path: folder.join(&add.path),
            size: add.size.unsigned_abs(),
            rows,
            digest,
            modified_at_millis: add.modification_time,
            tags,
            stats_json,
            schema: schema.clone(),
            parsed: OnceLock::new(),
            name: add.path,
        })
    }

    /// Whether another tool wrote it.
    pub(crate) fn is_foreign(&self) -> bool {
        !self.tags.contains_key(DIGEST_TAG)
    }

    pub(crate) fn to_add(&self) -> Add {
        Add {
            path: self.name.clone(),
            size: self.size.cast_signed(),
            modification_time: self.modified_at_millis,
            data_change: true,
            stats: Some(self.stats_json.clone()),
            tags: Some(self.tags.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect()),
            ..Add::default()
        }
    }

    pub(crate) fn to_remove(&self, at_millis: i64) -> Remove {
        Remove {
            path: self.name.clone(),
            data_change: true,
            deletion_timestamp: Some(at_millis),
            extended_file_metadata: Some(true),
            partition_values: Some(Default::default()),
            size: Some(self.size.cast_signed()),
            ..Remove::default()
        }
    }

    /// The same file as committed at `at_millis`.
    pub(crate) fn committed(&self, at_millis: i64) -> Self {
        Self {
            name: self.name.clone(),
            path: self.path.clone(),
            size: self.size,
            rows: self.rows,
            digest: self.digest,
            modified_at_millis: at_millis,
            tags: self.tags.clone(),
            stats_json: self.stats_json.clone(),
            schema: self.schema.clone(),
            parsed: OnceLock::new(),
        }
    }
}
