//! What an unmodified client of MLflow logs by itself, how it asks again, and how other tools carry what is tracked, beside
//! `mlflow server`.
//!
//! Needs `BATON_TEST_MLFLOW`, a Python with the packages of `xtask/requirements-mlflow.txt`.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::shop::empty;
use crate::tracked_models::client;
use crate::tracking::{answers, python, start};

/// What the same script printed against `mlflow server` 3.18.0 on SQLite, by
/// `python autolog_client.py http://127.0.0.1:5000 | grep '^\['`.
const EXPECTED: &str = include_str!("autolog_client.expected");

#[test]
fn what_clients_log_by_themselves_is_what_mlflow_keeps() {
    let project = empty();
    let server = start(&project);
    let printed = client(include_str!("autolog_client.py"), &[&format!("http://{}", server.address)]);
    let (expected, found) = (answers(EXPECTED), answers(&printed));
    assert_eq!(expected.len(), found.len());
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(expected, found, "{}", expected[0]);
    }
}

/// Through a proxy that forwards each request and loses the first answer to it.
const LOSSY: &str = r#"
import json, os, sys
os.environ |= {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "7", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0", "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
               "MLFLOW_TRUNCATE_LONG_VALUES": "true", "LOGNAME": "tester"}
import http.client, http.server, socket, threading
from urllib.parse import urlparse
upstream, seen, creates = urlparse(sys.argv[1]).netloc, {}, []

class Lossy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def relay(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        connection = http.client.HTTPConnection(upstream)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if self.path.endswith("runs/create"):
            creates.append(1)
        key = (self.command, self.path, body)
        seen[key] = seen.get(key, 0) + 1
        if self.command != "GET" and seen[key] == 1:
            # The write is done; nobody hears of it.
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = relay

    def log_message(self, *arguments):
        pass

proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Lossy)
threading.Thread(target=proxy.serve_forever, daemon=True).start()
import mlflow
from mlflow.entities import Metric, Param, RunTag
direct, lossy = mlflow.MlflowClient(sys.argv[1]), mlflow.MlflowClient(f"http://127.0.0.1:{proxy.server_port}")
run = direct.create_run("0").info.run_id
for step in range(20):
    lossy.log_metric(run, "one", step / 2, timestamp=step, step=step)
for part in range(5):
    points = [Metric("many", float(step), 1, part * 100 + step) for step in range(100)]
    lossy.log_batch(run, metrics=points, params=[Param(f"p{part}", "v")], tags=[RunTag(f"t{part}", "v")])
lossy.log_param(run, "lr", 0.1)
lossy.set_tag(run, "tag", "x")
refused = 0
for number in range(3):
    try:
        lossy.create_run("0", run_name=f"lost {number}", start_time=number)
    except Exception:
        refused += 1
data = direct.get_run(run).data
runs = direct.search_runs(["0"], "attributes.run_name LIKE 'lost%'")
print(json.dumps([len(direct.get_metric_history(run, "one")), len(direct.get_metric_history(run, "many")), len(data.params),
                  data.tags["tag"], refused, len(runs), len(creates), max(seen.values())]))
"#;

#[test]
fn answers_that_are_lost_double_nothing() {
    let project = empty();
    let server = start(&project);
    let printed = client(LOSSY, &[&format!("http://{}", server.address)]);
    let told: Vec<Value> = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    // 20 points and 500 points once each, 6 parameters; runs are not made twice, and each attempt made one.
    assert_eq!(Value::from(told[..4].to_vec()), serde_json::json!([20, 500, 6, "x"]), "{printed}");
    assert_eq!(told[5], told[6], "a run for each attempt: {printed}");
    assert!(told[7].as_u64().unwrap() >= 2, "nothing was asked again: {printed}");
}

#[test]
fn one_connection_carries_ten_thousand_requests() {
    let project = empty();
    let server = start(&project);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_nodelay(true).unwrap();
    let request = format!(
        "GET /api/2.0/mlflow/experiments/get?experiment_id=0 HTTP/1.1\r\nHost: {}\r\nAccept-Encoding: gzip, deflate\r\n\r\n",
        server.address
    );
    let mut first = None;
    for number in 0..10_000 {
        stream.write_all(request.as_bytes()).unwrap();
        let body = answer(&mut stream);
        assert_eq!(*first.get_or_insert_with(|| body.clone()), body, "answer {number}");
    }
}

/// The body of one answer, which must be plain text of a known length.
fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "the connection was closed");
        text.extend_from_slice(&piece[..count]);
        let whole = String::from_utf8_lossy(&text);
        let Some((head, body)) = whole.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        assert!(length.is_some(), "no length: {head}");
        let length: usize = length.unwrap_or_default();
        if body.len() >= length {
            return body.to_owned();
        }
    }
}

/// `mlflow server`, ended with the value.
struct Peer {
    process: Child,
    uri: String,
}

impl Peer {
    fn start(folder: &std::path::Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(python());
        command.args(["-m", "mlflow", "server", "--workers", "1", "--port", &port.to_string()]);
        command.args(["--backend-store-uri", "sqlite:///store.db", "--artifacts-destination", "./artifacts"]);
        command.env("MLFLOW_DISABLE_TELEMETRY", "true").env("DO_NOT_TRACK", "true").current_dir(folder);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let peer = Self { process: command.spawn().unwrap(), uri: format!("http://127.0.0.1:{port}") };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(180), "`mlflow server` does not start");
            std::thread::sleep(Duration::from_millis(200));
        }
        peer
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has workers of its own.
        let group = format!("-{}", self.process.id());
        let _ended = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _reaped = self.process.wait();
    }
}

#[test]
fn what_is_tracked_goes_to_mlflow_and_comes_back_equal() {
    let (first, last) = (empty(), empty());
    let (one, other) = (start(&first), start(&last));
    let peer = Peer::start(&first.path("peer"));
    let aside = first.path("aside");
    std::fs::create_dir_all(&aside).unwrap();
    let (one, other) = (format!("http://{}", one.address), format!("http://{}", other.address));
    let printed = client(include_str!("moved_client.py"), &[&aside.to_string_lossy(), &one, &peer.uri, &other]);
    assert!(printed.ends_with("carried 5 runs and 3 versions\n"), "{printed}");
}
