//! What connector `http` reads, of a server that fails as servers do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::util::pretty::pretty_format_batches;
use baton_testkit::web::{Answer as Reply, Asked, TestWeb};
use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::pull_suite::{Pulls, pull_all, pull_once, source_of};
use crate::{Contract, Limits};

fn source(web: &TestWeb, mode: Mode, options: Value) -> PullSource {
    let mut options = options;
    let given = options.as_object_mut().unwrap();
    given.entry("url").or_insert_with(|| format!("{}/orders", web.url).into());
    given.entry("pause_seconds").or_insert_with(|| 0.01.into());
    source_of("orders", mode, &options)
}

async fn pulls(source: &PullSource, position: Option<Position>) -> Result<Pulls, ConnectorError> {
    pull_all(&HttpPuller, source, position, Limits::default(), Contract::default()).await
}

async fn refused(web: &TestWeb, options: Value) -> String {
    let error = pulls(&source(web, Mode::Full, options), None).await.unwrap_err();
    error.to_string().replace(&web.url, "URL")
}

/// Records `from..to`, as a list.
fn ids(from: u64, to: u64) -> Value {
    (from..to).map(|id| json!({"id": id, "name": format!("n{id}")})).collect()
}

/// The page of ten records that a request asks for, of 35.
fn page_of(asked: &Asked, first: u64) -> Value {
    let page = asked.param("page").parse::<u64>().unwrap() - first;
    ids((page * 10).min(35), (page * 10 + 10).min(35))
}

#[tokio::test]
async fn records_become_rows_and_those_at_fault_are_set_aside() {
    let web = TestWeb::start(|_| {
        Reply::ok(
            r#"{"data": {"items": [
                {"id": 1, "price": 1.5, "customer": {"name": "Ann", "at": {"city": "Bern"}}, "tags": ["a", {"b": 1}]},
                {"id": 2, "price": 2, "customer": null, "extra": true},
                7, {"id": 3, "customer_name": "x", "customer": {"name": "y"}}, {"id": 4, "price": "free"}]}}"#,
        )
    });
    let source = source(&web, Mode::Full, json!({"records": "data.items"}));
    let pulls = pulls(&source, None).await.unwrap();
    assert!(pulls.last.replaces && pulls.last.complete);
    expect![[r#"
        +----+-------+---------------+------------------+---------------+-------+
        | id | price | customer_name | customer_at_city | tags          | extra |
        +----+-------+---------------+------------------+---------------+-------+
        | 1  | 1.5   | Ann           | Bern             | ["a",{"b":1}] |       |
        | 2  | 2     |               |                  |               | true  |
        | 4  | free  |               |                  |               |       |
        +----+-------+---------------+------------------+---------------+-------+"#]]
    .assert_eq(&pretty_format_batches(&pulls.batches).unwrap().to_string());
    let told: Vec<String> = pulls.report.rejected.iter().map(ToString::to_string).collect();
    expect![[r#"
        row 3: is not an object (page 1)
        row 4: two values for column `customer_name`; set another `flatten.separator` (page 1)"#]]
    .assert_eq(&told.join("\n"));
    assert_eq!(HttpPuller.check(&source).await.unwrap(), "HTTP, 3 records of 6 columns on the first page");
}

#[tokio::test]
async fn every_way_of_paging_reaches_the_last_record() {
    let all: Vec<i64> = (0..35).collect();
    let wrapped = |asked: &Asked, next: Value| json!({"rows": page_of(asked, 1), "next": next}).to_string();
    let number = |asked: &Asked| asked.params.get("page").map_or(1, |page| page.parse::<u64>().unwrap());
    let page = TestWeb::start(|asked| Reply::ok(page_of(asked, 0).to_string()));
    let offset = TestWeb::start(|asked| {
        let skip: u64 = asked.param("skip").parse().unwrap();
        // The server's own limit is smaller than what was asked for.
        Reply::ok(json!({"rows": ids(skip.min(35), (skip + 8).min(35)), "more": skip + 8 < 35}).to_string())
    });
    let cursor = TestWeb::start(move |asked| {
        let next = number(asked) + 1;
        let mut asked = asked.clone();
        asked.params.entry("page".to_owned()).or_insert_with(|| "1".to_owned());
        Reply::ok(wrapped(&asked, if next > 4 { Value::Null } else { next.into() }))
    });
    let link = TestWeb::start(move |asked| {
        let next = number(asked) + 1;
        let mut asked = asked.clone();
        asked.params.entry("page".to_owned()).or_insert_with(|| "1".to_owned());
        let reply = Reply::ok(wrapped(&asked, if next > 4 { "".into() } else { format!("?page={next}").into() }));
        if next > 4 { reply } else { reply.with("link", format!("</orders?page={next}>; rel=\"next\"")) }
    });
    let cases = [
        (&page, json!({"pagination": {"by": "page", "start": 0}})),
        (&offset, json!({"pagination": {"by": "offset", "param": "skip", "more": "more"}, "records": "rows"})),
        (
            &offset,
            json!({"pagination": {"by": "offset", "param": "skip"}, "records": "rows", "params": {"limit": 100}}),
        ),
        (&cursor, json!({"pagination": {"by": "cursor", "path": "next", "param": "page"}, "records": "rows"})),
        (&link, json!({"pagination": {"by": "next", "path": "next"}, "records": "rows"})),
        (&link, json!({"pagination": {"by": "link"}, "records": "rows"})),
    ];
    for (web, options) in cases {
        let pulled = pulls(&source(web, Mode::Full, options.clone()), None).await.unwrap();
        assert_eq!(pulled.ids(), all, "{options}");
    }
}

/// Each request fails in its own way before it is answered.
#[tokio::test]
async fn faults_that_pass_lose_and_double_nothing() {
    let faults = Mutex::new(vec![
        Reply::ok("[]").after(Duration::from_secs(3)),
        Reply::ok(ids(0, 10).to_string()).cut_short_by(20),
        Reply::status(503, "busy").with("retry-after", "0"),
        Reply::status(500, "oops"),
        Reply::status(429, "slow down").with("retry-after", "1"),
    ]);
    let turn = AtomicU64::new(0);
    let web = TestWeb::start(move |asked| {
        if turn.fetch_add(1, Ordering::SeqCst).is_multiple_of(2)
            && let Some(fault) = faults.lock().unwrap().pop()
        {
            return fault;
        }
        Reply::ok(page_of(asked, 1).to_string())
    });
    let options = json!({"pagination": {"by": "page"}, "timeout_seconds": 1.5, "requests_per_second": 50});
    let began = std::time::Instant::now();
    let pulled = pulls(&source(&web, Mode::Full, options), None).await.unwrap();
    assert_eq!(pulled.ids(), (0..35).collect::<Vec<i64>>());
    assert_eq!(web.asked().len(), 10, "five pages, each asked for twice");
    assert!(began.elapsed() > Duration::from_secs(1), "`Retry-After` was not heeded");
}

#[tokio::test]
async fn faults_that_stay_are_named() {
    let always = |reply: fn() -> Reply| TestWeb::start(move |_| reply());
    let down = always(|| Reply::status(503, "closed for s3cret reasons"));
    let told = refused(&down, json!({"retries": 2, "auth": {"type": "bearer", "token": "s3cret"}})).await;
    expect!["http API at URL/orders answers 503 Service Unavailable: closed for … reasons (tried 3 times); try again later, or ask those who run it"].assert_eq(&told);
    assert_eq!(down.asked().len(), 3);
    let later = always(|| Reply::status(429, "").with("retry-after", "86400"));
    let error = pulls(&source(&later, Mode::Full, json!({})), None).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("asks to wait for 86400 seconds"), "{error}");
    let gone = refused(&always(|| Reply::status(404, "no such thing")), json!({})).await;
    assert!(gone.contains("answers 404 Not Found: no such thing"), "{gone}");
    let large = refused(&always(|| Reply::ok(vec![b' '; 2_000])), json!({"max_page_bytes": 1_000})).await;
    assert!(large.contains("answers with more than 1000 bytes"), "{large}");
    let text = refused(&always(|| Reply::ok("<html>")), json!({})).await;
    assert!(text.contains("answers page 1 with what is not JSON"), "{text}");
    let object = refused(&always(|| Reply::ok(r#"{"items": []}"#)), json!({})).await;
    assert!(object.contains("the answer is no list, but there is one at `items`"), "{object}");
    let same = always(|| Reply::ok(r#"[{"id": 1}]"#));
    let circle = refused(&same, json!({"pagination": {"by": "page"}})).await;
    assert!(circle.contains("answers page 2 with a page that came before"), "{circle}");
    let ring = always(|| Reply::ok(r#"{"rows": [], "next": "a"}"#));
    let ring = refused(&ring, json!({"records": "rows", "pagination": {"by": "cursor", "path": "next"}})).await;
    assert!(ring.contains("leads from page to page in a circle"), "{ring}");
    let number = AtomicU64::new(0);
    let endless =
        TestWeb::start(move |_| Reply::ok(format!("[{{\"id\": {}}}]", number.fetch_add(1, Ordering::SeqCst))));
    let endless = refused(&endless, json!({"pagination": {"by": "page"}, "max_pages": 20})).await;
    assert!(endless.contains("has more than 20 pages"), "{endless}");
}

/// A column that comes late, one that goes, and one that changes its kind, on the third page.
#[tokio::test]
async fn columns_may_change_from_page_to_page() {
    let web = TestWeb::start(|asked| {
        Reply::ok(match asked.param("page") {
            "1" => r#"[{"id": 1, "old": "a", "n": 1}]"#,
            "2" => r#"[{"id": 2, "old": "b", "n": 2}]"#,
            "3" => r#"[{"id": 3, "new": {"deep": 1}, "n": "three"}]"#,
            _ => "[]",
        })
    });
    let source = source(&web, Mode::Full, json!({"pagination": {"by": "page"}}));
    let pulled = pulls(&source, None).await.unwrap();
    expect![[r#"
        +----+-----+-------+----------+
        | id | old | n     | new_deep |
        +----+-----+-------+----------+
        | 1  | a   | 1     |          |
        | 2  | b   | 2     |          |
        | 3  |     | three | 1        |
        +----+-----+-------+----------+"#]]
    .assert_eq(&pretty_format_batches(&pulled.batches).unwrap().to_string());
}

#[tokio::test]
async fn tokens_are_fetched_kept_and_renewed() {
    let (given, valid) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
    let now_valid = Arc::clone(&valid);
    let web = TestWeb::start(move |asked| {
        if asked.path == "/token" {
            assert_eq!(asked.body, "grant_type=client_credentials&client_id=me&client_secret=s3cret+%26&scope=read");
            let number = given.fetch_add(1, Ordering::SeqCst) + 1;
            now_valid.store(number, Ordering::SeqCst);
            return Reply::ok(format!(r#"{{"access_token": "t{number}", "expires_in": 3600}}"#));
        }
        if asked.header("authorization") != format!("Bearer t{}", now_valid.load(Ordering::SeqCst)) {
            return Reply::status(401, "expired");
        }
        // The third page finds the token expired.
        if asked.param("page") == "2" {
            now_valid.store(0, Ordering::SeqCst);
        }
        Reply::ok(page_of(asked, 1).to_string())
    });
    let auth = json!({"type": "oauth2", "token_url": format!("{}/token", web.url), "client_id": "me", "client_secret": "s3cret &", "scope": "read"});
    let source = source(&web, Mode::Full, json!({"pagination": {"by": "page"}, "auth": auth}));
    let tokens = || web.asked().iter().filter(|asked| asked.path == "/token").count();
    assert_eq!(pulls(&source, None).await.unwrap().ids().len(), 35);
    assert_eq!((tokens(), valid.load(Ordering::SeqCst)), (2, 2));
    HttpPuller.check(&source).await.unwrap();
    assert_eq!(tokens(), 2, "a token that is good is not asked for again");
}

#[tokio::test]
async fn credentials_stay_with_the_server_of_the_source() {
    let stranger = TestWeb::start(|_| Reply::ok("[]"));
    let away = format!("{}/away", stranger.url);
    let web = TestWeb::start(move |asked| match asked.path.as_str() {
        "/moved" => Reply::status(302, "").with("location", "/orders"),
        "/away" => Reply::status(307, "").with("location", away.clone()),
        "/next" => Reply::ok("[{\"id\": 1}]").with("link", format!("<{away}>; rel=next")),
        "/ring" => Reply::status(301, "").with("location", "/ring"),
        _ => Reply::ok(r#"[{"id": 1}]"#),
    });
    let secrets = |path: &str, auth: Value| json!({"url": format!("{}{path}", web.url), "headers": {"x-tenant": "t"}, "auth": auth, "pagination": {"by": "link"}});
    let auths = [
        json!({"type": "bearer", "token": "s3cret"}),
        json!({"type": "basic", "username": "u", "password": "s3cret"}),
        json!({"type": "header", "name": "x-api-key", "value": "s3cret"}),
        json!({"type": "param", "name": "key", "value": "s3cret"}),
    ];
    for auth in auths {
        drop(pulls(&source(&web, Mode::Full, secrets("/moved", auth.clone())), None).await.unwrap());
        let last = web.asked().pop().unwrap();
        let shown = [last.header("authorization"), last.header("x-api-key"), last.param("key")].concat();
        assert!(["Bearer s3cret", "Basic dTpzM2NyZXQ=", "s3cret"].contains(&shown.as_str()), "{shown}");
        for path in ["/away", "/next"] {
            drop(pulls(&source(&web, Mode::Full, secrets(path, auth.clone())), None).await);
            let last = stranger.asked().pop().unwrap();
            assert_eq!((last.path.as_str(), last.header("x-tenant"), last.param("key")), ("/away", "", ""));
            assert_eq!((last.header("authorization"), last.header("x-api-key")), ("", ""));
        }
    }
    let ring = refused(&web, secrets("/ring", Value::Null)).await;
    assert!(ring.contains("leads on and on"), "{ring}");
}

#[tokio::test]
async fn searches_are_posted() {
    let web = TestWeb::start(|asked| Reply::ok(format!("[{{\"id\": 1, \"said\": {}}}]", asked.body)));
    let options = json!({"method": "post", "body": {"status": "open"}, "params": {"full": true, "n": 3, "q": "a b"}});
    let pulled = pulls(&source(&web, Mode::Full, options), None).await.unwrap();
    assert_eq!(pulled.batches[0].schema().field(1).name(), "said_status");
    let asked = &web.asked()[0];
    assert_eq!(
        (asked.method.as_str(), asked.param("full"), asked.param("n"), asked.param("q")),
        ("POST", "true", "3", "a b")
    );
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    let web = TestWeb::start(|_| Reply::ok("[]"));
    let wrong = [
        (Mode::Cdc, json!({})),
        (Mode::Incremental, json!({})),
        (Mode::Full, json!({"url": "ftp://x"})),
        (Mode::Full, json!({"auth": {"type": "bearer"}})),
        (Mode::Full, json!({"pagination": {"by": "page", "parm": "p"}})),
        (Mode::Full, json!({"requests_per_second": 0})),
    ];
    let told = wrong.map(|(mode, options)| HttpPuller.examine(&source(&web, mode, options)).unwrap_err().to_string());
    expect![[r#"
        options of source `orders` are wrong: connector `http` has no mode `cdc`; use `full`, or `incremental` with a `cursor` and a `key`
        options of source `orders` are wrong: mode `incremental` needs to know how the API is asked for changes; write `incremental: {param: updated_since}`
        the `url` of an http source is no address of the web; write `https://api.example.com/v1/orders`
        options of source `orders` are wrong: missing field `token`; see connector `http` in the reference of connectors
        options of source `orders` are wrong: unknown field `parm`, expected one of `param`, `start`, `more`; see connector `http` in the reference of connectors
        options of source `orders` are wrong: `requests_per_second`, `timeout_seconds` and `pause_seconds` are positive numbers; mend the one that is not"#]].assert_eq(&told.join("\n"));
    HttpPuller.examine(&source(&web, Mode::Full, json!({"url": "${env:API}/orders"}))).unwrap();
}

/// 2024-01-01 in seconds since 1970.
const NEW_YEAR: i64 = 1_704_067_200;

type Orders = Arc<Mutex<Vec<(i64, i64)>>>;

/// Answers with orders (number, and the second of the year in which they changed) since `since`, newest first, two a page;
/// one that does not heed its parameter answers with all.
fn journal(orders: &Orders, heeds: bool) -> TestWeb {
    let orders = Arc::clone(orders);
    TestWeb::start(move |asked| {
        let since: i64 = asked.params.get("since").filter(|_| heeds).map_or(0, |since| since.parse().unwrap());
        let mut there = orders.lock().unwrap().clone();
        there.retain(|(_, at)| NEW_YEAR + at >= since);
        there.reverse();
        let time = |at: &i64| format!("2024-01-01T{:02}:{:02}:{:02}.5Z", at / 3600, at / 60 % 60, at % 60);
        let row = |(id, at): &(i64, i64)| json!({"id": id, "updated_at": time(at)});
        let skip: usize = asked.param("offset").parse().unwrap();
        Reply::ok(there.iter().skip(skip).take(2).map(row).collect::<Value>().to_string())
    })
}

fn of_journal(web: &TestWeb, lag: i64) -> PullSource {
    let options = json!({"pagination": {"by": "offset"}, "incremental": {"param": "since", "format": "unix"}});
    PullSource { lag, ..source(web, Mode::Incremental, options) }
}

#[tokio::test]
async fn rows_from_a_cursor_on_come_once_whatever_their_order() {
    for heeds in [true, false] {
        let orders: Orders = Arc::new(Mutex::new(vec![(1, 5), (2, 70), (3, 60)]));
        let web = journal(&orders, heeds);
        let source = of_journal(&web, 15);
        let first = pulls(&source, None).await.unwrap();
        assert_eq!(first.ids(), [3, 2, 1]);
        // One comes late but within the lag, one with the newest time, one too late; one changes.
        orders.lock().unwrap().extend([(4, 58), (5, 70), (6, 20), (2, 71)]);
        let second = pulls(&source, Some(first.last.position)).await.unwrap();
        assert_eq!(second.ids(), [2, 5, 4]);
        let third = pulls(&source, Some(second.last.position)).await.unwrap();
        assert_eq!(third.ids(), [] as [i64; 0]);
        let asked: Vec<String> = web.asked().iter().map(|asked| asked.param("since").to_owned()).collect();
        assert!(asked.contains(&(NEW_YEAR + 55).to_string()), "{asked:?}");
    }
}

#[tokio::test]
async fn a_record_without_cursor_is_set_aside() {
    let web = TestWeb::start(|_| Reply::ok(r#"[{"id": 1, "updated_at": 7}, {"id": 2}, {"id": 3, "updated_at": "x"}]"#));
    let options = json!({"incremental": {"param": "since", "start": "0"}});
    let pulled = pulls(&source(&web, Mode::Incremental, options), None).await.unwrap();
    let told: Vec<String> = pulled.report.rejected.iter().map(ToString::to_string).collect();
    assert_eq!(pulled.ids(), [1]);
    assert_eq!(
        told,
        [
            "row 2: null in the cursor, by which records are asked for (page 1)",
            "row 3: a cursor of another kind than those before (page 1)"
        ]
    );
    assert_eq!(web.asked()[0].param("since"), "0");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Records come with times that are not older than the newest; whichever pulls are recorded or forgotten, and whether
    /// the API heeds what it is asked for, each is pulled once.
    #[test]
    fn no_record_is_lost_or_doubled(
        heeds in any::<bool>(), steps in prop::collection::vec((0_i64..3, 1_i64..6, any::<bool>()), 1..8)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let orders: Orders = Arc::default();
            let web = journal(&orders, heeds);
            let source = of_journal(&web, 0);
            let (mut clock, mut last, mut landed, mut position) = (0, 0, Vec::new(), None);
            for (ahead, rows, killed) in steps {
                clock += ahead;
                orders.lock().unwrap().extend((last + 1..=last + rows).map(|id| (id, clock)));
                last += rows;
                let pulled = pull_once(&HttpPuller, &source, position.clone(), Limits::default(), Contract::default());
                let pulled = pulled.await.unwrap();
                if !killed {
                    landed.extend(pulled.ids());
                    position = Some(pulled.last.position);
                }
            }
            landed.extend(pulls(&source, position).await.unwrap().ids());
            landed.sort_unstable();
            assert_eq!(landed, (1..=last).collect::<Vec<_>>());
        });
    }
}
