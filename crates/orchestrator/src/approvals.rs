//! What of a run waits for somebody's word: who is asked, what they said, and how the run goes on.
//!
//! A question is an event, and so is its answer: nothing waits in memory, no process has to stay, and the sealed log says
//! who let what be done. A question is about exactly what would be done: its key ends with the hash of the definition, so
//! that a word for what was seen is none for what was changed since.

use std::collections::BTreeSet;

use baton_core::approval::Decision;
use baton_core::duration::format_seconds;
use baton_core::event::EventFilter;
use baton_core::ports::{
    Ledger, LedgerError, NewRequest, Operations, RunChange, RunEnd, RunFilter, RunRecord, RunState,
};
use baton_core::{Approval, Clock, Event, EventKind, Fingerprint, NewEvent, Timestamp};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::RunError;
use crate::services::Services;

/// The parameter of a request to go on with a run that says what was answered.
pub(crate) const APPROVAL: &str = "approval";
/// That which says of which schedule the run is.
pub(crate) const SCHEDULE: &str = "schedule";
/// That which says of which runbook it is.
pub(crate) const RUNBOOK: &str = "runbook";

/// A run that nobody let go on in time.
pub(crate) struct Expired {
    pub(crate) run: RunRecord,
    /// What it waited for.
    pub(crate) awaited: Vec<Awaited>,
    pub(crate) reason: String,
}

impl Expired {
    /// The runbook that it was a run of.
    pub(crate) fn runbook(&self) -> Option<&str> {
        self.run.request.as_ref()?.get(RUNBOOK)?.as_str()
    }
}

/// Something that waits for somebody's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// The run.
    pub run: String,
    /// The asset, or the step of a runbook; `None` for the whole run.
    pub step: Option<String>,
    /// What is done then, in a line.
    pub what: String,
    /// Whose word counts.
    #[serde(flatten)]
    pub approval: Approval,
    /// Since when it waits, on the machine's clock.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

impl Awaited {
    /// What `baton approve` takes: `run` or `run/step`.
    pub fn name(&self) -> String {
        name_of(&self.run, self.step.as_deref())
    }

    /// What is waited for, in a line.
    pub fn line(&self) -> String {
        let until = self.until.format("%Y-%m-%d %H:%M UTC");
        format!("{} waits for the approval of {} until {until}", self.what, self.approval.whom())
    }
}

/// Where questions and answers are written down.
#[derive(Clone, Copy)]
pub(crate) struct Records<'r> {
    pub(crate) ledger: &'r dyn Ledger,
    pub(crate) operations: &'r dyn Operations,
    pub(crate) clock: &'r dyn Clock,
    /// Who writes.
    pub(crate) author: &'r str,
}

impl<'r> From<&'r Services> for Records<'r> {
    fn from(services: &'r Services) -> Self {
        Self {
            ledger: &*services.ledger,
            operations: &*services.operations,
            clock: &*services.clock,
            author: &services.author,
        }
    }
}

/// What is asked for, before anybody was asked.
#[derive(Debug, Clone)]
pub(crate) struct Question<'q> {
    pub(crate) environment: &'q str,
    pub(crate) as_of: Timestamp,
    pub(crate) run: &'q str,
    /// The asset, or the step of a runbook.
    pub(crate) step: Option<&'q str>,
    pub(crate) what: &'q str,
    /// Decides whether a word that was given is for the same thing.
    pub(crate) content: &'q Fingerprint,
    pub(crate) approval: &'q Approval,
}

/// What is known of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// It may be done.
    Given,
    /// Nobody said anything yet.
    Awaited(Box<Awaited>),
    /// It must not be done, and why.
    Refused(String),
}

/// The body of an `approval.settled` event.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Settled {
    decision: Decision,
    by: Option<String>,
    author: String,
    reason: Option<String>,
}

fn name_of(run: &str, step: Option<&str>) -> String {
    step.map_or_else(|| run.to_owned(), |step| format!("{run}/{step}"))
}

impl Question<'_> {
    fn key(&self) -> String {
        format!("{}@{}", name_of(self.run, self.step), self.content.short())
    }

    fn event(&self, at: Timestamp) -> (NewEvent, Awaited) {
        let awaited = Awaited {
            run: self.run.to_owned(),
            step: self.step.map(str::to_owned),
            what: self.what.to_owned(),
            approval: self.approval.clone(),
            since: at,
            until: at + TimeDelta::seconds(self.approval.expires),
        };
        let event = NewEvent {
            at,
            as_of: self.as_of,
            environment: self.environment.to_owned(),
            run: Some(self.run.to_owned()),
            asset: None,
            kind: EventKind::ApprovalAsked,
            key: self.key(),
            body: json!(awaited),
        };
        (event, awaited)
    }
}

/// Asks, unless somebody was asked already, and says what is known.
///
/// # Errors
/// Those of the ledger.
pub(crate) async fn word(services: &Services, question: &Question<'_>) -> Result<Word, RunError> {
    let (records, key) = (Records::from(services), question.key());
    let events = events_of(&records, question.run).await?;
    let of_key = |kind: EventKind| events.iter().rev().find(|found| found.event.kind == kind && found.event.key == key);
    if let Some(settled) = of_key(EventKind::ApprovalSettled) {
        return Ok(said(question.what, question.approval, settled));
    }
    let asked = of_key(EventKind::ApprovalAsked).and_then(awaited_of);
    if let Some(asked) = asked {
        if services.clock.now() < asked.until {
            return Ok(Word::Awaited(Box::new(asked)));
        }
        settle_one(&records, &events, &key, Decision::Expired, None, None).await?;
        return Ok(Word::Refused(expired(question.what, &asked.approval)));
    }
    let (event, awaited) = question.event(services.clock.now());
    services.ledger.append(vec![event]).await?;
    Ok(Word::Awaited(Box::new(awaited)))
}

fn said(what: &str, approval: &Approval, settled: &Event) -> Word {
    let Ok(settled) = serde_json::from_value::<Settled>(settled.event.body.clone()) else {
        return Word::Refused(format!("what was said to {what} cannot be read"));
    };
    match settled.decision {
        Decision::Approved => Word::Given,
        Decision::Expired => Word::Refused(expired(what, approval)),
        Decision::Rejected => {
            let why = settled.reason.map_or(String::new(), |reason| format!(": {reason}"));
            Word::Refused(format!("{what} was rejected by {}{why}", settled.by.unwrap_or(settled.author)))
        }
    }
}

fn expired(what: &str, approval: &Approval) -> String {
    let within = format_seconds(approval.expires);
    format!("{what} was not approved by {} within {within}; another run asks again", approval.whom())
}

fn awaited_of(event: &Event) -> Option<Awaited> {
    serde_json::from_value(event.event.body.clone()).ok()
}

async fn events_of(records: &Records<'_>, run: &str) -> Result<Vec<Event>, LedgerError> {
    let filter = EventFilter {
        run: Some(run.to_owned()),
        kinds: vec![EventKind::ApprovalAsked, EventKind::ApprovalSettled],
        ..EventFilter::default()
    };
    records.ledger.events(&filter).await
}

/// The questions of a run that nobody answered, with their keys, oldest first.
fn open_questions(events: &[Event]) -> Vec<(String, Awaited)> {
    let settled: BTreeSet<&str> = events
        .iter()
        .filter(|found| found.event.kind == EventKind::ApprovalSettled)
        .map(|found| found.event.key.as_str())
        .collect();
    let asked = events.iter().filter(|found| found.event.kind == EventKind::ApprovalAsked);
    let open = asked.filter(|found| !settled.contains(found.event.key.as_str()));
    open.filter_map(|found| Some((found.event.key.clone(), awaited_of(found)?))).collect()
}

/// What of a run waits for somebody's word, oldest first.
///
/// # Errors
/// Those of the ledger.
pub async fn awaited(services: &Services, run: &str) -> Result<Vec<Awaited>, RunError> {
    Ok(open_questions(&events_of(&Records::from(services), run).await?)
        .into_iter()
        .map(|(_, awaited)| awaited)
        .collect())
}

/// What waits for somebody's word in an environment, with its run, the run that waits longest first.
///
/// # Errors
/// Those of the ledger.
pub async fn awaited_in(services: &Services, environment: &str) -> Result<Vec<Awaited>, RunError> {
    let mut found = Vec::new();
    for run in waiting_runs(&Records::from(services), environment).await? {
        found.extend(awaited(services, &run.id).await?);
    }
    Ok(found)
}

/// Runs of an environment that wait for somebody's word, oldest first.
async fn waiting_runs(records: &Records<'_>, environment: &str) -> Result<Vec<RunRecord>, LedgerError> {
    let filter = RunFilter {
        environment: Some(environment.to_owned()),
        state: Some(RunState::Waiting),
        limit: 1_000,
        ..RunFilter::default()
    };
    let mut runs = records.operations.runs(&filter).await?;
    runs.reverse();
    Ok(runs)
}

/// What somebody says to something that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The asset or step; `None` for the whole run, or for the only thing that waits in it.
    pub step: Option<String>,
    /// The owner who says it, as the project names them.
    pub by: String,
    /// Whether it may be done.
    pub approves: bool,
    /// Why.
    pub reason: Option<String>,
}

/// Settles what waits in a run. Approved, the run is put into the queue to go on; rejected, it has failed, unless more of it
/// waits.
///
/// # Errors
/// [`RunError::Project`] when nothing of the run waits for this owner, or it is too late; those of the ledger.
pub async fn answer(services: &Services, run: &RunRecord, answer: &Answer) -> Result<Awaited, RunError> {
    let records = Records::from(services);
    let events = events_of(&records, &run.id).await?;
    let open = open_questions(&events);
    let (key, awaited) = pick(run, &open, answer)?;
    if services.clock.now() >= awaited.until {
        settle_one(&records, &events, &key, Decision::Expired, None, None).await?;
        end_refused(&records, run, &expired(&awaited.what, &awaited.approval)).await?;
        return Err(RunError::Project(expired(&awaited.what, &awaited.approval)));
    }
    let decision = if answer.approves { Decision::Approved } else { Decision::Rejected };
    let (by, reason) = (Some(answer.by.as_str()), answer.reason.as_deref());
    if !settle_one(&records, &events, &key, decision, by, reason).await? {
        return Err(RunError::Project(format!("somebody else answered for `{}` just now", awaited.name())));
    }
    // A server goes on with the run, or tells those who heard of it that it does not.
    services.operations.request(&run.environment, &to_go_on(run, &awaited, &key, services.clock.now())).await?;
    if !answer.approves && open.len() == 1 {
        let why = answer.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        end_refused(&records, run, &format!("{} was rejected by {}{why}", awaited.what, answer.by)).await?;
    }
    Ok(awaited)
}

/// The open question that an answer is for.
fn pick(run: &RunRecord, open: &[(String, Awaited)], answer: &Answer) -> Result<(String, Awaited), RunError> {
    let refused = |reason: String| Err(RunError::Project(reason));
    let names: Vec<String> = open.iter().map(|(_, awaited)| format!("`{}`", awaited.name())).collect();
    let fits: Vec<&(String, Awaited)> = match &answer.step {
        Some(step) => open.iter().filter(|(_, awaited)| awaited.step.as_ref() == Some(step)).collect(),
        None => open.iter().collect(),
    };
    match fits.as_slice() {
        [(key, awaited)] if awaited.approval.by.contains(&answer.by) => Ok((key.clone(), awaited.clone())),
        [(_, awaited)] => refused(format!(
            "`{}` does not need the approval of `{}`, but that of {}",
            awaited.name(),
            answer.by,
            awaited.approval.whom()
        )),
        [] if names.is_empty() => {
            refused(format!("nothing of run {} waits for approval: it is {}", run.id, run.state.word()))
        }
        [] => refused(format!("this step of run {} waits for nobody; what waits is {}", run.id, names.join(", "))),
        _ => refused(format!("several steps of run {} wait: name one of {}", run.id, names.join(", "))),
    }
}

/// Records how a question was settled, unless it was; answers whether it was not.
async fn settle_one(
    records: &Records<'_>,
    events: &[Event],
    key: &str,
    decision: Decision,
    by: Option<&str>,
    reason: Option<&str>,
) -> Result<bool, LedgerError> {
    let is_asked = |found: &&Event| found.event.kind == EventKind::ApprovalAsked && found.event.key == key;
    let Some(asked) = events.iter().find(is_asked) else { return Ok(false) };
    let body = Settled {
        decision,
        by: by.map(str::to_owned),
        author: records.author.to_owned(),
        reason: reason.map(str::to_owned),
    };
    let event = NewEvent {
        at: records.clock.now(),
        kind: EventKind::ApprovalSettled,
        body: json!(body),
        ..asked.event.clone()
    };
    let there =
        EventFilter { kinds: vec![EventKind::ApprovalSettled], key: Some(key.to_owned()), ..EventFilter::default() };
    records.ledger.append_unless(&there, vec![event]).await
}

/// The request by which a server goes on with a run.
fn to_go_on(run: &RunRecord, awaited: &Awaited, key: &str, now: Timestamp) -> NewRequest {
    let runbook = run.request.as_ref().and_then(|request| Some(request.get(RUNBOOK)?.as_str()?.to_owned()));
    let of = [(SCHEDULE, run.schedule.clone()), (RUNBOOK, runbook), (APPROVAL, Some(awaited.name()))];
    let of = of.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    NewRequest {
        schedule: format!("resume/{}", run.id),
        trigger: "approval".to_owned(),
        key: format!("approval {key}"),
        due_at: now,
        as_of: None,
        requested_at: now,
        priority: 0,
        parameters: of.collect(),
        coalesces: false,
    }
}

/// Ends a run that nobody let go on.
async fn end_refused(records: &Records<'_>, run: &RunRecord, cause: &str) -> Result<(), LedgerError> {
    let end = RunEnd {
        run: run.id.clone(),
        at: records.clock.now(),
        state: RunState::Failed,
        commit: run.commit.clone(),
        failed: run.failed.max(1),
        cause: Some(cause.to_owned()),
    };
    records.operations.keep_runs(vec![RunChange::Ended(end)]).await
}

/// Ends runs of an environment that waited too long; answers with them, why, and when the next one will have.
///
/// # Errors
/// Those of the ledger.
pub(crate) async fn expire(
    records: &Records<'_>,
    environment: &str,
) -> Result<(Vec<Expired>, Option<Timestamp>), LedgerError> {
    let (now, mut ended, mut next) = (records.clock.now(), Vec::new(), None::<Timestamp>);
    for run in waiting_runs(records, environment).await? {
        let events = events_of(records, &run.id).await?;
        let (late, waiting): (Vec<_>, Vec<_>) =
            open_questions(&events).into_iter().partition(|(_, awaited)| awaited.until <= now);
        next = waiting.iter().map(|(_, awaited)| awaited.until).chain(next).min();
        let mut reasons = Vec::new();
        for (key, awaited) in &late {
            settle_one(records, &events, key, Decision::Expired, None, None).await?;
            reasons.push(expired(&awaited.what, &awaited.approval));
        }
        if !reasons.is_empty() && waiting.is_empty() {
            let reason = reasons.join("; ");
            end_refused(records, &run, &reason).await?;
            ended.push(Expired { run, awaited: late.into_iter().map(|(_, awaited)| awaited).collect(), reason });
        }
    }
    Ok((ended, next))
}
