//! What a run writes down while it goes on: events, exact outputs of steps, check results, and steps for the report.

use baton_core::check::CheckResult;
use baton_core::event::EventFilter;
use baton_core::schedule::OnFailure;
use baton_core::{AssetName, EventKind, NewEvent, failpoint};
use baton_plan::Stage;
use serde_json::{Value, json};

use super::{Execution, StepOutcome};
use crate::error::RunError;
use crate::report::{StepReport, StepState};
use crate::steps::{RecordedStep, StepKey, StepOutput};

impl Execution<'_> {
    /// An event of this run about `asset`.
    pub(crate) fn event(&self, kind: EventKind, asset: &AssetName, key: &str, body: Value) -> NewEvent {
        NewEvent {
            at: self.services.clock.now(),
            as_of: self.as_of,
            environment: self.environment.clone(),
            run: Some(self.run.clone()),
            asset: Some(asset.clone()),
            kind,
            key: key.to_owned(),
            body,
        }
    }

    /// Records a step's exact output, durably, together with the events that led to it and the definition behind it.
    pub(crate) async fn record_output(
        &mut self,
        asset: &AssetName,
        key: &StepKey,
        output: &StepOutput,
        events: Vec<NewEvent>,
    ) -> Result<(), RunError> {
        let events = self.events_of_output(asset, key, output, events).await?;
        failpoint::reach("run.before_record");
        self.services.ledger.append(events).await?;
        failpoint::reach("run.after_record");
        Ok(())
    }

    /// As [`Self::record_output`], unless an event matches `there`: then nothing is recorded, and the answer is false.
    pub(crate) async fn record_output_unless(
        &mut self,
        there: &EventFilter,
        asset: &AssetName,
        key: &StepKey,
        output: &StepOutput,
        events: Vec<NewEvent>,
    ) -> Result<bool, RunError> {
        let events = self.events_of_output(asset, key, output, events).await?;
        failpoint::reach("run.before_record");
        let is_recorded = self.services.ledger.append_unless(there, events).await?;
        failpoint::reach("run.after_record");
        Ok(is_recorded)
    }

    async fn events_of_output(
        &self,
        asset: &AssetName,
        key: &StepKey,
        output: &StepOutput,
        events: Vec<NewEvent>,
    ) -> Result<Vec<NewEvent>, RunError> {
        let read = self.prepared.graph.inputs(asset).chain([asset]);
        let mut events: Vec<NewEvent> = self.define(read).await?.into_iter().chain(events).collect();
        let body = json!(RecordedStep { key: key.clone(), views: self.views_read(asset), output });
        events.push(self.event(EventKind::StepFinished, asset, key.fingerprint().as_str(), body));
        Ok(events)
    }

    /// Keeps check results for the report and the ledger.
    pub(crate) fn keep_checks(&mut self, asset: &AssetName, results: &[CheckResult]) {
        if results.is_empty() {
            return;
        }
        let body = json!({"results": results});
        self.pending.push(self.event(EventKind::ChecksEvaluated, asset, asset.as_str(), body));
        self.report.checks.extend(results.iter().cloned());
    }

    pub(super) fn note(&mut self, stage: &Stage, outcome: StepOutcome, seconds: f64) {
        if let Some(asset) = stage.asset() {
            self.note_step(stage.verb(), asset, outcome, seconds);
        }
    }

    /// Puts a step into the report.
    pub(crate) fn note_step(&mut self, verb: &str, asset: &AssetName, outcome: StepOutcome, seconds: f64) {
        let StepOutcome { state, detail, rows } = outcome;
        let cache = self.cache.remove(asset);
        let (verb, asset) = (verb.to_owned(), asset.to_string());
        self.report.steps.push(StepReport { verb, asset, state, detail, rows, seconds, cache });
    }

    pub(super) async fn step_failed(
        &mut self,
        stage: &Stage,
        asset: &AssetName,
        error: &RunError,
        seconds: f64,
    ) -> Result<(), RunError> {
        let reason = error.to_string();
        self.services.progress.failed(stage.verb(), asset, &reason);
        self.failed.insert(asset.clone());
        let outcome = StepOutcome { state: StepState::Failed, detail: reason.clone(), rows: None };
        self.note(stage, outcome, seconds);
        let event =
            self.event(EventKind::StepFailed, asset, asset.as_str(), json!({"verb": stage.verb(), "reason": reason}));
        self.services.ledger.append(vec![event]).await?;
        self.raise_failure(asset, stage.verb(), &reason);
        self.log(asset, "error", reason);
        match self.policy(asset).on_failure {
            OnFailure::SkipDownstream => {}
            OnFailure::Continue => drop(self.passing.insert(asset.clone())),
            OnFailure::Stop => self.stopped = Some(format!("{asset} failed, and the run stops then")),
        }
        Ok(())
    }

    /// An asset that was changed in the project and not applied, or whose first apply failed: it, and what depends on it, stays as it is.
    pub(crate) fn note_unapplied(&mut self, asset: &AssetName) {
        self.failed.insert(asset.clone());
        let detail = match self.working.contains_key(asset) {
            true => "changed in the project since the last apply; run `baton apply`",
            false => "not in the environment yet; run `baton apply`",
        };
        self.note_step("run", asset, StepOutcome::skipped(detail), 0.0);
    }
}
