//! Models that only Python can run, in a worker process of their own: it gets rows over a pipe, and no secrets.
//!
//! The worker is the only place where pickles are opened. It is started when the model is loaded, and again after a crash.

mod process;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::{Predictor, RuntimeOptions, check_shape};
use crate::data::Task;
use crate::error::{MlError, Result};
use crate::model::StoredModel;
use crate::uploaded::unpack;
use process::Worker;

/// How long a worker may take to open a model: cold disks, large libraries.
const START: Duration = Duration::from_secs(120);
/// How long one prediction may take.
const PREDICTION: Duration = Duration::from_secs(60);

/// The Python that runs models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonRuntime {
    /// The interpreter; it has `mlflow` and the libraries of the models.
    pub interpreter: PathBuf,
    /// Bytes that a worker may use.
    pub memory_limit: u64,
    /// The only variables of the environment that it is given.
    pub variables: BTreeMap<String, OsString>,
}

/// A model that a worker has opened.
pub struct OpenModel {
    folder: TempDir,
    task: Task,
    runtime: PythonRuntime,
    worker: Worker,
}

impl OpenModel {
    /// Opens the model whose files `fill` writes into a folder.
    pub(crate) fn open(fill: impl FnOnce(&Path) -> Result<()>, task: Task, options: &RuntimeOptions) -> Result<Self> {
        let runtime = options.python.clone().ok_or(MlError::PythonMissing)?;
        let folder = tempfile::tempdir().map_err(MlError::python)?;
        fill(folder.path())?;
        let worker = Worker::start(&runtime, folder.path(), task)?;
        worker.ready(START)?;
        Ok(Self { folder, task, runtime, worker })
    }

    /// What the model makes of the example that was logged with it, as JSON.
    pub(crate) fn example(&mut self) -> Result<Vec<u8>> {
        self.worker.call(&[], PREDICTION)
    }

    /// The model, to be asked for predictions of rows with so many features.
    pub fn into_predictor(self, n_features: usize) -> Box<dyn Predictor> {
        Box::new(PythonPredictor::of(self, n_features))
    }
}

/// A model in a worker. One call at a time: the worker answers in order.
pub(super) struct PythonPredictor {
    folder: TempDir,
    task: Task,
    runtime: PythonRuntime,
    worker: Mutex<Option<Worker>>,
    n_features: usize,
}

impl PythonPredictor {
    pub(super) fn load(model: &StoredModel, options: &RuntimeOptions) -> Result<Self> {
        let open = OpenModel::open(|folder| unpack(&model.bytes, folder), model.task, options)?;
        Ok(Self::of(open, model.encoder.n_features()))
    }

    fn of(open: OpenModel, n_features: usize) -> Self {
        let OpenModel { folder, task, runtime, worker } = open;
        Self { folder, task, runtime, worker: Mutex::new(Some(worker)), n_features }
    }

    fn started(&self) -> Result<Worker> {
        let worker = Worker::start(&self.runtime, self.folder.path(), self.task)?;
        worker.ready(START)?;
        Ok(worker)
    }
}

impl Predictor for PythonPredictor {
    fn predict(&self, rows: &[f32], n_rows: usize) -> Result<Vec<f64>> {
        check_shape(rows, n_rows, self.n_features)?;
        if n_rows == 0 {
            return Ok(Vec::new());
        }
        let mut place = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        let mut worker = match place.take().and_then(Worker::if_alive) {
            Some(worker) => worker,
            None => self.started()?,
        };
        let answer = worker.call(&request(rows, n_rows), PREDICTION);
        if worker.is_usable() {
            *place = Some(worker);
        }
        numbers(&answer?, n_rows)
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn waits(&self) -> bool {
        true
    }
}

/// How many rows, and the rows.
fn request(rows: &[f32], n_rows: usize) -> Vec<u8> {
    let count = (n_rows as u64).to_le_bytes();
    count.into_iter().chain(rows.iter().flat_map(|value| value.to_le_bytes())).collect()
}

fn numbers(answer: &[u8], n_rows: usize) -> Result<Vec<f64>> {
    let (values, rest) = answer.as_chunks::<8>();
    if values.len() != n_rows || !rest.is_empty() {
        return Err(MlError::prediction(format!("the model gives {} values for {n_rows} rows", values.len())));
    }
    Ok(values.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
}
