//! Stores for tests.

use std::sync::Arc;

use baton_core::time::{FixedClock, timestamp_from_micros};

use crate::Tag;
use crate::metric::Metric;
use crate::run::NewRun;
use crate::store::{StoreOptions, TrackingStore};

/// A store whose clock stands at 1970-01-01 00:16:40, and the folder that it goes with.
pub(crate) async fn store() -> (TrackingStore, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    (store, folder)
}

pub(crate) async fn open(folder: &std::path::Path) -> TrackingStore {
    let clock = Arc::new(FixedClock(timestamp_from_micros(1_000_000_000)));
    let options = StoreOptions { clock, artifact_root: "mlflow-artifacts:/".to_owned() };
    TrackingStore::open(&folder.join("tracking.db"), options).await.unwrap()
}

/// A run of experiment 0; its id.
pub(crate) async fn new_run(store: &TrackingStore, start_time: i64) -> String {
    let new = NewRun { start_time, name: Some(format!("run {start_time}")), ..NewRun::default() };
    store.create_run(new).await.unwrap().info.run_id
}

pub(crate) fn metric(key: &str, value: f64, timestamp: i64, step: i64) -> Metric {
    Metric { key: key.to_owned(), value, timestamp, step, ..Metric::default() }
}

pub(crate) fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.to_owned(), value: value.to_owned() }
}
