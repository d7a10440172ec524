//! The worker process: how it is started, spoken to and ended. What it says is `worker.py`'s business.
//!
//! A message is its length (8 bytes, little endian) and its bytes; an answer has a byte before them: 0 when all went well.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::PythonRuntime;
use crate::data::Task;
use crate::error::{MlError, Result};

/// The worker's own code.
const CODE: &str = include_str!("worker.py");
/// Lines of its last words that are kept.
const LINES: usize = 12;
/// How long the last words are waited for.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// An answer, or what the model said against it.
type Answer = std::result::Result<Vec<u8>, String>;

/// A worker that runs.
pub(super) struct Worker {
    child: Child,
    to: ChildStdin,
    answers: Receiver<Answer>,
    words: Arc<Mutex<VecDeque<String>>>,
    usable: bool,
}

impl Worker {
    /// Starts a worker for the model in `folder`.
    pub(super) fn start(runtime: &PythonRuntime, folder: &Path, task: Task) -> Result<Self> {
        let interpreter = runtime.interpreter.display();
        let failed = |reason: String| MlError::python(format!("`{interpreter}` does not start: {reason}"));
        let mut child = command(runtime, folder, task).spawn().map_err(|error| failed(error.to_string()))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(to), Some(from), Some(error)) = pipes else { return Err(failed("it has no pipes".to_owned())) };
        let words = Arc::default();
        let (sender, answers) = channel();
        let heard = Arc::clone(&words);
        std::thread::spawn(move || hear_answers(from, &sender));
        std::thread::spawn(move || hear_words(error, &heard));
        Ok(Self { child, to, answers, words, usable: true })
    }

    /// Waits until the model is open.
    pub(super) fn ready(&self, patience: Duration) -> Result<()> {
        let told = self.answers.recv_timeout(patience);
        self.understood(told, patience).map(drop).map_err(|error| match error {
            MlError::Prediction { reason } => MlError::python(reason),
            other => other,
        })
    }

    /// Sends a request and waits for its answer. After a failure that is not the model's own the worker is of no use any more.
    pub(super) fn call(&mut self, request: &[u8], patience: Duration) -> Result<Vec<u8>> {
        let length = (request.len() as u64).to_le_bytes();
        let sent = self.to.write_all(&length).and_then(|()| self.to.write_all(request)).and_then(|()| self.to.flush());
        let told =
            if sent.is_err() { Err(RecvTimeoutError::Disconnected) } else { self.answers.recv_timeout(patience) };
        self.usable = told.is_ok();
        self.understood(told, patience)
    }

    fn understood(&self, told: std::result::Result<Answer, RecvTimeoutError>, patience: Duration) -> Result<Vec<u8>> {
        match told {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(reason)) => Err(MlError::prediction(reason)),
            Err(RecvTimeoutError::Timeout) => {
                Err(MlError::prediction(format!("its worker gave no answer within {} s", patience.as_secs())))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(MlError::prediction(format!("its worker ended{}", self.last_words())))
            }
        }
    }

    fn last_words(&self) -> String {
        // The pipe of its words may be read a little later than that of its answers.
        std::thread::sleep(LAST_WORDS);
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.iter().fold(String::new(), |text, line| format!("{text}\n  {line}"))
    }

    /// Whether another call makes sense.
    pub(super) fn is_usable(&self) -> bool {
        self.usable
    }

    /// The worker, as long as it still runs.
    pub(super) fn if_alive(mut self) -> Option<Self> {
        matches!(self.child.try_wait(), Ok(None)).then_some(self)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn command(runtime: &PythonRuntime, folder: &Path, task: Task) -> Command {
    let mut command = Command::new(&runtime.interpreter);
    command.args(["-s", "-c", CODE]).arg(folder).arg(task.to_string()).arg(runtime.memory_limit.to_string());
    // Models are code of somebody's: the secrets of this process are none of their business.
    command.env_clear().envs(&runtime.variables);
    command.env("PYTHONIOENCODING", "utf-8").env("MLFLOW_DISABLE_TELEMETRY", "true").env("DO_NOT_TRACK", "true");
    command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // An interrupt at the terminal is for Baton, which ends its workers itself.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

fn hear_answers(mut from: ChildStdout, answers: &Sender<Answer>) {
    while let Some(answer) = read_answer(&mut from) {
        if answers.send(answer).is_err() {
            return;
        }
    }
}

fn read_answer(from: &mut ChildStdout) -> Option<Answer> {
    let (mut status, mut length) = ([0; 1], [0; 8]);
    from.read_exact(&mut status).ok()?;
    from.read_exact(&mut length).ok()?;
    let mut content = vec![0; usize::try_from(u64::from_le_bytes(length)).ok()?];
    from.read_exact(&mut content).ok()?;
    Some(if status == [0] { Ok(content) } else { Err(String::from_utf8_lossy(&content).into_owned()) })
}

fn hear_words(error: ChildStderr, words: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(error).lines().map_while(std::result::Result::ok) {
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.len() == LINES {
            words.pop_front();
        }
        words.push_back(line);
    }
}
