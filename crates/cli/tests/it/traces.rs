//! Traces of runs and requests, taken in by a collector that reads them with OpenTelemetry's own protobuf classes.
//!
//! Needs `BATON_TEST_PYTHON`, a Python with the package `opentelemetry-proto`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use baton_testkit::project::TestProject;
use baton_testkit::python::interpreter;
use serde_json::Value;

use crate::shop::{at, deliver_more, shop};

const COLLECTOR: &str = include_str!("collector.py");

/// A collector; it ends with the value.
struct Collector {
    process: Child,
    port: u16,
    file: std::path::PathBuf,
}

impl Collector {
    fn start(project: &TestProject) -> Self {
        let file = project.path("spans.ndjson");
        let mut command = Command::new(interpreter());
        command.arg("-c").arg(COLLECTOR).arg(&file).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, port: line.trim().parse().unwrap(), file }
    }

    fn spans(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn command(&self, project: &TestProject, arguments: &[&str]) -> Command {
        let mut command = project.command(&[arguments, &["-e", "dev"]].concat());
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", self.port));
        command.env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=abc%20123").env("OTEL_SERVICE_NAME", "shop-runs");
        command
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}

fn named<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    let found: Vec<_> = spans.iter().filter(|span| span["name"] == name).collect();
    assert_eq!(found.len(), 1, "{name}: {spans:?}");
    found[0]
}

#[test]
fn a_run_is_a_trace_and_each_step_a_span_below_it() {
    let project = shop();
    let collector = Collector::start(&project);
    let output = collector.command(&project, &at(&["apply", "--yes"])).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let spans = collector.spans();
    let (run, step) = (named(&spans, "apply"), named(&spans, "build days"));
    assert_eq!((run["trace"].as_str().unwrap().len(), run["span"].as_str().unwrap().len()), (32, 16));
    assert_eq!((run["parent"].as_str(), run["status"].as_str()), (Some(""), Some("STATUS_CODE_UNSET")));
    for name in ["ingest orders", "build days", "build customers"] {
        let step = named(&spans, name);
        assert_eq!((&step["trace"], &step["parent"]), (&run["trace"], &run["span"]), "{name}");
        assert!(step["nanos"].as_i64().unwrap() > 0 && step["began"].as_i64() >= run["began"].as_i64(), "{step}");
    }
    let said = &step["attributes"];
    assert_eq!((said["baton.asset"].as_str(), said["baton.environment"].as_str()), (Some("days"), Some("dev")));
    assert_eq!(said["baton.run.id"], run["attributes"]["baton.run.id"]);
    assert_eq!(said["baton.cache.hit"], false, "{said}");
    assert_eq!(named(&spans, "ingest orders")["attributes"]["baton.rows"], 3);
    assert_eq!(said["baton.rows"], 2, "{said}");
    assert_eq!((said["baton.attempts"].as_i64(), said["baton.step.state"].as_str()), (Some(1), Some("done")));
    assert_eq!((step["resource"]["service.name"].as_str(), step["key"].as_str()), (Some("shop-runs"), Some("abc 123")));
    assert_eq!(spans.len(), 4, "{spans:?}");
}

#[test]
fn what_fails_says_so_and_a_run_goes_on_with_the_trace_that_it_is_given() {
    let project = deliver_more(shop());
    let collector = Collector::start(&project);
    project.write("tables/days.sql", "select cast(customer as int) as amount from orders\n");
    let mut command = collector.command(&project, &["apply", "--yes"]);
    command.env("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    assert_eq!(command.output().unwrap().status.code(), Some(1));
    let spans = collector.spans();
    let (run, step) = (named(&spans, "apply"), named(&spans, "build days"));
    assert_eq!(run["trace"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(run["parent"], "00f067aa0ba902b7");
    for span in [run, step] {
        assert_eq!(span["status"], "STATUS_CODE_ERROR", "{span}");
        assert_eq!(span["events"][0]["name"], "exception", "{span}");
    }
    let message = step["events"][0]["exception.message"].as_str().unwrap();
    assert!(message.contains("ada"), "{message}");

    // Whoever calls decides whether there is a trace.
    let mut command = collector.command(&project, &["run"]);
    command.env("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").output().unwrap();
    assert_eq!(collector.spans().len(), spans.len());
}

#[test]
fn a_collector_that_is_gone_fails_and_delays_nothing() {
    let project = shop();
    let began = Instant::now();
    let mut command = project.command(&at(&["apply", "--yes", "-e", "dev"]));
    let output = command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && began.elapsed() < Duration::from_secs(20), "{told}");
    assert!(told.contains("note: 4 spans of traces were not delivered: the collector cannot be reached"), "{told}");
    let mut command = project.command(&["ls"]);
    let output = command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && told.contains("`OTEL_EXPORTER_OTLP_ENDPOINT` begins with `localhost:`"),
        "{told}"
    );
}

#[test]
fn requests_of_a_server_are_spans() {
    let project = shop();
    let collector = Collector::start(&project);
    assert!(collector.command(&project, &at(&["apply", "--yes"])).output().unwrap().status.success());
    let mut command = collector.command(&project, &["serve", "--port", "0"]);
    let command = command.env("OTEL_BSP_SCHEDULE_DELAY", "100").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit('/').next().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = "GET /api/v1/assets HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.read_to_string(&mut String::new()).unwrap();
    let began = Instant::now();
    let request = loop {
        if let Some(found) = collector.spans().into_iter().find(|span| span["name"] == "GET /api/v1/assets") {
            break found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", collector.spans());
        std::thread::sleep(Duration::from_millis(50));
    };
    let _ended = server.kill().and_then(|()| server.wait());
    assert_eq!(request["trace"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(
        (request["parent"].as_str(), request["kind"].as_str()),
        (Some("b7ad6b7169203331"), Some("SPAN_KIND_SERVER"))
    );
    assert_eq!(request["attributes"]["http.response.status_code"], 200);
}
