//! The online store in memory: the fake for tests, held to the same contract suite as the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::scalar::Scalar;

use super::{NamespaceUse, OnlineError, OnlineRow, OnlineSnapshot, OnlineStore, UpsertReport};

type Rows = BTreeMap<Vec<u8>, OnlineRow>;
type Namespaces = BTreeMap<String, Rows>;

/// An online store that lives as long as the value.
#[derive(Default)]
pub struct MemoryOnlineStore {
    namespaces: Mutex<Namespaces>,
}

impl MemoryOnlineStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Namespaces> {
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

    fn snapshot(&self) -> Result<Arc<dyn OnlineSnapshot>, OnlineError> {
        Ok(Arc::new(Snapshot(self.lock().clone())))
    }

    fn drop_namespace(&self, namespace: &str) -> Result<(), OnlineError> {
        self.lock().remove(namespace);
        Ok(())
    }

    fn namespaces(&self) -> Result<Vec<NamespaceUse>, OnlineError> {
        let size = |(key, row): (&Vec<u8>, &OnlineRow)| key.len() + row.values.len() * size_of::<Scalar>();
        let found = self.lock();
        let list = found.iter().filter(|(_, rows)| !rows.is_empty()).map(|(name, rows)| NamespaceUse {
            name: name.clone(),
            rows: rows.len() as u64,
            bytes: rows.iter().map(size).sum::<usize>() as u64,
        });
        Ok(list.collect())
    }

    fn count(&self, namespace: &str) -> Result<u64, OnlineError> {
        Ok(self.lock().get(namespace).map_or(0, |rows| rows.len() as u64))
    }
}

/// All rows as they were.
struct Snapshot(Namespaces);

impl OnlineSnapshot for Snapshot {
    fn read(&self, namespace: &str, keys: &[Vec<u8>]) -> Result<Vec<Option<OnlineRow>>, OnlineError> {
        let kept = self.0.get(namespace);
        Ok(keys.iter().map(|key| kept.and_then(|rows| rows.get(key)).cloned()).collect())
    }
}
