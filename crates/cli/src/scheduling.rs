//! Schedules in a server: what the scheduler needs of the process around it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use baton_core::Schedule;
use baton_core::ports::{LedgerError, Request};
use baton_diagnostics::{Severity, nearest};
use baton_orchestrator::schedule::{About, Declared, Host, Ran, Scheduler, Trigger};
use baton_orchestrator::{Asked, RunError, RunReport};
use baton_project::Project;
use baton_server::ScheduleDesk;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::args::SelectionArguments;
use crate::commands::by_hand;
use crate::context::Context;
use crate::error::CliError;
use crate::output;
use crate::project::Workspace;
use crate::wire::Access;

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
}

impl ServerHost {
    fn of(workspace: &Workspace) -> Self {
        Self {
            context: Context { quiet: true, verbose: 0, progress: false, ..workspace.context.clone() },
            environment: workspace.environment.clone(),
            folder: workspace.services().folder.clone(),
            read: Mutex::new(None),
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
    };
    let workspace = Workspace::open(context, Access::Write).await?.asked_by(asked);
    let _guard = workspace.lock("baton serve")?;
    run_schedule(&workspace, schedule, request.asked.as_of).await
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
        let (request, schedule) = (request.clone(), schedule.clone());
        // A run stays on one thread, as it does in a command.
        let running = tokio::task::spawn_blocking(move || {
            tokio::runtime::Handle::current().block_on(run_request(&context, &request, &schedule))
        });
        let ran = match running.await {
            Ok(ran) => ran,
            Err(error) => return Ran::Refused(format!("the run ended early: {error}")),
        };
        match ran {
            Ok(report) => Ran::Ended(Box::new(report)),
            Err(CliError::Run(RunError::Cancelled { .. })) => Ran::Cancelled,
            Err(error) if is_locked(&error) => Ran::NotNow(error.to_string()),
            Err(error) => Ran::Refused(error.to_string()),
        }
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

/// What the scheduler must know of a project.
fn declared(project: Project) -> Declared {
    let owners = project.assets.iter().filter_map(|(name, asset)| Some((name.clone(), asset.owner.clone()?)));
    let owners = owners.collect();
    Declared {
        schedules: project.schedules,
        about: About { project: project.name, owners, channels: project.channels },
    }
}

/// Whether another command works on the environment.
fn is_locked(error: &CliError) -> bool {
    let (CliError::Ledger(of_ledger) | CliError::Run(RunError::Ledger(of_ledger))) = error else {
        return false;
    };
    matches!(of_ledger, LedgerError::Locked { .. } | LedgerError::StorageLocked { .. } | LedgerError::Moved { .. })
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
    async fn ask(&self, name: &str) -> baton_server::Asked {
        let services = self.workspace.services();
        // As declared now: the server may have been started long ago.
        let schedules = baton_project::load(&services.folder).project.schedules;
        let Some(schedule) = schedules.iter().find(|schedule| schedule.name.as_str() == name) else {
            let known = schedules.iter().map(|schedule| schedule.name.as_str());
            return baton_server::Asked::Unknown(nearest(name, known).map(str::to_owned));
        };
        let request = by_hand(schedule, Trigger::Webhook, services.clock.now());
        match services.operations.request(&self.workspace.environment, &request).await {
            Ok(number) => baton_server::Asked::Waits(number),
            Err(error) => baton_server::Asked::Failed(error.to_string()),
        }
    }
}
