//! A copy of the flights example in a folder of its own, on the real parts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use baton_core::ports::MemoryOnlineStore;
use baton_core::time::FixedClock;
use baton_core::{TableVersion, Timestamp};
use baton_engine::{Engine, EngineOptions, Session, SessionInput, TableFiles, TableInput};
use baton_lake::Lake;
use baton_ledger::SqlLedger;
use baton_ml::StoredModel;
use baton_ml::gate::LoadTestResult;
use baton_ml::runtime::{RuntimeOptions, load};
use baton_orchestrator::{
    LoadTester, Prepared, PythonOptions, PythonWorkers, RunError, Services, Silent, apply, plan, prepare, run,
};
use baton_project::PythonSettings;
use chrono::TimeDelta;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
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

    /// The project in `folder`, whatever it is.
    pub(crate) async fn in_folder(folder: TempDir) -> Self {
        let services = services(folder.path()).await;
        Self { folder, services }
    }

    /// The example with the flights of `months` alone (`2013-03`) and a small model, so that a test takes seconds.
    pub(crate) async fn small(months: &[&str]) -> Self {
        let flights = Self::new().await;
        for entry in std::fs::read_dir(flights.path("landing/flights")).unwrap() {
            let path = entry.unwrap().path();
            if !months.contains(&path.file_stem().unwrap().to_str().unwrap()) {
                std::fs::remove_file(path).unwrap();
            }
        }
        flights.edit("models.yml", "test: 30d, validate: 15d", "test: 7d, validate: 3d");
        flights.edit("models.yml", "trials: 8, cross_validate: 3", "trials: 1, cross_validate: 2");
        flights.edit("models.yml", "roc_auc >= 0.65", "roc_auc >= 0.5");
        flights.edit("models.yml", "max: 0.5}", "max: 1}");
        flights.edit("monitors.yml", "min_rows: 1000", "min_rows: 100");
        flights
    }

    /// A file of the project.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Writes a landing file again as what `sql` makes of it (its rows are `delivery`), arrived at `arrival`.
    pub(crate) async fn rewrite(&self, file: &str, sql: &str, arrival: Timestamp) {
        self.derive(file, file, sql, arrival).await;
    }

    /// Writes the landing file `to` as what `sql` makes of the rows of `from`.
    pub(crate) async fn derive(&self, from: &str, to: &str, sql: &str, arrival: Timestamp) {
        let file = std::fs::File::open(self.path(from)).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let schema = builder.schema().clone();
        let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
        let rows = TableInput::Batches { schema, batches };
        let (schema, changed) = self.session([("delivery", rows)]).query(sql).await.unwrap();
        let path = self.path(to);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), schema, None).unwrap();
        for batch in &changed {
            writer.write(batch).unwrap();
        }
        writer.close().unwrap();
        set_arrival(&path, arrival);
    }

    /// A session over `tables` without a clock.
    pub(crate) fn session<const N: usize>(&self, tables: [(&str, TableInput); N]) -> Session {
        let tables = tables.into_iter().map(|(name, input)| (name.to_owned(), input)).collect();
        self.services.engine.session(SessionInput { tables, as_of: None }).unwrap()
    }

    /// All rows of a table version, whenever they became known.
    pub(crate) async fn files(&self, version: &TableVersion) -> TableInput {
        let snapshot = self.services.lake.snapshot(version).await.unwrap();
        TableInput::Files(TableFiles::from(snapshot.as_ref()))
    }

    /// Prepares, plans and applies; panics when a step fails.
    pub(crate) async fn applied(&self, environment: &str, as_of: Timestamp) -> Prepared {
        let prepared = self.prepared(environment, as_of).await;
        let planned = plan(&self.services, &prepared, environment, as_of).await.unwrap();
        let report = apply(&self.services, &prepared, &planned).await.unwrap();
        assert!(report.succeeded(), "{:?}", report.failures().collect::<Vec<_>>());
        prepared
    }

    /// One tick after the other.
    pub(crate) async fn ticks(&self, prepared: &Prepared, environment: &str, clocks: &[Timestamp]) {
        for clock in clocks {
            run(&self.services, prepared, environment, *clock).await.unwrap();
        }
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

/// The days after `first` up to `last`, each `step` days.
pub(crate) fn days(first: &str, last: &str, step: i64) -> Vec<Timestamp> {
    let ticks = std::iter::successors(Some(day(first)), |clock| Some(*clock + TimeDelta::days(step)));
    ticks.skip(1).take_while(|clock| *clock <= day(last)).collect()
}

/// Rows as CSV lines.
pub(crate) fn lines((_, batches): (SchemaRef, Vec<RecordBatch>)) -> Vec<String> {
    let mut text = Vec::new();
    let mut writer = arrow::csv::WriterBuilder::new().with_header(false).build(&mut text);
    for batch in &batches {
        writer.write(batch).unwrap();
    }
    drop(writer);
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
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
        set_arrival(&path, day(&format!("{month}-01")) - TimeDelta::hours(12));
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
    let ledger = Arc::new(SqlLedger::open_file(&state.join("ledger.db")).await.unwrap());
    Services {
        folder: folder.to_owned(),
        lake: Lake::open(&state.join("warehouse")).unwrap(),
        operations: Arc::clone(&ledger) as Arc<dyn baton_core::ports::Operations>,
        ledger,
        asked: baton_orchestrator::Asked::default(),
        online: Arc::new(MemoryOnlineStore::new()),
        engine: Engine::new(engine).unwrap(),
        clock: Arc::new(FixedClock(day("2014-06-01"))),
        progress: Arc::new(Silent),
        spans: Arc::new(baton_core::ports::NoSpans),
        parent_span: None,
        python: Arc::new(PythonWorkers::new(PythonOptions::of(&PythonSettings::default(), folder))),
        models: RuntimeOptions::default(),
        registered: Arc::new(baton_orchestrator::NoRegisteredModels),
        tracking: Arc::new(baton_orchestrator::NoTracking),
        load_tester: Arc::new(InProcess),
        variables: Arc::new(|_| None),
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
