//! The rows as one read transaction sees them: it pins their pages, so no later write changes what is read.

use std::sync::Arc;

use baton_core::ports::{NamespaceUse, OnlineError, OnlineRow, OnlineSnapshot};
use redb::{ReadOnlyTable, ReadableTable as _, TableError};

use super::{ROWS, StoreFile, bounds, pack, row_key, storage};

/// All rows as they were when it was taken.
pub(super) struct Snapshot {
    /// `None` when nothing was ever written. The table holds the transaction.
    rows: Option<ReadOnlyTable<&'static [u8], &'static [u8]>>,
    /// Closing the file would end the transaction.
    _file: Arc<StoreFile>,
}

impl Snapshot {
    pub(super) fn of(file: &Arc<StoreFile>) -> Result<Self, OnlineError> {
        let rows = match file.begin_read()?.map(|transaction| transaction.open_table(ROWS)) {
            None | Some(Err(TableError::TableDoesNotExist(_))) => None,
            Some(Ok(table)) => Some(table),
            Some(Err(error)) => return Err(storage(format!("read `{}`", file.path.display()), error)),
        };
        Ok(Self { rows, _file: Arc::clone(file) })
    }

    pub(super) fn count(&self, namespace: &str) -> Result<u64, OnlineError> {
        let Some(rows) = &self.rows else { return Ok(0) };
        let (first, end) = bounds(namespace);
        let range = rows.range(first.as_slice()..end.as_slice());
        Ok(range.map_err(|error| storage(format!("count `{namespace}`"), error))?.count() as u64)
    }
}

impl Snapshot {
    /// Every namespace with its rows and bytes: one pass over all rows.
    pub(super) fn namespaces(&self) -> Result<Vec<NamespaceUse>, OnlineError> {
        let failed = |error: redb::StorageError| storage("list namespaces".to_owned(), error);
        let mut found: Vec<NamespaceUse> = Vec::new();
        let Some(rows) = &self.rows else { return Ok(found) };
        for entry in rows.iter().map_err(failed)? {
            let (key, value) = entry.map_err(failed)?;
            let (key, bytes) = (key.value(), (key.value().len() + value.value().len()) as u64);
            let end = key.iter().position(|byte| *byte == 0).unwrap_or(key.len());
            let name = String::from_utf8_lossy(&key[..end]);
            match found.last_mut().filter(|last| last.name == name) {
                Some(last) => {
                    last.rows += 1;
                    last.bytes += bytes;
                }
                None => found.push(NamespaceUse { name: name.into_owned(), rows: 1, bytes }),
            }
        }
        Ok(found)
    }
}

impl OnlineSnapshot for Snapshot {
    fn read(&self, namespace: &str, keys: &[Vec<u8>]) -> Result<Vec<Option<OnlineRow>>, OnlineError> {
        let action = || format!("read `{namespace}`");
        let Some(rows) = &self.rows else { return Ok(vec![None; keys.len()]) };
        keys.iter()
            .map(|key| {
                let found = rows.get(row_key(namespace, key).as_slice()).map_err(|error| storage(action(), error))?;
                let Some(packed) = found else { return Ok(None) };
                let row = pack::unpack(key, packed.value());
                row.map(Some).ok_or_else(|| storage(action(), "a row is damaged; build the online features again"))
            })
            .collect()
    }
}
