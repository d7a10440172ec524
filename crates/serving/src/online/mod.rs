//! The online store on redb: one file, one B-tree, one transaction a write.
//!
//! A row is found under `namespace 0x00 entity-key`; namespaces hold no zero byte, so no two of them meet.

mod pack;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use baton_core::ports::{OnlineError, OnlineRow, OnlineStore, UpsertReport};
use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError};

const ROWS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("online_rows");

/// Databases that are open in this process: the file's lock lets it open each only once.
static OPEN: Mutex<Option<HashMap<PathBuf, Weak<Database>>>> = Mutex::new(None);

/// The latest feature rows in one file. Cloning shares the open file.
#[derive(Clone)]
pub struct RedbOnlineStore {
    database: Arc<Database>,
}

impl RedbOnlineStore {
    /// Opens the store at `path`, and creates file and folder when they are missing. The process that has it open is
    /// the only one that may; within that process use [`Self::shared`] or clones.
    ///
    /// # Errors
    /// [`OnlineError::Storage`] when another process has it open, or it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OnlineError> {
        let path = path.as_ref();
        let action = || format!("open `{}`", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| storage(action(), error))?;
        }
        let database = Database::create(path).map_err(|error| storage(action(), open_reason(&error)))?;
        Ok(Self { database: Arc::new(database) })
    }

    /// As [`Self::open`], but a store that this process has opened by this function before is shared.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn shared(path: impl AsRef<Path>) -> Result<Self, OnlineError> {
        let path = std::path::absolute(path.as_ref())
            .map_err(|error| storage(format!("open `{}`", path.as_ref().display()), error))?;
        let mut open = OPEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let open = open.get_or_insert_default();
        if let Some(database) = open.get(&path).and_then(Weak::upgrade) {
            return Ok(Self { database });
        }
        let store = Self::open(&path)?;
        open.insert(path, Arc::downgrade(&store.database));
        Ok(store)
    }
}

fn open_reason(error: &DatabaseError) -> String {
    match error {
        DatabaseError::DatabaseAlreadyOpen => {
            "another process has it open, most likely `baton serve`; stop that process and try again".to_owned()
        }
        error => error.to_string(),
    }
}

impl OnlineStore for RedbOnlineStore {
    fn upsert(&self, namespace: &str, rows: &[OnlineRow]) -> Result<UpsertReport, OnlineError> {
        let action = || format!("write `{namespace}`");
        check_namespace(namespace)?;
        let transaction = self.database.begin_write().map_err(|error| storage(action(), error))?;
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

    fn read(&self, namespace: &str, keys: &[Vec<u8>]) -> Result<Vec<Option<OnlineRow>>, OnlineError> {
        let action = || format!("read `{namespace}`");
        let transaction = self.database.begin_read().map_err(|error| storage(action(), error))?;
        let table = match transaction.open_table(ROWS) {
            Ok(table) => table,
            // Nothing was ever written.
            Err(TableError::TableDoesNotExist(_)) => return Ok(vec![None; keys.len()]),
            Err(error) => return Err(storage(action(), error)),
        };
        keys.iter()
            .map(|key| {
                let found = table.get(row_key(namespace, key).as_slice()).map_err(|error| storage(action(), error))?;
                let Some(packed) = found else { return Ok(None) };
                let row = pack::unpack(key, packed.value());
                row.map(Some).ok_or_else(|| storage(action(), "a row is damaged; build the online features again"))
            })
            .collect()
    }

    fn drop_namespace(&self, namespace: &str) -> Result<(), OnlineError> {
        let action = || format!("forget `{namespace}`");
        let transaction = self.database.begin_write().map_err(|error| storage(action(), error))?;
        {
            let mut table = transaction.open_table(ROWS).map_err(|error| storage(action(), error))?;
            let (first, end) = bounds(namespace);
            table
                .retain_in(first.as_slice()..end.as_slice(), |_, _| false)
                .map_err(|error| storage(action(), error))?;
        }
        transaction.commit().map_err(|error| storage(action(), error))
    }

    fn count(&self, namespace: &str) -> Result<u64, OnlineError> {
        let action = || format!("count `{namespace}`");
        let transaction = self.database.begin_read().map_err(|error| storage(action(), error))?;
        let table = match transaction.open_table(ROWS) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(0),
            Err(error) => return Err(storage(action(), error)),
        };
        let (first, end) = bounds(namespace);
        let range = table.range(first.as_slice()..end.as_slice()).map_err(|error| storage(action(), error))?;
        Ok(range.count() as u64)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_opening_is_refused_and_sharing_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("online/features.redb");
        let first = RedbOnlineStore::shared(&path).unwrap();
        let Err(error) = RedbOnlineStore::open(&path) else { panic!("opened twice") };
        let expected = format!(
            "online store cannot open `{}`: another process has it open, most likely `baton serve`; stop that process \
             and try again",
            path.display()
        );
        assert_eq!(error.to_string(), expected);

        let row = OnlineRow { key: vec![1], event_at: 5, created_at: 6, values: Vec::new() };
        first.upsert("view", std::slice::from_ref(&row)).unwrap();
        let second = RedbOnlineStore::shared(&path).unwrap();
        assert_eq!(second.read("view", &[vec![1]]).unwrap(), [Some(row.clone())]);
        drop((first, second));
        let again = RedbOnlineStore::open(&path).unwrap();
        assert_eq!(again.read("view", &[vec![1]]).unwrap(), [Some(row)]);
    }

    #[test]
    fn namespace_that_begins_another_is_kept_apart() {
        let folder = tempfile::tempdir().unwrap();
        let store = RedbOnlineStore::open(folder.path().join("features.redb")).unwrap();
        let row = OnlineRow { key: vec![0, 1], event_at: 5, created_at: 6, values: Vec::new() };
        store.upsert("view", std::slice::from_ref(&row)).unwrap();
        store.upsert("view\u{1}", std::slice::from_ref(&row)).unwrap();
        store.upsert("views", &[row]).unwrap();
        store.drop_namespace("view").unwrap();
        assert_eq!(["view", "view\u{1}", "views"].map(|name| store.count(name).unwrap()), [0, 1, 1]);
        assert!(store.upsert("a\0b", &[]).is_err());
    }
}
