//! Operations in memory: the fake for tests, held to the same contract suite as the others.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::Value;

use super::{
    Adjustment, Advance, Delivery, Lease, LedgerError, LogLine, Message, NewMessage, NewRequest, Operations, Request,
    RequestEnd, RunChange, RunFilter, RunRecord, RunState, StepRecord, Waiter,
};
use crate::time::Timestamp;

/// Operations that live as long as the value.
#[derive(Default)]
pub struct MemoryOperations {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    writes: u64,
    leases: BTreeMap<String, Lease>,
    cursors: BTreeMap<(String, String), Value>,
    requests: Vec<Held>,
    runs: Vec<RunRecord>,
    cancelled: Vec<String>,
    paused: Vec<String>,
    waiters: Vec<(String, Waiter, Timestamp)>,
    adjustments: BTreeMap<(String, String), Adjustment>,
    planned: BTreeMap<String, Vec<String>>,
    steps: BTreeMap<(String, u32), StepRecord>,
    logs: Vec<LogLine>,
    messages: Vec<Posted>,
}

struct Held {
    request: Request,
    not_before: Option<Timestamp>,
    token: u64,
}

impl Held {
    fn may_begin(&self, environment: &str, now: Timestamp) -> bool {
        self.request.environment == environment
            && self.request.state == RunState::Queued
            && self.not_before.is_none_or(|at| at <= now)
    }
}

struct Posted {
    message: Message,
    not_before: Timestamp,
    is_open: bool,
}

impl MemoryOperations {
    /// Nothing is going on.
    pub fn new() -> Self {
        Self::default()
    }

    fn read(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> MutexGuard<'_, State> {
        let mut state = self.read();
        state.writes += 1;
        state
    }
}

impl State {
    fn need(&self, lease: &Lease) -> Result<(), LedgerError> {
        let found = self.leases.get(&lease.name);
        if found.is_some_and(|found| found.token == lease.token && found.holder == lease.holder) {
            return Ok(());
        }
        let holder = found.map_or("nobody".to_owned(), |found| found.holder.clone());
        Err(LedgerError::LeaseLost { name: lease.name.clone(), holder })
    }

    /// Answers the number of a new request; `None` when it is there already.
    fn put(&mut self, environment: &str, asked: &NewRequest) -> Option<u64> {
        let of_schedule =
            |held: &&Held| held.request.environment == environment && held.request.asked.schedule == asked.schedule;
        let is_same = |held: &Held| {
            held.request.asked.key == asked.key
                || asked.coalesces
                    && held.request.state == RunState::Queued
                    && held.request.asked.parameters == asked.parameters
        };
        if self.requests.iter().filter(of_schedule).any(is_same) {
            return None;
        }
        let id = self.requests.len() as u64 + 1;
        let (environment, asked) = (environment.to_owned(), asked.clone());
        let request = Request { id, environment, asked, state: RunState::Queued, attempts: 0, reason: None };
        self.requests.push(Held { request, not_before: None, token: 0 });
        Some(id)
    }

    fn keep(&mut self, change: RunChange) {
        match change {
            RunChange::Started(run) => {
                let is_step = |other: &RunRecord| other.command == "runbook" && run.command != "runbook";
                let lost = |other: &&mut RunRecord| {
                    other.environment == run.environment && other.state == RunState::Running && !is_step(other)
                };
                self.runs.iter_mut().filter(lost).for_each(|other| other.state = RunState::Interrupted);
                self.cancelled.retain(|id| *id != run.id);
                self.paused.retain(|id| *id != run.id);
                match self.runs.iter_mut().find(|known| known.id == run.id) {
                    Some(known) => {
                        (known.state, known.steps) = (RunState::Running, run.steps);
                        (known.finished_at, known.cause) = (None, None);
                    }
                    None => self.runs.push(run),
                }
            }
            RunChange::Planned { run, assets } => drop(self.planned.insert(run, assets)),
            RunChange::Step(step) => drop(self.steps.insert((step.run.clone(), step.number), step)),
            RunChange::Log(line) => self.logs.push(line),
            RunChange::Ended(end) => {
                let again: Vec<String> = self.begun_again().map(|run| run.id.clone()).collect();
                for run in self.runs.iter_mut().filter(|run| run.id == end.run && !again.contains(&run.id)) {
                    (run.state, run.finished_at) = (end.state, Some(end.at));
                    (run.commit, run.cause) = (end.commit.clone(), end.cause.clone());
                    run.failed = end.failed;
                }
            }
        }
    }

    /// Runs that were interrupted and whose tick was begun again.
    fn begun_again(&self) -> impl Iterator<Item = &RunRecord> {
        let tick =
            |run: &RunRecord| Some((run.environment.clone(), run.schedule.clone()?, run.trigger.clone(), run.due_at?));
        let is_again = move |run: &&RunRecord| {
            let later = |other: &&RunRecord| other.started_at > run.started_at && tick(other) == tick(run);
            run.state == RunState::Interrupted && tick(run).is_some() && self.runs.iter().any(|other| later(&other))
        };
        self.runs.iter().filter(is_again)
    }

    /// The last that its channel was told of the cause of `message`: whether it goes on.
    fn goes_on(&self, message: &NewMessage) -> bool {
        let same = |posted: &&Posted| {
            let known = &posted.message.message;
            known.channel == message.channel && known.cause == message.cause && known.environment == message.environment
        };
        self.messages.iter().rev().find(same).is_some_and(|posted| !posted.message.message.ends)
    }
}

#[async_trait]
impl Operations for MemoryOperations {
    async fn pulse(&self) -> Result<u64, LedgerError> {
        Ok(self.read().writes)
    }

    async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, LedgerError> {
        let mut state = self.write();
        let found = state.leases.get(name).cloned();
        let token = match found {
            Some(found) if found.holder == holder => found.token,
            Some(found) if found.until > now => return Ok(found),
            found => found.map_or(1, |found| found.token + 1),
        };
        let lease = Lease { name: name.to_owned(), holder: holder.to_owned(), token, until };
        state.leases.insert(name.to_owned(), lease.clone());
        Ok(lease)
    }

    async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError> {
        let mut state = self.write();
        if state.need(lease).is_ok()
            && let Some(found) = state.leases.get_mut(&lease.name)
        {
            found.until = crate::time::timestamp_from_micros(0);
            found.holder = String::new();
        }
        Ok(())
    }

    async fn cursor(&self, environment: &str, schedule: &str) -> Result<Option<Value>, LedgerError> {
        Ok(self.read().cursors.get(&(environment.to_owned(), schedule.to_owned())).cloned())
    }

    async fn advance(&self, lease: &Lease, environment: &str, advances: &[Advance]) -> Result<usize, LedgerError> {
        let mut state = self.write();
        state.need(lease)?;
        for Advance { schedule, cursor, .. } in advances {
            state.cursors.insert((environment.to_owned(), schedule.clone()), cursor.clone());
        }
        let requests = advances.iter().flat_map(|advance| &advance.requests);
        Ok(requests.filter_map(|request| state.put(environment, request)).count())
    }

    async fn request(&self, environment: &str, request: &NewRequest) -> Result<u64, LedgerError> {
        let mut state = self.write();
        let number = state.put(environment, request);
        Ok(number.unwrap_or_default())
    }

    async fn open_requests(&self, environment: &str) -> Result<Vec<Request>, LedgerError> {
        let state = self.read();
        let is_open = |request: &&Request| {
            request.environment == environment && matches!(request.state, RunState::Queued | RunState::Running)
        };
        let mut open: Vec<Request> = state.requests.iter().map(|held| &held.request).filter(is_open).cloned().collect();
        open.sort_by_key(|request| {
            (request.state == RunState::Queued, -request.asked.priority, request.asked.due_at, request.id)
        });
        Ok(open)
    }

    async fn has_waiting(&self, environment: &str, now: Timestamp) -> Result<bool, LedgerError> {
        Ok(self.read().requests.iter().any(|held| held.may_begin(environment, now)))
    }

    async fn begin_request(
        &self,
        lease: &Lease,
        environment: &str,
        now: Timestamp,
    ) -> Result<Option<Request>, LedgerError> {
        let mut state = self.write();
        state.need(lease)?;
        let may_begin = |held: &&mut Held| held.may_begin(environment, now);
        let order = |held: &&mut Held| (-held.request.asked.priority, held.request.asked.due_at, held.request.id);
        let next = state.requests.iter_mut().filter(may_begin).min_by_key(order);
        Ok(next.map(|held| {
            held.token = lease.token;
            held.request.state = RunState::Running;
            held.request.attempts += 1;
            held.request.clone()
        }))
    }

    async fn end_request(&self, lease: &Lease, id: u64, end: &RequestEnd) -> Result<(), LedgerError> {
        let mut state = self.write();
        state.need(lease)?;
        for held in state.requests.iter_mut().filter(|held| held.request.id == id) {
            match end.clone() {
                RequestEnd::Ended { state, reason } => (held.request.state, held.request.reason) = (state, reason),
                RequestEnd::Again { not_before, reason } => {
                    (held.request.state, held.request.reason) = (RunState::Queued, Some(reason));
                    held.not_before = Some(not_before);
                }
            }
        }
        Ok(())
    }

    async fn recover_requests(&self, lease: &Lease, environment: &str) -> Result<usize, LedgerError> {
        let mut guard = self.write();
        let state = &mut *guard;
        state.need(lease)?;
        let is_lost = |held: &&mut Held| {
            held.request.environment == environment
                && held.request.state == RunState::Running
                && held.token != lease.token
        };
        let runs = &state.runs;
        let is_over = |asked: &NewRequest| {
            runs.iter().any(|run| {
                run.environment == environment
                    && run.schedule.as_ref() == Some(&asked.schedule)
                    && run.trigger.as_ref() == Some(&asked.trigger)
                    && run.due_at == Some(asked.due_at)
                    && run.state == RunState::Succeeded
            })
        };
        let mut again = 0;
        for held in state.requests.iter_mut().filter(is_lost) {
            let state = if is_over(&held.request.asked) { RunState::Succeeded } else { RunState::Queued };
            again += usize::from(state == RunState::Queued);
            held.request.state = state;
        }
        Ok(again)
    }

    async fn keep_runs(&self, changes: Vec<RunChange>) -> Result<(), LedgerError> {
        let mut state = self.write();
        changes.into_iter().for_each(|change| state.keep(change));
        Ok(())
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, LedgerError> {
        let state = self.read();
        let matches = |run: &&RunRecord| {
            filter.environment.as_ref().is_none_or(|wanted| *wanted == run.environment)
                && filter.schedule.as_ref().is_none_or(|wanted| Some(wanted) == run.schedule.as_ref())
                && filter.state.is_none_or(|wanted| wanted == run.state)
                && filter.id.as_ref().is_none_or(|wanted| run.id.starts_with(wanted.as_str()))
        };
        let mut found: Vec<RunRecord> = state.runs.iter().filter(matches).cloned().collect();
        found.sort_by_key(|run| std::cmp::Reverse(run.started_at));
        found.truncate(filter.limit as usize);
        Ok(found)
    }

    async fn steps(&self, run: &str) -> Result<Vec<StepRecord>, LedgerError> {
        Ok(self.read().steps.values().filter(|step| step.run == run).cloned().collect())
    }

    async fn planned(&self, run: &str) -> Result<Vec<String>, LedgerError> {
        Ok(self.read().planned.get(run).cloned().unwrap_or_default())
    }

    async fn prune_runs(&self, before: Timestamp, keep: u32) -> Result<u64, LedgerError> {
        let mut state = self.write();
        let mut newer: BTreeMap<String, u32> = BTreeMap::new();
        let mut gone = Vec::new();
        state.runs.sort_by_key(|run| std::cmp::Reverse(run.started_at));
        for run in &state.runs {
            let place = newer.entry(run.environment.clone()).or_default();
            *place += 1;
            if *place > keep && run.state != RunState::Running && !run.state.goes_on_later() && run.started_at < before
            {
                gone.push(run.id.clone());
            }
        }
        state.runs.retain(|run| !gone.contains(&run.id));
        state.steps.retain(|(run, _), _| !gone.contains(run));
        state.planned.retain(|run, _| !gone.contains(run));
        state.logs.retain(|line| !gone.contains(&line.run));
        Ok(gone.len() as u64)
    }

    async fn log(&self, run: &str) -> Result<Vec<LogLine>, LedgerError> {
        Ok(self.read().logs.iter().filter(|line| line.run == run).cloned().collect())
    }

    async fn cancel_run(&self, run: &str) -> Result<bool, LedgerError> {
        let mut state = self.write();
        let goes_on = state.runs.iter().any(|found| found.id == run && found.state == RunState::Running);
        if goes_on {
            state.cancelled.push(run.to_owned());
        }
        Ok(goes_on)
    }

    async fn is_cancelled(&self, run: &str) -> Result<bool, LedgerError> {
        Ok(self.read().cancelled.iter().any(|found| found == run))
    }

    async fn pause_run(&self, run: &str) -> Result<bool, LedgerError> {
        let mut state = self.write();
        let goes_on = state.runs.iter().any(|found| found.id == run && found.state == RunState::Running);
        if goes_on {
            state.paused.push(run.to_owned());
        }
        Ok(goes_on)
    }

    async fn is_paused(&self, run: &str) -> Result<bool, LedgerError> {
        Ok(self.read().paused.iter().any(|found| found == run))
    }

    async fn take_slot(
        &self,
        pool: &str,
        slots: usize,
        waiter: &Waiter,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Lease>, LedgerError> {
        let mut state = self.write();
        state.waiters.retain(|(_, other, ends)| *ends > now && other.holder != waiter.holder);
        let order = |waiter: &Waiter| (-waiter.priority, waiter.since, waiter.holder.clone());
        let is_ahead = |(of, other, _): &&(String, Waiter, Timestamp)| of == pool && order(other) < order(waiter);
        let ahead = state.waiters.iter().filter(is_ahead).count();
        let name = |number: usize| format!("pool/{pool}/{number}");
        let is_free = |number: &usize| state.leases.get(&name(*number)).is_none_or(|lease| lease.until <= now);
        let free: Vec<usize> = (0..slots).filter(is_free).collect();
        let Some(number) = free.first().filter(|_| free.len() > ahead) else {
            state.waiters.push((pool.to_owned(), waiter.clone(), until));
            return Ok(None);
        };
        let name = name(*number);
        let token = state.leases.get(&name).map_or(1, |lease| lease.token + 1);
        let lease = Lease { name: name.clone(), holder: waiter.holder.clone(), token, until };
        state.leases.insert(name, lease.clone());
        Ok(Some(lease))
    }

    async fn adjust(&self, adjustment: &Adjustment) -> Result<(), LedgerError> {
        let key = (adjustment.environment.clone(), adjustment.subject.clone());
        self.write().adjustments.insert(key, adjustment.clone());
        Ok(())
    }

    async fn end_adjustment(&self, environment: &str, subject: &str) -> Result<bool, LedgerError> {
        Ok(self.write().adjustments.remove(&(environment.to_owned(), subject.to_owned())).is_some())
    }

    async fn adjustments(&self, environment: &str, now: Timestamp) -> Result<Vec<Adjustment>, LedgerError> {
        let holds = |found: &&Adjustment| {
            (found.environment.is_empty() || found.environment == environment)
                && found.until.is_none_or(|until| until > now)
        };
        let mut found: Vec<Adjustment> = self.read().adjustments.values().filter(holds).cloned().collect();
        found.sort_by(|one, other| (&one.subject, &one.environment).cmp(&(&other.subject, &other.environment)));
        Ok(found)
    }

    async fn post(&self, messages: Vec<NewMessage>) -> Result<usize, LedgerError> {
        let mut state = self.write();
        let mut count = 0;
        for message in messages {
            if state.goes_on(&message) != message.ends {
                continue;
            }
            let (id, not_before) = (state.messages.len() as u64 + 1, message.at);
            let message = Message { id, message, attempts: 0 };
            state.messages.push(Posted { message, not_before, is_open: true });
            count += 1;
        }
        Ok(count)
    }

    async fn outbox(&self, now: Timestamp, limit: u32) -> Result<Vec<Message>, LedgerError> {
        let state = self.read();
        let due = state.messages.iter().filter(|posted| posted.is_open && posted.not_before <= now);
        Ok(due.map(|posted| posted.message.clone()).take(limit as usize).collect())
    }

    async fn settle_messages(&self, settled: Vec<(u64, Delivery)>) -> Result<(), LedgerError> {
        let mut state = self.write();
        for (id, delivery) in settled {
            for posted in state.messages.iter_mut().filter(|posted| posted.message.id == id) {
                posted.message.attempts += 1;
                match &delivery {
                    Delivery::Again { not_before, .. } => posted.not_before = *not_before,
                    Delivery::Delivered | Delivery::GivenUp { .. } => posted.is_open = false,
                }
            }
        }
        Ok(())
    }
}
