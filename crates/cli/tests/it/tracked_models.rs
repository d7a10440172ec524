//! Artifacts, logged models, the registry and traces beside an unmodified client of MLflow; trained models in the registry.
//!
//! Needs `BATON_TEST_MLFLOW`, a Python with the packages of `xtask/requirements-mlflow.txt`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use serde_json::{Value, json};

use crate::answers::ok;
use crate::serve::{Server, canteen};
use crate::shop::empty;
use crate::tracking::{answers, python, start};

/// What the same script printed against `mlflow server` 3.18.0 on SQLite, by
/// `python models_client.py http://127.0.0.1:5000 | grep '^\['`.
const EXPECTED: &str = include_str!("models_client.expected");

/// Steps whose answers differ from MLflow's, and why.
const EXPLAINED: [(&str, &str); 1] =
    [("versions where name = 'a' OR name = 'b'", "the clause is quoted, as it is in searches for runs")];

pub(crate) fn client(script: &str, arguments: &[&str]) -> String {
    let mut client = Command::new(python());
    client.arg("-c").arg(script).args(arguments).env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0");
    client.env("MLFLOW_DISABLE_TELEMETRY", "true").env("DO_NOT_TRACK", "true").env("PYTHONWARNINGS", "ignore");
    let output = client.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed
}

#[test]
fn unmodified_client_logs_loads_registers_and_traces() {
    let project = empty();
    let server = start(&project);
    let folder = project.path("client");
    let uri = format!("http://{}", server.address);
    let printed = client(include_str!("models_client.py"), &[&uri, &folder.to_string_lossy()]);
    let (expected, found) = (answers(EXPECTED), answers(&printed));
    assert_eq!(expected.len(), found.len());
    for (expected, found) in expected.iter().zip(&found) {
        let step = expected[0].as_str().unwrap();
        if EXPLAINED.iter().all(|(explained, _)| *explained != step) {
            assert_eq!(expected, found, "{step}");
        }
    }
}

/// Aliases, versions, and what the champion makes of prices, as a client of MLflow sees them.
const LOAD: &str = "
import json, sys
import mlflow, numpy, xgboost
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
model = client.get_registered_model('late_payer')
version = client.get_model_version_by_alias('late_payer', 'champion')
loaded = mlflow.xgboost.load_model('models:/late_payer@champion')
rows = xgboost.DMatrix(numpy.array([[float(price)] for price in sys.argv[2:]]), feature_names=loaded.feature_names)
try:
    client.delete_registered_model('late_payer')
except mlflow.exceptions.MlflowException as error:
    refused = error.message
print(json.dumps([model.tags, version.version, version.tags['baton.algorithm'], loaded.predict(rows).tolist(), refused]))
";

#[test]
fn a_trained_model_is_in_the_registry_and_predicts_the_same_there() {
    let project = canteen();
    ok(&project, &["apply", "-e", "prod", "--yes", "--as-of", "2024-02-10"]);
    let server = Server::start_by(project.command(&["serve", "-e", "prod", "--port", "0", "--no-scheduler"]));
    let served = server.predict();
    let printed = client(LOAD, &[&format!("http://{}", server.address), &served.price.unwrap().to_string()]);
    let found: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert_eq!(found[0], json!({"baton.trained": "true"}));
    assert_eq!((&found[1], &found[2]), (&json!(served.version.to_string()), &json!("boosted_trees")));
    let difference = (found[3][0].as_f64().unwrap() - served.score).abs();
    assert!(difference < 1e-6, "{} {}", found[3], served.score);
    assert!(found[4].as_str().unwrap().contains("is trained by the project"), "{}", found[4]);
}

/// The signature that a receiver expects, by Python's own `hmac`.
const SIGNED: &str = "
import base64, hashlib, hmac, sys
print('v1,' + base64.b64encode(hmac.new(b'key', sys.argv[1].encode(), hashlib.sha256).digest()).decode())
";

#[test]
fn webhooks_are_told_signed_and_again_after_a_failure() {
    let project = empty();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut serve = project.command(&["tracking", "--port", "0", "--store", "tracking.db", "--quiet"]);
    let server = Server::start_by({
        serve.env("BATON_WEBHOOKS_INSIDE", "1");
        serve
    });
    let uri = format!("http://{}", server.address);
    let script = format!(
        "import mlflow\nclient = mlflow.MlflowClient('{uri}')\n\
         hook = client.create_webhook('hook', 'http://{address}/x', ['registered_model.created'], secret='key')\n\
         assert [hook.name for hook in client.list_webhooks()] == ['hook']\n\
         client.create_registered_model('m', tags={{'k': 'v'}})\n"
    );
    client(&script, &[]);
    let (first, _) = receive(&listener, "503 Service Unavailable");
    let (headers, body) = receive(&listener, "200 OK");
    assert_eq!(first["x-mlflow-delivery-id"], headers["x-mlflow-delivery-id"]);
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&told["entity"], &told["action"]), (&json!("registered_model"), &json!("created")));
    assert_eq!(told["data"], json!({"name": "m", "tags": {"k": "v"}, "description": null}));
    let signed = format!("{}.{}.{body}", headers["x-mlflow-delivery-id"], headers["x-mlflow-timestamp"]);
    assert_eq!(baton_testkit::python::printed(SIGNED, &[signed]).trim(), headers["x-mlflow-signature"]);
}

/// The headers and the body of the next request, which is answered with `status`.
fn receive(listener: &TcpListener, status: &str) -> (BTreeMap<String, String>, String) {
    let (stream, _) = listener.accept().unwrap();
    let mut stream = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        match line.trim_end().split_once(": ") {
            Some((name, value)) => drop(headers.insert(name.to_ascii_lowercase(), value.to_owned())),
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    write!(stream.get_mut(), "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    (headers, String::from_utf8(body).unwrap())
}

/// Puts `content` at an artifact's path; the status, or none when the server is gone.
fn put(address: &str, path: &str, content: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let head = format!(
        "PUT /api/2.0/mlflow-artifacts/artifacts/{path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        content.len()
    );
    // A server that dies while it reads breaks the connection.
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(content)).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1).map(str::to_owned)
}

#[test]
fn an_artifact_is_whole_or_not_there_when_the_server_is_killed() {
    let project = empty();
    let (old, new) = (vec![1; 3_000_000], vec![2; 4_000_000]);
    let server = start(&project);
    assert_eq!(put(&server.address, "1/model.bin", &old).as_deref(), Some("200"));
    drop(server);
    let mut command = project.command(&["tracking", "--port", "0", "--store", "tracking.db", "--quiet"]);
    command.env("BATON_FAILPOINT", "tracking.artifact_staged");
    let server = Server::start_by(command);
    // All of it came in and is synced, but it is not in its place yet.
    assert_eq!(put(&server.address, "1/model.bin", &new), None);
    drop(server);
    let kept = || std::fs::read(project.path("artifacts/files/1/model.bin")).unwrap();
    assert!(kept() == old);
    let server = start(&project);
    assert_eq!(put(&server.address, "1/model.bin", &new).as_deref(), Some("200"));
    assert!(kept() == new);
}
