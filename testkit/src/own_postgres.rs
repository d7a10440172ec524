//! A PostgreSQL server that a test or benchmark may stop, crash and start again: durable, with the settings that it comes
//! with. It goes when the process does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::daemon::{as_user, free_port, run_as};
use crate::postgres::programs;

/// Ends the server and removes its folder when standard input ends, which it does when the process does.
const WATCH: &str = r#"trap '' INT TERM
cat >/dev/null
"$@" >/dev/null 2>&1
rm -rf "$0""#;

/// A running server.
#[derive(Debug)]
pub struct OwnPostgres {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    user: Option<&'static str>,
    _watch: Child,
}

impl OwnPostgres {
    /// Starts a new one.
    ///
    /// # Panics
    /// There is no PostgreSQL, or it does not start.
    pub fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("baton-postgres-").tempdir().unwrap().keep();
        let user = run_as("postgres", &folder);
        let mut initdb = as_user(user, &programs.join("initdb"));
        initdb.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-N", "-D"]).arg(folder.join("data"));
        let made = initdb.current_dir(&folder).output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let stop = control(user, &programs, &folder, &["-m", "immediate", "stop"]);
        let mut watch = Command::new("sh");
        watch.arg("-c").arg(WATCH).arg(&folder).arg(stop.get_program()).args(stop.get_args());
        let watch = watch.stdin(Stdio::piped()).current_dir(&folder).spawn().unwrap();
        let server = Self { folder, programs, port: free_port(), user, _watch: watch };
        server.go_on();
        server
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Its first process, while it runs.
    pub fn process(&self) -> Option<u32> {
        std::fs::read_to_string(self.folder.join("data/postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()
    }

    /// Ends it as an administrator does, or with `crash` as a fault of the machine, and starts it again after `pause`.
    ///
    /// # Panics
    /// It does not start.
    pub fn restart(&self, crash: bool, pause: Duration) {
        let mode = if crash { "immediate" } else { "fast" };
        let stopped = self.control(&["-m", mode, "-w", "stop"]).output().unwrap();
        assert!(stopped.status.success(), "pg_ctl stop: {}", String::from_utf8_lossy(&stopped.stderr));
        std::thread::sleep(pause);
        self.go_on();
    }

    /// What statements answer, a line a row, columns apart by `|`; the reason where they fail.
    ///
    /// # Errors
    /// What the server says.
    ///
    /// # Panics
    /// There is no `psql`.
    pub fn ask(&self, statements: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(), "-c", statements]);
        let output = psql.stdin(Stdio::null()).output().unwrap();
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }

    fn go_on(&self) {
        let settings = format!(
            "-p {} -k {} -c wal_level=logical -c max_replication_slots=10 -c max_connections=150",
            self.port,
            self.folder.display()
        );
        let log = self.folder.join("log");
        // It goes on beside us: it must not hold our ends of pipes.
        let mut start = self.control(&["-w", "-t", "60", "-o", &settings, "-l"]);
        let started = start.arg(&log).arg("start").stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(started.success(), "PostgreSQL: {}", std::fs::read_to_string(log).unwrap_or_default());
    }

    fn control(&self, words: &[&str]) -> Command {
        control(self.user, &self.programs, &self.folder, words)
    }
}

fn control(user: Option<&str>, programs: &std::path::Path, folder: &std::path::Path, words: &[&str]) -> Command {
    let mut control = as_user(user, &programs.join("pg_ctl"));
    control.arg("-D").arg(folder.join("data")).args(words).current_dir(folder).stdin(Stdio::null());
    control
}
