//! A MariaDB server of one test process: a data folder of its own, on a port of its own, gone with the process.
//!
//! The programs are found on the search path, where Debian's packages put them, or in the folder that
//! `BATON_TEST_MARIADB` names.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::daemon::{as_user, free_port, run_as, watched};

/// How long a server may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub struct TestMariadb {
    folder: PathBuf,
    port: u16,
    _watch: Child,
}

impl TestMariadb {
    /// The server of this process; started when it is first asked for.
    ///
    /// # Panics
    /// There is no MariaDB, or it does not start.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<TestMariadb> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// The URL of a new, empty database.
    pub fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql(&self.url("mysql"), &format!("create database {name} character set utf8mb4"));
        self.url(&name)
    }

    /// Runs statements in the database at `url`, one after the other; rows are lines, values parted by `|`.
    ///
    /// # Panics
    /// One of them fails.
    pub fn sql(&self, url: &str, statements: &str) -> String {
        let mut client = self.client();
        client.args(["-N", "-B", url.rsplit('/').next().unwrap_or_default(), "-e", statements]);
        let output = client.output().unwrap();
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().replace('\t', "|")
    }

    /// The server's own client, by its socket, which needs no TLS whatever the server asks of others.
    fn client(&self) -> Command {
        let mut client = Command::new(program("mariadb").expect("MariaDB's client"));
        client.args(["--no-defaults", "--protocol=socket", "-u", "root", "--default-character-set=utf8mb4"]);
        client.arg(format!("--socket={}", self.folder.join("socket").display()));
        client
    }

    fn url(&self, database: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{database}", self.port)
    }

    /// A server of the caller's own, for settings that others must not meet.
    ///
    /// # Panics
    /// As [`TestMariadb::shared`].
    pub fn start() -> Self {
        Self::start_with(&[], &[])
    }

    /// The same with more arguments, and with files that they name; `FOLDER` in them is where the files are.
    pub fn start_with(arguments: &[&str], files: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("baton-mariadb-").tempdir().unwrap().keep();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        let (data, user) = (folder.join("data"), run_as("mysql", &folder));
        let needed = "install MariaDB (`apt-get install mariadb-server`), or set BATON_TEST_MARIADB to its programs";
        let mut install = as_user(user, &program("mariadb-install-db").expect(needed));
        install.args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
        ]);
        // A server that starts removes the temporary tables that it finds; those of others are not to be among them.
        let temporary = format!("--tmpdir={}", folder.display());
        install.arg(format!("--datadir={}", data.display())).arg(&temporary);
        let made = install.current_dir(&folder).output().unwrap();
        assert!(made.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&made.stdout));
        let port = free_port();
        let mut server = as_user(user, &program("mariadbd").expect(needed));
        server.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"]);
        server.args(["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--max-connections=60"]);
        server.arg(format!("--datadir={}", data.display())).arg(format!("--port={port}")).arg(temporary);
        for file in ["socket", "pid-file"] {
            server.arg(format!("--{file}={}", folder.join(file).display()));
        }
        let place = folder.display().to_string();
        server.args(arguments.iter().map(|argument| argument.replace("FOLDER", &place)));
        let _watch = watched(&server, &folder);
        let server = Self { folder, port, _watch };
        server.wait();
        server
    }

    fn wait(&self) {
        let began = Instant::now();
        let ready = || self.client().args(["-e", "select 1"]).output().unwrap().status.success();
        while !ready() {
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "MariaDB does not start: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Where a program is: servers stand in folders that are not on everybody's search path.
fn program(name: &str) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("BATON_TEST_MARIADB").map(PathBuf::from).into_iter().collect();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    folders.extend(["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"].map(PathBuf::from));
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}
