//! The store on a file: what it keeps over processes, snapshots, emptied namespaces.

use super::*;

fn row(event_at: i64) -> OnlineRow {
    OnlineRow { key: vec![0, 1], event_at, created_at: 6, values: Vec::new() }
}

fn in_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("online/features.redb");
    (folder, path)
}

#[test]
fn looking_makes_no_file() {
    let (_folder, path) = in_folder();
    let store = RedbOnlineStore::at(&path);
    assert_eq!(store.read("view", &[vec![1]]).unwrap(), [None]);
    assert_eq!(store.count("view").unwrap(), 0);
    assert!(!path.exists());
    store.upsert("view", &[row(5)]).unwrap();
    assert_eq!(store.count("view").unwrap(), 1);
}

#[test]
fn one_that_only_reads_follows_one_that_writes() {
    let (_folder, path) = in_folder();
    let (writer, reader) = (RedbOnlineStore::at(&path), RedbOnlineStore::at(&path));
    let before = reader.snapshot().unwrap();
    for event_at in 1..200 {
        writer.upsert("view", &[row(event_at)]).unwrap();
        assert_eq!(reader.read("view", &[row(0).key]).unwrap(), [Some(row(event_at))]);
    }
    assert!(reader.file.writing.get().is_none());
    assert_eq!(before.read("view", &[row(0).key]).unwrap(), [None]);
}

#[test]
fn two_that_write_see_each_other() {
    let (_folder, path) = in_folder();
    let stores = [RedbOnlineStore::at(&path), RedbOnlineStore::at(&path)];
    for event_at in 1..50 {
        stores[event_at % 2].upsert("view", &[row(event_at as i64)]).unwrap();
        let found = stores.each_ref().map(|store| store.read("view", &[row(0).key]).unwrap());
        assert_eq!(found, [[Some(row(event_at as i64))], [Some(row(event_at as i64))]]);
    }
}

#[test]
fn snapshot_outlives_the_store_and_many_later_writes() {
    let (_folder, path) = in_folder();
    let store = RedbOnlineStore::at(&path);
    let rows = |event_at: i64| -> Vec<OnlineRow> {
        (0..2000_u16).map(|key| OnlineRow { key: key.to_le_bytes().to_vec(), ..row(event_at) }).collect()
    };
    store.upsert("view", &rows(1)).unwrap();
    let snapshot = store.snapshot().unwrap();
    for event_at in 2..20 {
        store.upsert("view", &rows(event_at)).unwrap();
    }
    drop(store);
    let keys: Vec<Vec<u8>> = rows(1).into_iter().map(|row| row.key).collect();
    let expected: Vec<Option<OnlineRow>> = rows(1).into_iter().map(Some).collect();
    assert_eq!(snapshot.read("view", &keys).unwrap(), expected);
}

#[test]
fn file_that_another_program_keeps_for_itself_is_said_so() {
    let (_folder, path) = in_folder();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _other = Database::create(&path).unwrap();
    let error = RedbOnlineStore::at(&path).upsert("view", &[row(1)]).unwrap_err();
    let expected = format!(
        "online store cannot open `{}`: another program has it open for itself; stop that program and try again",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn namespace_that_begins_another_is_kept_apart() {
    let (_folder, path) = in_folder();
    let store = RedbOnlineStore::at(path);
    store.upsert("view", &[row(5)]).unwrap();
    store.upsert("view\u{1}", &[row(5)]).unwrap();
    store.upsert("views", &[row(5)]).unwrap();
    store.drop_namespace("view").unwrap();
    assert_eq!(["view", "view\u{1}", "views"].map(|name| store.count(name).unwrap()), [0, 1, 1]);
    assert!(store.upsert("a\0b", &[]).is_err());
}
