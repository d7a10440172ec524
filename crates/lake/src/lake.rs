//! The lake: opening, committing and restoring table versions.

mod kept;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use baton_core::{TableVersion, failpoint};
use object_store::ObjectStore;

use self::kept::{Identity, SnapshotCache};
use crate::artifacts::Artifacts;
use crate::change::{Change, CommitInfo, Target};
use crate::error::LakeError;
use crate::location::TableLocation;
use crate::log::{DeltaLog, Written};
use crate::read::read_file;
use crate::schema::delta_schema;
use crate::snapshot::{FileEntry, Snapshot, StagedFile};
use crate::store::{DurableStore, create_folder, sweep};
use crate::writer::{FileNames, WriteOptions, Writer};

/// How often a commit is tried against other processes' commits.
const COMMIT_ATTEMPTS: u32 = 100;

/// All tables below one warehouse folder. Cloning shares what is remembered of them.
#[derive(Clone)]
pub struct Lake {
    warehouse: PathBuf,
    store: Arc<dyn ObjectStore>,
    tables: Arc<Mutex<BTreeMap<String, Arc<Table>>>>,
    snapshots: Arc<Mutex<SnapshotCache>>,
}

/// One table. Holding its head is holding the right to commit to it within this process.
struct Table {
    log: DeltaLog,
    /// Its folder, when it was first asked for.
    identity: Option<Identity>,
    head: tokio::sync::Mutex<Option<Arc<Snapshot>>>,
}

impl Lake {
    /// The lake in folder `warehouse`, which is made if it is missing.
    pub fn open(warehouse: &Path) -> Result<Self, LakeError> {
        create_folder(warehouse).map_err(|error| LakeError::write(warehouse.display(), &error))?;
        let warehouse = fs::canonicalize(warehouse).map_err(|error| LakeError::read(warehouse.display(), &error))?;
        let staging = warehouse.join(".staging");
        sweep(&staging);
        let store = Arc::new(DurableStore::new(staging));
        Ok(Self { warehouse, store, tables: Arc::default(), snapshots: Arc::default() })
    }

    /// The same lake, for work that begins now: what is remembered of a table whose folder is another one than when it was
    /// read is forgotten, as when another process deleted the table and somebody made it again.
    ///
    /// Nothing may delete tables from here to the end of that work.
    #[must_use]
    pub fn again(&self) -> Self {
        let is_other = |(location, table): (&String, &Arc<Table>)| {
            let is_same = table.identity.is_some() && table.identity == Identity::of(table.log.folder());
            (!is_same).then(|| location.clone())
        };
        let others: Vec<String> = locked(&self.tables).iter().filter_map(is_other).collect();
        others.iter().for_each(|location| self.forget_at(location));
        self.clone()
    }

    /// The warehouse folder, as an absolute path.
    pub fn warehouse(&self) -> &Path {
        &self.warehouse
    }

    /// Files kept by their content beside the tables.
    pub fn artifacts(&self) -> Artifacts {
        Artifacts::new(&self.warehouse)
    }

    /// A writer of rows of `schema` (any Arrow schema; see [`delta_schema`]) into staged files of a table.
    pub async fn writer(
        &self,
        location: &TableLocation,
        schema: &Schema,
        options: WriteOptions,
    ) -> Result<Writer, LakeError> {
        let names = match options.base {
            Some(version) => FileNames::after(self.version(&location.to_string(), version).await?.files()),
            None => FileNames::after(&[]),
        };
        let names = FileNames { sequence: options.files_before, ..names };
        let folder = self.table(&location.to_string())?.log.folder().to_owned();
        Ok(Writer::new(self.store.clone(), folder, delta_schema(schema)?, options, names))
    }

    /// A staged file that an earlier process wrote for rows of `schema` and [recorded](crate::FileEntry::to_record);
    /// `None` when it is not, or not wholly, on the disk, or the record cannot be read.
    pub fn staged(
        &self,
        location: &TableLocation,
        schema: &Schema,
        record: serde_json::Value,
    ) -> Result<Option<StagedFile>, LakeError> {
        let table = self.table(&location.to_string())?;
        let schema = delta_schema(schema)?;
        let add = serde_json::from_value(record).ok();
        let found = add.and_then(|add| FileEntry::from_add(add, table.log.folder(), &schema).ok());
        let is_whole = |file: &FileEntry| fs::metadata(&file.path).is_ok_and(|found| found.len() == file.size);
        Ok(found.filter(is_whole).map(Arc::new))
    }

    /// Makes exactly one new version: that of `base` (`None`: nothing) with `change`. `schema` is that of the
    /// change's rows; columns that it adds become columns of the table.
    ///
    /// The base need not be the newest version: the new one holds what base and change say, whatever was committed
    /// in between. On any error no version is made.
    pub async fn commit(
        &self,
        location: &TableLocation,
        schema: &Schema,
        base: Option<u64>,
        change: Change,
        info: &CommitInfo,
    ) -> Result<TableVersion, LakeError> {
        let location = location.to_string();
        let table = self.table(&location)?;
        let base = match base {
            Some(version) => Some(self.version(&location, version).await?),
            None => None,
        };
        let target = change.target(&self.store, table.log.folder(), base.as_deref(), delta_schema(schema)?).await?;
        self.commit_target(&table, &target, info).await
    }

    /// Makes a new version with exactly the content of version `version`.
    pub async fn restore(
        &self,
        location: &TableLocation,
        version: u64,
        info: &CommitInfo,
    ) -> Result<TableVersion, LakeError> {
        let location = location.to_string();
        let wanted = self.version(&location, version).await?;
        let target = Target { schema: wanted.schema.clone(), files: wanted.files.clone(), joined: None };
        self.commit_target(&*self.table(&location)?, &target, info).await
    }

    /// The newest version of a table, recorded or not; `None` when there is no such table.
    pub async fn newest(&self, location: &TableLocation) -> Result<Option<TableVersion>, LakeError> {
        let table = self.table(&location.to_string())?;
        let mut head = table.head.lock().await;
        self.follow(&table, &mut head).await?;
        Ok(head.as_ref().map(|head| head.table.clone()))
    }

    /// The content of a version.
    pub async fn snapshot(&self, table: &TableVersion) -> Result<Arc<Snapshot>, LakeError> {
        TableLocation::parse(&table.location)?;
        self.version(&table.location, table.version).await
    }

    /// All rows of a version, for tables that are known to be small.
    pub async fn read_all(&self, table: &TableVersion) -> Result<Vec<RecordBatch>, LakeError> {
        let snapshot = self.snapshot(table).await?;
        let mut batches = Vec::new();
        for file in snapshot.files() {
            batches.extend(read_file(&*self.store, file, snapshot.schema()).await?);
        }
        Ok(batches)
    }

    async fn commit_target(
        &self,
        table: &Table,
        target: &Target,
        info: &CommitInfo,
    ) -> Result<TableVersion, LakeError> {
        let mut head = table.head.lock().await;
        for _ in 0..COMMIT_ATTEMPTS {
            self.follow(table, &mut head).await?;
            let (next, actions) = table.log.successor(head.as_deref(), target, info)?;
            failpoint::reach("lake.before_commit");
            match table.log.write(next.table.version, &actions).await? {
                Written::Taken => continue,
                Written::Yes => failpoint::reach("lake.after_commit"),
            }
            let version = next.table.clone();
            *head = Some(self.remember(next));
            table.log.checkpoint_if_due(version.version).await;
            return Ok(version);
        }
        Err(LakeError::Contended { table: table.log.folder().display().to_string(), attempts: COMMIT_ATTEMPTS })
    }

    /// Forgets what is remembered of a table that was deleted.
    pub(crate) fn forget(&self, location: &TableLocation) {
        self.forget_at(&location.to_string());
    }

    fn forget_at(&self, location: &str) {
        locked(&self.tables).remove(location);
        locked(&self.snapshots).forget(location);
    }

    /// Brings `head` to the newest version.
    async fn follow(&self, table: &Table, head: &mut Option<Arc<Snapshot>>) -> Result<(), LakeError> {
        if head.is_none() {
            *head = table.log.load(None).await?.map(|snapshot| self.remember(snapshot));
        }
        while let Some(current) = head.as_deref() {
            match table.log.next(current).await? {
                Some(next) => *head = Some(self.remember(next)),
                None => break,
            }
        }
        Ok(())
    }

    async fn version(&self, location: &str, version: u64) -> Result<Arc<Snapshot>, LakeError> {
        let key = TableVersion { location: location.to_owned(), version };
        let known = locked(&self.snapshots).get(&key);
        let snapshot = match known {
            Some(known) => known,
            None => {
                let loaded = self.table(location)?.log.load(Some(version)).await?;
                let missing = || LakeError::NoSuchVersion { table: location.to_owned(), version };
                self.remember(loaded.ok_or_else(missing)?)
            }
        };
        // Its rows were never counted or digested, so no commit of ours can show it.
        match snapshot.files.iter().find(|file| file.is_foreign()) {
            None => Ok(snapshot),
            Some(file) => Err(LakeError::log(
                location,
                format!("file `{}` of version {version} was not written by Baton", file.name),
            )),
        }
    }

    fn remember(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        let snapshot = Arc::new(snapshot);
        locked(&self.snapshots).insert(snapshot.clone());
        snapshot
    }

    fn table(&self, location: &str) -> Result<Arc<Table>, LakeError> {
        let mut tables = locked(&self.tables);
        if let Some(table) = tables.get(location) {
            return Ok(table.clone());
        }
        let log = DeltaLog::open(self.store.clone(), &self.warehouse, location)?;
        let identity = Identity::of(log.folder());
        let table = Arc::new(Table { log, identity, head: tokio::sync::Mutex::default() });
        tables.insert(location.to_owned(), table.clone());
        Ok(table)
    }
}

/// A cache left by a panicking thread is still a cache.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
