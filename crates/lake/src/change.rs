//! What a commit does to the base version: from its files and the change to the files of the new version.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use baton_core::Timestamp;
use object_store::ObjectStore;

use crate::compaction::{Joined, join_small_files};
use crate::error::LakeError;
use crate::rewrite::{Rewriter, without_keys, without_range, without_these};
use crate::schema::evolve;
use crate::snapshot::{FileEntry, Snapshot, StagedFile};
use crate::writer::FileNames;

/// How the new version differs from its base.
#[derive(Debug, Clone)]
pub enum Change {
    /// Nothing of the base stays, its schema neither.
    Replace(Vec<StagedFile>),
    /// Everything of the base stays.
    Append(Vec<StagedFile>),
    /// The base's rows in a time range go; the files' rows come.
    ReplaceRange {
        /// An instant or a date column. Rows where it is null are outside of every range.
        column: String,
        /// The first instant of the range, in microseconds since the Unix epoch.
        start_micros: i64,
        /// The first instant after the range, in microseconds since the Unix epoch.
        end_micros: i64,
        /// The new rows.
        files: Vec<StagedFile>,
    },
    /// The base's rows whose key is among the files' rows go; the files' rows come. Null equals null.
    Merge {
        /// The key columns.
        keys: Vec<String>,
        /// The new rows; what is there twice stays twice.
        files: Vec<StagedFile>,
    },
    /// The base's rows whose key is among `gone` go; the files' rows come. Null equals null.
    ReplaceKeys {
        /// The key columns.
        keys: Vec<String>,
        /// Rows with these columns.
        gone: RecordBatch,
        /// The new rows.
        files: Vec<StagedFile>,
    },
}

/// Who made a version, when and why; kept in the Delta log.
#[derive(Debug, Clone)]
pub struct CommitInfo {
    /// Delta's word for the operation, such as `WRITE` or `MERGE`.
    pub operation: String,
    /// When, by the caller's clock.
    pub at: Timestamp,
    /// Anything that the caller wants to find again; stored as Delta's `userMetadata`.
    pub metadata: serde_json::Value,
}

/// The content of a version that is to be made.
pub(crate) struct Target {
    pub(crate) schema: SchemaRef,
    pub(crate) files: Vec<Arc<FileEntry>>,
    /// Files of the base that are another file now, with the same rows.
    pub(crate) joined: Option<Joined>,
}

impl Change {
    /// The content of the version after this change to `base`; rows that stay in files that go are rewritten.
    pub(crate) async fn target(
        self,
        store: &Arc<dyn ObjectStore>,
        folder: &Path,
        base: Option<&Snapshot>,
        written: SchemaRef,
    ) -> Result<Target, LakeError> {
        let base_files = base.map_or_else(Vec::new, |base| base.files.clone());
        let evolved = match base {
            Some(base) => evolve(&base.table.location, &base.schema, &written),
            None => Ok(written.clone()),
        };
        let rewriter = |schema: &SchemaRef, new_files: &[StagedFile]| Rewriter {
            store: store.clone(),
            folder: folder.to_owned(),
            schema: schema.clone(),
            names: FileNames { sequence: new_files.len(), ..FileNames::after(&base_files) },
        };
        match self {
            Self::Replace(files) => Ok(Target { schema: written, files, joined: None }),
            Self::Append(files) => {
                let untouched = names_without(&base_files, &files);
                let target = Target { schema: evolved?, files: together(base_files, files), joined: None };
                target.with_few_small_files(store, folder, &untouched).await
            }
            Self::ReplaceRange { column, start_micros, end_micros, files } => {
                let schema = evolved?;
                let kept =
                    without_range(rewriter(&schema, &files), &base_files, &column, start_micros..end_micros).await?;
                let untouched = names_without(&base_files, &files);
                let target = Target { schema, files: together(kept, files), joined: None };
                target.with_few_small_files(store, folder, &untouched).await
            }
            Self::Merge { keys, files } => {
                let schema = evolved?;
                let kept = without_keys(rewriter(&schema, &files), &base_files, &keys, &files).await?;
                Ok(Target { schema, files: together(kept, files), joined: None })
            }
            Self::ReplaceKeys { keys, gone, files } => {
                let schema = evolved?;
                let kept = without_these(rewriter(&schema, &files), &base_files, &keys, &gone).await?;
                let untouched = names_without(&base_files, &files);
                let target = Target { schema, files: together(kept, files), joined: None };
                target.with_few_small_files(store, folder, &untouched).await
            }
        }
    }
}

impl Target {
    /// The same rows with the older small files among `untouched` put together, if there are many.
    async fn with_few_small_files(
        mut self,
        store: &Arc<dyn ObjectStore>,
        folder: &Path,
        untouched: &BTreeSet<String>,
    ) -> Result<Self, LakeError> {
        let files = self.files.iter().filter(|file| untouched.contains(&file.name));
        self.joined = join_small_files(store, folder, &self.schema, files).await?;
        if let Some(joined) = &self.joined {
            self.files.retain(|file| !joined.from.contains(&file.name));
            self.files.push(joined.into.clone());
        }
        Ok(self)
    }
}

/// The names of files of the base that a change does not bring itself.
fn names_without(base: &[Arc<FileEntry>], brought: &[StagedFile]) -> BTreeSet<String> {
    let brought: BTreeSet<&str> = brought.iter().map(|file| file.name.as_str()).collect();
    base.iter().map(|file| file.name.clone()).filter(|name| !brought.contains(name.as_str())).collect()
}

fn together(kept: Vec<Arc<FileEntry>>, new: Vec<StagedFile>) -> Vec<Arc<FileEntry>> {
    let names: BTreeSet<&str> = new.iter().map(|file| file.name.as_str()).collect();
    let mut files: Vec<_> = kept.into_iter().filter(|file| !names.contains(file.name.as_str())).collect();
    files.extend(new.iter().cloned());
    files
}
