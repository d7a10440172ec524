//! How the process ends: exit codes, and what is said when Baton itself is wrong.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::CliError;
use crate::output;
use crate::render::style;

/// How a command that did not fail came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 0: fine.
    Fine,
    /// 3: the plan has changes, and the caller asked to be told.
    PlanHasChanges,
    /// 4: it is not over: it waits for somebody's word, or was paused.
    GoesOnLater,
}

const FAILED: u8 = 1;
const BAD_COMMAND_LINE: u8 = 2;
const PLAN_HAS_CHANGES: u8 = 3;
const GOES_ON_LATER: u8 = 4;
const BUG: u8 = 70;
/// Ended by Ctrl-C: 128 and the signal's number.
pub(crate) const INTERRUPTED: i32 = 130;

/// Whether any thread panicked: a worker's panic is a bug even where its caller reports a failed step.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Runs a command and turns whatever happens into an exit code.
pub(crate) fn guard(command: impl FnOnce() -> Result<Outcome, CliError>) -> ExitCode {
    panic::set_hook(Box::new(report_bug));
    let result = panic::catch_unwind(AssertUnwindSafe(command));
    match result {
        Ok(Ok(Outcome::Fine)) => ExitCode::SUCCESS,
        Ok(Ok(Outcome::PlanHasChanges)) => ExitCode::from(PLAN_HAS_CHANGES),
        Ok(Ok(Outcome::GoesOnLater)) => ExitCode::from(GOES_ON_LATER),
        Ok(Err(error)) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Ok(Err(error)) => fail(&error),
        Err(_) => ExitCode::from(BUG),
    }
}

fn fail(error: &CliError) -> ExitCode {
    match error {
        // In JSON the diagnostics are the answer, and there is no more to say.
        CliError::Project { rendered } if rendered.is_empty() => {}
        CliError::Project { rendered } => output::say(rendered.trim_end()),
        _ => output::say(&describe(error)),
    }
    if PANICKED.load(Ordering::SeqCst) {
        return ExitCode::from(BUG);
    }
    ExitCode::from(if error.is_bad_command_line() { BAD_COMMAND_LINE } else { FAILED })
}

/// `error: …` and `help: …` lines.
fn describe(error: &CliError) -> String {
    let mut text = format!("{} {error}", style::error("error:"));
    for help in error.help() {
        text.push_str(&format!("\n{} {help}", style::hint("help:")));
    }
    text
}

fn report_bug(info: &PanicHookInfo<'_>) {
    PANICKED.store(true, Ordering::SeqCst);
    let place = info.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default();
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    output::say(&format!(
        "{} this is a bug in Baton: {message}{place}\n{} your data is safe, the last commit still stands; please report it with this text (version {})",
        style::error("error:"),
        style::hint("help:"),
        env!("CARGO_PKG_VERSION"),
    ));
}
