//! The online store on redb: one file, one B-tree, one transaction a write.
//!
//! A row is found under `namespace 0x00 entity-key`; namespaces hold no zero byte, so no two of them meet. Any number of
//! processes may read and write the file at once, one write at a time; a snapshot keeps its pages until it is dropped,
//! whoever writes meanwhile (`docs/adr/0008-one-commit-a-request.md`).

mod pack;
mod snapshot;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use baton_core::ports::{NamespaceUse, OnlineError, OnlineRow, OnlineSnapshot, OnlineStore, UpsertReport};
use redb::{
    Builder, ConcurrencyMode, Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase as _,
    ReadableTable as _, TableDefinition, TransactionError,
};

use self::snapshot::Snapshot;

const ROWS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("online_rows");

/// The latest feature rows in one file. It is opened by the first use, for reading only until the first write. Cloning
/// shares what is open.
#[derive(Clone)]
pub struct RedbOnlineStore {
    file: Arc<StoreFile>,
}

impl RedbOnlineStore {
    /// The store at `path`; nothing is touched yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let (opening, writing, reading) = (Mutex::new(()), OnceLock::new(), OnceLock::new());
        Self { file: Arc::new(StoreFile { path: path.into(), opening, writing, reading }) }
    }
}

/// The file and what this process has open of it.
struct StoreFile {
    path: PathBuf,
    /// Held while opening, so that no two threads do.
    opening: Mutex<()>,
    writing: OnceLock<Database>,
    reading: OnceLock<ReadOnlyDatabase>,
}

impl StoreFile {
    /// The file open for writing; it and its folder are made when they are missing.
    fn writing(&self) -> Result<&Database, OnlineError> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = self.writing.get() {
            return Ok(database);
        }
        let action = || format!("open `{}`", self.path.display());
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| storage(action(), error))?;
        }
        let opened = builder().create(&self.path).map_err(|error| storage(action(), open_reason(&error)))?;
        Ok(self.writing.get_or_init(|| opened))
    }

    /// A transaction that sees all that was written until now; `None` when nothing was ever written.
    fn begin_read(&self) -> Result<Option<ReadTransaction>, OnlineError> {
        let failed = |error: TransactionError| storage(format!("read `{}`", self.path.display()), error);
        match (self.writing.get(), self.reading.get()) {
            (Some(database), _) => database.begin_read().map(Some).map_err(failed),
            (None, Some(database)) => database.begin_read().map(Some).map_err(failed),
            (None, None) if is_empty(&self.path) => Ok(None),
            (None, None) => {
                self.open_to_read()?;
                self.begin_read()
            }
        }
    }

    /// Opens the file for reading. What a killed writer left half-written is put right first, which takes a writer.
    fn open_to_read(&self) -> Result<(), OnlineError> {
        let opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if self.reading.get().is_some() {
            return Ok(());
        }
        match builder().open_read_only(&self.path) {
            Ok(opened) => {
                self.reading.get_or_init(|| opened);
                Ok(())
            }
            Err(DatabaseError::RepairAborted) => {
                drop(opening);
                self.writing().map(|_repaired| ())
            }
            Err(error) => Err(storage(format!("open `{}`", self.path.display()), open_reason(&error))),
        }
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_concurrency_mode(ConcurrencyMode::MultiWriter);
    builder
}

fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |file| file.len() == 0)
}

fn open_reason(error: &DatabaseError) -> String {
    match error {
        DatabaseError::DatabaseAlreadyOpen => {
            "another program has it open for itself; stop that program and try again".to_owned()
        }
        error => error.to_string(),
    }
}

impl OnlineStore for RedbOnlineStore {
    fn upsert(&self, namespace: &str, rows: &[OnlineRow]) -> Result<UpsertReport, OnlineError> {
        let action = || format!("write `{namespace}`");
        check_namespace(namespace)?;
        let transaction = self.file.writing()?.begin_write().map_err(|error| storage(action(), error))?;
        let mut report = UpsertReport::default();
        {
            let mut table = transaction.open_table(ROWS).map_err(|error| storage(action(), error))?;
            for row in rows {
                let key = row_key(namespace, &row.key);
                let there = table.get(key.as_slice()).map_err(|error| storage(action(), error))?;
                let newer_is_there =
                    there.is_some_and(|there| pack::instants(there.value()) > Some((row.event_at, row.created_at)));
                if newer_is_there {
                    report.older += 1;
                    continue;
                }
                let packed = pack::pack(row);
                table.insert(key.as_slice(), packed.as_slice()).map_err(|error| storage(action(), error))?;
                report.written += 1;
            }
        }
        transaction.commit().map_err(|error| storage(action(), error))?;
        Ok(report)
    }

    fn snapshot(&self) -> Result<Arc<dyn OnlineSnapshot>, OnlineError> {
        Ok(Arc::new(Snapshot::of(&self.file)?))
    }

    fn drop_namespace(&self, namespace: &str) -> Result<(), OnlineError> {
        let action = || format!("forget `{namespace}`");
        let transaction = self.file.writing()?.begin_write().map_err(|error| storage(action(), error))?;
        {
            let mut table = transaction.open_table(ROWS).map_err(|error| storage(action(), error))?;
            let (first, end) = bounds(namespace);
            table
                .retain_in(first.as_slice()..end.as_slice(), |_, _| false)
                .map_err(|error| storage(action(), error))?;
        }
        transaction.commit().map_err(|error| storage(action(), error))
    }

    fn namespaces(&self) -> Result<Vec<NamespaceUse>, OnlineError> {
        Snapshot::of(&self.file)?.namespaces()
    }

    fn count(&self, namespace: &str) -> Result<u64, OnlineError> {
        Snapshot::of(&self.file)?.count(namespace)
    }
}

fn storage(action: String, reason: impl ToString) -> OnlineError {
    OnlineError::Storage { action, reason: reason.to_string() }
}

fn check_namespace(namespace: &str) -> Result<(), OnlineError> {
    if namespace.contains('\0') {
        return Err(storage(format!("write `{namespace:?}`"), "a namespace holds no zero byte"));
    }
    Ok(())
}

fn row_key(namespace: &str, key: &[u8]) -> Vec<u8> {
    [namespace.as_bytes(), &[0], key].concat()
}

/// The first key of a namespace, and the first after it.
fn bounds(namespace: &str) -> (Vec<u8>, Vec<u8>) {
    ([namespace.as_bytes(), &[0]].concat(), [namespace.as_bytes(), &[1]].concat())
}
