//! The ledger on a real PostgreSQL, held to the contract of its ports. Needs PostgreSQL's programs.

use std::path::Path;
use std::sync::Arc;

use baton_core::AssetName;
use baton_core::event::{EventFilter, EventKind, NewEvent};
use baton_core::ports::{Ledger, Operations};
use baton_core::time::timestamp_from_micros;
use baton_ledger::{Location, SqlLedger};
use baton_testkit::certificate::self_signed;
use baton_testkit::postgres::TestPostgres;

/// The ledger at an address, or in a file.
pub(crate) async fn ledger_at(url: &str) -> SqlLedger {
    SqlLedger::open(&Location::parse(url, Path::new("")).unwrap()).await.unwrap()
}

async fn open() -> ((), Arc<dyn Ledger>) {
    ((), Arc::new(ledger_at(&TestPostgres::shared().database()).await))
}

baton_testkit::ledger_suite!(open);

async fn open_operations() -> ((), Arc<dyn Operations>) {
    ((), Arc::new(ledger_at(&TestPostgres::shared().database()).await))
}

baton_testkit::operations_suite!(open_operations);

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

#[tokio::test]
async fn connections_are_encrypted_and_certificates_asked_for() {
    let (certificate, key) = self_signed();
    let server = TestPostgres::encrypted(&certificate, &key);
    let url = server.database();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), &certificate).unwrap();
    let named = url.replace("127.0.0.1", "localhost");
    let authority = format!("sslrootcert={}", folder.path().join("ca.pem").display());
    for trusted in [url.clone(), format!("{url}?sslmode=require"), format!("{named}?sslmode=verify-full&{authority}")] {
        let ledger = ledger_at(&trusted).await;
        ledger.append(vec![event(&trusted)]).await.unwrap();
    }
    let used = "select count(*) from pg_stat_ssl where ssl";
    assert_ne!(server.sql(&url, used), "0");
    for (address, reason) in [
        (format!("{named}?sslmode=verify-full"), "certificate"),
        (format!("{url}?sslmode=verify-full&{authority}"), "certificate"),
        (format!("{url}?sslmode=disable"), "no encryption"),
    ] {
        let opened = SqlLedger::open(&Location::parse(&address, Path::new("")).unwrap()).await;
        let told = opened.err().unwrap().to_string();
        assert!(told.contains(reason), "{told}");
    }
}

#[tokio::test]
async fn the_pulse_tells_what_others_wrote_and_nothing_else() {
    let url = TestPostgres::shared().database();
    crate::pulse_of(ledger_at(&url).await, ledger_at(&url).await).await;
}

/// Two processes would each have connections of their own, as two ledgers have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ledgers_that_race_lose_nothing_and_agree() {
    let url = TestPostgres::shared().database();
    // Both make the schema, too.
    let (one, other) = tokio::join!(ledger_at(&url), ledger_at(&url));
    let mut tasks = tokio::task::JoinSet::new();
    for (side, ledger) in [one.clone(), other.clone()].into_iter().enumerate() {
        for task in 0..4 {
            let ledger = ledger.clone();
            tasks.spawn(async move {
                for number in 0..25 {
                    let key = format!("{side}/{task}/{number}");
                    ledger.append(vec![event(&key), event(&format!("{key} again"))]).await.unwrap();
                }
            });
        }
    }
    tasks.join_all().await;
    let found = one.events(&EventFilter::default()).await.unwrap();
    assert!(found.iter().map(|event| event.sequence).eq(1..=400));
    assert!(found.chunks(2).all(|pair| pair[1].event.key == format!("{} again", pair[0].event.key)));
    assert_eq!(one.verify().await.unwrap(), other.root().await.unwrap());
}

#[tokio::test]
async fn the_same_events_have_the_same_root_on_both_databases() {
    let folder = tempfile::tempdir().unwrap();
    let file = SqlLedger::open_file(folder.path().join("ledger.db")).await.unwrap();
    let server = ledger_at(&TestPostgres::shared().database()).await;
    // More than one statement takes at once, in every remainder.
    for count in [1, 63, 64, 65, 130] {
        let events: Vec<NewEvent> = (0..count).map(|number| event(&format!("{count}/{number} é\\'\""))).collect();
        assert_eq!(file.append(events.clone()).await.unwrap(), server.append(events).await.unwrap());
    }
    let root = file.root().await.unwrap();
    assert_eq!(root.size, 323);
    assert_eq!([server.root().await.unwrap(), server.verify().await.unwrap()], [root.clone(), root]);
    assert!(server.prove_inclusion(200).await.unwrap().unwrap().holds());
}

#[tokio::test]
async fn events_and_commits_cannot_be_changed_and_what_was_changed_past_that_is_named() {
    let server = TestPostgres::shared();
    let url = server.database();
    let ledger = ledger_at(&url).await;
    ledger.append((0..5).map(|number| event(&number.to_string())).collect()).await.unwrap();
    for change in ["update event set key = ''x''", "delete from event", "truncate event"] {
        let block = format!(
            "do $$ begin execute '{change}'; raise exception 'it was done'; \
             exception when others then if sqlerrm <> 'events are append-only' then raise; end if; end $$"
        );
        server.sql(&url, &block);
    }
    server.sql(&url, "alter table event disable trigger all; update event set body = '{}' where sequence = 3");
    let error = ledger.verify().await.unwrap_err().to_string();
    assert_eq!(error, "ledger holds a record that cannot be read (event 3): it was changed after it was sealed");
}

/// However many there are since.
#[tokio::test]
async fn the_newest_events_of_an_asset_are_found_by_an_index_in_their_order() {
    let server = TestPostgres::shared();
    let url = server.database();
    let ledger = ledger_at(&url).await;
    let of_asset = |number: usize| NewEvent {
        asset: AssetName::parse(if number < 40 { "seldom" } else { "often" }).ok(),
        ..event(&number.to_string())
    };
    ledger.append((0..4_000).map(of_asset).collect()).await.unwrap();
    server.sql(&url, "analyze event");
    let plan = server.sql(
        &url,
        "explain select * from event where asset = 'seldom' and environment = 'prod' order by sequence desc limit 1",
    );
    assert!(plan.contains("Backward using event_by_asset"), "{plan}");
}

#[tokio::test]
async fn several_projects_share_a_database_by_schema() {
    let server = TestPostgres::shared();
    let url = server.database();
    let (flights, shop) =
        (ledger_at(&format!("{url}?schema=flights")).await, ledger_at(&format!("{url}?schema=shop_2")).await);
    flights.append(vec![event("a")]).await.unwrap();
    shop.append(vec![event("b"), event("c")]).await.unwrap();
    assert_eq!((flights.root().await.unwrap().size, shop.root().await.unwrap().size), (1, 2));
    assert_eq!(server.sql(&url, "select count(*) from flights.event"), "1");
    let _held = flights.lock("prod", "baton apply").await.unwrap();
    shop.lock("prod", "baton apply").await.unwrap();
    let plain = Location::parse(&url, Path::new("")).unwrap();
    assert!(SqlLedger::open_existing(&plain).await.unwrap().is_none(), "looking made a ledger");
}

#[tokio::test]
async fn a_user_who_may_only_read_reads() {
    let server = TestPostgres::shared();
    let url = server.database();
    let ledger = ledger_at(&format!("{url}?schema=work")).await;
    ledger.append(vec![event("a")]).await.unwrap();
    server.sql(
        &url,
        "create role reader login; grant usage on schema work to reader; grant select on all tables in schema work to reader",
    );
    let reader = ledger_at(&format!("{}?schema=work", url.replace("postgres@", "reader@"))).await;
    assert_eq!(reader.events(&EventFilter::default()).await.unwrap().len(), 1);
    let error = reader.append(vec![event("b")]).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "ledger cannot append events: the user may not do this; grant it, or make the schema and give it to the user \
         (permission denied for table log_head)"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_or_refuses_is_said_so_at_once() {
    let began = std::time::Instant::now();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let database = TestPostgres::shared().database();
    let missing = database.rsplit_once('/').unwrap().0;
    for (url, expected) in [
        (
            format!("postgres://ada:s3cret@127.0.0.1:{port}/work"),
            "the connection to the server broke or cannot be made",
        ),
        (format!("{missing}/nothing"), "there is no such database; make it with `createdb`"),
        (database.replace("postgres@", "nobody:s3cret@"), "the server does not let this user in"),
    ] {
        let opened = SqlLedger::open(&Location::parse(&url, Path::new("")).unwrap()).await;
        let error = opened.unwrap_err().to_string();
        assert!(error.starts_with("ledger cannot open `postgres://") && error.contains(expected), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}
