//! A NATS server with JetStream of one test process, and a small client for what tests say to it: NATS speaks in lines.
//!
//! The program comes from the folder in `BATON_TEST_NATS`, else from the path.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should say where"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::daemon::{free_port, watched};

/// How long the server may take to come up, and to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server.
#[derive(Debug)]
pub struct TestNats {
    port: u16,
    _watch: Child,
}

impl TestNats {
    /// The server of this process; started when it is first asked for.
    ///
    /// # Panics
    /// There is no NATS server, or it does not start.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<TestNats> = OnceLock::new();
        SERVER.get_or_init(|| Self::start(&[]))
    }

    /// A server of its own, with more arguments.
    pub fn start(arguments: &[&str]) -> Self {
        let folder = std::env::var_os("BATON_TEST_NATS").map(std::path::PathBuf::from);
        let program = folder.map_or_else(|| "nats-server".into(), |folder| folder.join("nats-server"));
        let folder = tempfile::Builder::new().prefix("baton-nats-").tempdir().unwrap().keep();
        let port = free_port();
        let mut server = Command::new(program);
        server.args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"]).arg(folder.join("data"));
        server.args(arguments);
        let watch = watched(&server, &folder);
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(
                began.elapsed() < PATIENCE,
                "NATS does not start (`apt-get install nats-server`, or set BATON_TEST_NATS): {log}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { port, _watch: watch }
    }

    /// Where to connect.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// A new stream with a name of its own that holds the subjects below it; `settings` is JSON such as
    /// `"max_msgs": 5`.
    pub fn stream(&self, settings: &str) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("s{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        self.make_stream(&name, settings);
        name
    }

    /// Makes the stream called `name`.
    ///
    /// # Panics
    /// The server refuses.
    pub fn make_stream(&self, name: &str, settings: &str) {
        let comma = if settings.is_empty() { "" } else { "," };
        let config = format!(r#"{{"name":"{name}","subjects":["{name}.>"],"storage":"file"{comma}{settings}}}"#);
        let answer = self.api(&format!("STREAM.CREATE.{name}"), &config);
        assert!(!answer.contains("\"error\""), "{answer}");
    }

    /// Asks JetStream itself, such as `STREAM.INFO.name`; answers with JSON.
    pub fn api(&self, verb: &str, body: &str) -> String {
        self.connect().request(&format!("$JS.API.{verb}"), body)
    }

    /// Publishes messages to one subject; they are stored when it returns.
    pub fn publish<T: AsRef<str>>(&self, subject: &str, payloads: &[T]) {
        let mut connection = self.connect();
        let Some((last, others)) = payloads.split_last() else { return };
        for payload in others {
            connection.say(&format!("PUB {subject} {}\r\n{}\r\n", payload.as_ref().len(), payload.as_ref()));
        }
        let answer = connection.request(subject, last.as_ref());
        assert!(answer.contains("\"seq\""), "{answer}");
    }

    /// Publishes a message with headers, each `name: value`.
    pub fn publish_with_headers(&self, subject: &str, headers: &[&str], payload: &str) {
        let block = format!("NATS/1.0\r\n{}\r\n\r\n", headers.join("\r\n"));
        let all = block.len() + payload.len();
        let mut connection = self.connect();
        connection.say("SUB answers 1\r\n");
        connection.say(&format!("HPUB {subject} answers {} {all}\r\n{block}{payload}\r\n", block.len()));
        let answer = connection.answer();
        assert!(answer.contains("\"seq\""), "{answer}");
    }

    fn connect(&self) -> Connection {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut connection = Connection { writer: stream.try_clone().unwrap(), reader: BufReader::new(stream) };
        connection.say("CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true}\r\n");
        connection
    }
}

struct Connection {
    writer: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Connection {
    fn say(&mut self, text: &str) {
        self.writer.write_all(text.as_bytes()).unwrap();
    }

    fn request(&mut self, subject: &str, body: &str) -> String {
        self.say(&format!("SUB answers 1\r\nPUB {subject} answers {}\r\n{body}\r\n", body.len()));
        self.answer()
    }

    /// The payload of the next message.
    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.reader.read_line(&mut line).unwrap() > 0, "the server hung up");
            match line.split_whitespace().next() {
                Some("MSG") => {
                    let length = line.split_whitespace().last().expect("a length").parse().unwrap();
                    let mut payload = vec![0; length];
                    self.reader.read_exact(&mut payload).unwrap();
                    return String::from_utf8(payload).unwrap();
                }
                Some("PING") => self.say("PONG\r\n"),
                Some("-ERR") => panic!("{line}"),
                _ => {}
            }
        }
    }
}
