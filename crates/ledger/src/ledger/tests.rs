//! What only this ledger does: sealing, locking, and clear errors of its storage.

use baton_core::event::EventKind;
use baton_core::time::timestamp_from_micros;
use std::time::Duration;

use sqlx::SqlitePool;
use tempfile::TempDir;

use super::*;

fn event(key: &str) -> NewEvent {
    NewEvent {
        at: timestamp_from_micros(1),
        as_of: timestamp_from_micros(2),
        environment: "prod".to_owned(),
        run: None,
        asset: None,
        kind: EventKind::StepFinished,
        key: key.to_owned(),
        body: serde_json::json!({"seconds": 0.25}),
    }
}

async fn ledger_with_events(count: usize) -> (TempDir, SqlLedger) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/ledger.sqlite");
    let database = SqliteDatabase::open(&path, Duration::from_millis(50)).await.unwrap();
    let ledger = SqlLedger { database: Database::Sqlite(database) };
    ledger.append((0..count).map(|number| event(&number.to_string())).collect()).await.unwrap();
    (folder, ledger)
}

fn writer(ledger: &SqlLedger) -> &SqlitePool {
    match &ledger.database {
        Database::Sqlite(database) => &database.writer,
        Database::Postgres(_) => unreachable!("these tests are about files"),
    }
}

/// Changes the database behind the ledger's back, past the triggers.
async fn tamper(ledger: &SqlLedger, change: &'static str) {
    let writer = writer(ledger);
    sqlx::raw_sql("DROP TRIGGER event_is_not_updated; DROP TRIGGER event_is_not_deleted;")
        .execute(writer)
        .await
        .unwrap();
    sqlx::raw_sql(change).execute(writer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_ledger_may_be_opened_by_several_at_once() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let open = || tokio::spawn(SqlLedger::open_file(path.clone()));
        let openings: Vec<_> = (0..6).map(|_| open()).collect();
        for opening in openings {
            opening.await.unwrap().unwrap().append(vec![event("first")]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn events_cannot_be_changed_or_removed() {
    let (_folder, ledger) = ledger_with_events(1).await;
    for change in ["UPDATE event SET key = 'x'", "DELETE FROM event"] {
        let error = sqlx::query(change).execute(writer(&ledger)).await.unwrap_err();
        assert!(error.to_string().contains("events are append-only"), "{error}");
    }
}

#[tokio::test]
async fn verify_computes_the_recorded_root_again() {
    let (_folder, ledger) = ledger_with_events(5).await;
    assert_eq!(ledger.verify().await.unwrap(), ledger.root().await.unwrap());
}

#[tokio::test]
async fn verify_names_the_first_damaged_event() {
    for (change, expected) in [
        ("UPDATE event SET body = '{}' WHERE sequence > 2", "(event 3): it was changed after it was sealed"),
        ("UPDATE event SET leaf = zeroblob(32) WHERE sequence = 4", "(event 4): it was changed after it was sealed"),
        ("DELETE FROM event WHERE sequence = 2", "(event 2): it is missing"),
        ("DELETE FROM event WHERE sequence = 5", "(event 5): it is missing"),
        (
            "INSERT INTO event SELECT 6, at, as_of, environment, run, asset, kind, key, body, leaf FROM event WHERE sequence = 5",
            "(event 6): it was changed after it was sealed",
        ),
        (
            "UPDATE log_head SET frontier = zeroblob(64)",
            "(the log's head): events were rewritten together with their hashes",
        ),
    ] {
        let (_folder, ledger) = ledger_with_events(5).await;
        tamper(&ledger, change).await;
        let error = ledger.verify().await.unwrap_err().to_string();
        assert_eq!(error, format!("ledger holds a record that cannot be read {expected}"), "{change}");
    }
}

#[tokio::test]
async fn every_event_is_proven_and_no_other() {
    let (_folder, ledger) = ledger_with_events(7).await;
    for sequence in 1..=7 {
        let proof = ledger.prove_inclusion(sequence).await.unwrap().unwrap();
        assert_eq!(proof.root, ledger.root().await.unwrap());
        assert!(proof.holds());
        assert!(!crate::InclusionProof { leaf: [0; 32], ..proof }.holds());
    }
    assert_eq!(ledger.prove_inclusion(0).await.unwrap(), None);
    assert_eq!(ledger.prove_inclusion(8).await.unwrap(), None);
}

#[tokio::test]
async fn read_only_ledger_reads_and_refuses_to_write() {
    let (folder, ledger) = ledger_with_events(3).await;
    let reader = SqlLedger::open_file_read_only(folder.path().join("state/ledger.sqlite")).await.unwrap();
    assert_eq!(reader.root().await.unwrap(), ledger.root().await.unwrap());
    let error = reader.append(vec![event("late")]).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "ledger cannot append events: it is read-only, or the disk was full when it was opened; what is there can still be read; \
         make the file and its folder writable, or free some space, to go on (attempt to write a readonly database)"
    );
}

#[tokio::test]
async fn full_disk_keeps_what_was_there_and_takes_nothing_by_half() {
    let (_folder, ledger) = ledger_with_events(3).await;
    // A page limit is the only full disk that a test can have on every machine; SQLite answers both alike.
    let writer = writer(&ledger);
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(writer).await.unwrap();
    let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 1));
    sqlx::raw_sql(limit).execute(writer).await.unwrap();
    let error = ledger.append((0..1000).map(|number| event(&number.to_string())).collect()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "ledger cannot append events: the disk is full; nothing of this write was kept; free some space and run the \
         command again (database or disk is full)"
    );
    assert_eq!(ledger.verify().await.unwrap().size, 3);
    assert_eq!(ledger.events(&EventFilter::default()).await.unwrap().len(), 3);
}

#[tokio::test]
async fn ledger_locked_by_another_process_is_said_so() {
    let (folder, ledger) = ledger_with_events(1).await;
    let other = SqlLedger::open_file(folder.path().join("state/ledger.sqlite")).await.unwrap();
    let held = other.database.begin("hold").await.unwrap();
    let error = ledger.append(vec![event("blocked")]).await.unwrap_err().to_string();
    assert!(error.contains("another process keeps it locked; wait for that process to end"), "{error}");
    drop(held);
}

#[tokio::test]
async fn file_that_is_no_ledger_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    std::fs::write(&path, "not a database, but long enough to be looked at as one, for sure").unwrap();
    let error = SqlLedger::open_file(&path).await.unwrap_err().to_string();
    assert!(error.contains("the file is damaged or no ledger; restore it from a backup"), "{error}");
}

#[tokio::test]
async fn events_survive_reopening_and_go_on() {
    let (folder, ledger) = ledger_with_events(3).await;
    let root = ledger.root().await.unwrap();
    drop(ledger);
    let again = SqlLedger::open_file(folder.path().join("state/ledger.sqlite")).await.unwrap();
    assert_eq!(again.root().await.unwrap(), root);
    assert_eq!(again.append(vec![event("next")]).await.unwrap(), 4);
    assert_eq!(again.verify().await.unwrap().size, 4);
}
