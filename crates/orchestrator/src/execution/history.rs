//! What the history of runs is told: that a run began, how each step went, and how it ended.

use baton_core::ports::{RunChange, RunEnd, RunRecord, RunState, StepRecord};
use baton_core::{AssetName, Timestamp};
use baton_plan::Stage;

use super::lineage::Moment;
use super::{Execution, Journal};
use crate::approvals::Awaited;
use crate::error::RunError;
use crate::report::{StepReport, StepState};

impl Execution<'_> {
    /// Begins the run's record.
    ///
    /// # Errors
    /// Those of the ledger: of a run that goes on, the record is there before anything is done, as what it was asked for
    /// before it stopped must not stop it again.
    pub(super) async fn record_start(&mut self, stages: &[Stage]) -> Result<(), RunError> {
        let asked = &self.services.asked;
        let steps = stages.iter().filter(|stage| stage.asset().is_some()).count() + self.report.steps.len();
        let steps = steps + self.steps_before;
        let journal = Journal::begin(std::sync::Arc::clone(&self.services.operations));
        let started = RunChange::Started(RunRecord {
            id: self.run.clone(),
            environment: self.environment.clone(),
            command: self.reason.clone(),
            schedule: asked.schedule.clone(),
            trigger: asked.trigger.clone(),
            due_at: asked.due_at,
            as_of: self.as_of,
            author: self.services.author.clone(),
            started_at: self.began,
            finished_at: None,
            state: RunState::Running,
            commit: None,
            steps: u32::try_from(steps).unwrap_or(u32::MAX),
            failed: 0,
            cause: None,
            parameters: asked.parameters.clone(),
            request: self.request.clone(),
        });
        match asked.continues {
            Some(_) => self.services.operations.keep_runs(vec![started]).await?,
            None => journal.note(started),
        }
        let planned = stages.iter().filter_map(Stage::asset).map(ToString::to_string);
        let known = self.report.steps.iter().map(|step| step.asset.clone());
        journal.note(RunChange::Planned { run: self.run.clone(), assets: known.chain(planned).collect() });
        self.journal = Some(journal);
        self.tell_run(Moment::Start, None);
        for number in 0..self.report.steps.len() {
            self.record_step(number, self.began, 0);
        }
        Ok(())
    }

    /// A step begins.
    pub(super) fn record_begun(&self, stage: &Stage, asset: &AssetName, at: Timestamp) {
        let Some(journal) = &self.journal else { return };
        self.tell_step(Moment::Start, stage.verb(), asset, None);
        journal.note(RunChange::Step(StepRecord {
            run: self.run.clone(),
            number: self.number_of(self.report.steps.len()),
            asset: asset.to_string(),
            verb: stage.verb().to_owned(),
            state: "running".to_owned(),
            attempts: 1,
            started_at: at,
            finished_at: None,
            detail: String::new(),
            hit: None,
            rows: None,
        }));
    }

    /// How far the step at hand is, for those who watch.
    pub(crate) fn record_progress(&self, asset: &AssetName, verb: &str, detail: String) {
        let Some(journal) = &self.journal else { return };
        journal.note(RunChange::Step(StepRecord {
            run: self.run.clone(),
            number: self.number_of(self.report.steps.len()),
            asset: asset.to_string(),
            verb: verb.to_owned(),
            state: "running".to_owned(),
            attempts: 1,
            started_at: self.step_began,
            finished_at: None,
            detail,
            hit: None,
            rows: None,
        }));
    }

    /// The number in the run, from 1, of the step at this place of the report.
    pub(super) fn number_of(&self, place: usize) -> u32 {
        u32::try_from(self.steps_before + place + 1).unwrap_or(u32::MAX)
    }

    /// A step of the report ended: the one at this place.
    pub(super) fn record_step(&self, place: usize, started_at: Timestamp, attempts: u32) {
        let (Some(journal), Some(step)) = (&self.journal, self.report.steps.get(place)) else { return };
        self.trace_step(self.number_of(place), step, started_at, attempts);
        if let (Some(moment), Ok(asset)) = (Moment::of(step.state), AssetName::parse(&step.asset)) {
            self.tell_step(moment, &step.verb, &asset, Some(step));
        }
        journal.note(RunChange::Step(StepRecord {
            run: self.run.clone(),
            number: self.number_of(place),
            asset: step.asset.clone(),
            verb: step.verb.clone(),
            state: word(step.state).to_owned(),
            attempts,
            started_at,
            finished_at: Some(self.services.clock.now()),
            detail: step.detail.clone(),
            hit: step.cache.as_ref().map(|cache| cache.hit),
            rows: step.rows,
        }));
    }

    /// Ends the run's record, and waits until all of it is written.
    ///
    /// # Errors
    /// Those of the ledger.
    pub(super) async fn record_end(&mut self, ended: &Result<(), RunError>) -> Result<(), RunError> {
        let moment = match ended {
            Err(RunError::Cancelled { .. } | RunError::Paused { .. }) => Moment::Abort,
            Ok(()) if self.report.succeeded() => Moment::Complete,
            _ => Moment::Fail,
        };
        let reason = ended.as_ref().err().map(ToString::to_string);
        self.trace_run(moment, reason.clone());
        // A run that waits for somebody's word is not over: its end is told when it is.
        if self.report.awaits.is_empty() {
            self.tell_run(moment, reason);
        }
        let Some(journal) = self.journal.take() else { return Ok(()) };
        let failed = self.report.failures().count();
        let state = match ended {
            Err(RunError::Cancelled { .. }) => RunState::Cancelled,
            Err(RunError::Paused { .. }) => RunState::Paused,
            Err(_) => RunState::Failed,
            Ok(()) if !self.report.awaits.is_empty() => RunState::Waiting,
            Ok(()) if failed > 0 => RunState::Failed,
            Ok(()) => RunState::Succeeded,
        };
        let of_step = |step: &StepReport| format!("{} {} failed: {}", step.verb, step.asset, step.detail);
        let cause = ended.as_ref().err().map(ToString::to_string);
        journal.note(RunChange::Ended(RunEnd {
            run: self.run.clone(),
            at: self.services.clock.now(),
            state,
            commit: self.report.commit.as_ref().map(|commit| commit.0.clone()),
            failed: u32::try_from(failed).unwrap_or(u32::MAX),
            cause: cause
                .or_else(|| self.report.failures().next().map(of_step))
                .or_else(|| self.report.awaits.first().map(Awaited::line)),
        }));
        journal.end().await?;
        self.send_lineage().await
    }
}

/// The word of a step's state in the history.
pub(crate) fn word(state: StepState) -> &'static str {
    match state {
        StepState::Done => "done",
        StepState::Reused => "reused",
        StepState::UpToDate => "up_to_date",
        StepState::Failed => "failed",
        StepState::Skipped => "skipped",
        StepState::Waiting => "waiting",
    }
}
