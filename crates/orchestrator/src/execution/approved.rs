//! Runs and steps that wait for somebody's word: what they ask, and what it means that nobody answered yet.
//!
//! Nothing sleeps. The run goes on with what depends on nobody, publishes it, and ends as one that waits; when it has the
//! word, it goes on under its own id with what is left.

use baton_core::{AssetName, Fingerprint};
use baton_plan::Stage;

use super::{Execution, StepOutcome};
use crate::approvals::{Question, Word, word};
use crate::error::RunError;
use crate::report::StepState;

/// Steps of other commands have approvals of their own kind: an apply is approved as a plan, a backfill by who calls it.
const ASKS: &str = "run";

impl Execution<'_> {
    /// Whether the whole run may begin.
    pub(super) async fn word_for_run(&mut self) -> Result<Word, RunError> {
        let Some(approval) = self.services.asked.approval.as_ref().filter(|_| self.reason == ASKS) else {
            return Ok(Word::Given);
        };
        let what = match &self.services.asked.schedule {
            Some(schedule) => format!("a run of schedule `{schedule}`"),
            None => "a run".to_owned(),
        };
        let question = Question {
            environment: &self.environment,
            as_of: self.as_of,
            run: &self.run,
            step: None,
            what: &what,
            content: &self.prepared.desired.fingerprint(),
            approval,
        };
        self.take_word(word(self.services, &question).await?)
    }

    /// Whether a step may be done. One that has nothing new to read asks nobody.
    pub(super) async fn word_for(&mut self, stage: &Stage, asset: &AssetName) -> Result<Word, RunError> {
        let approval =
            self.policy(asset).approval.filter(|_| self.reason == ASKS && !self.has_nothing_new(stage, asset));
        let Some(approval) = approval else { return Ok(Word::Given) };
        let desired = self.prepared.desired.assets.get(asset);
        let content = desired.map_or_else(|| Fingerprint::of([asset.as_str()]), |desired| desired.content());
        let what = format!("{} {asset}", stage.verb());
        let question = Question {
            environment: &self.environment,
            as_of: self.as_of,
            run: &self.run,
            step: Some(asset.as_str()),
            what: &what,
            content: &content,
            approval: &approval,
        };
        self.take_word(word(self.services, &question).await?)
    }

    fn take_word(&mut self, word: Word) -> Result<Word, RunError> {
        if let Word::Awaited(awaited) = &word {
            self.report.awaits.push((**awaited).clone());
        }
        Ok(word)
    }

    fn has_nothing_new(&self, stage: &Stage, asset: &AssetName) -> bool {
        let reads = matches!(stage, Stage::Build { .. } | Stage::Materialize { .. });
        reads && self.working.get(asset).is_some_and(|pin| pin.inputs == self.input_versions(asset))
    }

    /// A step that waits: it, and what reads it, stays as it is.
    pub(super) fn note_waiting(&mut self, stage: &Stage, asset: &AssetName, reason: String) {
        self.failed.insert(asset.clone());
        self.waiting.insert(asset.clone());
        self.note(stage, StepOutcome { state: StepState::Waiting, detail: reason, rows: None }, 0.0);
    }
}
