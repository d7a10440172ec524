//! Python tables: warm workers, and what a table's function makes of its inputs.
//!
//! Start at [`PythonWorkers`]. A worker is a process of the project's interpreter that lives as long as the command or
//! server and is called over pipes; whatever happens in it, it is the step that fails. `rows` hands a function the rows
//! that a query would see, and gives what comes back to the engine as if a query had yielded it.

mod call;
mod error;
mod frame;
mod input;
mod interpreter;
mod process;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use baton_core::asset::Python;
use tokio::sync::Semaphore;

pub use self::error::{Frame, PythonError};
pub(crate) use self::rows::{TableCall, returned_schema, session_for};

use self::call::{Call, Returned};
use self::input::Input;
use self::process::Worker;

/// Memory of a worker, unless the project says otherwise.
const MEMORY_LIMIT: u64 = 4 << 30;
/// Time of a call, unless the project or the table says otherwise.
const TIMEOUT: Duration = Duration::from_secs(600);
/// Workers side by side, unless the project says otherwise.
const WORKERS: usize = 2;

/// How the project's Python is run.
#[derive(Debug, Clone)]
pub struct PythonOptions {
    /// The project folder: where functions run and paths begin.
    pub folder: PathBuf,
    /// The interpreter that the project names.
    pub interpreter: Option<String>,
    /// The interpreter of projects that name none.
    pub default_interpreter: Option<PathBuf>,
    /// Folders in which programs are looked for by name.
    pub search: Vec<PathBuf>,
    /// How many workers may run side by side.
    pub workers: usize,
    /// Bytes that a worker may use.
    pub memory_limit: u64,
    /// How long one call may take.
    pub timeout: Duration,
}

impl PythonOptions {
    /// What `settings` say about the project in `folder`; the rest as it comes.
    pub fn of(settings: &baton_project::PythonSettings, folder: &Path) -> Self {
        let seconds = settings.timeout.and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            folder: folder.to_owned(),
            interpreter: settings.interpreter.clone(),
            default_interpreter: None,
            search: Vec::new(),
            workers: settings.workers.unwrap_or(WORKERS),
            memory_limit: settings.memory_limit.unwrap_or(MEMORY_LIMIT),
            timeout: seconds.map_or(TIMEOUT, Duration::from_secs),
        }
    }
}

/// The workers of a project: started when they are first needed, kept warm, started again after a crash.
#[derive(Debug)]
pub struct PythonWorkers {
    options: PythonOptions,
    idle: Mutex<Vec<Worker>>,
    turns: Semaphore,
}

impl PythonWorkers {
    /// Workers with these options; none is started yet.
    pub fn new(options: PythonOptions) -> Self {
        let turns = Semaphore::new(options.workers.max(1));
        Self { options, idle: Mutex::default(), turns }
    }

    /// The interpreter, as far as can be told without running it.
    ///
    /// # Errors
    /// [`PythonError::NoInterpreter`].
    pub fn interpreter(&self) -> Result<PathBuf, PythonError> {
        interpreter::find(&self.options)
    }

    /// Starts a worker if none is warm, and says which Python and which `pyarrow` it has.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub async fn versions(&self) -> Result<(String, String), PythonError> {
        let _turn = self.turns.acquire().await.ok();
        let worker = self.worker().await?;
        let versions = worker.versions.clone();
        self.keep(worker);
        Ok(versions)
    }

    /// The project folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.options.folder
    }

    /// How many may run side by side.
    pub(crate) fn workers(&self) -> usize {
        self.options.workers.max(1)
    }

    /// Calls the function of a table. A worker that user code left in order is kept for the next call.
    async fn call(&self, call: &Call<'_>, inputs: &mut [Input], log: &mut Log<'_>) -> Result<Returned, PythonError> {
        let _turn = self.turns.acquire().await.ok();
        let mut worker = self.worker().await?;
        let timeout = timeout_of(call.python).unwrap_or(self.options.timeout);
        let outcome = match tokio::time::timeout(timeout, worker.call(call, inputs, log)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(PythonError::TooLong { table: call.name.to_owned(), timeout }),
        };
        match &outcome {
            Ok(_) => self.keep(worker),
            Err(error) if error.leaves_worker() => self.keep(worker),
            // It is killed with its handle.
            Err(_) => {}
        }
        outcome
    }

    async fn worker(&self) -> Result<Worker, PythonError> {
        let warm = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match warm.and_then(Worker::if_alive) {
            Some(worker) => Ok(worker),
            None => Worker::start(&self.interpreter()?, &self.options).await,
        }
    }

    fn keep(&self, worker: Worker) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    }
}

fn timeout_of(python: &Python) -> Option<Duration> {
    python.timeout.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs)
}

/// Hears what user code prints and logs, line by line: level and text.
pub(crate) type Log<'l> = dyn FnMut(&str, &str) + Send + 'l;
