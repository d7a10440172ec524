//! Schedules: servers that run them, one at a time, whatever happens to the others; runs, their history and their end.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use baton_testkit::moto::TestMoto;
use baton_testkit::project::TestProject;
use serde_json::Value;

use crate::shop::shop;

/// `baton serve`, killed at the latest with the value.
pub(crate) struct Server {
    process: Child,
    said: std::path::PathBuf,
    address: String,
}

impl Server {
    pub(crate) fn start(project: &TestProject, name: &str, failpoint: Option<&str>) -> Self {
        let failpoint = failpoint.map(|failpoint| ("BATON_FAILPOINT", failpoint));
        Self::start_with(project, name, failpoint.as_slice())
    }

    fn start_with(project: &TestProject, name: &str, variables: &[(&str, &str)]) -> Self {
        let said = project.path(name);
        let mut command = project.command(&["serve", "-e", "dev", "--port", "0"]);
        command.env("BATON_TOKEN", "open-sesame").envs(variables.iter().copied());
        let stderr = File::create(&said).unwrap();
        let mut process = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("listening"), "{line}");
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        Self { process, said, address }
    }

    /// The whole answer to a request with the server's token.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer open-sesame\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap()
    }

    pub(crate) fn waits_to_say(&self, text: &str) {
        within(15, text, || self.said().contains(text).then_some(()));
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// Asks again and again until there is an answer.
pub(crate) fn within<T>(seconds: u64, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(seconds), "{what}: not within {seconds} s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn ok(project: &TestProject, arguments: &[&str]) -> String {
    let output = project.output(arguments);
    assert_eq!(output.code, Some(0), "{arguments:?}: {}{}", output.stdout, output.stderr);
    output.stdout
}

fn json(project: &TestProject, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["-e", "dev", "-o", "json"]).collect();
    serde_json::from_str(&ok(project, &arguments)).unwrap()
}

/// The states of the newest runs of a schedule, newest first.
pub(crate) fn states(project: &TestProject, schedule: &str) -> Vec<String> {
    let runs = json(project, &["runs", "--schedule", schedule]);
    runs.as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap().to_owned()).collect()
}

fn scheduled(schedules: &str) -> TestProject {
    let project = shop().file("schedules.yml", schedules);
    ok(&project, &["apply", "-e", "dev", "--yes"]);
    project
}

pub(crate) const BY_HAND: &str = "schedules:\n  - {name: nightly, cron: 0 3 1 1 *, select: [+days]}\n";

#[test]
fn another_server_takes_over_within_ten_seconds_of_a_kill() {
    let project = scheduled(BY_HAND);
    let first = Server::start(&project, "first.txt", None);
    first.waits_to_say("runs the schedules of `dev`");
    let second = Server::start(&project, "second.txt", None);
    second.waits_to_say("schedules of `dev` are run by process");
    ok(&project, &["schedule", "trigger", "nightly", "-e", "dev", "--wait"]);
    assert_eq!(states(&project, "nightly"), ["succeeded"]);
    assert!(!second.said().contains("begins"), "{}", second.said());

    let killed = Instant::now();
    first.kill();
    ok(&project, &["schedule", "trigger", "nightly", "-e", "dev", "--wait"]);
    assert!(killed.elapsed() < Duration::from_secs(10), "it took {:?}", killed.elapsed());
    assert_eq!(states(&project, "nightly"), ["succeeded", "succeeded"]);
    assert!(second.said().contains("schedule `nightly` begins (manual)"), "{}", second.said());
}

#[test]
fn a_run_whose_server_is_killed_is_finished_by_another_one() {
    let project = scheduled(BY_HAND);
    project.write("landing/orders-2.csv", "order_id,customer,amount,ordered_at\n9,ada,1.0,2024-01-05T09:00:00Z\n");
    let first = Server::start(&project, "first.txt", Some("run.before_publish"));
    first.waits_to_say("runs the schedules of `dev`");
    let second = Server::start(&project, "second.txt", None);
    second.waits_to_say("are run by");
    ok(&project, &["schedule", "trigger", "nightly", "-e", "dev", "--wait"]);
    assert!(second.said().contains("1 begun by another server start again"), "{}", second.said());
    assert_eq!(states(&project, "nightly"), ["succeeded", "interrupted"]);
    let rows = ok(&project, &["query", "-e", "dev", "select count(*) as n from orders", "--format", "csv"]);
    assert_eq!(rows, "n\n4\n");
    // What the killed run had finished was taken from the cache.
    let run = json(&project, &["runs", "show"]);
    let ingest = &run["timeline"][0];
    assert_eq!((ingest["verb"].as_str(), ingest["state"].as_str()), (Some("ingest"), Some("reused")), "{run}");
}

#[test]
fn files_that_come_and_commits_that_are_made_run_what_waits_for_them() {
    let project = scheduled(
        "schedules:
  - {name: landing, files: landing/*.csv, select: [orders]}
  - {name: reports, on: {commit: [orders]}, select: [days, customers]}
",
    );
    let server = Server::start(&project, "server.txt", None);
    server.waits_to_say("runs the schedules of `dev`");
    std::thread::sleep(Duration::from_millis(2_500));
    assert!(states(&project, "landing").is_empty(), "{}", server.said());
    project.write("landing/orders-2.csv", "order_id,customer,amount,ordered_at\n9,ada,1.0,2024-01-05T09:00:00Z\n");
    within(20, "the reports", || states(&project, "reports").contains(&"succeeded".to_owned()).then_some(()));
    assert_eq!(states(&project, "landing"), ["succeeded"]);
    let days = ok(&project, &["query", "-e", "dev", "select count(*) as n from days", "--format", "csv"]);
    assert_eq!(days, "n\n3\n");
    let list = ok(&project, &["schedule", "list", "-e", "dev"]);
    assert!(list.contains("on commit of orders") && list.contains("files landing/*.csv"), "{list}");
}

#[test]
fn a_schedule_that_is_declared_while_a_server_runs_is_run() {
    let project = scheduled("schedules: []\n");
    let server = Server::start(&project, "server.txt", None);
    std::thread::sleep(Duration::from_millis(500));
    assert!(!server.said().contains("runs the schedules"), "{}", server.said());
    project.write("schedules.yml", BY_HAND);
    server.waits_to_say("runs the schedules of `dev`");
    ok(&project, &["schedule", "trigger", "nightly", "-e", "dev", "--wait"]);
    assert_eq!(states(&project, "nightly"), ["succeeded"]);
}

#[test]
fn runs_are_listed_and_shown_over_time() {
    let project = scheduled(BY_HAND);
    ok(&project, &["run", "-e", "dev", "--schedule", "nightly"]);
    let list = ok(&project, &["runs", "-e", "dev"]);
    assert!(list.contains("nightly (manual)") && list.contains("apply"), "{list}");
    let shown = ok(&project, &["runs", "show", "-e", "dev"]);
    assert!(shown.contains("succeeded") && shown.contains('█') && shown.contains("up to date"), "{shown}");
    assert!(!shown.contains("customers"), "the schedule selects what `days` reads only: {shown}");
    let apply = json(&project, &["runs"])[1].clone();
    assert_eq!((apply["command"].as_str(), apply["failed"].as_u64()), (Some("apply"), Some(0)));
    let unknown = project.output(&["schedule", "trigger", "nightli", "-e", "dev"]);
    assert!(unknown.stderr.contains("did you mean `nightly`?"), "{}", unknown.stderr);
}

#[test]
fn what_failed_says_so_and_what_reads_it_is_skipped_or_goes_on() {
    let project = scheduled("schedules:\n  - {name: careful, on_failure: stop}\n");
    project.write("landing/orders-2.csv", "order_id,customer,amount,ordered_at\n1,ada,1.0,2024-01-05T09:00:00Z\n");
    let failed = project.output(&["run", "-e", "dev"]);
    assert_eq!(failed.code, Some(1), "{}", failed.stdout);
    let run = json(&project, &["runs", "show"]);
    assert_eq!((run["state"].as_str(), run["failed"].as_u64()), (Some("failed"), Some(1)), "{run}");
    assert!(run["cause"].as_str().unwrap().starts_with("ingest orders failed"), "{run}");
    let states: Vec<&str> =
        run["timeline"].as_array().unwrap().iter().filter_map(|step| step["state"].as_str()).collect();
    assert_eq!(states, ["failed", "skipped", "skipped"]);
    assert!(run["log"][0]["text"].as_str().unwrap().contains("unique"), "{run}");
    project.output(&["run", "-e", "dev", "--schedule", "careful"]);
    let text = ok(&project, &["runs", "show", "-e", "dev", "--log"]);
    assert!(text.contains("the run stops then") && text.contains("error orders:"), "{text}");
}

#[test]
fn a_schedule_is_asked_for_over_http_with_parameters_and_figures_tell_of_it() {
    let project = shop()
        .file("baton.yml", "project: shop\nenvironments:\n  dev: {}\nparams:\n  least: {type: float, default: 0}\n")
        .file("tables/big.sql", "select order_id from orders where amount >= {{ var('least') }}\n")
        .file("schedules.yml", "schedules:\n  - {name: nightly, select: [big]}\n");
    ok(&project, &["apply", "-e", "dev", "--yes"]);
    let server = Server::start(&project, "server.txt", None);
    server.waits_to_say("runs the schedules of `dev`");
    let path = "/api/v1/schedules/nightly/trigger";
    let refused = server.ask("POST", path, "{\"parameters\": {\"least\": \"few\"}}");
    assert!(refused.starts_with("HTTP/1.1 400") && refused.contains("parameter `least` is `few`"), "{refused}");
    let taken = server.ask("POST", path, "{\"parameters\": {\"least\": 10}}");
    assert!(taken.starts_with("HTTP/1.1 202"), "{taken}");
    within(20, "the run", || states(&project, "nightly").contains(&"succeeded".to_owned()).then_some(()));
    assert_eq!(json(&project, &["runs", "show"])["parameters"]["least"], 10.0);
    let rows = ok(&project, &["query", "-e", "dev", "select count(*) as n from big", "--format", "csv"]);
    assert_eq!(rows, "n\n2\n");
    let figures = server.ask("GET", "/metrics", "");
    for expected in [
        "baton_schedule_requests{state=\"queued\"} 0",
        "baton_schedule_last_run_failed{schedule=\"nightly\"} 0",
        "baton_schedule_oldest_wait_seconds 0",
        "baton_schedule_last_run_duration_seconds{schedule=\"nightly\"} ",
    ] {
        assert!(figures.contains(expected), "{expected}: {figures}");
    }
}

/// A shop with a table that joins every row of `numbers` with every pair of others, over three rows when it is applied and
/// over twenty thousand afterwards: a query that computes for hours and reads nothing meanwhile.
fn with_endless_query(schedules: &str) -> TestProject {
    let numbers = |count: u32| (0..count).fold("n\n".to_owned(), |text, n| format!("{text}{n}\n"));
    let project = shop()
        .file("numbers.yml", "sources:\n  - {name: numbers, connector: file, path: numbers/*.csv, load: replace}\n")
        .file("numbers/all.csv", &numbers(3))
        .file("tables/triples.sql", "select count(*) as n from numbers a, numbers b, numbers c where a.n + b.n > c.n\n")
        .file("schedules.yml", schedules);
    ok(&project, &["apply", "-e", "dev", "--yes"]);
    project.write("numbers/all.csv", &numbers(20_000));
    project
}

#[test]
fn a_query_that_never_reads_defeats_neither_timeout_nor_lease() {
    let project = with_endless_query(
        "schedules:\n  - {name: heavy, select: [numbers, triples], timeout: 2s, retries: {attempts: 1}}\n",
    );
    let first = Server::start(&project, "first.txt", None);
    first.waits_to_say("runs the schedules of `dev`");
    let second = Server::start(&project, "second.txt", None);
    second.waits_to_say("are run by");
    let began = Instant::now();
    ok(&project, &["schedule", "trigger", "heavy", "-e", "dev", "--wait"]);
    assert!(began.elapsed() < Duration::from_secs(30), "it took {:?}", began.elapsed());
    assert_eq!(states(&project, "heavy"), ["failed"]);
    let run = json(&project, &["runs", "show"]);
    assert!(run["cause"].as_str().unwrap().contains("longer than its timeout of 2s"), "{run}");
    assert!(!second.said().contains("runs the schedules"), "the lease was lost: {}", second.said());
}

#[test]
fn objects_that_come_to_a_store_run_what_waits_for_them() {
    let store = TestMoto::shared();
    let bucket = store.bucket();
    let source = format!(
        "sources:
  - name: visits
    connector: s3
    path: s3://{bucket}/visits/*.csv
    options: {{endpoint: '{}', access_key_id: any, secret_access_key: '${{env:STORE_KEY}}'}}
    columns: [{{name: id, type: int}}]
",
        store.url()
    );
    let schedules =
        format!("schedules:\n  - {{name: arrivals, files: 's3://{bucket}/visits/done', select: [visits]}}\n");
    let project = shop().file("visits.yml", &source).file("schedules.yml", &schedules);
    store.put(&bucket, "visits/1.csv", b"id\n1\n");
    let applied = project.command(&["apply", "-e", "dev", "--yes"]).env("STORE_KEY", "key").output().unwrap();
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let server = Server::start_with(&project, "server.txt", &[("STORE_KEY", "key")]);
    server.waits_to_say("runs the schedules of `dev`");
    std::thread::sleep(Duration::from_secs(13));
    store.put(&bucket, "visits/2.csv", b"id\n2\n");
    std::thread::sleep(Duration::from_secs(1));
    assert!(states(&project, "arrivals").is_empty(), "{}", server.said());
    store.put(&bucket, "visits/done", b"");
    within(30, "the run", || states(&project, "arrivals").contains(&"succeeded".to_owned()).then_some(()));
    let visits = ok(&project, &["query", "-e", "dev", "select count(*) as n from visits", "--format", "csv"]);
    assert_eq!(visits, "n\n2\n");
    std::thread::sleep(Duration::from_secs(13));
    assert_eq!(states(&project, "arrivals").len(), 1, "nothing has come since: {}", server.said());
}

#[test]
fn a_query_that_never_reads_is_cancelled() {
    let project = with_endless_query("schedules: []\n");
    let mut running =
        project.command(&["run", "-e", "dev"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let is_building = || {
        let run = json(&project, &["runs", "show"]);
        let steps = run["timeline"].as_array()?.iter();
        let building = steps.filter(|step| step["asset"] == "triples" && step["state"] == "running").count() > 0;
        (building && run["command"] == "run").then(|| run["id"].as_str().unwrap().to_owned())
    };
    let id = within(20, "the query", is_building);
    ok(&project, &["runs", "cancel", &id, "-e", "dev"]);
    let ended = within(10, "the end", || running.try_wait().unwrap());
    assert_eq!(ended.code(), Some(1));
    assert_eq!(json(&project, &["runs", "show"])["state"], "cancelled");
}

#[test]
fn a_schedule_that_is_held_back_is_run_by_a_hand_only() {
    let project = scheduled("schedules:\n  - {name: landed, files: landing/*.csv, select: [+days]}\n");
    ok(&project, &["schedule", "pause", "landed", "-e", "dev", "--for", "1h", "--reason", "stocktaking"]);
    let server = Server::start(&project, "server.txt", None);
    server.waits_to_say("runs the schedules of `dev`");
    std::thread::sleep(Duration::from_secs(2));
    project.write("landing/orders-2.csv", "order_id,customer,amount,ordered_at\n9,ada,1.0,2024-01-05T09:00:00Z\n");
    std::thread::sleep(Duration::from_secs(5));
    assert!(states(&project, "landed").is_empty(), "{}", server.said());
    let listed = json(&project, &["schedule", "list"]);
    assert_eq!(listed[0]["held"]["reason"], "stocktaking");
    ok(&project, &["schedule", "trigger", "landed", "-e", "dev", "--wait"]);
    assert_eq!(states(&project, "landed"), ["succeeded"]);
    ok(&project, &["schedule", "resume", "landed", "-e", "dev"]);
    std::thread::sleep(Duration::from_secs(3));
    project.write("landing/orders-3.csv", "order_id,customer,amount,ordered_at\n10,ada,1.0,2024-01-06T09:00:00Z\n");
    within(30, "new files run it again", || (states(&project, "landed").len() == 2).then_some(()));
}
