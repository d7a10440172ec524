//! The parts a run works with, chosen by the composition root.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use baton_core::ports::{Ledger, OnlineStore, Operations, Spans};
use baton_core::schedule::Execution;
use baton_core::span::SpanContext;
use baton_core::{Approval, Clock, Timestamp};
use baton_engine::Engine;
use baton_lake::Lake;
use baton_ml::StoredModel;
use baton_ml::gate::LoadTestResult;
use baton_ml::runtime::RuntimeOptions;

use crate::error::RunError;
use crate::python::PythonWorkers;
use crate::registered::RegisteredModels;
use crate::tracked::RunTracking;

/// Answers with the value of a variable of the process environment.
pub type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Everything outside of the run itself.
pub struct Services {
    /// The project folder; relative locations of sources start here.
    pub folder: PathBuf,
    /// Tables and artifacts.
    pub lake: Lake,
    /// Events, commits, environments.
    pub ledger: Arc<dyn Ledger>,
    /// Leases, the queue and the history of runs, the outbox.
    pub operations: Arc<dyn Operations>,
    /// What asked for the runs, and how their steps are tried.
    pub asked: Asked,
    /// Latest feature values.
    pub online: Arc<dyn OnlineStore>,
    /// Queries.
    pub engine: Engine,
    /// The machine's clock, for what really happened when.
    pub clock: Arc<dyn Clock>,
    /// Where progress is shown.
    pub progress: Arc<dyn Progress>,
    /// Where spans of runs and steps go.
    pub spans: Arc<dyn Spans>,
    /// What the runs are a part of, where somebody else began a trace.
    pub parent_span: Option<SpanContext>,
    /// Runs the functions of Python tables.
    pub python: Arc<PythonWorkers>,
    /// How models are run.
    pub models: RuntimeOptions,
    /// Models that clients of MLflow registered.
    pub registered: Arc<dyn RegisteredModels>,
    /// Where runs are tracked.
    pub tracking: Arc<dyn RunTracking>,
    /// Puts load on a model for the load-test gate.
    pub load_tester: Arc<dyn LoadTester>,
    /// Variables of the process environment, for references to secrets.
    pub variables: Variables,
    /// Who runs this.
    pub author: String,
    /// The project's git revision, if it is in git.
    pub git_revision: Option<String>,
}

/// What asked for a run, and how its steps are tried.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// The schedule.
    pub schedule: Option<String>,
    /// What made it due.
    pub trigger: Option<String>,
    /// Since when it was due.
    pub due_at: Option<Timestamp>,
    /// How steps are tried, where it differs from the project's own.
    pub execution: Execution,
    /// Values that were given for the project's parameters.
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// Whose word each run waits for before it does anything.
    pub approval: Option<Approval>,
    /// The run that is gone on with, under its own id.
    pub continues: Option<Continued>,
}

/// A run that stopped and goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continued {
    /// Its id.
    pub run: String,
    /// When it began, on the machine's clock.
    pub began: Timestamp,
    /// How many steps it has already.
    pub steps: usize,
}

/// Hears how work goes on; draws nothing itself.
pub trait Progress: Send + Sync {
    /// Work on an asset begins.
    fn started(&self, verb: &str, subject: &str);
    /// Work on an asset ended; `detail` says what came of it.
    fn finished(&self, verb: &str, subject: &str, detail: &str, took: Duration);
    /// Work on an asset failed.
    fn failed(&self, verb: &str, subject: &str, reason: &str);
    /// How far a long piece of work is.
    fn advanced(&self, subject: &str, done: u64, of: u64);
    /// The code of an asset printed or logged a line; `level` is `print`, `stderr`, `info`, `warning`, …
    fn logged(&self, _subject: &str, _level: &str, _line: &str) {}
}

/// Progress that nobody watches.
pub struct Silent;

impl Progress for Silent {
    fn started(&self, _verb: &str, _subject: &str) {}
    fn finished(&self, _verb: &str, _subject: &str, _detail: &str, _took: Duration) {}
    fn failed(&self, _verb: &str, _subject: &str, _reason: &str) {}
    fn advanced(&self, _subject: &str, _done: u64, _of: u64) {}
}

/// Serves a model on loopback and puts load on it.
#[async_trait]
pub trait LoadTester: Send + Sync {
    /// Sends encoded `rows` (row-major) at a constant rate for a few seconds and answers with what was measured.
    async fn load_test(&self, model: &StoredModel, rows: &[f32], rps: u32) -> Result<LoadTestResult, RunError>;
}
