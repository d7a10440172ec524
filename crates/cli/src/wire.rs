//! The composition root: the only place that picks concrete parts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use baton_core::channel::SecretText;
use baton_core::ports::{Ledger, LedgerError, MemoryLedger, MemoryOperations, Operations};
use baton_core::{Clock, Timestamp};
use baton_engine::{Engine, EngineOptions};
use baton_lake::Lake;
use baton_ledger::{Location, Patience, SqlLedger, is_address};
use baton_ml::runtime::{PythonRuntime, RuntimeOptions};
use baton_orchestrator::{Asked, PythonOptions, PythonWorkers, Services};
use baton_project::Settings as ProjectSettings;
use baton_server::Tracking;
use baton_serving::{PredictionLog, RedbOnlineStore};
use baton_tracking::artifact::ArtifactStore;
use baton_tracking::{StoreOptions, TrackingError, TrackingStore};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::artifact_place::ArtifactPlace;
use crate::context::Context;
use crate::error::CliError;
use crate::git;
use crate::load::LoopbackLoadTester;
use crate::output;
use crate::progress::Shown;
use crate::registered_models::TrackedModels;
use crate::settings;
use crate::tracked_runs::ProjectTracking;
use crate::webhooks::{self, Postman};

/// Memory for all queries of the process, unless `memory_limit` in `baton.yml` says otherwise.
const MEMORY_LIMIT: u64 = 768 << 20;

/// The URI under which clients of MLflow find artifacts.
pub(crate) const ARTIFACT_ROOT: &str = "mlflow-artifacts:/";
/// Memory of a worker that runs a model, unless `python: {memory_limit}` in `baton.yml` says otherwise.
const MODEL_MEMORY: u64 = 4 << 30;

/// What a command does with the project's stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It looks only: stores that do not exist stay so.
    Read,
    /// It may create and change them.
    Write,
}

/// The machine's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else asks")]
    fn now(&self) -> Timestamp {
        chrono::Utc::now()
    }
}

/// The parts of a command, and what only the command line needs of them.
pub(crate) struct Parts {
    /// What the orchestrator works with.
    pub(crate) services: Services,
    /// The ledger again, for its lock; `None` when there is none yet and the command only looks.
    pub(crate) ledger: Option<SqlLedger>,
    /// Holds stores that stand in for missing ones; they go with the command.
    _scratch: Option<tempfile::TempDir>,
}

/// Stores that the runs of a server share: open connections, what is known of tables, warm workers.
#[derive(Clone)]
pub(crate) struct KeptStores {
    ledger: SqlLedger,
    lake: Lake,
    engine: Engine,
    python: Arc<PythonWorkers>,
}

impl KeptStores {
    /// Those of a run that was begun; `None` where there is no ledger yet.
    pub(crate) fn of(parts: &Parts) -> Option<Self> {
        let (ledger, services) = (parts.ledger.clone()?, &parts.services);
        let (lake, engine, python) = (services.lake.clone(), services.engine.clone(), Arc::clone(&services.python));
        Some(Self { ledger, lake, engine, python })
    }
}

/// Puts the parts together for the project in `folder`; those that were kept are not opened again.
///
/// # Errors
/// Those of the ledger, the lake and the engine when a store cannot be opened.
pub(crate) async fn parts(
    context: &Context,
    folder: &Path,
    settings: &ProjectSettings,
    access: Access,
    kept: Option<&KeptStores>,
) -> Result<Parts, CliError> {
    let warehouse = folder.join(&settings.warehouse);
    let ledger = match kept {
        Some(kept) => Some(kept.ledger.clone()),
        None => ledger(context, folder, settings, access, warehouse.exists()).await?,
    };
    let (scratch, warehouse) = if ledger.is_some() {
        (None, warehouse)
    } else {
        let scratch = tempfile::tempdir().map_err(CliError::file("create", "a temporary folder"))?;
        let warehouse = scratch.path().join("warehouse");
        (Some(scratch), warehouse)
    };
    let port: Arc<dyn Ledger> = match &ledger {
        Some(ledger) => Arc::new(ledger.clone()),
        None => Arc::new(MemoryLedger::new()),
    };
    let operations: Arc<dyn Operations> = match &ledger {
        Some(ledger) => Arc::new(ledger.clone()),
        None => Arc::new(MemoryOperations::new()),
    };
    let python = kept.map_or_else(|| Arc::new(python(context, folder, settings)), |kept| Arc::clone(&kept.python));
    let models = RuntimeOptions {
        onnxruntime: context.settings.onnxruntime.clone(),
        python: python.interpreter().ok().map(|interpreter| model_python(interpreter, settings)),
    };
    let artifacts = ArtifactPlace::of_project(folder, &settings.tracking);
    let services = Services {
        folder: folder.to_owned(),
        lake: kept.map_or_else(|| Lake::open(&warehouse), |kept| Ok(kept.lake.clone()))?,
        ledger: port,
        operations,
        asked: Asked::default(),
        online: Arc::new(RedbOnlineStore::at(folder.join(&settings.online))),
        engine: kept.map_or_else(|| engine(context, &warehouse, settings), |kept| Ok(kept.engine.clone()))?,
        clock: Arc::new(SystemClock),
        progress: Arc::new(Shown::new(context)),
        spans: context.traces.spans(),
        parent_span: context.traces.parent(),
        python,
        load_tester: Arc::new(LoopbackLoadTester::new(models.clone())),
        models,
        registered: Arc::new(TrackedModels::of(folder, artifacts.clone())),
        tracking: Arc::new(ProjectTracking::of(folder, artifacts, access)),
        variables: Arc::new(settings::secret),
        author: context.settings.author.clone(),
        git_revision: git::revision(folder),
    };
    Ok(Parts { services, ledger, _scratch: scratch })
}

/// Opens the ledger. `None` where there is none yet and the command only looks; a file of a ledger without the folder of
/// tables counts as none.
async fn ledger(
    context: &Context,
    folder: &Path,
    settings: &ProjectSettings,
    access: Access,
    has_tables: bool,
) -> Result<Option<SqlLedger>, CliError> {
    let location = ledger_location(folder, &settings.ledger)?;
    let patience = Patience { limit: context.ledger_timeout, say: &output::say };
    Ok(match (access, &location) {
        (Access::Write, _) => Some(SqlLedger::open_patiently(&location, patience).await?),
        (Access::Read, Location::File(_)) if !has_tables => None,
        (Access::Read, _) => SqlLedger::open_existing_patiently(&location, patience).await?,
    })
}

/// Where the ledger is, by what `ledger:` says. Secrets within an address are written so that any sign in them counts as
/// itself; one that is the whole address is taken as it is.
///
/// # Errors
/// Those of an address that cannot be read, or of a secret that is not there.
pub(crate) fn ledger_location(folder: &Path, said: &str) -> Result<Location, CliError> {
    let is_whole = !is_address(said);
    let lookup = |kind: &str, name: &str| {
        let value = match kind {
            "env" => settings::secret(name),
            _ => std::fs::read_to_string(folder.join(name)).ok().map(|text| text.trim_end().to_owned()),
        }?;
        Some(if is_whole { value } else { utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string() })
    };
    let missing = |reference: String| LedgerError::Storage {
        action: "read its address".to_owned(),
        reason: format!("secret `{reference}` is not there; set the variable or make the file where Baton runs"),
    };
    let text = SecretText(said.to_owned()).reveal(lookup).map_err(missing)?;
    Ok(Location::parse(&text, folder)?)
}

/// The same parts for another folder of deliveries: tables, ledger and online values are shared.
///
/// # Errors
/// Those of the lake.
pub(crate) fn with_folder(services: &Services, folder: &Path) -> Result<Services, CliError> {
    Ok(Services {
        folder: folder.to_owned(),
        lake: Lake::open(services.lake.warehouse())?,
        ledger: Arc::clone(&services.ledger),
        operations: Arc::clone(&services.operations),
        asked: services.asked.clone(),
        online: Arc::clone(&services.online),
        engine: services.engine.clone(),
        clock: Arc::clone(&services.clock),
        progress: Arc::clone(&services.progress),
        spans: Arc::clone(&services.spans),
        parent_span: services.parent_span,
        python: Arc::clone(&services.python),
        models: services.models.clone(),
        registered: Arc::clone(&services.registered),
        tracking: Arc::clone(&services.tracking),
        load_tester: Arc::clone(&services.load_tester),
        variables: Arc::clone(&services.variables),
        author: services.author.clone(),
        git_revision: services.git_revision.clone(),
    })
}

/// Workers for Python tables; none is started before it is needed.
fn python(context: &Context, folder: &Path, settings: &ProjectSettings) -> PythonWorkers {
    PythonWorkers::new(PythonOptions {
        default_interpreter: context.settings.python.clone(),
        search: context.settings.search.clone(),
        ..PythonOptions::of(&settings.python, folder)
    })
}

/// The Python of models that nothing else can run.
fn model_python(interpreter: PathBuf, settings: &ProjectSettings) -> PythonRuntime {
    let variables = settings::of_workers().collect();
    PythonRuntime { interpreter, memory_limit: settings.python.memory_limit.unwrap_or(MODEL_MEMORY), variables }
}

/// What clients of MLflow track, in `file`, with their artifacts.
///
/// # Errors
/// Those of a file that can be neither opened nor made.
pub(crate) async fn tracking(file: &Path, artifacts: ArtifactStore) -> Result<Tracking, CliError> {
    let store = tracking_store(file).await?;
    let postman = Arc::new(Postman::new(settings::webhooks_reach_inside()));
    tokio::spawn(webhooks::deliver(store.clone(), Arc::clone(&postman)));
    Ok(Tracking::new(store).with_artifacts(artifacts).with_webhooks(postman))
}

/// What is tracked, in `file`.
///
/// # Errors
/// Those of a file that can be neither opened nor made.
pub(crate) async fn tracking_store(file: &Path) -> Result<TrackingStore, TrackingError> {
    let options = StoreOptions { clock: Arc::new(SystemClock), artifact_root: ARTIFACT_ROOT.to_owned() };
    TrackingStore::open(file, options).await
}

/// The file in which the project in `folder` tracks.
pub(crate) fn tracking_file(folder: &Path) -> PathBuf {
    folder.join(".baton/tracking.db")
}

/// Where the artifacts of what `file` tracks are: where `said` says, or else the project whose file it is, or else beside it.
pub(crate) fn artifact_place(context: &Context, file: &Path, said: Option<String>) -> ArtifactPlace {
    let folder = &context.folder;
    if said.is_none() && file == tracking_file(folder) && folder.join("baton.yml").is_file() {
        return ArtifactPlace::of_project(folder, &baton_project::load(folder).project.settings.tracking);
    }
    ArtifactPlace::beside(file, folder, said)
}

/// What is tracked, for a command that looks at it or adds to it.
pub(crate) struct Tracked {
    /// Records.
    pub(crate) store: TrackingStore,
    /// Files.
    pub(crate) artifacts: ArtifactStore,
}

/// Opens what is tracked: the file `store`, as a path or `sqlite:///PATH`, or that of the project; artifacts lie beside it.
///
/// # Errors
/// Those of a file that can be neither opened nor made, and [`CliError::NothingTracked`] when it is only looked at and not there.
pub(crate) async fn tracked(context: &Context, store: Option<&str>, access: Access) -> Result<Tracked, CliError> {
    let given = store.unwrap_or(".baton/tracking.db");
    let given = given.strip_prefix("sqlite:///").unwrap_or(given);
    let file = context.folder.join(given);
    if access == Access::Read && !file.is_file() {
        return Err(CliError::NothingTracked { path: file });
    }
    let options = StoreOptions { clock: Arc::new(SystemClock), artifact_root: ARTIFACT_ROOT.to_owned() };
    let artifacts = artifact_place(context, &file, None).open()?;
    Ok(Tracked { store: TrackingStore::open(&file, options).await?, artifacts })
}

/// The log of served predictions beside the tables.
///
/// # Errors
/// Those of the log when its folder cannot be made.
pub(crate) fn prediction_log(services: &Services) -> Result<PredictionLog, CliError> {
    Ok(PredictionLog::open(prediction_folder(services))?)
}

/// Where served predictions are logged.
pub(crate) fn prediction_folder(services: &Services) -> PathBuf {
    services.lake.warehouse().join("predictions")
}

/// Spills beside the warehouse; where that cannot be written (reading goes on then), in the system's temporary folder.
fn engine(context: &Context, warehouse: &Path, settings: &ProjectSettings) -> Result<Engine, CliError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let options = EngineOptions {
        memory_limit_bytes: usize::try_from(settings.memory_limit.unwrap_or(MEMORY_LIMIT)).unwrap_or(usize::MAX),
        spill_dir: warehouse.join(".spill"),
        threads: context.settings.threads.unwrap_or(cores).max(1),
    };
    match Engine::new(options.clone()) {
        Ok(engine) => Ok(engine),
        Err(_) => Ok(Engine::new(EngineOptions { spill_dir: std::env::temp_dir().join("baton-spill"), ..options })?),
    }
}
