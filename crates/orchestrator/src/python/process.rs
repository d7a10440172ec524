//! A worker process: how it is started, what it writes to standard error, how it ended.

use std::collections::VecDeque;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::PythonOptions;
use super::error::PythonError;
use super::frame::{Heard, hear};

/// The worker's own code.
const CODE: &str = include_str!("worker.py");
/// How long a worker may take to be ready: a cold disk and a large environment.
const START: Duration = Duration::from_secs(60);
/// How long the rest of a worker's last words is waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Lines of standard error that are kept.
const LINES: usize = 40;

type Lines = Arc<Mutex<VecDeque<String>>>;

/// A worker that is ready for calls.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    pub(super) to: ChildStdin,
    pub(super) from: BufReader<ChildStdout>,
    /// What it wrote to standard error past Python, as C libraries and crashes do.
    noise: Lines,
    listener: JoinHandle<()>,
    /// Of Python and of `pyarrow`.
    pub(super) versions: (String, String),
    /// Bytes that it may use.
    pub(super) limit: u64,
}

#[derive(Deserialize)]
struct Hello {
    python: String,
    pyarrow: Option<String>,
}

impl Worker {
    /// Starts a worker and waits until it is ready.
    pub(super) async fn start(interpreter: &Path, options: &PythonOptions) -> Result<Self, PythonError> {
        let failed = |reason: String| PythonError::Start { interpreter: interpreter.display().to_string(), reason };
        let mut child = command(interpreter, options).spawn().map_err(|error| failed(error.to_string()))?;
        let (Some(to), Some(from), Some(error)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(failed("it has no pipes".to_owned()));
        };
        let noise = Lines::default();
        let listener = tokio::spawn(listen(error, Arc::clone(&noise)));
        let versions = (String::new(), String::new());
        let limit = options.memory_limit;
        let mut worker = Self { child, to, from: BufReader::new(from), noise, listener, versions, limit };
        let hello = match tokio::time::timeout(START, hear(&mut worker.from)).await {
            Ok(Heard::Hello(content)) => serde_json::from_slice::<Hello>(&content).ok(),
            Ok(_) => None,
            Err(_elapsed) => return Err(failed(format!("it was not ready within {} s", START.as_secs()))),
        };
        let Some(hello) = hello else {
            let (how, noise) = worker.ending().await;
            return Err(failed(format!("it {how}; {}", noise.join("\n"))));
        };
        let Some(pyarrow) = hello.pyarrow else {
            let interpreter = interpreter.display().to_string();
            return Err(PythonError::NoArrow { interpreter, version: hello.python });
        };
        worker.versions = (hello.python, pyarrow);
        Ok(worker)
    }

    /// The worker, as long as it still runs.
    pub(super) fn if_alive(mut self) -> Option<Self> {
        matches!(self.child.try_wait(), Ok(None)).then_some(self)
    }

    /// Lines of standard error since the last time.
    pub(super) fn noise(&self) -> Vec<String> {
        self.noise.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }

    /// How a worker ended whose pipe is closed, and its last words.
    pub(super) async fn ending(&mut self) -> (String, Vec<String>) {
        let how = match tokio::time::timeout(LAST_WORDS, self.child.wait()).await {
            Ok(Ok(status)) => described(status),
            _ => "closed its pipe".to_owned(),
        };
        let _all_or_enough = tokio::time::timeout(LAST_WORDS, &mut self.listener).await;
        let is_told = |line: &String| {
            !line.trim().is_empty() && !line.contains("\"<string>\"") && !line.starts_with("Extension modules")
        };
        (how, self.noise().into_iter().filter(is_told).collect())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

fn command(interpreter: &Path, options: &PythonOptions) -> Command {
    let mut command = Command::new(interpreter);
    command
        .args(["-s", "-c", CODE])
        .arg(options.memory_limit.to_string())
        .current_dir(&options.folder)
        // Only the project's environment decides which packages there are.
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        .env_remove("PYTHONSTARTUP")
        // The order of sets is the same every time.
        .env("PYTHONHASHSEED", "0")
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // An interrupt at the terminal is for Baton, which ends its workers itself.
    #[cfg(unix)]
    command.process_group(0);
    command
}

async fn listen(error: impl AsyncRead + Unpin, lines: Lines) {
    let mut reader = BufReader::new(error);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line).await, Ok(read) if read > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(text);
    }
}

#[cfg(unix)]
fn described(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was ended by signal {signal}{}", named(signal)),
        (None, Some(code)) => format!("exited with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

#[cfg(not(unix))]
fn described(status: ExitStatus) -> String {
    status.code().map_or_else(|| "ended".to_owned(), |code| format!("exited with code {code}"))
}

#[cfg(unix)]
fn named(signal: i32) -> &'static str {
    match signal {
        6 => " (SIGABRT: it gave up, often for want of memory)",
        7 => " (SIGBUS)",
        9 => " (SIGKILL: from outside, or the system was out of memory)",
        11 => " (SIGSEGV: a fault in a native library)",
        15 => " (SIGTERM)",
        _ => "",
    }
}
