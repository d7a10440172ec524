//! A PostgreSQL server of one test process: a cluster in a temporary folder, on a port of its own, gone with the process.
//!
//! The programs come from the folder in `BATON_TEST_POSTGRES`, else from where Debian and PostgreSQL's own packages put
//! them. The server refuses to run as root, so root runs it as the user `postgres`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::daemon::{as_user, free_port, run_as, watched};

/// How long a cluster may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub struct TestPostgres {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    _watch: Child,
}

impl TestPostgres {
    /// The server of this process; started when it is first asked for.
    ///
    /// # Panics
    /// There is no PostgreSQL, or it does not start.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<TestPostgres> = OnceLock::new();
        SERVER.get_or_init(|| Self::start(None))
    }

    /// A new server that speaks TLS, with a certificate for `localhost` and its key, and lets nobody in without.
    pub fn encrypted(certificate: &str, key: &str) -> Self {
        Self::start(Some((certificate, key)))
    }

    /// The URL of a new, empty database.
    pub fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql(&self.url("postgres"), &format!("create database {name}"));
        self.url(&name)
    }

    /// Runs statements in the database at `url`, each by itself.
    ///
    /// # Panics
    /// One of them fails.
    pub fn sql(&self, url: &str, statements: &str) -> String {
        let psql = self.programs.join("psql");
        let output = Command::new(psql)
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statements])
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    fn start(certificate: Option<(&str, &str)>) -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("baton-postgres-").tempdir().unwrap().keep();
        let (data, run_as) = (folder.join("data"), run_as("postgres", &folder));
        let mut initdb = as_user(run_as, &programs.join("initdb"));
        initdb.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-N", "-D"]).arg(&data);
        let made = initdb.current_dir(&folder).output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let mut server = as_user(run_as, &programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(&folder).args(["-p", &port.to_string()]);
        for setting in
            ["wal_level=logical", "max_replication_slots=40", "max_wal_senders=10", "fsync=off", "max_connections=60"]
        {
            server.args(["-c", setting]);
        }
        if let Some((certificate, key)) = certificate {
            speak_tls(&data, certificate, key, run_as);
            server.args(["-c", "ssl=on"]);
        }
        let _watch = watched(&server, &folder);
        let server = Self { folder, programs, port, _watch };
        server.wait();
        server
    }

    fn wait(&self) {
        let began = Instant::now();
        let ready = || {
            let mut ask = Command::new(self.programs.join("pg_isready"));
            ask.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]).status().unwrap().success()
        };
        while !ready() {
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "PostgreSQL does not start: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Puts certificate and key where a cluster looks for them, and asks everybody who does not come from this machine's own
/// socket for TLS.
fn speak_tls(data: &Path, certificate: &str, key: &str, user: Option<&str>) {
    fs::write(data.join("server.crt"), certificate).unwrap();
    fs::write(data.join("server.key"), key).unwrap();
    fs::write(data.join("pg_hba.conf"), "local all all trust\nhostssl all all 127.0.0.1/32 trust\n").unwrap();
    let mode = Command::new("chmod").arg("600").arg(data.join("server.key")).status().unwrap();
    assert!(mode.success(), "the key cannot be hidden");
    if let Some(user) = user {
        let owned = Command::new("chown").arg("-R").arg(user).arg(data).status().unwrap();
        assert!(owned.success(), "there is no user `{user}` to run the server as");
    }
}

/// The folder with `initdb` and `postgres`; the newest version where there are several.
pub(crate) fn programs() -> PathBuf {
    if let Some(folder) = std::env::var_os("BATON_TEST_POSTGRES") {
        return folder.into();
    }
    let roots = ["/usr/lib/postgresql", "/usr/pgsql-17", "/opt/homebrew/opt"];
    let below = roots.iter().filter_map(|root| fs::read_dir(root).ok()).flatten().flatten();
    let mut found: Vec<PathBuf> =
        below.map(|entry| entry.path().join("bin")).filter(|folder| folder.join("initdb").is_file()).collect();
    found.sort();
    found.pop().expect(
        "install PostgreSQL (`apt-get install postgresql`), or set BATON_TEST_POSTGRES to its folder of programs",
    )
}
