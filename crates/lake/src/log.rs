//! One table's Delta log: loading a version, following new entries, writing the next one.
//!
//! The only file that speaks Delta's actions. An entry is put only if no entry of its number exists, so two writers
//! cannot make the same version. Loading a version from nothing goes through Delta's kernel, which starts at the
//! nearest checkpoint, except for the first few versions; following the log from a known version reads the new entries only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use baton_core::TableVersion;
use deltalake::kernel::transaction::TransactionError;
use deltalake::kernel::{
    Action, Add, CommitInfo as DeltaCommitInfo, EagerSnapshot, Metadata, MetadataExt as _, Protocol, Remove,
    new_metadata,
};
use deltalake::logstore::{CommitOrBytes, LogStoreRef, get_actions};
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError, checkpoints};
use object_store::ObjectStore;
use serde_json::json;
use url::Url;

use crate::change::{CommitInfo, Target};
use crate::error::LakeError;
use crate::schema::{arrow_from_delta, delta_from_arrow};
use crate::snapshot::{FileEntry, Snapshot};

/// Versions of a young table: reading their entries one by one costs a fraction of a start of Delta's kernel.
const FEW: u64 = 8;

/// Versions between two checkpoints.
const CHECKPOINT_INTERVAL: u64 = 50;

/// Delta's own cleaning must never take what a recorded commit points at, so it is as good as switched off.
const CONFIGURATION: [(&str, &str); 4] = [
    ("delta.enableExpiredLogCleanup", "false"),
    ("delta.logRetentionDuration", "interval 36500 days"),
    ("delta.deletedFileRetentionDuration", "interval 36500 days"),
    ("delta.dataSkippingNumIndexedCols", "-1"),
];

/// The log of the table in one folder.
pub(crate) struct DeltaLog {
    location: String,
    folder: PathBuf,
    store: LogStoreRef,
}

/// Whether an entry was written.
pub(crate) enum Written {
    Yes,
    /// Another writer made this version.
    Taken,
}

impl DeltaLog {
    /// The log of table `location` below `warehouse` (an absolute path).
    pub(crate) fn open(store: Arc<dyn ObjectStore>, warehouse: &Path, location: &str) -> Result<Self, LakeError> {
        let failed = |error: DeltaTableError| LakeError::log(location, error);
        let folder = warehouse.join(location);
        let url = Url::from_directory_path(&folder)
            .map_err(|()| LakeError::log(location, "its folder is not an absolute path"))?;
        let builder = DeltaTableBuilder::from_url(url.clone()).map_err(failed)?;
        let store = builder.with_storage_backend(store, url).build_storage().map_err(failed)?;
        Ok(Self { location: location.to_owned(), folder, store })
    }

    /// The table's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The snapshot of `version`, or of the newest; `None` when there is no such table.
    pub(crate) async fn load(&self, version: Option<u64>) -> Result<Option<Snapshot>, LakeError> {
        if let Some(version) = version.filter(|version| *version < FEW)
            && let Some(found) = self.load_few(version).await?
        {
            return Ok(Some(found));
        }
        self.load_any(version).await
    }

    /// The snapshot of an early version, entry by entry; `None` when an entry is not there or asks for more than Baton's own
    /// tables do, which is for Delta's kernel to judge.
    async fn load_few(&self, version: u64) -> Result<Option<Snapshot>, LakeError> {
        let own = protocol()?;
        let (mut is_own, mut metadata, mut adds) = (false, None, BTreeMap::new());
        for version in 0..=version {
            let Some(actions) = self.entry(version).await? else { return Ok(None) };
            for action in actions {
                match action {
                    Action::Protocol(found) if found == own => is_own = true,
                    Action::Protocol(_) => return Ok(None),
                    Action::Metadata(found) => metadata = Some(found),
                    Action::Add(add) => drop(adds.insert(add.path.clone(), add)),
                    Action::Remove(remove) => drop(adds.remove(&remove.path)),
                    _ => {}
                }
            }
        }
        let known = metadata.filter(|_| is_own);
        known.map(|metadata| self.snapshot(version, metadata, adds.into_values())).transpose()
    }

    /// The same by Delta's kernel.
    async fn load_any(&self, version: Option<u64>) -> Result<Option<Snapshot>, LakeError> {
        if !self.store.is_delta_table_location().await.map_err(|error| self.failed(&error))? {
            return Ok(None);
        }
        if let Some(version) = version
            && self.store.read_commit_entry(version).await.map_err(|error| self.failed(&error))?.is_none()
        {
            return Err(LakeError::NoSuchVersion { table: self.location.clone(), version });
        }
        let loaded = EagerSnapshot::try_new(self.store.as_ref(), version).await.map_err(|error| self.failed(&error))?;
        let files = loaded.try_log_data().map_err(|error| self.failed(&error))?;
        #[expect(deprecated, reason = "the kernel's batches would tie us to its internal schema")]
        let adds: Vec<_> = files.iter().map(|file| file.add_action()).collect();
        self.snapshot(loaded.version(), loaded.metadata().clone(), adds).map(Some)
    }

    fn snapshot(
        &self,
        version: u64,
        metadata: Metadata,
        adds: impl IntoIterator<Item = Add>,
    ) -> Result<Snapshot, LakeError> {
        let schema = self.schema_of(&metadata)?;
        let mut by_name = BTreeMap::new();
        for add in adds {
            let file = FileEntry::from_add(add, &self.folder, &schema)
                .map_err(|reason| LakeError::log(&self.location, reason))?;
            by_name.insert(file.name.clone(), Arc::new(file));
        }
        let table = TableVersion { location: self.location.clone(), version };
        Ok(Snapshot { table, schema, files: by_name.into_values().collect(), metadata })
    }

    /// The snapshot after `snapshot`; `None` when `snapshot` is the newest.
    pub(crate) async fn next(&self, snapshot: &Snapshot) -> Result<Option<Snapshot>, LakeError> {
        let version = snapshot.table.version + 1;
        let Some(actions) = self.entry(version).await? else { return Ok(None) };
        let metadata = actions.iter().find_map(|action| match action {
            Action::Metadata(metadata) => Some(metadata.clone()),
            _ => None,
        });
        let schema = match &metadata {
            Some(metadata) => self.schema_of(metadata)?,
            None => snapshot.schema.clone(),
        };
        let mut files: BTreeMap<String, Arc<FileEntry>> =
            snapshot.files.iter().map(|file| (file.name.clone(), file.clone())).collect();
        for action in actions {
            match action {
                Action::Add(add) => {
                    let file = FileEntry::from_add(add, &self.folder, &schema)
                        .map_err(|reason| LakeError::log(&self.location, reason))?;
                    files.insert(file.name.clone(), Arc::new(file));
                }
                Action::Remove(remove) => drop(files.remove(&remove.path)),
                _ => {}
            }
        }
        Ok(Some(Snapshot {
            table: TableVersion { location: self.location.clone(), version },
            schema,
            files: files.into_values().collect(),
            metadata: metadata.unwrap_or_else(|| snapshot.metadata.clone()),
        }))
    }

    /// What the entry of `version` says; `None` when there is none.
    async fn entry(&self, version: u64) -> Result<Option<Vec<Action>>, LakeError> {
        let bytes = self.store.read_commit_entry(version).await.map_err(|error| self.failed(&error))?;
        bytes.map(|bytes| get_actions(version, &bytes).map_err(|error| self.failed(&error))).transpose()
    }

    /// What the next version after `head` will be, once `actions` of it are written.
    pub(crate) fn successor(
        &self,
        head: Option<&Snapshot>,
        target: &Target,
        info: &CommitInfo,
    ) -> Result<(Snapshot, Vec<Action>), LakeError> {
        let at_millis = info.at.timestamp_millis();
        let mut actions = vec![commit_info(info)];
        let metadata = self.metadata(head, target)?;
        if head.is_none() {
            actions.push(Action::Protocol(protocol()?));
        }
        if head.is_none_or(|head| head.schema != target.schema) {
            actions.push(Action::Metadata(metadata.clone()));
        }
        let mut files: BTreeMap<String, Arc<FileEntry>> = BTreeMap::new();
        let old: BTreeMap<&str, &Arc<FileEntry>> =
            head.iter().flat_map(|head| &head.files).map(|file| (file.name.as_str(), file)).collect();
        // Rows only moved between files when the head has the files that they were in.
        let moved =
            target.joined.as_ref().filter(|joined| joined.from.iter().all(|name| old.contains_key(name.as_str())));
        for file in &target.files {
            let entry = match old.get(file.name.as_str()) {
                Some(known) => (*known).clone(),
                None => {
                    let entry = Arc::new(file.committed(at_millis));
                    let data_change = moved.is_none_or(|joined| joined.into.name != entry.name);
                    actions.push(Action::Add(Add { data_change, ..entry.to_add() }));
                    entry
                }
            };
            files.insert(entry.name.clone(), entry);
        }
        let gone = old.values().filter(|file| !files.contains_key(&file.name));
        actions.extend(gone.map(|file| {
            let data_change = moved.is_none_or(|joined| !joined.from.contains(&file.name));
            Action::Remove(Remove { data_change, ..file.to_remove(at_millis) })
        }));
        let version = head.map_or(0, |head| head.table.version + 1);
        let table = TableVersion { location: self.location.clone(), version };
        Ok((Snapshot { table, schema: target.schema.clone(), files: files.into_values().collect(), metadata }, actions))
    }

    /// Puts the entry of `version`, unless there is one.
    pub(crate) async fn write(&self, version: u64, actions: &[Action]) -> Result<Written, LakeError> {
        let lines: Result<Vec<String>, _> = actions.iter().map(serde_json::to_string).collect();
        let text = lines.map_err(|error| LakeError::log(&self.location, error))?.join("\n");
        let entry = CommitOrBytes::LogBytes(text.into());
        match self.store.write_commit_entry(version, entry, uuid::Uuid::new_v4()).await {
            Ok(()) => Ok(Written::Yes),
            Err(TransactionError::VersionAlreadyExists(_)) => Ok(Written::Taken),
            Err(error) => Err(LakeError::write(self.folder.join("_delta_log").display(), &error)),
        }
    }

    /// Writes a checkpoint when `version` calls for one, so that loading stays fast however long the log is.
    ///
    /// A checkpoint is a shortcut only: that it failed is told in the log of the process and is no error.
    pub(crate) async fn checkpoint_if_due(&self, version: u64) {
        if version == 0 || !version.is_multiple_of(CHECKPOINT_INTERVAL) {
            return;
        }
        let mut table = DeltaTable::new(self.store.clone());
        let written = async {
            table.load_version(version).await?;
            checkpoints::create_checkpoint(&table, None).await
        };
        if let Err(error) = written.await {
            tracing::warn!(table = self.location, version, %error, "no checkpoint written");
        }
    }

    fn metadata(&self, head: Option<&Snapshot>, target: &Target) -> Result<Metadata, LakeError> {
        let metadata = match head {
            Some(head) if head.schema == target.schema => Ok(head.metadata.clone()),
            Some(head) => head.metadata.clone().with_schema(&delta_from_arrow(&target.schema)?),
            None => new_metadata(&delta_from_arrow(&target.schema)?, Vec::<String>::new(), CONFIGURATION),
        };
        metadata.map_err(|error| LakeError::log(&self.location, error))
    }

    fn schema_of(&self, metadata: &Metadata) -> Result<SchemaRef, LakeError> {
        let schema = metadata.parse_schema().map_err(|error| LakeError::log(&self.location, error))?;
        arrow_from_delta(&schema)
    }

    fn failed(&self, error: &dyn std::error::Error) -> LakeError {
        LakeError::log(&self.location, error)
    }
}

fn commit_info(info: &CommitInfo) -> Action {
    Action::CommitInfo(DeltaCommitInfo {
        timestamp: Some(info.at.timestamp_millis()),
        operation: Some(info.operation.clone()),
        operation_parameters: Some(Default::default()),
        engine_info: Some(concat!("Baton/", env!("CARGO_PKG_VERSION")).to_owned()),
        user_metadata: Some(info.metadata.to_string()),
        ..DeltaCommitInfo::default()
    })
}

/// The oldest protocol that has all we use, so that every engine can read the table.
fn protocol() -> Result<Protocol, LakeError> {
    let protocol = json!({"minReaderVersion": 1, "minWriterVersion": 2});
    serde_json::from_value(protocol).map_err(|error| LakeError::log("new", error))
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use baton_core::time::timestamp_from_micros;

    use super::*;
    use crate::store::DurableStore;
    use crate::{Change, Lake, TableLocation, WriteOptions};

    fn rows(ids: std::ops::Range<i64>, name: &str) -> RecordBatch {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
        RecordBatch::try_from_iter_with_nullable([(name, ids, true)]).unwrap()
    }

    /// Appends, replaces, widens, and goes back.
    async fn grown(warehouse: &Path, location: &TableLocation) {
        let lake = Lake::open(warehouse).unwrap();
        let info = CommitInfo {
            operation: "WRITE".to_owned(),
            at: timestamp_from_micros(0),
            metadata: serde_json::Value::Null,
        };
        for version in 0..FEW {
            let base = version.checked_sub(1);
            let wide = rows(0..9, if version < 4 { "id" } else { "other" });
            let mut writer =
                lake.writer(location, &wide.schema(), WriteOptions { base, ..WriteOptions::default() }).await.unwrap();
            writer.write(&wide).await.unwrap();
            let files = writer.finish().await.unwrap();
            let change = if version % 3 == 2 { Change::Replace(files) } else { Change::Append(files) };
            lake.commit(location, &wide.schema(), base, change, &info).await.unwrap();
        }
        lake.restore(location, 2, &info).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn entries_one_by_one_give_what_the_kernel_gives() {
        let folder = tempfile::tempdir().unwrap();
        let location = TableLocation::new("grown", "0").unwrap();
        grown(folder.path(), &location).await;
        let warehouse = std::fs::canonicalize(folder.path()).unwrap();
        let store = Arc::new(DurableStore::new(warehouse.join(".staging")));
        let log = DeltaLog::open(store, &warehouse, &location.to_string()).unwrap();
        let text = |snapshot: &Snapshot| format!("{:?} {:?} {:?}", snapshot.table, snapshot.schema, snapshot.files);
        for version in 0..=FEW {
            let few = log.load_few(version).await.unwrap().unwrap();
            let any = log.load_any(Some(version)).await.unwrap().unwrap();
            assert_eq!(text(&few), text(&any), "version {version}");
            assert_eq!(few.metadata, any.metadata, "version {version}");
        }
        assert!(log.load_few(FEW + 1).await.unwrap().is_none(), "there is no such version");
        let first = folder.path().join(location.to_string()).join("_delta_log/00000000000000000000.json");
        let entry = std::fs::read_to_string(&first).unwrap();
        std::fs::write(&first, entry.replace("\"minReaderVersion\":1", "\"minReaderVersion\":2")).unwrap();
        assert!(log.load_few(1).await.unwrap().is_none(), "a table that asks for more is the kernel's");
    }
}
