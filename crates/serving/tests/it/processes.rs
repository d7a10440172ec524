//! Writers in processes of their own, killed at any moment, while this process reads.
//!
//! A writer is this test binary, started again for `writes_until_it_is_killed` with the store's path in its environment.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use baton_core::ports::{OnlineRow, OnlineSnapshot, OnlineStore as _};
use baton_core::scalar::Scalar;
use baton_serving::RedbOnlineStore;

const STORE: &str = "BATON_TEST_ONLINE_STORE";
const NAMESPACE: &str = "BATON_TEST_ONLINE_NAMESPACE";
const ENTITIES: u16 = 400;
const GENERATIONS: usize = 12;

/// Writes all entities in one transaction, again and again, each time as of one more instant.
#[test]
#[expect(clippy::disallowed_methods, reason = "a process is told by its environment that it is the writer")]
fn writes_until_it_is_killed() {
    let (Ok(path), Ok(namespace)) = (std::env::var(STORE), std::env::var(NAMESPACE)) else { return };
    let store = RedbOnlineStore::at(path);
    let mut instant = newest(&*store.snapshot().unwrap(), &namespace).unwrap_or(0);
    loop {
        instant += 1;
        store.upsert(&namespace, &rows(instant)).unwrap();
    }
}

#[test]
fn readers_see_whole_writes_of_processes_that_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("online/features.redb");
    let reader = RedbOnlineStore::at(&path);
    let namespaces = ["left", "right"];
    let mut seen = [None; 2];
    for generation in 0..GENERATIONS {
        let writers = namespaces.map(|namespace| start_writer(&path, namespace));
        // The moments of the kills are spread over a few writes of each generation.
        let end = Instant::now() + Duration::from_millis(150 + 37 * (generation as u64 % 7));
        while Instant::now() < end {
            look(&reader, namespaces, &mut seen);
        }
        writers.into_iter().for_each(kill);
        look(&reader, namespaces, &mut seen);
        look(&RedbOnlineStore::at(&path), namespaces, &mut seen);
    }
    assert!(seen.iter().all(|instant| instant.is_some_and(|instant| instant > GENERATIONS as i64)), "{seen:?}");
    reader.upsert("left", &rows(i64::MAX)).unwrap();
    assert_eq!(newest(&*RedbOnlineStore::at(&path).snapshot().unwrap(), "left"), Some(i64::MAX));
}

/// Every namespace is of one instant, and none goes back.
fn look(store: &RedbOnlineStore, namespaces: [&str; 2], seen: &mut [Option<i64>; 2]) {
    let snapshot = store.snapshot().unwrap();
    for (namespace, seen) in namespaces.iter().zip(seen) {
        let found = newest(&*snapshot, namespace);
        assert!(found >= *seen, "`{namespace}` went back from {seen:?} to {found:?}");
        *seen = found;
    }
}

/// The instant that all rows of a namespace have.
fn newest(store: &dyn OnlineSnapshot, namespace: &str) -> Option<i64> {
    let keys: Vec<Vec<u8>> = rows(0).into_iter().map(|row| row.key).collect();
    let found = store.read(namespace, &keys).unwrap();
    let first = found.first().and_then(Option::as_ref).map(|row| row.event_at);
    assert!(found.iter().all(|row| row.as_ref().map(|row| row.event_at) == first), "`{namespace}` is half of a write");
    first
}

fn rows(instant: i64) -> Vec<OnlineRow> {
    let row = |entity: u16| OnlineRow {
        key: entity.to_le_bytes().to_vec(),
        event_at: instant,
        created_at: instant,
        values: vec![Scalar::Float(instant as f64), Scalar::Text("x".repeat(usize::from(entity % 40)))],
    };
    (0..ENTITIES).map(row).collect()
}

fn start_writer(path: &Path, namespace: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "processes::writes_until_it_is_killed"]).env(STORE, path).env(NAMESPACE, namespace);
    command.stdout(Stdio::null()).spawn().unwrap()
}

fn kill(mut writer: Child) {
    writer.kill().unwrap();
    let status = writer.wait().unwrap();
    assert!(status.code().is_none(), "a writer failed by itself: {status}");
}
