//! The applied example project: the real binary run on it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::{Outcome, Places};

/// The logical clock at which `cargo xtask bench` has applied the project.
pub(crate) const APPLIED_AT: &str = "2013-07-01";

/// A command of the binary on the project.
pub(crate) fn baton(places: &Places, arguments: &[&str]) -> Outcome<Command> {
    let mut command = Command::new(places.get("baton")?);
    command.args(arguments).args(["--env", "prod", "--as-of", APPLIED_AT, "--directory"]).arg(places.get("project")?);
    command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}

/// A server of the project's endpoints; it ends with the value.
pub(crate) struct Server {
    process: Child,
    /// `host:port`.
    pub(crate) address: String,
}

impl Server {
    /// Starts it on a free port and waits until it listens.
    pub(crate) fn start(places: &Places) -> Outcome<Self> {
        let mut process = baton(places, &["serve", "--port", "0"])?.spawn()?;
        let stdout = process.stdout.take().ok_or("the server has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Self { process, address })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It holds nothing that an end would lose, and may have ended already.
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}
