//! The tracking server beside an unmodified client of MLflow, many writers, and a kill.
//!
//! The client's part needs `BATON_TEST_MLFLOW`, a Python with the packages of `xtask/requirements-mlflow.txt`.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use baton_testkit::project::TestProject;
use serde_json::{Value, json};

use crate::serve::Server;
use crate::shop::empty;

/// What the same script printed against `mlflow server` 3.18.0 on SQLite, by
/// `python tracking_client.py http://127.0.0.1:5000 | grep '^\['`.
const EXPECTED: &str = include_str!("tracking_client.expected");

/// Steps whose answers differ from MLflow's, and why.
const EXPLAINED: [(&str, &str); 2] = [
    (
        "runs by ['metrics.loss', 'metrics.loss DESC']",
        "a key that comes twice is a bad request, and no fault of the server",
    ),
    ("experiments where name = 'a' OR name = 'b'", "the clause is quoted, as it is in searches for runs"),
];

pub(crate) fn start(project: &TestProject) -> Server {
    Server::start_by(project.command(&["tracking", "--port", "0", "--store", "tracking.db", "--quiet"]))
}

pub(crate) fn python() -> std::ffi::OsString {
    let python = std::env::var_os("BATON_TEST_MLFLOW");
    assert!(python.is_some(), "set BATON_TEST_MLFLOW to a Python with `mlflow` (`cargo xtask test` does)");
    python.unwrap()
}

/// The lines of the script that are answers; others are for people.
pub(crate) fn answers(text: &str) -> Vec<Value> {
    text.lines().filter(|line| line.starts_with('[')).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn unmodified_client_sees_what_it_sees_of_mlflow() {
    let project = empty();
    let server = start(&project);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tracking_client.py");
    let mut client = Command::new(python());
    client.arg(script).arg(format!("http://{}", server.address)).env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0");
    client.env("MLFLOW_DISABLE_TELEMETRY", "true").env("DO_NOT_TRACK", "true").env("PYTHONWARNINGS", "ignore");
    let output = client.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{told}", String::from_utf8_lossy(&output.stdout));
    let (expected, found) = (answers(EXPECTED), answers(&String::from_utf8_lossy(&output.stdout)));
    assert_eq!(expected.len(), found.len());
    for (expected, found) in expected.iter().zip(&found) {
        let step = expected[0].as_str().unwrap();
        if EXPLAINED.iter().all(|(explained, _)| *explained != step) {
            assert_eq!(expected, found, "{step}");
        }
    }
}

/// A connection that is kept, as clients keep it.
struct Connection {
    stream: BufReader<TcpStream>,
    address: String,
}

impl Connection {
    fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), address: address.to_owned() }
    }

    /// Status and answer; none when the server is gone.
    fn post(&mut self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let body = body.to_string();
        self.send("POST", path, &body)
    }

    fn get(&mut self, path: &str) -> Value {
        self.send("GET", path, "").unwrap().1
    }

    fn send(&mut self, method: &str, path: &str, body: &str) -> Option<(u16, Value)> {
        let request = format!(
            "{method} /api/2.0/mlflow/{path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).ok()?;
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            }
            if let Some(rest) = line.strip_prefix("content-length: ") {
                length = rest.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        Some((status, serde_json::from_slice(&body).unwrap()))
    }

    fn new_run(&mut self) -> String {
        let (_, run) = self.post("runs/create", &json!({"experiment_id": "0", "start_time": 1})).unwrap();
        run["run"]["info"]["run_id"].as_str().unwrap().to_owned()
    }
}

/// A batch of two metrics and a tag that says which one it is.
fn batch(run: &str, writer: usize, number: usize) -> Value {
    let metric = |key: &str| json!({"key": key, "value": number, "timestamp": 1, "step": number});
    json!({
        "run_id": run,
        "metrics": [metric(&format!("a{writer}")), metric(&format!("b{writer}"))],
        "tags": [{"key": format!("t{writer}-{number}"), "value": "x"}],
    })
}

#[test]
fn eight_writers_at_once_lose_nothing() {
    const BATCHES: usize = 1000;
    let project = empty();
    let server = start(&project);
    let run = Connection::open(&server.address).new_run();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let (address, run) = (&server.address, &run);
            scope.spawn(move || {
                let mut connection = Connection::open(address);
                for number in 0..BATCHES {
                    let answer = connection.post("runs/log-batch", &batch(run, writer, number)).unwrap();
                    assert_eq!(answer, (200, json!({})));
                }
            });
        }
    });
    let mut connection = Connection::open(&server.address);
    let shown = connection.get(&format!("runs/get?run_id={run}"));
    let data = &shown["run"]["data"];
    let latest = data["metrics"].as_array().unwrap();
    assert_eq!(latest.len(), 16);
    assert!(latest.iter().all(|metric| metric["step"] == BATCHES - 1), "{latest:?}");
    assert_eq!(data["tags"].as_array().unwrap().len(), 8 * BATCHES + 1);
    for writer in 0..8 {
        let history = connection.get(&format!("metrics/get-history?run_id={run}&metric_key=a{writer}"));
        assert_eq!(history["metrics"].as_array().unwrap().len(), BATCHES);
    }
}

#[test]
fn what_was_answered_survives_a_kill_and_nothing_is_torn() {
    let project = empty();
    let mut server = start(&project);
    let run = Connection::open(&server.address).new_run();
    for round in 0..kills() {
        let stop = AtomicBool::new(false);
        let answered: Vec<BTreeSet<usize>> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..4)
                .map(|writer| {
                    let (address, run, stop) = (server.address.clone(), &run, &stop);
                    scope.spawn(move || {
                        let mut connection = Connection::open(&address);
                        let mut answered = BTreeSet::new();
                        for number in (round * 1_000_000).. {
                            match connection.post("runs/log-batch", &batch(run, writer, number)) {
                                Some((200, _)) => drop(answered.insert(number)),
                                Some(other) => panic!("{other:?}"),
                                None => break,
                            }
                            if stop.load(Ordering::Relaxed) {
                                break;
                            }
                        }
                        answered
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(150 + 70 * (round as u64 % 5)));
            // Killed, not asked to end.
            server.kill();
            stop.store(true, Ordering::Relaxed);
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        server = start(&project);
        check_kept(&mut Connection::open(&server.address), &run, round, &answered);
    }
}

/// How often the server is killed: 5 times, or as `BATON_TEST_KILLS` says.
fn kills() -> usize {
    std::env::var_os("BATON_TEST_KILLS").and_then(|kills| kills.to_str()?.parse().ok()).unwrap_or(5)
}

/// Each batch that was answered is there, and of each batch that is there, all is.
fn check_kept(connection: &mut Connection, run: &str, round: usize, answered: &[BTreeSet<usize>]) {
    let shown = connection.get(&format!("runs/get?run_id={run}"));
    let tags: BTreeSet<&str> =
        shown["run"]["data"]["tags"].as_array().unwrap().iter().map(|tag| tag["key"].as_str().unwrap()).collect();
    for (writer, answered) in answered.iter().enumerate() {
        assert!(!answered.is_empty(), "round {round}: nothing was written before the kill");
        let mut steps = |key: &str| -> BTreeSet<usize> {
            let history = connection.get(&format!("metrics/get-history?run_id={run}&metric_key={key}{writer}"));
            let points = history["metrics"].as_array().unwrap().iter();
            let steps = points.map(|point| point["step"].as_u64().unwrap() as usize);
            steps.filter(|step| step / 1_000_000 == round).collect()
        };
        let (one, other) = (steps("a"), steps("b"));
        assert!(answered.is_subset(&one), "round {round}: an answered batch is gone");
        assert_eq!(one, other, "round {round}: a batch is torn");
        assert!(one.iter().all(|step| tags.contains(format!("t{writer}-{step}").as_str())));
    }
}
