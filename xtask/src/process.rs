//! Other programs: started in the foreground, or read from.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use crate::failure::{Failure, Outcome};

/// The `cargo` that started this tool.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // This process runs under cargo, which describes it in variables. Build scripts that watch these would see them change
    // between a build from the shell and one from here, and everything above `ring` would be compiled again.
    let described = |name: &str| {
        ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix)) || name == "CARGO_BIN_NAME"
    };
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(described) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a program that speaks to the terminal itself. Fails without a message when it does not succeed.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let status = command.stdin(Stdio::null()).status().map_err(|error| not_started(command, &error))?;
    if status.success() { Ok(()) } else { Err(Failure::AlreadyTold) }
}

/// Runs a program and gives what it wrote, without the last line break.
pub(crate) fn capture(command: &mut Command) -> Outcome<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| not_started(command, &error))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} failed:\n{}", shown(command), told.trim_end()).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Whether a program can be started and succeeds; nothing of it is shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn not_started(command: &Command, error: &std::io::Error) -> Failure {
    Failure::Message(format!("{} could not be started: {error}", shown(command)))
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    format!("`{}`", words.join(" "))
}
