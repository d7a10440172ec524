//! Sources that are no databases: an API that is asked, and rows that others send. Killed anywhere; and the examples of the
//! guide as they stand there.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use baton_testkit::duckdb;
use baton_testkit::mariadb::TestMariadb;
use baton_testkit::project::TestProject;
use baton_testkit::web::{Answer, TestWeb};
use serde_json::{Value, json};

use crate::answers::rows;
use crate::serve::Server;

/// Points at which a run of a small project can be killed, and a few behind the last.
const POINTS: u64 = 22;

const GUIDE: &str = include_str!("../../../../docs/guide/sources.md");

fn project(sources: &str) -> TestProject {
    TestProject::new(env!("CARGO_BIN_EXE_baton"))
        .file("baton.yml", "project: shop\n")
        .file("sources.yml", sources)
        .file("tables/totals.sql", "select count(*) as n, count(distinct id) as d, sum(id) as s from orders\n")
}

/// Runs a command with variables; the standard output when it ended well.
fn run(project: &TestProject, arguments: &[&str], variables: &[(&str, &str)]) -> Option<String> {
    let mut command = project.command(arguments);
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    let is_killed = variables.iter().any(|(name, _)| *name == "BATON_FAILPOINT");
    assert!(output.status.success() || is_killed, "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// Rows, different rows, and the sum of their numbers.
fn totals(project: &TestProject) -> String {
    let rows = run(project, &["query", "select n, d, s from totals", "--format", "csv"], &[]).unwrap();
    rows.lines().nth(1).unwrap_or_default().to_owned()
}

/// The totals of the numbers from 1 on.
fn totals_to(last: u64) -> String {
    format!("{last},{last},{}", last * (last + 1) / 2)
}

/// Runs that are killed wherever a walk over all points leads, while `add` brings rows: the end has each of them once.
fn kills_neither_lose_nor_double(
    kills: u64,
    project: &TestProject,
    variables: &[(&str, &str)],
    add: impl Fn(u64) -> u64,
) {
    let (mut killed, mut round, mut last) = (0, 0, 0);
    while killed < kills {
        assert!(round < kills * 4, "only {killed} of {round} runs were killed");
        last = add(round);
        let point = format!("@{}", round * 13 % POINTS + 1);
        let with_kill = [variables, &[("BATON_FAILPOINT", point.as_str())]].concat();
        killed += u64::from(run(project, &["run"], &with_kill).is_none());
        if round % 5 == 4 {
            run(project, &["run"], variables);
            assert_eq!(totals(project), totals_to(last), "after round {round}");
        }
        round += 1;
    }
    run(project, &["run"], variables);
    assert_eq!(totals(project), totals_to(last), "at the end");
}

type Orders = Arc<Mutex<Vec<(u64, u64)>>>;

/// Answers with orders (number and time) since `since`, five a page; now and then it fails once.
fn api(orders: &Orders) -> TestWeb {
    let (orders, turn) = (Arc::clone(orders), AtomicU64::new(0));
    TestWeb::start(move |asked| {
        if asked.header("authorization") != "Bearer s3cret" {
            return Answer::status(401, "who are you?");
        }
        match turn.fetch_add(1, Ordering::SeqCst) % 7 {
            3 => return Answer::status(429, "").with("retry-after", "0"),
            5 => return Answer::status(500, ""),
            _ => {}
        }
        let since: u64 = asked.params.get("updated_since").map_or(0, |since| since.parse().unwrap());
        let skip: usize = asked.param("offset").parse().unwrap();
        let there: Vec<(u64, u64)> = orders.lock().unwrap().iter().copied().filter(|(_, at)| *at >= since).collect();
        let rows =
            there.iter().skip(skip).take(5).map(|(id, at)| json!({"id": id, "updated_at": at, "by": {"name": "x"}}));
        Answer::ok(json!({"items": rows.collect::<Vec<Value>>()}).to_string())
    })
}

const ASKED: &str = "
sources:
  - name: orders
    connector: http
    url: ${env:TEST_API}/orders
    mode: incremental
    cursor: updated_at
    options:
      auth: {type: bearer, token: \"${env:TEST_TOKEN}\"}
      records: items
      pagination: {by: offset}
      incremental: {param: updated_since}
      pause_seconds: 0.01
";

#[test]
fn an_api_is_asked_and_kills_neither_lose_nor_double_a_record() {
    let orders: Orders = Arc::new(Mutex::new(vec![(1, 0)]));
    let web = api(&orders);
    let project = project(ASKED);
    let variables = [("TEST_API", web.url.as_str()), ("TEST_TOKEN", "s3cret")];
    run(&project, &["apply", "--yes"], &variables);
    let doctor = run(&project, &["doctor"], &variables).unwrap();
    assert!(doctor.contains("HTTP, 1 record of 3 columns on the first page"), "{doctor}");
    kills_neither_lose_nor_double(200, &project, &variables, |round| {
        let mut orders = orders.lock().unwrap();
        let last = orders.len() as u64;
        orders.extend((last + 1..=last + 4).map(|id| (id, round / 2)));
        last + 4
    });
    let stored = std::fs::read(project.path(".baton/ledger.db")).unwrap();
    assert!(!stored.windows(6).any(|window| window == b"s3cret"), "a secret is stored");
}

const SENT: &str = "
sources:
  - name: orders
    connector: push
    columns: [{name: id, type: int}, {name: note, type: string}]
    options: {token: \"${env:TEST_TOKEN}\", keep_mib: 0}
";

/// Status and answer of a delivery; `None` when the connection broke before there was an answer.
fn post(address: &str, headers: &str, body: &str) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let head = format!(
        "POST /ingest/orders HTTP/1.1\r\nhost: baton\r\nconnection: close\r\n{headers}content-length: {}",
        body.len()
    );
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, serde_json::from_str(body).ok()?))
}

fn serving(project: &TestProject) -> Server {
    let mut command: Command = project.command(&["serve", "--port", "0", "--no-scheduler"]);
    command.env("TEST_TOKEN", "s3cret");
    Server::start_by(command)
}

const TOKEN: &str = "authorization: Bearer s3cret\r\n";

#[test]
fn what_is_sent_lands_in_order_and_broken_lines_are_named() {
    let project = project(SENT);
    let variables = [("TEST_TOKEN", "s3cret")];
    run(&project, &["apply", "--yes"], &variables);
    let server = serving(&project);
    let (status, receipt) = post(&server.address, TOKEN, "{\"id\": 1}\n{\"id\": \n{\"id\": \"x\"}\n").unwrap();
    assert_eq!((status, &receipt["sequence"], &receipt["rows"]), (200, &json!(1), &json!(2)));
    assert_eq!(receipt["broken_lines"][0]["line"], json!(2), "{receipt}");
    let key = format!("{TOKEN}idempotency-key: k1\r\n");
    let first = post(&server.address, &key, "{\"id\": 2}").unwrap();
    assert_eq!(post(&server.address, &key, "{\"id\": 2}").unwrap(), first);
    assert_eq!(post(&server.address, &key, "{\"id\": 3}").unwrap().0, 422);
    assert_eq!(post(&server.address, "", "{\"id\": 3}").unwrap().0, 401);
    let report = run(&project, &["run", "-o", "json"], &variables).unwrap();
    assert_eq!(totals(&project), totals_to(2), "{report}");
    let set_aside = run(&project, &["log", "-o", "json"], &[]).unwrap();
    assert!(!set_aside.is_empty());
    // Landed and let go, the key is known still.
    assert_eq!(post(&server.address, &key, "{\"id\": 2}").unwrap(), first);
    run(&project, &["run"], &variables);
    assert_eq!(totals(&project), totals_to(2));
    // What does not decide which rows there are may change, and nothing is landed anew.
    project.write("sources.yml", &SENT.replace("keep_mib: 0", "keep_mib: 1"));
    run(&project, &["apply", "--yes"], &variables);
    assert_eq!(totals(&project), totals_to(2));
}

/// Servers are killed while others send, and runs while they land: what was answered with 200 is landed, once.
#[test]
fn what_is_acknowledged_lands_once_whatever_is_killed() {
    let project = project(SENT);
    let variables = [("TEST_TOKEN", "s3cret")];
    run(&project, &["apply", "--yes"], &variables);
    let next = AtomicU64::new(1);
    let acknowledged: Mutex<BTreeSet<u64>> = Mutex::default();
    let mut unanswered: Vec<u64> = Vec::new();
    for round in 0..10_u64 {
        let server = serving(&project);
        // What got no answer is sent again under its key.
        for id in unanswered.drain(..) {
            send(&server.address, id).unwrap();
            acknowledged.lock().unwrap().insert(id);
        }
        let address = server.address.clone();
        let lost = std::thread::scope(|scope| {
            // Each sends until it gets no answer, which is when the server is killed.
            let senders: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        loop {
                            let id = next.fetch_add(1, Ordering::SeqCst);
                            match send(&address, id) {
                                Some(()) => drop(acknowledged.lock().unwrap().insert(id)),
                                None => break id,
                            }
                        }
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(80 + round * 23));
            drop(server);
            senders.into_iter().map(|sender| sender.join().unwrap()).collect::<Vec<u64>>()
        });
        unanswered.extend(lost);
        let point = format!("@{}", round * 13 % POINTS + 1);
        run(&project, &["run"], &[variables[0], ("BATON_FAILPOINT", point.as_str())]);
    }
    run(&project, &["run"], &variables);
    let landed = run(&project, &["query", "select id from orders order by id", "--format", "csv"], &[]).unwrap();
    let landed: Vec<u64> = landed.lines().skip(1).map(|id| id.parse().unwrap()).collect();
    let once: BTreeSet<u64> = landed.iter().copied().collect();
    assert_eq!(landed.len(), once.len(), "a row is there twice");
    let acknowledged = acknowledged.into_inner().unwrap();
    let missing: Vec<&u64> = acknowledged.difference(&once).collect();
    assert!(missing.is_empty(), "acknowledged and lost: {missing:?}");
    let extra: Vec<u64> = once.difference(&acknowledged).copied().collect();
    assert!(extra.iter().all(|id| unanswered.contains(id)), "nobody sent {extra:?}");
    assert!(acknowledged.len() > 60, "only {} deliveries", acknowledged.len());
}

fn send(address: &str, id: u64) -> Option<()> {
    let (status, answer) = post(address, &format!("{TOKEN}idempotency-key: {id}\r\n"), &format!("{{\"id\": {id}}}"))?;
    assert_eq!(status, 200, "{answer}");
    Some(())
}

#[test]
fn deliveries_are_landed_once_wherever_runs_are_killed() {
    let project = project(SENT);
    let variables = [("TEST_TOKEN", "s3cret")];
    run(&project, &["apply", "--yes"], &variables);
    let server = serving(&project);
    kills_neither_lose_nor_double(200, &project, &variables, |round| {
        for number in 0..3 {
            let (first, second) = (round * 6 + number * 2 + 1, round * 6 + number * 2 + 2);
            let (status, _) =
                post(&server.address, TOKEN, &format!("{{\"id\": {first}}}\n{{\"id\": {second}}}")).unwrap();
            assert_eq!(status, 200);
        }
        (round + 1) * 6
    });
}

/// The fenced text of a language below a heading of the guide.
fn example(heading: &str) -> String {
    let section = GUIDE.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    let fenced = section.split("```yaml\n").nth(1).unwrap();
    fenced.split("```").next().unwrap().to_owned()
}

#[test]
fn the_example_of_duckdb_works() {
    let project = TestProject::new(env!("CARGO_BIN_EXE_baton"))
        .file("baton.yml", "project: site\n")
        .file("sources.yml", &example("DuckDB files"))
        .file("data/about.md", "Visits.\n");
    let (file, library) = (project.path("data/site.duckdb"), duckdb::library());
    let variables = [("LIBDUCKDB", library.to_str().unwrap())];
    let ids = || rows(&project, "select id, page from visits order by id");
    duckdb::execute(&file, &["create table visits as select 1 as id, '/' as page"]);
    run(&project, &["apply", "--yes"], &variables).unwrap();
    assert_eq!(ids(), "id,page\n1,/\n");
    duckdb::execute(&file, &["insert into visits values (2, '/shop')"]);
    run(&project, &["run"], &variables).unwrap();
    assert_eq!(ids(), "id,page\n1,/\n2,/shop\n");
    let doctor = run(&project, &["doctor"], &variables).unwrap();
    assert!(doctor.contains("DuckDB v1.") && doctor.contains("visits: 2 columns"), "{doctor}");
}

#[test]
fn the_example_of_mysql_works() {
    let server = TestMariadb::shared();
    let url = server.database();
    server.sql(&url, "create table orders (id bigint, amount decimal(10,2), updated_at datetime); insert into orders values (1, 2.50, '2024-01-01')");
    let project = project(&example("MariaDB and MySQL"));
    run(&project, &["apply", "--yes"], &[("SHOP_DATABASE", url.as_str())]);
    assert_eq!(totals(&project), totals_to(1));
}

#[test]
fn the_example_of_an_api_works() {
    let web = TestWeb::start(|asked| {
        assert_eq!((asked.path.as_str(), asked.header("authorization")), ("/v1/orders", "Bearer s3cret"));
        let rows = if asked.param("page") == "1" {
            json!([{"id": 1, "updated_at": "2024-01-01T00:00:00Z", "customer": {"name": "Ann"}}])
        } else {
            json!([])
        };
        Answer::ok(json!({"data": {"items": rows}}).to_string())
    });
    let project = project(&example("REST APIs").replace("https://api.example.com", &web.url));
    run(&project, &["apply", "--yes"], &[("SHOP_TOKEN", "s3cret")]);
    assert_eq!(totals(&project), totals_to(1));
    assert_eq!(
        run(&project, &["query", "select customer_name from orders", "--format", "csv"], &[]).unwrap(),
        "customer_name\nAnn\n"
    );
}

#[test]
fn the_example_of_deliveries_works() {
    let project = project(&example("Rows that others send"));
    run(&project, &["apply", "--yes"], &[("INGEST_TOKEN", "s3cret")]);
    let mut command = project.command(&["serve", "--port", "0", "--no-scheduler"]);
    command.env("INGEST_TOKEN", "s3cret");
    let server = Server::start_by(command);
    assert_eq!(post(&server.address, TOKEN, "{\"id\": 1, \"amount\": 2.5}\n").unwrap().0, 200);
    run(&project, &["run"], &[("INGEST_TOKEN", "s3cret")]);
    assert_eq!(totals(&project), totals_to(1));
}
