//! Runbooks: the steps that mend something, done by hand or when an incident opens.
//!
//! A runbook is a run of its own in the history: each step is recorded when it has ended, so that one whose process ended,
//! or which waited for somebody's word, goes on where it was. What a step does is done by the same code as the command of its
//! name; nothing here moves an environment by itself.

mod act;
mod dry;
mod record;

use std::collections::BTreeMap;

use baton_core::incident::{Incident, IncidentState};
use baton_core::ports::{NewRequest, RunRecord};
use baton_core::runbook::{Runbook, RunbookStep};
use baton_core::{Approval, Fingerprint, Timestamp};
use baton_diagnostics::nearest;
use baton_project::Project;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use self::dry::dry_run_runbook;

use crate::approvals::{Awaited, Question, Word, word};
use crate::error::RunError;
use crate::prepare::Prepared;
use crate::report::{RunReport, StepReport, StepState};
use crate::services::Services;

/// Which runbook is done, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunbookRequest {
    /// The runbook.
    pub runbook: String,
    /// The incident that it is done for.
    pub incident: Option<String>,
    /// Whether nobody asked for it: steps that are not marked safe wait for the owner's word.
    pub automatic: bool,
}

/// A runbook that is done.
struct Book<'a> {
    services: &'a Services,
    prepared: &'a Prepared,
    environment: &'a str,
    as_of: Timestamp,
    runbook: &'a Runbook,
    incident: Option<Incident>,
    automatic: bool,
    run: String,
    began: Timestamp,
    report: RunReport,
}

/// How a step came out.
struct Ended {
    state: StepState,
    detail: String,
}

impl Ended {
    fn new(state: StepState, detail: impl Into<String>) -> Self {
        Self { state, detail: detail.into() }
    }
}

/// The request by which a server does a runbook for an incident: once for each incident.
pub(crate) fn request_of(runbook: &Runbook, incident: &Incident, now: Timestamp) -> NewRequest {
    NewRequest {
        schedule: format!("runbook/{}", runbook.name),
        trigger: incident.id.clone(),
        key: incident.id.clone(),
        due_at: now,
        as_of: None,
        requested_at: now,
        // What mends goes before what may fail for the same reason again.
        priority: 1_000_000,
        parameters: BTreeMap::new(),
        coalesces: false,
    }
}

/// Does a runbook, step by step.
///
/// # Errors
/// [`RunError::Project`] when there is no such runbook or incident; those of the ledger. A step that fails is in the report.
pub async fn run_runbook(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    as_of: Timestamp,
    request: &RunbookRequest,
) -> Result<RunReport, RunError> {
    let began = services.clock.now();
    let run = Fingerprint::of([environment, "runbook", &request.runbook, &began.to_rfc3339()]).short().to_owned();
    let mut book = open(services, prepared, environment, as_of, request).await?;
    (book.run, book.began) = (run.clone(), began);
    book.report.run = run;
    book.go_on_from(0).await
}

/// Goes on with a runbook that waited, failed or whose process ended: at the first step that is not done.
///
/// # Errors
/// As [`run_runbook`].
pub async fn resume_runbook(
    services: &Services,
    prepared: &Prepared,
    as_of: Timestamp,
    run: &RunRecord,
) -> Result<RunReport, RunError> {
    let request = run.request.clone().and_then(|request| serde_json::from_value::<RunbookRequest>(request).ok());
    let Some(request) = request else {
        return Err(RunError::Project(format!("run {} does not say which runbook it was", run.id)));
    };
    let mut book = open(services, prepared, &run.environment, as_of, &request).await?;
    (book.run, book.began) = (run.id.clone(), run.started_at);
    book.report.run.clone_from(&run.id);
    let done = book.take_done(&services.operations.steps(&run.id).await?);
    book.go_on_from(done).await
}

async fn open<'a>(
    services: &'a Services,
    prepared: &'a Prepared,
    environment: &'a str,
    as_of: Timestamp,
    request: &RunbookRequest,
) -> Result<Book<'a>, RunError> {
    let runbook = need_runbook(&prepared.project, &request.runbook)?;
    let incident = match &request.incident {
        Some(id) => Some(need_incident(services, environment, id).await?),
        None => None,
    };
    let report = RunReport { environment: environment.to_owned(), as_of: Some(as_of), ..RunReport::default() };
    let (run, began, automatic) = (String::new(), as_of, request.automatic);
    Ok(Book { services, prepared, environment, as_of, runbook, incident, automatic, run, began, report })
}

fn need_runbook<'p>(project: &'p Project, name: &str) -> Result<&'p Runbook, RunError> {
    let names = || project.runbooks.iter().map(|runbook| runbook.name.as_str());
    project.runbooks.iter().find(|runbook| runbook.name.as_str() == name).ok_or_else(|| {
        let help = match nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "they are declared under `runbooks:`, and `baton runbook list` lists them".to_owned(),
        };
        RunError::Project(format!("there is no runbook `{name}`; {help}"))
    })
}

/// The newest state of an incident.
pub(crate) async fn need_incident(services: &Services, environment: &str, id: &str) -> Result<Incident, RunError> {
    let incidents = crate::watch::incidents(services, environment).await?;
    let open: Vec<&str> = incidents
        .iter()
        .filter(|incident| incident.state == IncidentState::Open)
        .map(|incident| incident.id.as_str())
        .collect();
    let open = if open.is_empty() { "none is open".to_owned() } else { format!("open are {}", open.join(", ")) };
    let found = incidents.iter().find(|incident| incident.id == id).cloned();
    found.ok_or_else(|| RunError::Missing {
        what: "incident",
        name: id.to_owned(),
        environment: environment.to_owned(),
        hint: open,
    })
}

impl Book<'_> {
    async fn go_on_from(mut self, first: usize) -> Result<RunReport, RunError> {
        self.record_start().await?;
        let gone = self.go_through(first).await;
        self.record_end(gone.as_ref().err()).await?;
        gone?;
        Ok(self.report)
    }

    async fn go_through(&mut self, first: usize) -> Result<(), RunError> {
        let mut stopped: Option<String> = None;
        for (place, step) in self.runbook.steps.iter().enumerate().skip(first) {
            if self.services.operations.is_cancelled(&self.run).await? {
                return Err(RunError::Cancelled { run: self.run.clone() });
            }
            if self.services.operations.is_paused(&self.run).await? {
                return Err(RunError::Paused { run: self.run.clone() });
            }
            let began = self.services.clock.now();
            let ended = match &stopped {
                Some(reason) => Ended::new(StepState::Skipped, reason.clone()),
                None => {
                    self.record_begun(place, step, began).await?;
                    self.services.progress.started(step.action.word(), &step.name);
                    self.step(step).await?
                }
            };
            stopped = stopped.or_else(|| match ended.state {
                StepState::Failed => Some(format!("{} failed", step.name)),
                StepState::Waiting => Some(format!("{} waits for approval", step.name)),
                _ => None,
            });
            self.note(place, step, ended, began).await?;
        }
        Ok(())
    }

    /// Does one step, if its condition holds and it has the word that it needs. Only what makes the rest senseless is an error.
    async fn step(&mut self, step: &RunbookStep) -> Result<Ended, RunError> {
        if let Some(condition) = &step.condition {
            match self.is_true(condition).await {
                Ok((true, _)) => {}
                Ok((false, found)) => {
                    return Ok(Ended::new(StepState::Skipped, format!("its condition does not hold: it is {found}")));
                }
                Err(error) => return failed(format!("its condition cannot be asked: {error}"), error),
            }
        }
        match self.word_for(step).await? {
            Word::Given => {}
            Word::Awaited(awaited) => {
                let line = awaited.line();
                self.report.awaits.push(*awaited);
                return Ok(Ended::new(StepState::Waiting, line));
            }
            Word::Refused(reason) => return Ok(Ended::new(StepState::Failed, reason)),
        }
        match self.act(step).await {
            Ok(detail) => Ok(Ended::new(StepState::Done, detail)),
            Err(error) => failed(error.to_string(), error),
        }
    }

    /// Whether a step may be done. One that nobody asked for and that is not safe needs the owner's word.
    async fn word_for(&self, step: &RunbookStep) -> Result<Word, RunError> {
        let approval = match self.needed(step) {
            Needed::Nothing => return Ok(Word::Given),
            Needed::Owner => return Ok(Word::Refused(self.left_to_people())),
            Needed::Word(approval) => approval,
        };
        let what = format!("{} of runbook {}", step.name, self.runbook.name);
        let content = Fingerprint::of([json!(step.action).to_string(), json!(step.condition).to_string()]);
        let question = Question {
            environment: self.environment,
            as_of: self.as_of,
            run: &self.run,
            step: Some(&step.name),
            what: &what,
            content: &content,
            approval: &approval,
        };
        word(self.services, &question).await
    }

    fn needed(&self, step: &RunbookStep) -> Needed {
        if let Some(approval) = &step.approval {
            return Needed::Word(approval.clone());
        }
        if !self.automatic || step.safe || !step.action.changes_something() {
            return Needed::Nothing;
        }
        let approval = |owner: &String| Approval { by: vec![owner.clone()], expires: Approval::EXPIRES };
        self.runbook.owner.as_ref().map_or(Needed::Owner, |owner| Needed::Word(approval(owner)))
    }

    /// What is said of a step that nobody can be asked for.
    fn left_to_people(&self) -> String {
        let incident = self.incident.as_ref().map_or(String::new(), |found| format!(" --incident {}", found.id));
        let by_hand = format!("`baton runbook run {}{incident}`", self.runbook.name);
        format!("it is not marked safe, and the runbook has no owner to ask: {by_hand} does it")
    }
}

/// What a step needs before it is done.
enum Needed {
    Nothing,
    Word(Approval),
    /// Somebody's word, and nobody is there to give it.
    Owner,
}

/// A step that failed; that the ledger failed, or that somebody ended the run, fails the runbook.
fn failed(detail: String, error: RunError) -> Result<Ended, RunError> {
    match error {
        RunError::Ledger(_) | RunError::Cancelled { .. } | RunError::Paused { .. } => Err(error),
        _ => Ok(Ended::new(StepState::Failed, detail)),
    }
}

/// The report of a step.
fn reported(step: &RunbookStep, ended: Ended, seconds: f64) -> StepReport {
    StepReport {
        verb: step.action.word().to_owned(),
        asset: step.name.clone(),
        state: ended.state,
        detail: ended.detail,
        rows: None,
        seconds,
        cache: None,
    }
}

/// The first thing that a runbook's run waits for, for its record.
fn first_awaited(report: &RunReport) -> Option<String> {
    report.awaits.first().map(Awaited::line)
}
