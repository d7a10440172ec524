//! The online store in memory: the fake for tests, held to the same contract suite as the others.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use super::{OnlineError, OnlineRow, OnlineStore, UpsertReport};

type Rows = BTreeMap<Vec<u8>, OnlineRow>;

/// An online store that lives as long as the value.
#[derive(Default)]
pub struct MemoryOnlineStore {
    namespaces: Mutex<BTreeMap<String, Rows>>,
}

impl MemoryOnlineStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Rows>> {
        self.namespaces.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl OnlineStore for MemoryOnlineStore {
    fn upsert(&self, namespace: &str, rows: &[OnlineRow]) -> Result<UpsertReport, OnlineError> {
        let mut namespaces = self.lock();
        let kept = namespaces.entry(namespace.to_owned()).or_default();
        let mut report = UpsertReport::default();
        for row in rows {
            let newer_is_there = kept
                .get(&row.key)
                .is_some_and(|there| (there.event_at, there.created_at) > (row.event_at, row.created_at));
            if newer_is_there {
                report.older += 1;
            } else {
                kept.insert(row.key.clone(), row.clone());
                report.written += 1;
            }
        }
        Ok(report)
    }

    fn read(&self, namespace: &str, keys: &[Vec<u8>]) -> Result<Vec<Option<OnlineRow>>, OnlineError> {
        let namespaces = self.lock();
        let kept = namespaces.get(namespace);
        Ok(keys.iter().map(|key| kept.and_then(|rows| rows.get(key)).cloned()).collect())
    }

    fn drop_namespace(&self, namespace: &str) -> Result<(), OnlineError> {
        self.lock().remove(namespace);
        Ok(())
    }

    fn count(&self, namespace: &str) -> Result<u64, OnlineError> {
        Ok(self.lock().get(namespace).map_or(0, |rows| rows.len() as u64))
    }
}
