//! A store that speaks the protocol of Amazon S3, of one test process: the server of the Python package moto.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::daemon::{free_port, watched};
use crate::python::interpreter;

/// How long the server may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running store.
#[derive(Debug)]
pub struct TestMoto {
    port: u16,
    _watch: Child,
}

impl TestMoto {
    /// The store of this process, which takes any key and lists ten objects a page; started when it is first asked for.
    ///
    /// # Panics
    /// There is no Python with moto, or it does not start.
    pub fn shared() -> &'static Self {
        static STORE: OnceLock<TestMoto> = OnceLock::new();
        STORE.get_or_init(|| Self::start(&["MOTO_S3_DEFAULT_MAX_KEYS=10"]))
    }

    /// A store that knows no key, and so refuses all.
    pub fn with_keys() -> Self {
        Self::start(&["INITIAL_NO_AUTH_ACTION_COUNT=0"])
    }

    fn start(variables: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("baton-moto-").tempdir().unwrap().keep();
        let port = free_port();
        let mut server = Command::new("env");
        server.args(variables).arg(interpreter()).args(["-m", "moto.server", "-H", "127.0.0.1"]);
        server.args(["-p", &port.to_string()]);
        let watch = watched(&server, &folder);
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "moto does not start: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { port, _watch: watch }
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The name of a new, empty bucket.
    pub fn bucket(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("bucket-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.make_bucket(&name);
        name
    }

    /// Makes the bucket called `name`.
    pub fn make_bucket(&self, name: &str) {
        self.request("PUT", name, b"");
    }

    /// The content of an object; `None` when there is none.
    pub fn get(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let (status, body) = self.answer("GET", &format!("{bucket}/{key}"), b"");
        status.contains(" 200").then_some(body)
    }

    /// The keys of all objects of a bucket that begin so, in order.
    pub fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let (mut keys, mut next) = (Vec::new(), String::new());
        loop {
            let (_, body) = self.answer("GET", &format!("{bucket}?list-type=2&prefix={prefix}{next}"), b"");
            let text = String::from_utf8_lossy(&body).into_owned();
            let between = |text: &str, from: &str, to: &str| -> Vec<String> {
                text.split(from).skip(1).filter_map(|rest| Some(rest.split_once(to)?.0.to_owned())).collect()
            };
            keys.extend(between(&text, "<Key>", "</Key>"));
            match between(&text, "<NextContinuationToken>", "</").pop() {
                Some(token) => next = format!("&continuation-token={token}"),
                None => return keys,
            }
        }
    }

    /// Stores an object.
    pub fn put(&self, bucket: &str, key: &str, content: &[u8]) {
        self.request("PUT", &format!("{bucket}/{key}"), content);
    }

    fn request(&self, method: &str, path: &str, body: &[u8]) {
        let (status, rest) = self.answer(method, path, body);
        assert!(status.contains(" 20"), "{method} {path}: {status}{}", String::from_utf8_lossy(&rest));
    }

    /// The line of the status, and the body.
    fn answer(&self, method: &str, path: &str, body: &[u8]) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        // The store looks whether a request is signed, not by whom.
        let head = format!(
            "{method} /{path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: {}\r\nConnection: close\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/s3/aws4_request, SignedHeaders=host, \
             Signature=0\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut reader = BufReader::new(stream);
        let mut status = String::new();
        reader.read_line(&mut status).unwrap();
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        (status, rest)
    }
}
