//! What the process environment says: the only place that reads it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use baton_core::failpoint;
use baton_notify::{TraceOptions, TraceOptionsError};

/// Settings from `BATON_*` variables and a few that all programs share; flags go before them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// `BATON_DIRECTORY`: folder of the project.
    pub(crate) directory: Option<PathBuf>,
    /// `BATON_ENV`: environment to work on.
    pub(crate) environment: Option<String>,
    /// `BATON_AUTHOR`, else the user's name: who makes commits.
    pub(crate) author: String,
    /// `BATON_ONNXRUNTIME`: the ONNX Runtime library.
    pub(crate) onnxruntime: Option<PathBuf>,
    /// `BATON_PYTHON`: the interpreter of Python tables, in projects that name none.
    pub(crate) python: Option<PathBuf>,
    /// `PATH`: where programs are found by name.
    pub(crate) search: Vec<PathBuf>,
    /// `BATON_THREADS`: threads of a query.
    pub(crate) threads: Option<usize>,
    /// `BATON_LEDGER_TIMEOUT`: for how many seconds a ledger's server that cannot be reached is tried again.
    pub(crate) ledger_timeout: Option<Duration>,
    /// `BATON_LOG`: filter of the log on standard error.
    pub(crate) log: Option<String>,
    /// `BATON_FAILPOINT`: where a test kills the process.
    failpoint: Option<String>,
}

impl Settings {
    /// Reads them.
    pub(crate) fn read() -> Self {
        let user = variable("USER").or_else(|| variable("LOGNAME")).or_else(|| variable("USERNAME"));
        Self {
            directory: variable("BATON_DIRECTORY").map(PathBuf::from),
            environment: variable("BATON_ENV"),
            author: variable("BATON_AUTHOR").or(user).unwrap_or_else(|| "unknown".to_owned()),
            onnxruntime: variable("BATON_ONNXRUNTIME").map(PathBuf::from),
            python: variable("BATON_PYTHON").map(PathBuf::from),
            search: variable("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default(),
            threads: variable("BATON_THREADS").and_then(|threads| threads.parse().ok()),
            ledger_timeout: variable("BATON_LEDGER_TIMEOUT")
                .and_then(|text| text.parse().ok())
                .map(Duration::from_secs),
            log: variable("BATON_LOG"),
            failpoint: variable("BATON_FAILPOINT"),
        }
    }

    /// Arms the failpoint `name`, `name@3` (its third time) or `@17` (the 17th point of any name).
    pub(crate) fn arm_failpoint(&self) {
        let Some(text) = &self.failpoint else { return };
        let (name, nth) = text.split_once('@').unwrap_or((text, "1"));
        let name = (!name.is_empty()).then(|| name.to_owned());
        failpoint::arm(name, nth.parse().unwrap_or(1), kill);
    }
}

/// Ends the process as `kill -9` would: nothing is flushed, nothing unwinds.
fn kill() {
    std::process::abort();
}

/// Variables of workers that run other people's models: what programs need to run, and nobody's secrets.
pub(crate) fn of_workers() -> impl Iterator<Item = (String, OsString)> {
    const NAMES: [&str; 8] = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT", "TEMP"];
    NAMES.into_iter().filter_map(|name| Some((name.to_owned(), std::env::var_os(name)?)))
}

/// Whether webhooks may be at private addresses and without TLS: `BATON_WEBHOOKS_INSIDE=1`.
pub(crate) fn webhooks_reach_inside() -> bool {
    variable("BATON_WEBHOOKS_INSIDE").is_some_and(|value| matches!(value.as_str(), "1" | "true"))
}

/// A variable that a project file refers to as `${env:NAME}`.
pub(crate) fn secret(name: &str) -> Option<String> {
    variable(name)
}

/// Where traces go, by OpenTelemetry's own variables; `None` where they are off.
///
/// # Errors
/// A variable cannot be read.
pub(crate) fn traces() -> Result<Option<TraceOptions>, TraceOptionsError> {
    TraceOptions::of(&variable)
}

/// `TRACEPARENT`: what who began this process says of their trace.
pub(crate) fn traceparent() -> Option<String> {
    variable("TRACEPARENT")
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the process environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
