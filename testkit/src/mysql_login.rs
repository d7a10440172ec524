//! A server that lets users in as MySQL 8 does, by `caching_sha2_password`, and answers nothing of use: MariaDB has no such way.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::daemon::{free_port, watched};
use crate::python::interpreter;

const SERVER: &str = include_str!("mysql_login.py");
/// How long it may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server.
#[derive(Debug)]
pub struct MysqlLogin {
    port: u16,
    _watch: Child,
}

impl MysqlLogin {
    /// Starts one that takes any user with this password; `certificate` and key, as texts in PEM, are for TLS.
    ///
    /// # Panics
    /// There is no Python with `mysql-mimic`, or it does not start.
    pub fn start(password: &str, certificate: Option<(&str, &str)>) -> Self {
        let folder = tempfile::Builder::new().prefix("baton-mysql-login-").tempdir().unwrap().keep();
        let port = free_port();
        let mut server = Command::new(interpreter());
        server.args(["-c", SERVER, &port.to_string(), password]);
        if let Some((certificate, key)) = certificate {
            let file = folder.join("server.pem");
            std::fs::write(&file, format!("{certificate}{key}")).unwrap();
            server.arg(file);
        }
        let watch = watched(&server, &folder);
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "the server does not start: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { port, _watch: watch }
    }

    /// The address of one of its databases.
    pub fn url(&self, user: &str, password: &str) -> String {
        format!("mysql://{user}:{password}@localhost:{}/any", self.port)
    }
}
