//! The end of a run: alerts folded into incidents, events written, the environment moved; all in one transaction.

use std::sync::Arc;

use baton_core::{Commit, CommitId, EventKind, Kind, NewEvent, Timestamp, Version, failpoint};
use serde_json::{Value, json};

use super::{APPLY, Execution};
use crate::error::RunError;
use crate::report::{RunReport, StepReport, StepState, StepTime};
use crate::services::Services;

impl Execution<'_> {
    /// Folds alerts into incidents, then moves the environment if anything changed: one transaction.
    pub(super) async fn publish(&mut self) -> Result<(), RunError> {
        self.fold_alerts().await?;
        if self.reason == APPLY {
            self.settle_rest();
            self.pin_definitions();
            self.pin_declared().await?;
        }
        let before = self.base.as_ref().map(|commit| &commit.assets);
        let parent = self.base.as_ref().map(|commit| commit.id.clone());
        self.report.commit = parent.clone();
        if before == Some(&self.working) && !self.clock_reveals() {
            if !self.pending.is_empty() {
                let events = self.events_of_run();
                self.services.ledger.append(events).await?;
            }
            return Ok(());
        }
        let commit = self.sealed_commit(parent);
        let mut events = self.events_of_run();
        events.push(commit_event(&commit, self.services, &self.run));
        failpoint::reach("run.before_publish");
        self.services.ledger.commit(&commit, events).await?;
        failpoint::reach("run.after_publish");
        self.report.commit = Some(commit.id.clone());
        self.report.moved = true;
        self.base = Some(Arc::new(commit));
        Ok(())
    }

    /// Whether rows of versions that the environment holds already became known since: only a commit lets readers see
    /// them, as they look through its clock.
    fn clock_reveals(&self) -> bool {
        let Some(base) = self.base.as_ref().filter(|base| base.as_of < self.as_of) else { return false };
        let seen = base.as_of.timestamp_micros();
        self.working.values().any(|pin| pin.known_through.is_some_and(|known| known > seen))
    }

    /// What happened in this run, between its beginning and its end.
    fn events_of_run(&mut self) -> Vec<NewEvent> {
        let failed: Vec<&str> = self.report.failures().map(|step| step.asset.as_str()).collect();
        let about = json!({"reason": self.reason, "author": self.services.author});
        let came_to = json!({"steps": self.report.steps.len(), "failed": failed, "work": work_of(&self.report)});
        let of_run = |kind: EventKind, at: Timestamp, body: Value| NewEvent {
            at,
            as_of: self.as_of,
            environment: self.environment.clone(),
            run: Some(self.run.clone()),
            asset: None,
            kind,
            key: self.run.clone(),
            body,
        };
        let started = of_run(EventKind::RunStarted, self.began, about);
        let finished = of_run(EventKind::RunFinished, self.services.clock.now(), came_to);
        std::iter::once(started).chain(std::mem::take(&mut self.pending)).chain([finished]).collect()
    }

    /// Takes in what changed in definitions only: metadata of assets, monitors, exposures.
    fn pin_definitions(&mut self) {
        for (name, desired) in &self.prepared.desired.assets {
            if matches!(desired.kind, Kind::Monitor | Kind::Exposure) && !self.failed.contains(name) {
                let pin = self.bare_pin(name, desired.kind, Version::Definition);
                self.working.insert(name.clone(), pin);
            }
            if let Some(pin) = self.working.get_mut(name).filter(|_| !self.failed.contains(name)) {
                pin.metadata = Some(desired.metadata.clone());
                pin.tagged = desired.tagged();
            }
        }
    }

    fn sealed_commit(&self, parent: Option<CommitId>) -> Commit {
        Commit {
            id: CommitId(String::new()),
            parent,
            merged: None,
            environment: self.environment.clone(),
            created_at: self.services.clock.now(),
            as_of: self.as_of,
            author: self.services.author.clone(),
            reason: self.reason.clone(),
            git_revision: self.services.git_revision.clone(),
            assets: self.working.clone(),
        }
        .sealed()
    }
}

/// How long each step took that did work, from which later plans estimate theirs.
fn work_of(report: &RunReport) -> Vec<StepTime> {
    let worked = report.steps.iter().filter(|step| step.state == StepState::Done);
    let time = |step: &StepReport| StepTime {
        verb: step.verb.clone(),
        asset: step.asset.clone(),
        milliseconds: (step.seconds * 1_000.0) as u64,
    };
    worked.map(time).collect()
}

/// The event that says an environment moved.
pub(crate) fn commit_event(commit: &Commit, services: &Services, run: &str) -> NewEvent {
    NewEvent {
        at: services.clock.now(),
        as_of: commit.as_of,
        environment: commit.environment.clone(),
        run: Some(run.to_owned()),
        asset: None,
        kind: EventKind::CommitMade,
        key: commit.environment.clone(),
        body: json!({"commit": commit.id.0, "reason": commit.reason, "author": commit.author}),
    }
}
