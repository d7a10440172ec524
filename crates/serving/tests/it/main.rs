//! The online store on redb, held to the contract of its port, and shared by processes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod processes;

use std::sync::Arc;

use baton_core::ports::OnlineStore;
use baton_serving::RedbOnlineStore;
use tempfile::TempDir;

fn open() -> (TempDir, Arc<dyn OnlineStore>) {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbOnlineStore::at(folder.path().join("features.redb"));
    (folder, Arc::new(store))
}

baton_testkit::online_suite!(open);
