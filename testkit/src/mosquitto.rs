//! A broker of MQTT of one test process, and publishing to it.
//!
//! The programs come from the folder in `BATON_TEST_MOSQUITTO`, else from where Debian's packages put them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::daemon::{free_port, watched};

/// How long the broker may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running broker.
#[derive(Debug)]
pub struct TestMosquitto {
    port: u16,
    _watch: Child,
}

impl TestMosquitto {
    /// The broker of this process; started when it is first asked for.
    ///
    /// # Panics
    /// There is no mosquitto, or it does not start.
    pub fn shared() -> &'static Self {
        static BROKER: OnceLock<TestMosquitto> = OnceLock::new();
        BROKER.get_or_init(|| Self::start("allow_anonymous true\n", &[]))
    }

    /// A broker of its own: with more settings, and with files that they name, which lie beside them.
    pub fn start(settings: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("baton-mosquitto-").tempdir().unwrap().keep();
        let port = free_port();
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let folder_settings = settings.replace("FOLDER", &folder.display().to_string());
        // As root it would become a user who may not read the folder. Without a limit it keeps all that is published.
        let text = format!("user root\nmax_queued_messages 0\nlistener {port} 127.0.0.1\n{folder_settings}");
        std::fs::write(folder.join("mosquitto.conf"), text).unwrap();
        let mut broker = Command::new(program("mosquitto"));
        broker.arg("-c").arg(folder.join("mosquitto.conf"));
        let watch = watched(&broker, &folder);
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(
                began.elapsed() < PATIENCE,
                "mosquitto does not start (`apt-get install mosquitto mosquitto-clients`, or set BATON_TEST_MOSQUITTO): {log}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { port, _watch: watch }
    }

    /// Where to connect.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Publishes messages of one line each with QoS 1; the broker has them when it returns.
    ///
    /// # Panics
    /// The broker refuses.
    pub fn publish<T: AsRef<str>>(&self, topic: &str, payloads: &[T]) {
        self.publish_as(topic, payloads, &["-q", "1"]);
    }

    /// Publishes with other arguments of `mosquitto_pub`.
    pub fn publish_as<T: AsRef<str>>(&self, topic: &str, payloads: &[T], arguments: &[&str]) {
        let mut publisher = Command::new(program("mosquitto_pub"));
        publisher.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-t", topic, "-l"]).args(arguments);
        let mut running = publisher.stdin(Stdio::piped()).spawn().unwrap();
        let lines: String = payloads.iter().map(|payload| format!("{}\n", payload.as_ref())).collect();
        running.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        assert!(running.wait().unwrap().success(), "mosquitto_pub failed");
    }
}

fn program(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("BATON_TEST_MOSQUITTO") {
        return PathBuf::from(folder).join(name);
    }
    let found =
        ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"].map(|folder| PathBuf::from(folder).join(name));
    found.into_iter().find(|path| path.is_file()).unwrap_or_else(|| name.into())
}
