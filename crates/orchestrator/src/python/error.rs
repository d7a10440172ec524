//! What can go wrong with Python tables, in words for those who wrote them.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A place in the project's own code that an exception came through, the outermost first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// File relative to the project folder.
    pub file: String,
    /// Line from 1.
    pub line: u32,
    /// The function.
    pub function: String,
    /// The line's text.
    pub code: String,
}

/// Why a Python table could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum PythonError {
    /// There is no interpreter.
    #[error("{reason}: {help}")]
    NoInterpreter {
        /// What was looked for.
        reason: String,
        /// What to do.
        help: String,
    },
    /// The interpreter is there and no worker comes of it.
    #[error("Python cannot be started with `{interpreter}`: {reason}")]
    Start {
        /// Its path.
        interpreter: String,
        /// Why.
        reason: String,
    },
    /// `pyarrow` is not installed.
    #[error("`{interpreter}` (Python {version}) has no package `pyarrow`, which hands over the rows: install it there")]
    NoArrow {
        /// The interpreter.
        interpreter: String,
        /// Its version.
        version: String,
    },
    /// User code raised an exception.
    #[error("{kind}{}{}{}", words_of(message), help_of(missing, *memory, *limit), shown(frames))]
    Raised {
        /// The exception's class.
        kind: String,
        /// What it says.
        message: String,
        /// Where, in the project's code.
        frames: Vec<Frame>,
        /// The module that is not installed, when that is it.
        missing: Option<String>,
        /// Whether there was no memory left.
        memory: bool,
        /// Bytes that the worker may use.
        limit: u64,
    },
    /// The function returned something else than the table declares.
    #[error("the function of `{table}` did not return what the table declares: {reason}")]
    Refused {
        /// The table.
        table: String,
        /// What is wrong.
        reason: String,
    },
    /// The call took too long.
    #[error(
        "the function of `{table}` took longer than {} s and was stopped; raise `timeout` in its `config` or under `python:` in baton.yml",
        timeout.as_secs()
    )]
    TooLong {
        /// The table.
        table: String,
        /// The limit.
        timeout: Duration,
    },
    /// The worker ended in the middle of a call.
    #[error("the Python worker {how} while it computed `{table}`{}", last_words(noise))]
    Crashed {
        /// The table.
        table: String,
        /// `was ended by signal 11`, `exited with code 3`.
        how: String,
        /// The last lines that it wrote to standard error.
        noise: Vec<String>,
    },
    /// An input could not be read.
    #[error(transparent)]
    Input(#[from] baton_engine::EngineError),
    /// Rows could not be sent or understood.
    #[error("rows cannot be exchanged with Python: {0}")]
    Rows(#[from] arrow::error::ArrowError),
    /// A message that is none of the protocol's.
    #[error("the Python worker sent something else than was expected: {0}")]
    Protocol(String),
}

impl PythonError {
    /// Whether the worker can be called again.
    pub(crate) fn leaves_worker(&self) -> bool {
        matches!(self, Self::Raised { memory: false, .. } | Self::Refused { .. })
    }
}

/// Many exceptions say no more than what they are.
fn words_of(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

fn help_of(missing: &Option<String>, memory: bool, limit: u64) -> String {
    match missing {
        Some(_) => "; install it into the project's Python environment".to_owned(),
        None if memory => format!("; a worker may use {} MiB (`python: {{memory_limit: ...}}`)", limit >> 20),
        None => String::new(),
    }
}

fn shown(frames: &[Frame]) -> String {
    let mut text = String::new();
    for Frame { file, line, function, code } in frames {
        // Writing into a text cannot fail.
        let _written = write!(text, "\n  {file}:{line} in {function}\n    {}", code.trim());
    }
    text
}

fn last_words(noise: &[String]) -> String {
    match noise {
        [] => String::new(),
        lines => format!("; its last words:\n  {}", lines.join("\n  ")),
    }
}
