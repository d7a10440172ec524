//! The scheduler of one environment in one process: it waits for the lease, asks what is due, and runs what waits.
//!
//! It sleeps until the next instant at which something is due, or until the ledger, the project or a run says that
//! something happened. A wake-up reads the environment's head, the cursors in memory and the open requests: its cost does
//! not grow with what ever ran.

mod advancing;
mod election;
mod leading;
mod people;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use baton_core::ports::{Advance, Lease, Ledger, LedgerError, Operations, Request, RequestEnd, RunState};
use baton_core::schedule::Schedule;
use baton_core::{AssetName, Clock, CommitId, Timestamp};
use baton_notify::Courier;
use chrono::TimeDelta;
use serde_json::Value;
use tokio::task::JoinHandle;

use self::advancing::{Move, count_together};
use self::election::Election;
use self::leading::change;
use super::delivery::deliver;
use super::due::{Cursor, Facts, Timetable, due};
use super::files::{Listings, Place};
use super::notices::About;
use super::stores::Stores;
use super::work::Work;
use crate::report::RunReport;

/// How often the ledger is asked whether something happened.
const LOOK: Duration = Duration::from_millis(250);
/// How often it is asked whether the run that goes on has ended.
const GLANCE: Duration = Duration::from_millis(4);
/// How often files that schedules wait for are looked at.
const LISTEN: TimeDelta = TimeDelta::seconds(1);
/// How often the project is asked whether it declares something else.
const READ: TimeDelta = TimeDelta::seconds(2);
/// A request whose server ended as often is not begun again: it may be what ends them.
const MOST_STARTS: u32 = 5;

/// What the scheduler needs of the process around it.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// What the project declares now; `None` when it is as last told.
    async fn declared(&self) -> Result<Option<Declared>, String>;

    /// Runs a request to its end.
    async fn run(&self, request: &Request, schedule: &Schedule) -> Ran;

    /// Goes on with a run that waited.
    async fn resume(&self, request: &Request, run: &str) -> Ran;

    /// Does a runbook for an incident.
    async fn runbook(&self, request: &Request, runbook: &str) -> Ran;

    /// The value of a secret by the kind and name of its reference.
    fn secret(&self, kind: &str, name: &str) -> Option<String>;

    /// Tells people what the scheduler does.
    fn say(&self, line: &str);
}

/// What the scheduler must know of a project.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// Its schedules.
    pub schedules: Vec<Schedule>,
    /// Whom to tell of what.
    pub about: About,
    /// How the stores are reached in which schedules wait for files.
    pub stores: Stores,
}

/// How a request came out.
#[derive(Debug, Clone, PartialEq)]
pub enum Ran {
    /// It ran; steps of it may have failed.
    Ended(Box<RunReport>),
    /// Somebody ended it.
    Cancelled,
    /// It could not be begun, and another try will not help.
    Refused(String),
    /// It could not be begun now, as when another command works on the environment.
    NotNow(String),
}

/// The parts of a scheduler.
pub struct Scheduler {
    /// The environment.
    pub environment: String,
    /// Who this is, unique among servers: others are told it.
    pub holder: String,
    /// The project folder.
    pub folder: PathBuf,
    /// Commits.
    pub ledger: Arc<dyn Ledger>,
    /// The lease and the queue.
    pub operations: Arc<dyn Operations>,
    /// The machine's clock.
    pub clock: Arc<dyn Clock>,
    /// The process around it.
    pub host: Arc<dyn Host>,
}

/// A schedule with what of it was dealt with.
struct Watched {
    schedule: Schedule,
    times: Timetable,
    cursor: Cursor,
    /// Whether the project's files hold it back, whatever else does.
    is_declared_paused: bool,
    /// What the ledger holds of the cursor.
    stored: Option<Value>,
    wake_at: Option<Timestamp>,
}

/// What the holder of the lease knows.
#[derive(Default)]
struct Lead {
    /// `None` while there is nothing to run.
    election: Option<Election>,
    lease: Option<Lease>,
    /// What the project declares for this environment.
    declared: Vec<Schedule>,
    about: About,
    stores: Stores,
    watched: BTreeMap<String, Watched>,
    courier: Courier,
    delivering: Option<JoinHandle<()>>,
    head: Option<CommitId>,
    versions: BTreeMap<AssetName, String>,
    listings: Listings,
    listen_at: Option<Timestamp>,
    pulse: Option<u64>,
    active: Option<(Request, JoinHandle<Ran>)>,
    told_late: Vec<u64>,
    trouble: String,
    read_at: Option<Timestamp>,
    follows: Option<String>,
    /// When what somebody adjusted ends, the first of them.
    adjusted_until: Option<Timestamp>,
    /// When the next run has waited too long for somebody's word.
    expires_at: Option<Timestamp>,
    /// The pulse at which adjustments and runs that wait were last read.
    looked_at: Option<u64>,
}

impl Scheduler {
    /// Runs schedules until `stop`, then gives the lease back. A run that goes on then is ended, and begun again by
    /// whoever takes over.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut lead = Lead::default();
        tokio::pin!(stop);
        loop {
            if let Err(error) = self.turn(&mut lead).await {
                self.say_trouble(&mut lead, &error);
            }
            tokio::select! {
                () = &mut stop => break,
                () = self.sleep(&mut lead) => {}
            }
        }
        if let Some((_, running)) = lead.active.take() {
            running.abort();
        }
        drop(lead.election.take());
        if let Some(lease) = lead.lease.take() {
            // The lease ends by itself soon.
            let _ends_anyway = self.operations.release_lease(&lease).await;
        }
    }

    async fn turn(&self, lead: &mut Lead) -> Result<(), LedgerError> {
        let now = self.clock.now();
        // First of all: who waits for another one to take over does not wait for a project to be read.
        let leads = self.leads(lead).await?;
        let has_other_schedules = self.read_schedules(lead, now).await;
        let has_nothing = lead.declared.is_empty() && lead.about.runbooks.is_empty() && !lead.about.asks;
        self.stand(lead, !has_nothing || lead.active.is_some());
        if lead.election.is_none() || !leads {
            return Ok(());
        }
        self.finish_active(lead).await?;
        if has_other_schedules || lead.watched.is_empty() {
            self.watch(lead, now).await?;
        }
        self.read_head(lead).await?;
        self.look_at_people(lead, now, has_other_schedules).await?;
        self.advance_all(lead, now).await?;
        self.begin_next(lead, now).await?;
        self.tell_late(lead, now).await?;
        self.deliver(lead);
        Ok(())
    }

    /// Takes in the end of the run that goes on, if it ended.
    async fn finish_active(&self, lead: &mut Lead) -> Result<(), LedgerError> {
        let Some((request, running)) = lead.active.take_if(|(_, running)| running.is_finished()) else { return Ok(()) };
        let ran = running.await.unwrap_or_else(|error| Ran::Refused(format!("the run ended early: {error}")));
        let ended = |state: RunState, reason: Option<String>| RequestEnd::Ended { state, reason };
        self.tell(lead, &request, &ran).await?;
        self.ask_for_runbooks(lead, &ran).await?;
        let end = match ran {
            Ran::Ended(report) if report.succeeded() && !report.awaits.is_empty() => {
                ended(RunState::Waiting, report.awaits.first().map(|awaited| awaited.line()))
            }
            Ran::Ended(report) if report.succeeded() => ended(RunState::Succeeded, None),
            Ran::Ended(report) => {
                let failed = report.failures().count();
                ended(
                    RunState::Failed,
                    Some(format!("{failed} of {} steps of run {} failed", report.steps.len(), report.run)),
                )
            }
            Ran::Cancelled => ended(RunState::Cancelled, None),
            Ran::Refused(reason) => ended(RunState::Failed, Some(reason)),
            Ran::NotNow(reason) => {
                let wait = TimeDelta::seconds(1_i64 << request.attempts.min(5));
                RequestEnd::Again { not_before: self.clock.now() + wait, reason }
            }
        };
        if let RequestEnd::Ended { reason: Some(reason), .. } = &end {
            self.host.say(&format!("{}: {reason}", Work::of(&request.asked.schedule)));
        }
        lead.told_late.retain(|id| *id != request.id);
        match &lead.lease {
            Some(lease) => self.operations.end_request(lease, request.id, &end).await,
            None => Ok(()),
        }
    }

    /// Reads what the project declares, now and then; answers whether that is something else than before.
    async fn read_schedules(&self, lead: &mut Lead, now: Timestamp) -> bool {
        if lead.read_at.is_some_and(|at| now < at) {
            return false;
        }
        lead.read_at = Some(now + READ);
        let is_ours =
            |schedule: &Schedule| schedule.environments.is_empty() || schedule.environments.contains(&self.environment);
        match self.host.declared().await {
            Ok(Some(declared)) => {
                lead.declared = declared.schedules.into_iter().filter(is_ours).collect();
                lead.about = declared.about;
                lead.stores = declared.stores;
                true
            }
            Ok(None) => false,
            Err(reason) => {
                self.say_once(lead, &format!("the project has mistakes, its schedules stay as they were: {reason}"));
                false
            }
        }
    }

    /// Finds out how far the declared schedules are.
    async fn watch(&self, lead: &mut Lead, now: Timestamp) -> Result<(), LedgerError> {
        let mut watched = BTreeMap::new();
        for schedule in lead.declared.clone() {
            let name = schedule.name.to_string();
            let stored = match lead.watched.remove(&name) {
                Some(known) => known.stored,
                None => self.operations.cursor(&self.environment, &name).await?,
            };
            // A cursor of another version of Baton is begun anew.
            let cursor = stored.clone().and_then(|stored| serde_json::from_value(stored).ok()).unwrap_or_default();
            let is_declared_paused = schedule.paused;
            let times = Timetable::of(&schedule);
            watched.insert(name, Watched { schedule, times, cursor, is_declared_paused, stored, wake_at: Some(now) });
        }
        lead.watched = watched;
        Ok(())
    }

    /// Takes in the versions of the environment, if it has moved.
    async fn read_head(&self, lead: &mut Lead) -> Result<(), LedgerError> {
        let environments = self.ledger.environments().await?;
        let head = environments.into_iter().find(|found| found.name == self.environment).map(|found| found.commit);
        if head == lead.head {
            return Ok(());
        }
        if let Some(commit) = match &head {
            Some(id) => self.ledger.read_commit(id).await?,
            None => None,
        } {
            let version = |pin: &baton_core::Pin| format!("{} {}", pin.fingerprint.short(), pin.version);
            lead.versions = commit.assets.iter().map(|(name, pin)| (name.clone(), version(pin))).collect();
        }
        lead.head = head;
        lead.watched.values_mut().for_each(|watched| watched.wake_at = Some(self.clock.now()));
        Ok(())
    }

    /// Puts what is due into the queue.
    async fn advance_all(&self, lead: &mut Lead, now: Timestamp) -> Result<(), LedgerError> {
        let listens = lead.listen_at.is_none_or(|at| now >= at);
        if listens {
            lead.listen_at = Some(now + LISTEN);
        }
        let Some(lease) = lead.lease.clone() else { return Ok(()) };
        let mut moves = Vec::new();
        for (name, watched) in &lead.watched {
            let files = match (&watched.schedule.triggers.files, listens) {
                (Some(glob), true) => {
                    let (folder, stores) = (self.folder.as_path(), &lead.stores);
                    lead.listings.look(&Place { folder, glob, stores, host: &self.host, now }).await
                }
                _ => None,
            };
            let has_news = files.is_some() && files != watched.cursor.files;
            if !has_news && watched.wake_at.is_none_or(|at| now < at) {
                continue;
            }
            let facts = Facts { now, versions: &lead.versions, files: files.as_deref() };
            moves.push(Move::of(name, watched, due(&watched.schedule, &watched.times, &watched.cursor, &facts), now));
        }
        if let Some(trouble) = lead.listings.take_trouble() {
            self.say_once(lead, &trouble);
        }
        // Schedules of one minute are due at once: they move on together.
        while !moves.is_empty() {
            let rest = moves.split_off(count_together(&moves));
            let advances: Vec<Advance> = moves.iter().filter_map(|each| each.advance.clone()).collect();
            if !advances.is_empty() {
                self.operations.advance(&lease, &self.environment, &advances).await?;
            }
            moves.into_iter().for_each(|each| each.done(&mut lead.watched, now));
            moves = rest;
        }
        Ok(())
    }

    /// Begins the next run, if none goes on. One at a time: a run takes the environment for itself.
    async fn begin_next(&self, lead: &mut Lead, now: Timestamp) -> Result<(), LedgerError> {
        let Some(lease) = lead.lease.clone().filter(|_| lead.active.is_none()) else { return Ok(()) };
        if !self.operations.has_waiting(&self.environment, now).await? {
            return Ok(());
        }
        let Some(request) = self.operations.begin_request(&lease, &self.environment, now).await? else { return Ok(()) };
        let ended = |reason: String| RequestEnd::Ended { state: RunState::Failed, reason: Some(reason) };
        let work = match Work::of(&request.asked.schedule) {
            Work::Schedule(name) if !lead.watched.contains_key(name) => {
                let gone = format!("there is no schedule `{name}` in environment `{}`", self.environment);
                return self.operations.end_request(&lease, request.id, &ended(gone)).await;
            }
            work => work,
        };
        if self.is_held(lead, work, &request) {
            let end = RequestEnd::Ended { state: RunState::Cancelled, reason: Some("it is held back".to_owned()) };
            return self.operations.end_request(&lease, request.id, &end).await;
        }
        if request.attempts > MOST_STARTS && request.reason.as_deref() == Some("the server that ran it ended") {
            let given_up = format!("its server ended {MOST_STARTS} times while it ran");
            return self.operations.end_request(&lease, request.id, &ended(given_up)).await;
        }
        self.host.say(&format!("{work} begins ({})", request.asked.trigger));
        let (host, begun) = (Arc::clone(&self.host), request.clone());
        let running = match work {
            Work::Schedule(name) => {
                let Some(schedule) = lead.watched.get(name).map(|watched| watched.schedule.clone()) else {
                    return Ok(());
                };
                tokio::spawn(async move { host.run(&begun, &schedule).await })
            }
            Work::Resume(run) => {
                let run = run.to_owned();
                tokio::spawn(async move { host.resume(&begun, &run).await })
            }
            Work::Runbook(name) => {
                let name = name.to_owned();
                tokio::spawn(async move { host.runbook(&begun, &name).await })
            }
        };
        lead.active = Some((request, running));
        Ok(())
    }

    /// Delivers what waits in the outbox, beside everything else.
    fn deliver(&self, lead: &mut Lead) {
        if lead.about.channels.is_empty() || lead.delivering.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let delivery = deliver(
            self.holder.clone(),
            Arc::clone(&self.operations),
            Arc::clone(&self.clock),
            Arc::clone(&self.host),
            lead.about.channels.clone(),
            lead.courier.clone(),
        );
        // What was not delivered is still in the outbox.
        lead.delivering = Some(tokio::spawn(async move { drop(delivery.await) }));
    }

    /// Sleeps until something may have to be done.
    async fn sleep(&self, lead: &mut Lead) {
        loop {
            tokio::select! {
                () = pause(lead.active.as_ref().map(|(_, running)| running)) => {}
                () = change(&mut lead.election) => return,
            }
            let now = self.clock.now();
            let is_over = lead.active.as_ref().is_some_and(|(_, running)| running.is_finished());
            let people = [lead.adjusted_until, lead.expires_at];
            let instants = lead.read_at.into_iter().chain(people.into_iter().flatten());
            let listens = lead.watched.values().any(|watched| watched.schedule.triggers.files.is_some());
            let instants = instants.chain(lead.listen_at.filter(|_| listens));
            let wakes = lead.watched.values().filter_map(|watched| watched.wake_at);
            let pulse = self.operations.pulse().await.ok();
            let has_news = pulse != lead.pulse || lead.has_to_take_over();
            lead.pulse = pulse;
            if is_over || has_news || instants.chain(wakes).any(|at| at <= now) {
                return;
            }
        }
    }

    fn say_trouble(&self, lead: &mut Lead, error: &LedgerError) {
        if let (LedgerError::LeaseLost { .. }, Some(election)) = (error, &lead.election) {
            election.ask_now();
        }
        self.say_once(lead, &error.to_string());
    }

    /// A trouble that lasts is said once.
    fn say_once(&self, lead: &mut Lead, text: &str) {
        if lead.trouble != text {
            self.host.say(text);
            text.clone_into(&mut lead.trouble);
        }
    }
}

/// Until it is time to look again, or the run that goes on ends: the next one begins at once.
async fn pause(running: Option<&JoinHandle<Ran>>) {
    let until = tokio::time::Instant::now() + LOOK;
    let Some(running) = running else { return tokio::time::sleep_until(until).await };
    while !running.is_finished() && tokio::time::Instant::now() < until {
        tokio::time::sleep(GLANCE).await;
    }
}
