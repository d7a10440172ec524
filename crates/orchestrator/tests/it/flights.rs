//! A copy of the flights example in a folder of its own, on the real parts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use baton_core::Timestamp;
use baton_core::ports::MemoryOnlineStore;
use baton_core::time::FixedClock;
use baton_engine::{Engine, EngineOptions};
use baton_lake::Lake;
use baton_ledger::SqliteLedger;
use baton_ml::StoredModel;
use baton_ml::gate::LoadTestResult;
use baton_ml::runtime::{RuntimeOptions, load};
use baton_orchestrator::{LoadTester, Prepared, RunError, Services, Silent, prepare};
use tempfile::TempDir;

/// A project folder and the parts that run it.
pub(crate) struct Flights {
    pub(crate) folder: TempDir,
    pub(crate) services: Services,
}

impl Flights {
    /// The example with all landing files, each with its arrival as modification time.
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        copy(&example(), folder.path());
        set_arrivals(folder.path());
        let services = services(folder.path()).await;
        Self { folder, services }
    }

    /// Replaces text in a project file.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.folder.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} does not hold {from}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Loads and resolves the project; panics with its diagnostics when it has errors.
    pub(crate) async fn prepared(&self, environment: &str, as_of: Timestamp) -> Prepared {
        let loaded = baton_project::load(self.folder.path());
        let mut diagnostics = loaded.diagnostics;
        let texts = loaded.project.texts.clone();
        let (prepared, found) = prepare(&self.services, loaded.project, environment, as_of).await.unwrap();
        diagnostics.extend(found);
        let shown = baton_diagnostics::render_terminal(&diagnostics, &|file| texts.get(file).cloned(), false);
        prepared.unwrap_or_else(|| panic!("{shown}"))
    }
}

/// Midnight UTC of a day, `2013-07-01`.
pub(crate) fn day(text: &str) -> Timestamp {
    format!("{text}T00:00:00Z").parse().unwrap()
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/flights")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn set_arrivals(folder: &Path) {
    let landing = folder.join("landing");
    for entry in std::fs::read_dir(landing.join("flights")).unwrap() {
        let path = entry.unwrap().path();
        let month = path.file_stem().unwrap().to_str().unwrap().to_owned();
        set_arrival(&path, day(&format!("{month}-01")) - chrono::TimeDelta::hours(12));
    }
    for name in ["weather.parquet", "airlines.csv", "airports.csv", "planes.csv"] {
        set_arrival(&landing.join(name), day("2012-12-30"));
    }
}

/// Sets a file's modification time: when it arrived.
pub(crate) fn set_arrival(path: &Path, at: Timestamp) {
    let since = Duration::from_secs(at.timestamp().unsigned_abs());
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + since).unwrap();
}

async fn services(folder: &Path) -> Services {
    let state = folder.join(".baton");
    std::fs::create_dir_all(&state).unwrap();
    let engine = EngineOptions { memory_limit_bytes: 1 << 30, spill_dir: state.join("spill"), threads: 2 };
    Services {
        folder: folder.to_owned(),
        lake: Lake::open(&state.join("warehouse")).unwrap(),
        ledger: Arc::new(SqliteLedger::open(&state.join("ledger.db")).await.unwrap()),
        online: Arc::new(MemoryOnlineStore::new()),
        engine: Engine::new(engine).unwrap(),
        clock: Arc::new(FixedClock(day("2014-06-01"))),
        progress: Arc::new(Silent),
        models: RuntimeOptions::default(),
        load_tester: Arc::new(InProcess),
        author: "ada@example.com".to_owned(),
        git_revision: None,
    }
}

/// Times the model call itself; the binary's load tester goes over HTTP and has tests of its own.
struct InProcess;

#[async_trait]
impl LoadTester for InProcess {
    async fn load_test(&self, model: &StoredModel, rows: &[f32], rps: u32) -> Result<LoadTestResult, RunError> {
        let predictor = load(model, &RuntimeOptions::default())?;
        let began = std::time::Instant::now();
        predictor.predict(rows, rows.len() / predictor.n_features())?;
        Ok(LoadTestResult { rps: f64::from(rps), p99_ms: began.elapsed().as_secs_f64() * 1_000.0 / rows.len() as f64 })
    }
}
