//! `baton plan` on a project in which nothing has changed: the whole process, from start to exit.

use std::process::Command;
use std::time::Instant;

use crate::project::baton;
use crate::{Outcome, Places};

/// The plan, which must be empty.
pub(crate) fn run(places: &Places) -> Outcome<f64> {
    timed(&mut baton(places, &["plan", "--detailed-exitcode"])?)
}

/// What starting and ending the process costs by itself.
pub(crate) fn start(places: &Places) -> Outcome<f64> {
    timed(Command::new(places.get("baton")?).arg("--version"))
}

fn timed(command: &mut Command) -> Outcome<f64> {
    let start = Instant::now();
    let output = command.output()?;
    let seconds = start.elapsed().as_secs_f64();
    if output.status.success() {
        return Ok(seconds);
    }
    Err(format!("{command:?} ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stdout)).into())
}
