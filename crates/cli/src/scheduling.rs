//! Schedules in a server: what the scheduler needs of the process around it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use baton_core::ports::{LedgerError, Request, RunFilter, RunRecord, RunState};
use baton_core::{Asset, Definition, Schedule};
use baton_diagnostics::{Severity, nearest};
use baton_orchestrator::schedule::{About, Declared, Host, Ran, Scheduler, Stores, Trigger};
use baton_orchestrator::{Answer, Asked, RunError, RunReport, RunbookRequest, SourceLanding};
use baton_project::Project;
use baton_server::{Figure, Said, ScheduleDesk, Taken};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::args::SelectionArguments;
use crate::commands::{by_hand, find_run, resumed, run_book};
use crate::context::Context;
use crate::error::CliError;
use crate::output;
use crate::parameters::read_parameters;
use crate::project::Workspace;
use crate::wire::Access;
use crate::workshop::Workshop;

/// How often a run is begun whose ledger does not answer.
const MOST_TRIES: u32 = 6;
/// How many of the newest runs of a schedule are looked at for one that did a request before.
const RUNS_LOOKED_AT: u32 = 100;

/// A scheduler that runs beside a server.
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    /// Begins to run the schedules of the workspace's environment.
    pub(crate) fn begin(workspace: &Workspace) -> Self {
        let services = workspace.services();
        let scheduler = Scheduler {
            environment: workspace.environment.clone(),
            holder: holder(),
            folder: services.folder.clone(),
            ledger: Arc::clone(&services.ledger),
            operations: Arc::clone(&services.operations),
            clock: Arc::clone(&services.clock),
            host: Arc::new(ServerHost::of(workspace)),
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(scheduler.run(async {
            // A server that is gone wants no schedules either.
            let _either_way = stopped.await;
        }));
        Self { stop, task }
    }

    /// Gives the lease back, so that another server takes over at once.
    pub(crate) async fn end(self) {
        let _ended_before = self.stop.send(());
        let _its_end_is_no_news = self.task.await;
    }
}

/// Tells servers apart, and people which process it is.
fn holder() -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let unique = uuid::Uuid::new_v4().simple().to_string();
    format!("process {} on {} ({})", std::process::id(), machine.trim(), unique.get(..8).unwrap_or(&unique))
}

/// The server around a scheduler.
struct ServerHost {
    context: Context,
    environment: String,
    folder: PathBuf,
    /// The stamp of the files that the schedules were read from.
    read: Mutex<Option<String>>,
    workshop: Workshop,
}

impl ServerHost {
    fn of(workspace: &Workspace) -> Self {
        let context = workspace.context.clone();
        let traces = context.traces.without_parent();
        Self {
            context: Context { quiet: true, verbose: 0, progress: false, traces, ..context },
            environment: workspace.environment.clone(),
            folder: workspace.services().folder.clone(),
            read: Mutex::new(None),
            workshop: Workshop::default(),
        }
    }
}

/// Runs a request in a project opened for it, so that edits since the server began count.
async fn run_request(context: &Context, request: &Request, schedule: &Schedule) -> Result<RunReport, CliError> {
    let asked = Asked {
        schedule: Some(schedule.name.to_string()),
        trigger: Some(request.asked.trigger.clone()),
        due_at: Some(request.asked.due_at),
        execution: schedule.execution.clone(),
        parameters: BTreeMap::new(),
        approval: schedule.approval.clone(),
        continues: None,
    };
    let workspace = Workspace::open(context, Access::Write).await?.asked_by(asked);
    let workspace = workspace.given_texts(&request.asked.parameters)?;
    let _guard = workspace.lock("baton serve").await?;
    if let Some(run) = done_before(&workspace, request).await? {
        let environment = workspace.environment.clone();
        return Ok(RunReport { run, environment, ..RunReport::default() });
    }
    run_schedule(&workspace, schedule, request.asked.as_of).await
}

/// The run that did this very request, where a server lost it to this one and brought it to its end all the same.
async fn done_before(workspace: &Workspace, request: &Request) -> Result<Option<String>, CliError> {
    if request.attempts < 2 {
        return Ok(None);
    }
    let filter = RunFilter {
        environment: Some(workspace.environment.clone()),
        schedule: Some(request.asked.schedule.clone()),
        state: Some(RunState::Succeeded),
        limit: RUNS_LOOKED_AT,
        ..RunFilter::default()
    };
    let runs = workspace.services().operations.runs(&filter).await?;
    let is_same = |run: &&RunRecord| {
        run.due_at == Some(request.asked.due_at) && run.trigger.as_ref() == Some(&request.asked.trigger)
    };
    Ok(runs.iter().find(is_same).map(|run| run.id.clone()))
}

/// Runs what a schedule selects, now or with the clock that is asked for, in an environment that the caller has locked.
///
/// # Errors
/// Those of preparing and running; failed steps are in the report.
pub(crate) async fn run_schedule(
    workspace: &Workspace,
    schedule: &Schedule,
    as_of: Option<baton_core::Timestamp>,
) -> Result<RunReport, CliError> {
    let (services, environment) = (workspace.services(), workspace.environment.as_str());
    let head = services.ledger.head(environment).await?;
    let asked = as_of.unwrap_or_else(|| workspace.as_of());
    // The environment may be past a tick that is caught up with; it cannot go back.
    let as_of = head.map_or(asked, |commit| asked.max(commit.as_of));
    let prepared = workspace.prepare(as_of).await?;
    let selection = SelectionArguments { select: schedule.select.clone(), exclude: schedule.exclude.clone() };
    Ok(match workspace.select(&prepared, as_of, &selection).await? {
        None => baton_orchestrator::run(services, &prepared, environment, as_of).await?,
        Some(only) => baton_orchestrator::run_selected(services, &prepared, environment, as_of, &only).await?,
    })
}

#[async_trait]
impl Host for ServerHost {
    async fn declared(&self) -> Result<Option<Declared>, String> {
        let folder = self.folder.clone();
        let looking = tokio::task::spawn_blocking(move || baton_project::stamp(&folder));
        let stamp = looking.await.map_err(|error| error.to_string())?;
        if self.read.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(&stamp) {
            return Ok(None);
        }
        let folder = self.folder.clone();
        let reading = tokio::task::spawn_blocking(move || baton_project::load(&folder));
        let loaded = reading.await.map_err(|error| error.to_string())?;
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(stamp);
        let mistake = loaded.diagnostics.iter().find(|found| found.severity == Severity::Error);
        match mistake {
            Some(mistake) => Err(mistake.message.clone()),
            None => Ok(Some(declared(loaded.project))),
        }
    }

    async fn run(&self, request: &Request, schedule: &Schedule) -> Ran {
        let context = self.context.at(self.folder.clone(), &self.environment);
        let (request, schedule, attempts) = (request.clone(), schedule.clone(), request.attempts);
        let job = async move |context: Context| run_request(&context, &request, &schedule).await;
        came_out(self.workshop.run(context, job).await, attempts)
    }

    async fn resume(&self, request: &Request, run: &str) -> Ran {
        let context = self.context.at(self.folder.clone(), &self.environment);
        let (run, attempts) = (run.to_owned(), request.attempts);
        let job = async move |context: Context| resume_request(&context, &run).await;
        came_out(self.workshop.run(context, job).await, attempts)
    }

    async fn runbook(&self, request: &Request, runbook: &str) -> Ran {
        let context = self.context.at(self.folder.clone(), &self.environment);
        let (runbook, incident) = (runbook.to_owned(), Some(request.asked.key.clone()));
        let request_of = RunbookRequest { runbook, incident, automatic: true };
        let job = async move |context: Context| {
            let workspace = Workspace::open(&context, Access::Write).await?;
            run_book(workspace, request_of).await
        };
        came_out(self.workshop.run(context, job).await, request.attempts)
    }

    fn secret(&self, kind: &str, name: &str) -> Option<String> {
        match kind {
            "env" => crate::settings::secret(name),
            _ => std::fs::read_to_string(name).ok().map(|text| text.trim_end().to_owned()),
        }
    }

    fn say(&self, line: &str) {
        output::say(line);
    }
}

/// Goes on with a run that somebody answered for; one that was rejected meanwhile is told with its reason.
async fn resume_request(context: &Context, run: &str) -> Result<RunReport, CliError> {
    let workspace = Workspace::open(context, Access::Read).await?;
    let run = find_run(&workspace, Some(run)).await?;
    match run.state {
        RunState::Waiting => {}
        // Somebody rejected it, or it waited too long: those who heard that it waits hear this, too.
        RunState::Failed => return Err(CliError::Run(RunError::Project(run.cause.unwrap_or_default()))),
        // A hand has gone on with it meanwhile.
        _ => return Err(CliError::Run(RunError::Cancelled { run: run.id })),
    }
    drop(workspace);
    resumed(context, &run, Some("approval")).await
}

/// What the scheduler is told of a run.
fn came_out(ran: Option<Result<RunReport, CliError>>, attempts: u32) -> Ran {
    match ran {
        None => Ran::Refused("the run ended early".to_owned()),
        Some(Ok(report)) => Ran::Ended(Box::new(report)),
        Some(Err(CliError::Run(RunError::Cancelled { .. } | RunError::Paused { .. }))) => Ran::Cancelled,
        Some(Err(error)) if is_locked(&error) || is_away(&error, attempts) => Ran::NotNow(error.to_string()),
        Some(Err(error)) => Ran::Refused(error.to_string()),
    }
}

/// What the scheduler must know of a project.
fn declared(project: Project) -> Declared {
    let owners = project.assets.iter().filter_map(|(name, asset)| Some((name.clone(), asset.owner.clone()?)));
    let owners = owners.collect();
    let of_monitor = |asset: &Asset| match &asset.definition {
        Definition::Monitor(monitor) => Some((asset.name.clone(), monitor.runbook.clone()?)),
        _ => None,
    };
    let of_monitors = project.assets.values().filter_map(of_monitor).collect();
    let places = project.assets.values().filter_map(|asset| match &asset.definition {
        Definition::Source(source) => Some((source.path.as_str(), &source.options)),
        _ => None,
    });
    Declared {
        stores: Stores::of(places),
        schedules: project.schedules,
        about: About {
            project: project.name,
            owners,
            channels: project.channels,
            runbooks: project.runbooks,
            asks: project.execution.steps.values().any(|step| step.approval.is_some()),
            of_monitors,
        },
    }
}

/// Whether another command works on the environment.
fn is_locked(error: &CliError) -> bool {
    let (CliError::Ledger(of_ledger) | CliError::Run(RunError::Ledger(of_ledger))) = error else {
        return false;
    };
    matches!(of_ledger, LedgerError::Locked { .. } | LedgerError::StorageLocked { .. } | LedgerError::Moved { .. })
}

/// Whether the ledger did not answer, as a database that is started again does not; a run that was tried this often is not
/// begun again, it may be what the ledger cannot bear.
fn is_away(error: &CliError, attempts: u32) -> bool {
    let of_ledger = matches!(
        error,
        CliError::Ledger(LedgerError::Storage { .. }) | CliError::Run(RunError::Ledger(LedgerError::Storage { .. }))
    );
    of_ledger && attempts < MOST_TRIES
}

/// Takes requests for schedules over HTTP.
pub(crate) struct Desk {
    workspace: Arc<Workspace>,
}

impl Desk {
    /// Of an open project.
    pub(crate) fn of(workspace: Arc<Workspace>) -> Self {
        Self { workspace }
    }
}

#[async_trait]
impl ScheduleDesk for Desk {
    async fn ask(&self, name: &str, parameters: BTreeMap<String, String>) -> baton_server::Asked {
        let services = self.workspace.services();
        // As declared now: the server may have been started long ago.
        let project = baton_project::load(&services.folder).project;
        let schedules = &project.schedules;
        let Some(schedule) = schedules.iter().find(|schedule| schedule.name.as_str() == name) else {
            let known = schedules.iter().map(|schedule| schedule.name.as_str());
            return baton_server::Asked::Unknown(nearest(name, known).map(str::to_owned));
        };
        if let Err(mistake) = read_parameters(&project.params, &parameters) {
            return baton_server::Asked::Refused(mistake.to_string());
        }
        let request = by_hand(schedule, Trigger::Webhook, services.clock.now(), parameters);
        match services.operations.request(&self.workspace.environment, &request).await {
            Ok(number) => baton_server::Asked::Waits(number),
            Err(error) => baton_server::Asked::Failed(error.to_string()),
        }
    }

    async fn awaited(&self) -> Result<serde_json::Value, String> {
        let services = self.workspace.services();
        let awaited = baton_orchestrator::awaited_in(services, &self.workspace.environment).await;
        awaited.map(|awaited| serde_json::json!({"approvals": awaited})).map_err(|error| error.to_string())
    }

    async fn answer(&self, said: Said) -> Taken {
        let Said { run, step, by, approves, reason } = said;
        let run = match find_run(&self.workspace, Some(&run)).await {
            Ok(run) => run,
            Err(error @ CliError::BadArgument { .. }) => return Taken::Unknown(error.to_string()),
            Err(error) => return Taken::Failed(error.to_string()),
        };
        let answer = Answer { step, by, approves, reason };
        match baton_orchestrator::answer(self.workspace.services(), &run, &answer).await {
            Ok(awaited) => Taken::Counts(serde_json::json!({"answered": awaited, "approved": approves})),
            Err(RunError::Project(reason)) => Taken::Refused(reason),
            Err(error) => Taken::Failed(error.to_string()),
        }
    }

    async fn figures(&self) -> Vec<Figure> {
        // A ledger that does not answer is told by what else is asked of it.
        let mut found = figures(&self.workspace).await.unwrap_or_default();
        found.extend(source_figures(&self.workspace).await.unwrap_or_default());
        found
    }
}

/// When sources were landed last, and how long the oldest row waited for it.
async fn source_figures(workspace: &Workspace) -> Result<Vec<Figure>, RunError> {
    let landings = baton_orchestrator::landings(workspace.services(), &workspace.project).await?;
    let figure = |name, help, landing: &SourceLanding, value| Figure {
        name,
        help,
        labels: vec![("source", landing.source.to_string())],
        value,
    };
    let help = "When rows of a source were recorded last.";
    let at = |landing: &SourceLanding| landing.at.timestamp_millis() as f64 / 1_000.0;
    let mut found: Vec<Figure> = landings
        .iter()
        .map(|landing| figure("baton_source_last_landing_timestamp_seconds", help, landing, at(landing)))
        .collect();
    let help = "How long the oldest row of the newest landing was at the origin before it was recorded.";
    for landing in &landings {
        let Some(waited) = landing.waited_ms else { continue };
        found.push(figure("baton_source_oldest_row_wait_seconds", help, landing, waited as f64 / 1_000.0));
    }
    Ok(found)
}

/// The queue of the server's environment, and the newest run of each schedule.
async fn figures(workspace: &Workspace) -> Result<Vec<Figure>, LedgerError> {
    let (services, environment) = (workspace.services(), workspace.environment.as_str());
    let (now, open) = (services.clock.now(), services.operations.open_requests(environment).await?);
    let figure = |name, help, labels, value| Figure { name, help, labels, value };
    let mut found = Vec::new();
    for state in [RunState::Queued, RunState::Running] {
        let count = open.iter().filter(|request| request.state == state).count();
        let labels = vec![("state", state.word().to_owned())];
        found.push(figure("baton_schedule_requests", "Runs that wait or go on.", labels, count as f64));
    }
    let waits = open.iter().filter(|request| request.state == RunState::Queued);
    let oldest = waits.map(|request| (now - request.asked.due_at).num_milliseconds().max(0)).max().unwrap_or(0);
    let help = "Time since the oldest run that waits was due.";
    found.push(figure("baton_schedule_oldest_wait_seconds", help, Vec::new(), oldest as f64 / 1_000.0));
    let mut newest = Vec::new();
    // Those that were declared when the server began: files are not read for every look.
    for schedule in &workspace.project.schedules {
        let filter = RunFilter {
            environment: Some(environment.to_owned()),
            schedule: Some(schedule.name.to_string()),
            limit: 1,
            ..RunFilter::default()
        };
        newest.extend(services.operations.runs(&filter).await?);
    }
    let of = |run: &RunRecord| vec![("schedule", run.schedule.clone().unwrap_or_default())];
    let help = "When the newest run of a schedule began.";
    let began = |run: &RunRecord| run.started_at.timestamp_millis() as f64 / 1_000.0;
    found.extend(
        newest.iter().map(|run| figure("baton_schedule_last_run_timestamp_seconds", help, of(run), began(run))),
    );
    let help = "How long the newest run of a schedule took, or goes on.";
    let took = |run: &RunRecord| (run.finished_at.unwrap_or(now) - run.started_at).num_milliseconds() as f64 / 1_000.0;
    found.extend(newest.iter().map(|run| figure("baton_schedule_last_run_duration_seconds", help, of(run), took(run))));
    let help = "Whether steps of the newest run of a schedule failed.";
    let failed = |run: &RunRecord| f64::from(u8::from(run.state == RunState::Failed));
    found.extend(newest.iter().map(|run| figure("baton_schedule_last_run_failed", help, of(run), failed(run))));
    Ok(found)
}
