//! A ledger moved from SQLite to PostgreSQL and back: everything is there, and only into an empty place.

use std::collections::BTreeMap;

use baton_core::event::{EventFilter, EventKind, NewEvent};
use baton_core::ports::{
    Adjustment, Advance, Ledger as _, NewMessage, NewRequest, Operations as _, RunChange, RunFilter, RunRecord,
    StepRecord, Waiter,
};
use baton_core::time::timestamp_from_micros as at;
use baton_ledger::{CopyError, SqlLedger};
use baton_testkit::ledger_suite::{commit, event};
use baton_testkit::operations_suite::run;
use baton_testkit::postgres::TestPostgres;

use crate::postgres::ledger_at;

/// A ledger with something in every table, and more rows of some than one page or statement takes.
async fn fill(ledger: &SqlLedger) {
    let first = commit("prod", None, 1);
    ledger.commit(&first, vec![event("first", 1)]).await.unwrap();
    let dev = commit("dev", Some(&first), 2);
    ledger.start("dev", &dev, vec![event("dev", 2)]).await.unwrap();
    let mut head = first;
    for number in 3..40 {
        let mut next = commit("prod", Some(&head), number);
        next.merged = (number == 3).then(|| dev.id.clone());
        head = next.sealed();
        ledger.commit(&head, vec![event("again", number)]).await.unwrap();
    }
    ledger.tag("v1", &head.id, Vec::new()).await.unwrap();
    let bodies = |number: i64| NewEvent { run: Some(format!("r{}", number % 7)), ..event("öl/\\'", number) };
    ledger.append((0..1_500).map(bodies).collect()).await.unwrap();
    let lease = ledger.take_lease("scheduler/prod", "one", at(0), at(10)).await.unwrap();
    let request = |key: &str| NewRequest {
        schedule: "nightly".to_owned(),
        trigger: "cron".to_owned(),
        key: key.to_owned(),
        due_at: at(1),
        as_of: None,
        requested_at: at(1),
        priority: -3,
        parameters: BTreeMap::from([("day".to_owned(), "2024".to_owned())]),
        coalesces: false,
    };
    let asked = [request("a"), request("b")];
    let cursor = serde_json::json!({"at": 1});
    let advance = Advance { schedule: "nightly".to_owned(), cursor, requests: asked.to_vec() };
    ledger.advance(&lease, "prod", &[advance]).await.unwrap();
    ledger.begin_request(&lease, "prod", at(5)).await.unwrap();
    let mut changes = vec![RunChange::Started(run("aa1", 1)), RunChange::Started(run("aa2", 2))];
    changes.extend((1..700).map(|number| RunChange::Step(step("aa2", number))));
    ledger.keep_runs(changes).await.unwrap();
    let message = NewMessage {
        environment: "prod".to_owned(),
        channel: "ops".to_owned(),
        cause: "days".to_owned(),
        ends: false,
        at: at(1),
        body: serde_json::json!({"title": "late"}),
    };
    ledger.post(vec![message]).await.unwrap();
    let adjustment = Adjustment {
        environment: "prod".to_owned(),
        subject: "schedule/nightly".to_owned(),
        value: serde_json::json!({"paused": true}),
        until: Some(at(50)),
        at: at(1),
        by: "ada".to_owned(),
        reason: "öl".to_owned(),
    };
    ledger.adjust(&adjustment).await.unwrap();
    let waiter = |holder: &str| Waiter { holder: holder.to_owned(), priority: 3, since: at(1) };
    for holder in ["one", "two"] {
        ledger.take_slot("warehouse", 1, &waiter(holder), at(1), at(90)).await.unwrap();
    }
}

fn step(run: &str, number: u32) -> StepRecord {
    StepRecord {
        run: run.to_owned(),
        number,
        asset: "days".to_owned(),
        verb: "build".to_owned(),
        state: "done".to_owned(),
        attempts: 1,
        started_at: at(1),
        finished_at: number.is_multiple_of(2).then(|| at(2)),
        detail: "3 rows".to_owned(),
        hit: [None, Some(false), Some(true)][number as usize % 3],
        rows: Some(u64::from(number)),
    }
}

/// What readers are told.
async fn told(ledger: &SqlLedger) -> String {
    let all = RunFilter { limit: 10, ..RunFilter::default() };
    let runs: Vec<RunRecord> = ledger.runs(&all).await.unwrap();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        ledger.root().await.unwrap(),
        ledger.events(&EventFilter::default()).await.unwrap(),
        ledger.history("prod", 100).await.unwrap(),
        ledger.environments().await.unwrap(),
        ledger.tags().await.unwrap(),
        ledger.cursor("prod", "nightly").await.unwrap(),
        ledger.open_requests("prod").await.unwrap(),
        runs,
        ledger.steps("aa2").await.unwrap(),
        ledger.outbox(at(9), 9).await.unwrap(),
        ledger.adjustments("prod", at(9)).await.unwrap(),
    )
}

#[tokio::test]
async fn everything_is_moved_there_and_back_and_work_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = SqlLedger::open_file(folder.path().join("ledger.db")).await.unwrap();
    fill(&file).await;
    let server = ledger_at(&TestPostgres::shared().database()).await;
    let copied = file.copy_to(&server, at(100)).await.unwrap();
    assert!(!copied.was_there);
    assert_eq!(copied.root, file.root().await.unwrap());
    let rows: BTreeMap<&str, u64> = copied.rows.iter().copied().collect();
    assert_eq!((rows["event"], rows["commit_record"], rows["run_step"], rows["request"]), (1539, 39, 699, 2));
    assert!(rows.values().filter(|rows| **rows == 0).count() <= 1, "{rows:?}");
    assert_eq!(told(&server).await, told(&file).await);

    // As after a kill that came behind the copy.
    assert!(file.copy_to(&server, at(100)).await.unwrap().was_there);

    let back = SqlLedger::open_file(folder.path().join("back.db")).await.unwrap();
    server.copy_to(&back, at(100)).await.unwrap();
    assert_eq!(told(&back).await, told(&file).await);
    for ledger in [&server, &back] {
        ledger.append(vec![event("goes on", 1)]).await.unwrap();
        let lease = ledger.take_lease("scheduler/prod", "two", at(200), at(300)).await.unwrap();
        assert_eq!((lease.token, ledger.recover_requests(&lease, "prod").await.unwrap()), (2, 1));
        let other = NewRequest { key: "c".to_owned(), ..ledger.open_requests("prod").await.unwrap().remove(0).asked };
        assert_eq!(ledger.request("prod", &other).await.unwrap(), 3);
        assert_eq!(ledger.verify().await.unwrap().size, 1540);
    }
    assert_eq!(server.root().await.unwrap(), back.root().await.unwrap());
}

#[tokio::test]
async fn a_ledger_that_holds_something_else_or_is_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = SqlLedger::open_file(folder.path().join("ledger.db")).await.unwrap();
    file.append(vec![event("a", 1)]).await.unwrap();
    let server = ledger_at(&TestPostgres::shared().database()).await;
    server.append(vec![NewEvent { kind: EventKind::StepFailed, ..event("b", 2) }]).await.unwrap();
    let refused = file.copy_to(&server, at(0)).await.unwrap_err();
    assert!(matches!(refused, CopyError::NotEmpty { table: "event", rows: 1 }), "{refused}");
    assert_eq!(server.root().await.unwrap().size, 1);

    file.take_lease("scheduler/prod", "host:1", at(0), at(10)).await.unwrap();
    let empty = ledger_at(&TestPostgres::shared().database()).await;
    let refused = file.copy_to(&empty, at(9)).await.unwrap_err().to_string();
    assert_eq!(refused, "host:1 holds the lease `scheduler/prod` of the source; stop that server first");
    assert_eq!(empty.root().await.unwrap().size, 0);
    file.copy_to(&empty, at(11)).await.unwrap();
}
