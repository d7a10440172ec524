//! What the history and the sealed log are told of a runbook: that it began, each step, and how it ended.

use baton_core::ports::{RunChange, RunEnd, RunRecord, RunState, StepRecord};
use baton_core::runbook::RunbookStep;
use baton_core::{EventKind, NewEvent, Timestamp, failpoint};
use serde_json::json;

use super::{Book, Ended, RunbookRequest, first_awaited, reported};
use crate::error::RunError;
use crate::execution::word_of;
use crate::report::StepState;

impl Book<'_> {
    fn number(place: usize) -> u32 {
        u32::try_from(place + 1).unwrap_or(u32::MAX)
    }

    pub(super) async fn record_start(&self) -> Result<(), RunError> {
        let name = &self.runbook.name;
        let incident = self.incident.as_ref().map(|incident| incident.id.clone());
        let request =
            RunbookRequest { runbook: name.to_string(), incident: incident.clone(), automatic: self.automatic };
        let started = RunRecord {
            id: self.run.clone(),
            environment: self.environment.to_owned(),
            command: "runbook".to_owned(),
            schedule: None,
            trigger: Some(incident.map_or_else(|| name.to_string(), |incident| format!("{name} for {incident}"))),
            due_at: None,
            as_of: self.as_of,
            author: self.services.author.clone(),
            started_at: self.began,
            finished_at: None,
            state: RunState::Running,
            commit: None,
            steps: Self::number(self.runbook.steps.len()).saturating_sub(1),
            failed: 0,
            cause: None,
            parameters: self.services.asked.parameters.clone(),
            request: Some(json!(request)),
        };
        let assets = self.runbook.steps.iter().map(|step| step.name.clone()).collect();
        let planned = RunChange::Planned { run: self.run.clone(), assets };
        Ok(self.services.operations.keep_runs(vec![RunChange::Started(started), planned]).await?)
    }

    /// Takes the steps that are done already into the report; answers how many there are, from the first on.
    pub(super) fn take_done(&mut self, steps: &[StepRecord]) -> usize {
        let is_done = |record: &&StepRecord| record.state == "done" || record.state == "skipped";
        let mut done = 0;
        for (step, record) in self
            .runbook
            .steps
            .iter()
            .zip(steps.iter())
            .take_while(|(step, record)| record.asset == step.name && is_done(record))
        {
            let state = if record.state == "done" { StepState::Reused } else { StepState::Skipped };
            self.report.steps.push(reported(step, Ended::new(state, record.detail.clone()), 0.0));
            done += 1;
        }
        done
    }

    pub(super) async fn record_begun(&self, place: usize, step: &RunbookStep, at: Timestamp) -> Result<(), RunError> {
        let record = self.record_of(place, step, "running", String::new(), at);
        failpoint::reach("runbook.step_begun");
        Ok(self.services.operations.keep_runs(vec![RunChange::Step(record)]).await?)
    }

    fn record_of(&self, place: usize, step: &RunbookStep, state: &str, detail: String, began: Timestamp) -> StepRecord {
        StepRecord {
            run: self.run.clone(),
            number: Self::number(place),
            asset: step.name.clone(),
            verb: step.action.word().to_owned(),
            state: state.to_owned(),
            attempts: 1,
            started_at: began,
            finished_at: (state != "running").then(|| self.services.clock.now()),
            detail,
            hit: None,
            rows: None,
        }
    }

    /// A step ended: it is in the report, the history and the sealed log.
    pub(super) async fn note(
        &mut self,
        place: usize,
        step: &RunbookStep,
        ended: Ended,
        began: Timestamp,
    ) -> Result<(), RunError> {
        let now = self.services.clock.now();
        let took = (now - began).to_std().unwrap_or_default();
        let (verb, state) = (step.action.word(), word_of(ended.state));
        match ended.state {
            StepState::Failed => self.services.progress.failed(verb, &step.name, &ended.detail),
            _ => self.services.progress.finished(verb, &step.name, &ended.detail, took),
        }
        let event = NewEvent {
            at: now,
            as_of: self.as_of,
            environment: self.environment.to_owned(),
            run: Some(self.run.clone()),
            asset: None,
            kind: EventKind::RunbookStep,
            key: format!("{}/{}", self.run, step.name),
            body: json!({
                "runbook": self.runbook.name, "step": step.name, "action": step.action, "state": state,
                "detail": ended.detail, "incident": self.incident.as_ref().map(|incident| &incident.id),
                "author": self.services.author,
            }),
        };
        self.services.ledger.append(vec![event]).await?;
        failpoint::reach("runbook.step_recorded");
        let record = self.record_of(place, step, state, ended.detail.clone(), began);
        self.services.operations.keep_runs(vec![RunChange::Step(record)]).await?;
        self.report.steps.push(reported(step, ended, took.as_secs_f64()));
        Ok(())
    }

    pub(super) async fn record_end(&self, error: Option<&RunError>) -> Result<(), RunError> {
        let failed = self.report.failures().count();
        let state = match error {
            Some(RunError::Cancelled { .. }) => RunState::Cancelled,
            Some(RunError::Paused { .. }) => RunState::Paused,
            Some(_) => RunState::Failed,
            None if failed > 0 => RunState::Failed,
            None if !self.report.awaits.is_empty() => RunState::Waiting,
            None => RunState::Succeeded,
        };
        let first = self.report.failures().next().map(|step| format!("{} failed: {}", step.asset, step.detail));
        let end = RunEnd {
            run: self.run.clone(),
            at: self.services.clock.now(),
            state,
            commit: self.report.commit.as_ref().map(|commit| commit.0.clone()),
            failed: u32::try_from(failed).unwrap_or(u32::MAX),
            cause: error.map(ToString::to_string).or(first).or_else(|| first_awaited(&self.report)),
        };
        Ok(self.services.operations.keep_runs(vec![RunChange::Ended(end)]).await?)
    }
}
