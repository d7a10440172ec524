//! What a lake keeps in memory: the last snapshots, and by what it knows that a table is still the one that they are of.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use baton_core::TableVersion;

use crate::snapshot::Snapshot;

/// Snapshots kept in memory.
const CACHED_SNAPSHOTS: usize = 512;
/// Files that they list, all together: a file counts for each of them.
const CACHED_FILES: usize = 100_000;

/// What tells a folder from another one that has its name later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    #[cfg(unix)]
    number: u64,
    made_at: Option<SystemTime>,
}

impl Identity {
    /// That of the folder at `path`; `None` when there is none.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self {
            #[cfg(unix)]
            number: std::os::unix::fs::MetadataExt::ino(&found),
            made_at: found.created().ok(),
        })
    }
}

/// The last snapshots that were made or loaded; the oldest of them goes first.
#[derive(Default)]
pub(super) struct SnapshotCache {
    snapshots: BTreeMap<TableVersion, Arc<Snapshot>>,
    order: VecDeque<TableVersion>,
    /// Files that the snapshots list.
    files: usize,
}

impl SnapshotCache {
    pub(super) fn get(&self, table: &TableVersion) -> Option<Arc<Snapshot>> {
        self.snapshots.get(table).cloned()
    }

    pub(super) fn insert(&mut self, snapshot: Arc<Snapshot>) {
        let table = snapshot.table.clone();
        self.files += snapshot.files.len();
        match self.snapshots.insert(table.clone(), snapshot) {
            None => self.order.push_back(table),
            Some(replaced) => self.files -= replaced.files.len(),
        }
        while self.order.len() > CACHED_SNAPSHOTS || self.files > CACHED_FILES && self.order.len() > 1 {
            let oldest = self.order.pop_front().and_then(|oldest| self.snapshots.remove(&oldest));
            self.files -= oldest.map_or(0, |oldest| oldest.files.len());
        }
    }

    pub(super) fn forget(&mut self, location: &str) {
        self.snapshots.retain(|table, _| table.location != location);
        self.order.retain(|table| table.location != location);
        self.files = self.snapshots.values().map(|snapshot| snapshot.files.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use baton_core::time::timestamp_from_micros;

    use crate::{Change, CommitInfo, Lake, TableLocation, WriteOptions};

    /// Makes the first version of a table, with so many rows.
    async fn make(lake: &Lake, location: &TableLocation, rows: i64) {
        let ids: ArrayRef = std::sync::Arc::new(Int64Array::from_iter_values(0..rows));
        let rows = RecordBatch::try_from_iter_with_nullable([("id", ids, true)]).unwrap();
        let mut writer = lake.writer(location, &rows.schema(), WriteOptions::default()).await.unwrap();
        writer.write(&rows).await.unwrap();
        let change = Change::Replace(writer.finish().await.unwrap());
        let info = CommitInfo {
            operation: "WRITE".to_owned(),
            at: timestamp_from_micros(0),
            metadata: serde_json::Value::Null,
        };
        let made = lake.commit(location, &rows.schema(), None, change, &info).await.unwrap();
        assert_eq!(made.version, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_table_that_another_process_made_anew_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (Lake::open(folder.path()).unwrap(), Lake::open(folder.path()).unwrap());
        let (kept, made_anew) = (TableLocation::new("kept", "a").unwrap(), TableLocation::new("anew", "a").unwrap());
        for location in [&kept, &made_anew] {
            make(&there, location, 1).await;
        }
        let rows = async |lake: &Lake, location: &TableLocation| {
            let newest = lake.newest(location).await.unwrap()?;
            Some(lake.snapshot(&newest).await.unwrap().rows())
        };
        let begun = here.again();
        assert_eq!((rows(&begun, &kept).await, rows(&begun, &made_anew).await), (Some(1), Some(1)));
        there.delete_table(&made_anew).unwrap();
        assert_eq!(rows(&here.again(), &made_anew).await, None);
        make(&there, &made_anew, 2).await;
        let begun = here.again();
        assert_eq!((rows(&begun, &kept).await, rows(&begun, &made_anew).await), (Some(1), Some(2)));
        assert!(super::super::locked(&begun.tables).contains_key(&kept.to_string()), "what stayed is remembered");
    }
}
