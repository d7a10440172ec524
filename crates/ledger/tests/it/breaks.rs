//! Connections that break, a server that restarts, and a process that is killed, on PostgreSQL: what was acknowledged is
//! there, nothing is there twice, and the log is whole.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use baton_core::event::{EventFilter, EventKind, NewEvent};
use baton_core::ports::Ledger as _;
use baton_core::time::timestamp_from_micros;
use baton_ledger::{Location, Patience, SqlLedger};
use baton_testkit::own_postgres::OwnPostgres;
use baton_testkit::postgres::TestPostgres;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::postgres::ledger_at;

const BREAK: &str = "select pg_terminate_backend(pid) from pg_stat_activity \
                     where application_name = 'baton' and datname = current_database()";

fn event(number: usize) -> NewEvent {
    NewEvent {
        at: timestamp_from_micros(1),
        as_of: timestamp_from_micros(2),
        environment: "prod".to_owned(),
        run: None,
        asset: None,
        kind: EventKind::StepFinished,
        key: number.to_string(),
        body: serde_json::Value::Null,
    }
}

#[tokio::test]
async fn idle_connections_that_broke_are_replaced() {
    let server = TestPostgres::shared();
    let url = server.database();
    let ledger = ledger_at(&url).await;
    for number in 0..5 {
        assert_eq!(ledger.append(vec![event(number)]).await.unwrap(), number as u64 + 1);
        let (_, _, _) = tokio::join!(ledger.root(), ledger.environments(), ledger.tags());
        server.sql(&url, BREAK);
        assert_eq!(ledger.events(&EventFilter::default()).await.unwrap().len(), number + 1);
        server.sql(&url, BREAK);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_while_it_writes_acknowledged_events_are_there_once() {
    let server = TestPostgres::shared();
    let url = server.database();
    let ledger = ledger_at(&url).await;
    let writing = tokio::spawn({
        let ledger = ledger.clone();
        async move {
            let (mut acknowledged, mut refused) = (Vec::new(), 0);
            for number in 0..3_000 {
                match ledger.append(vec![event(number)]).await {
                    Ok(_) => acknowledged.push(number.to_string()),
                    Err(error) => {
                        let told = error.to_string();
                        assert!(told.contains("nothing of this was kept"), "{told}");
                        refused += 1;
                    }
                }
            }
            (acknowledged, refused)
        }
    });
    while !writing.is_finished() {
        server.sql(&url, BREAK);
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    let (acknowledged, refused) = writing.await.unwrap();
    let found = ledger.events(&EventFilter::default()).await.unwrap();
    let found: Vec<String> = found.into_iter().map(|event| event.event.key).collect();
    assert_eq!(found, acknowledged, "{refused} were refused");
    assert_eq!(ledger.verify().await.unwrap().size, found.len() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_waited_for_as_long_as_asked_and_people_are_told() {
    let server = Arc::new(OwnPostgres::start());
    let location = Location::parse(&server.url(), Path::new("")).unwrap();
    let said = Mutex::new(Vec::new());
    let say = |line: &str| said.lock().unwrap().push(line.to_owned());
    let patience = |seconds: u64| Patience { limit: Duration::from_secs(seconds), say: &say };
    ledger_at(&server.url()).await.append(vec![event(1)]).await.unwrap();
    let restarting = tokio::task::spawn_blocking({
        let server = Arc::clone(&server);
        move || server.restart(true, Duration::from_secs(3))
    });
    while SqlLedger::open(&location).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let refused = SqlLedger::open_patiently(&location, patience(0)).await.unwrap_err().to_string();
    assert!(refused.starts_with("ledger cannot open `postgres://"), "{refused}");
    assert!(said.lock().unwrap().is_empty());
    let ledger = SqlLedger::open_patiently(&location, patience(60)).await.unwrap();
    assert_eq!(ledger.events(&EventFilter::default()).await.unwrap().len(), 1);
    let said = said.into_inner().unwrap();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("cannot be reached, trying again for up to 60 s ("), "{said:?}");
    assert!(said[1].ends_with(" is there again"), "{said:?}");
    restarting.await.unwrap();
}

/// The next `COMMIT` does not reach the server.
const LOST_BEFORE: u8 = 1;
/// The next `COMMIT` is carried out, and the answer does not come back.
const LOST_BEHIND: u8 = 2;

/// A network between us and the server, which breaks at the next `COMMIT` if `breaks` says so.
async fn network(server: u16, breaks: Arc<AtomicU8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(carry(client, server, Arc::clone(&breaks)));
        }
    });
    port
}

async fn carry(mut client: TcpStream, server: u16, breaks: Arc<AtomicU8>) {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    let is_cut = AtomicBool::new(false);
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let there = async {
        let mut bytes = [0; 8192];
        while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
            let commits = bytes[..length].windows(7).any(|window| window == b"COMMIT\0");
            let what = if commits { breaks.swap(0, Ordering::SeqCst) } else { 0 };
            is_cut.store(what == LOST_BEHIND, Ordering::SeqCst);
            if what == LOST_BEFORE || to_server.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    };
    let back = async {
        let mut bytes = [0; 8192];
        while let Ok(length @ 1..) = from_server.read(&mut bytes).await {
            if is_cut.load(Ordering::SeqCst) || to_client.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = there => {}, () = back => {} }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_answer_is_lost_is_looked_up_and_never_repeated() {
    let url = TestPostgres::shared().database();
    let port = url.split(':').nth(2).and_then(|rest| rest.split('/').next()).unwrap();
    let breaks = Arc::new(AtomicU8::new(0));
    let between = network(port.parse().unwrap(), Arc::clone(&breaks)).await;
    let ledger = ledger_at(&url.replace(port, &between.to_string())).await;
    for round in 0..4 {
        breaks.store(LOST_BEHIND, Ordering::SeqCst);
        let size = ledger.append(vec![event(round)]).await.unwrap();
        assert_eq!(size, round as u64 + 1, "it is there, once");
        breaks.store(LOST_BEFORE, Ordering::SeqCst);
        let error = ledger.append(vec![event(1000)]).await.unwrap_err().to_string();
        assert!(error.contains("nothing of this was kept"), "{error}");
    }
    let keys: Vec<String> =
        ledger.events(&EventFilter::default()).await.unwrap().into_iter().map(|event| event.event.key).collect();
    assert_eq!(keys, ["0", "1", "2", "3"]);
}
