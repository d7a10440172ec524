//! Locks of environments and stored files on PostgreSQL: one holder, told to others, free when its process is killed.

use std::time::{Duration, Instant};

use baton_ledger::SqlLedger;
use baton_testkit::postgres::TestPostgres;

use crate::postgres::ledger_at;

async fn pair() -> (SqlLedger, SqlLedger) {
    let url = TestPostgres::shared().database();
    (ledger_at(&url).await, ledger_at(&url).await)
}

#[tokio::test]
async fn second_comer_is_told_who_holds_the_lock() {
    let (one, other) = pair().await;
    let guard = one.lock("prod", "baton apply").await.unwrap();
    let refused = other.lock("prod", "baton run").await.unwrap_err().to_string();
    let expected = format!(
        "`baton apply` (process {}) is working on environment `prod`; wait for it to end, or stop it and try again",
        std::process::id()
    );
    assert_eq!(refused, expected);
    other.lock("dev", "baton run").await.unwrap();
    drop(guard);
    other.lock("prod", "baton run").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_let_go_is_used_again_unless_it_broke() {
    const PIDS: &str = "select string_agg(pid::text, ' ') from pg_stat_activity \
                        where application_name like '`baton serve`%' and datname = current_database()";
    let server = TestPostgres::shared();
    let url = server.database();
    let (one, other) = (ledger_at(&url).await, ledger_at(&url).await);
    drop(one.lock("prod", "baton serve").await.unwrap());
    // Free for others, although the connection is there.
    drop(other.lock("prod", "baton run").await.unwrap());
    let first = server.sql(&url, PIDS);
    assert!(!first.is_empty());
    let again = one.lock("prod", "baton serve").await.unwrap();
    assert_eq!(server.sql(&url, PIDS), first);
    other.lock("prod", "baton run").await.unwrap_err();
    drop(again);
    drop(other.lock("prod", "baton run").await.unwrap());
    server.sql(&url, &format!("select pg_terminate_backend({first})"));
    let _anew = one.lock("prod", "baton serve").await.unwrap();
    assert_ne!(server.sql(&url, PIDS), first);
    other.lock("prod", "baton run").await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stored_files_are_shared_or_held_alone() {
    let (one, other) = pair().await;
    let reader = one.use_storage("baton query").await.unwrap();
    let writer = other.lock("prod", "baton apply").await.unwrap();
    drop((reader, writer));
    let alone = one.own_storage("baton gc").await.unwrap();
    let waiting = tokio::spawn(async move { other.lock("prod", "baton apply").await.map(drop) });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished(), "an apply began while files were deleted");
    drop(alone);
    waiting.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_whose_connection_breaks_is_taken_again_or_stops_its_holder() {
    const OURS: &str = "from pg_locks join pg_stat_activity using (pid) \
                        where locktype = 'advisory' and application_name like '`baton apply%' and datname = current_database()";
    let server = TestPostgres::shared();
    let url = server.database();
    let (one, other) = (ledger_at(&url).await, ledger_at(&url).await);
    let guard = one.lock("prod", "baton apply").await.unwrap();
    let sessions = format!("select distinct pid {OURS}");
    let before = server.sql(&url, &sessions);
    server.sql(&url, &format!("select pg_terminate_backend(pid) {OURS}"));
    let began = Instant::now();
    while [before.as_str(), ""].contains(&server.sql(&url, &sessions).as_str()) {
        assert!(began.elapsed().as_secs() < 10, "the lock was not taken again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    other.lock("prod", "baton run").await.unwrap_err();
    drop(guard);

    let _guard = one.lock("prod", "baton apply").await.unwrap();
    server.sql(&url, &format!("select pg_terminate_backend(pid) {OURS}"));
    let _theirs = other.lock("prod", "baton run").await.unwrap();
    let began = Instant::now();
    let error = loop {
        match baton_core::ports::Operations::post(&one, Vec::new()).await {
            Err(error) => break error.to_string(),
            Ok(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
        assert!(began.elapsed().as_secs() < 10, "it wrote on");
    };
    assert!(
        error.contains("the connection that held the lock of environment `prod` broke, and `baton run`"),
        "{error}"
    );
}
