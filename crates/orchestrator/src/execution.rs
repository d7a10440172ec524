//! A run in progress: the environment as it was, as it will be, and the loop over stages.
//!
//! Steps write aside and record their exact output; only the last stage moves the environment, in one transaction.
//! Invariant: whatever stops a run, the environment points at its last good commit, and the same command goes on from
//! the recorded steps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use baton_core::check::CheckResult;
use baton_core::event::EventFilter;
use baton_core::incident::Alert;
use baton_core::{
    AssetName, Commit, CommitId, Definition, EventKind, Fingerprint, Kind, NewEvent, Pin, Timestamp, failpoint,
};
use baton_plan::Stage;
use serde_json::{Value, json};

use crate::error::RunError;
use crate::prepare::Prepared;
use crate::report::{RunReport, StepReport, StepState};
use crate::services::Services;

/// The reason of commits that bring the project's definitions along.
pub(crate) const APPLY: &str = "apply";

/// A run in progress.
pub(crate) struct Execution<'a> {
    pub(crate) services: &'a Services,
    pub(crate) prepared: &'a Prepared,
    pub(crate) environment: String,
    pub(crate) as_of: Timestamp,
    pub(crate) run: String,
    /// When it began, on the machine's clock.
    pub(crate) began: Timestamp,
    pub(crate) reason: String,
    pub(crate) base: Option<Commit>,
    pub(crate) working: BTreeMap<AssetName, Pin>,
    pub(crate) failed: BTreeSet<AssetName>,
    /// Tables of this run whose rows changed from an instant (microseconds) on that no lookback reaches.
    pub(crate) moved_from: BTreeMap<AssetName, i64>,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) pending: Vec<NewEvent>,
    pub(crate) report: RunReport,
}

/// What a step answers when it did not fail.
pub(crate) struct StepOutcome {
    pub(crate) state: StepState,
    pub(crate) detail: String,
}

impl StepOutcome {
    pub(crate) fn done(detail: impl Into<String>) -> Self {
        Self { state: StepState::Done, detail: detail.into() }
    }

    pub(crate) fn reused(detail: impl Into<String>) -> Self {
        Self { state: StepState::Reused, detail: detail.into() }
    }

    pub(crate) fn skipped(detail: impl Into<String>) -> Self {
        Self { state: StepState::Skipped, detail: detail.into() }
    }

    pub(crate) fn up_to_date() -> Self {
        Self { state: StepState::UpToDate, detail: String::new() }
    }
}

impl<'a> Execution<'a> {
    /// Begins a run in `environment` at `as_of`; `reason` names the command.
    pub(crate) async fn begin(
        services: &'a Services,
        prepared: &'a Prepared,
        environment: &str,
        as_of: Timestamp,
        reason: &str,
    ) -> Result<Self, RunError> {
        let base = services.ledger.head(environment).await?;
        if let Some(commit) = base.as_ref().filter(|commit| as_of < commit.as_of) {
            return Err(RunError::BackInTime {
                environment: environment.to_owned(),
                at: commit.as_of.format("%Y-%m-%d %H:%M UTC").to_string(),
            });
        }
        let working = base.as_ref().map(|commit| commit.assets.clone()).unwrap_or_default();
        let began = services.clock.now();
        let run = Fingerprint::of([environment, reason, &as_of.to_rfc3339(), &began.to_rfc3339()]);
        Ok(Self {
            services,
            prepared,
            environment: environment.to_owned(),
            as_of,
            run: run.short().to_owned(),
            began,
            reason: reason.to_owned(),
            base,
            working,
            failed: BTreeSet::new(),
            moved_from: BTreeMap::new(),
            alerts: Vec::new(),
            pending: Vec::new(),
            report: RunReport {
                run: run.short().to_owned(),
                environment: environment.to_owned(),
                as_of: Some(as_of),
                ..RunReport::default()
            },
        })
    }

    /// Executes `stages` in order. A failed step keeps its asset's last good version and skips what depends on it.
    pub(crate) async fn execute(mut self, stages: &[Stage]) -> Result<RunReport, RunError> {
        for stage in stages {
            match stage {
                Stage::Publish => self.publish().await?,
                _ => self.step(stage).await?,
            }
        }
        Ok(self.report)
    }

    async fn step(&mut self, stage: &Stage) -> Result<(), RunError> {
        let Some(asset) = stage.asset().cloned() else { return Ok(()) };
        if let Some(broken) = self.broken_input(stage, &asset) {
            self.failed.insert(asset.clone());
            self.note(stage, StepState::Skipped, format!("{broken} failed"), 0.0);
            return Ok(());
        }
        let began = Instant::now();
        self.services.progress.started(stage.verb(), &asset);
        let outcome = self.perform(stage, &asset).await;
        let took = began.elapsed();
        match outcome {
            Ok(outcome) => {
                self.services.progress.finished(stage.verb(), &asset, &outcome.detail, took);
                self.note(stage, outcome.state, outcome.detail, took.as_secs_f64());
            }
            Err(error) if is_fatal(&error) => return Err(error),
            Err(error) => self.step_failed(stage, &asset, &error, took.as_secs_f64()).await?,
        }
        failpoint::reach("run.step_finished");
        Ok(())
    }

    async fn perform(&mut self, stage: &Stage, asset: &AssetName) -> Result<StepOutcome, RunError> {
        let prepared = self.prepared;
        let definition = prepared.project.assets.get(asset).map(|found| &found.definition);
        match (stage, definition) {
            (Stage::Ingest { .. }, Some(Definition::Source(source))) => self.ingest(asset, source).await,
            (Stage::Build { .. }, Some(Definition::Table(table))) => self.build(asset, table).await,
            (Stage::Materialize { .. }, Some(Definition::FeatureView(view))) => self.materialize(asset, view).await,
            (Stage::Train { reason, .. }, Some(Definition::Model(model))) => self.train(asset, model, reason).await,
            (Stage::Deploy { .. }, Some(Definition::Endpoint(endpoint))) => self.deploy(asset, endpoint).await,
            (Stage::Score { .. }, Some(Definition::Endpoint(endpoint))) => self.score(asset, endpoint).await,
            (Stage::Watch { .. }, Some(Definition::Monitor(monitor))) => self.watch(asset, monitor).await,
            (Stage::Remove { .. }, _) => {
                self.working.remove(asset);
                Ok(StepOutcome::done("taken out of the environment"))
            }
            _ => Ok(StepOutcome::up_to_date()),
        }
    }

    /// The first input that failed in this run, if this stage reads data forward.
    fn broken_input(&self, stage: &Stage, asset: &AssetName) -> Option<AssetName> {
        let reads_forward = matches!(stage, Stage::Build { .. } | Stage::Materialize { .. } | Stage::Train { .. });
        let mut inputs = self.prepared.graph.inputs(asset);
        if reads_forward { inputs.find(|input| self.failed.contains(*input)).cloned() } else { None }
    }

    fn note(&mut self, stage: &Stage, state: StepState, detail: String, seconds: f64) {
        let asset = stage.asset().map(ToString::to_string).unwrap_or_default();
        self.report.steps.push(StepReport { verb: stage.verb().to_owned(), asset, state, detail, seconds });
    }

    async fn step_failed(
        &mut self,
        stage: &Stage,
        asset: &AssetName,
        error: &RunError,
        seconds: f64,
    ) -> Result<(), RunError> {
        let reason = error.to_string();
        self.services.progress.failed(stage.verb(), asset, &reason);
        self.failed.insert(asset.clone());
        self.note(stage, StepState::Failed, reason.clone(), seconds);
        let event =
            self.event(EventKind::StepFailed, asset, asset.as_str(), json!({"verb": stage.verb(), "reason": reason}));
        self.services.ledger.append(vec![event]).await?;
        self.raise_failure(asset, stage.verb(), &reason);
        Ok(())
    }

    /// An asset that was changed in the project and not applied: it, and what depends on it, stays as it is.
    pub(crate) fn note_unapplied(&mut self, asset: &AssetName) {
        self.failed.insert(asset.clone());
        let detail = "changed in the project since the last apply; run `baton apply`".to_owned();
        let step = StepReport {
            verb: "run".to_owned(),
            asset: asset.to_string(),
            state: StepState::Skipped,
            detail,
            seconds: 0.0,
        };
        self.report.steps.push(step);
    }

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

    /// The output that a step with this key had, in any environment.
    pub(crate) async fn recorded_output(&self, key: &Fingerprint) -> Result<Option<Value>, RunError> {
        let filter = EventFilter {
            kinds: vec![EventKind::StepFinished],
            key: Some(key.as_str().to_owned()),
            last: Some(1),
            ..EventFilter::default()
        };
        Ok(self.services.ledger.events(&filter).await?.pop().map(|found| found.event.body))
    }

    /// Records a step's exact output, durably, together with the events that led to it.
    pub(crate) async fn record_output(
        &mut self,
        asset: &AssetName,
        key: &Fingerprint,
        output: Value,
        mut events: Vec<NewEvent>,
    ) -> Result<(), RunError> {
        failpoint::reach("run.before_record");
        events.push(self.event(EventKind::StepFinished, asset, key.as_str(), output));
        self.services.ledger.append(events).await?;
        failpoint::reach("run.after_record");
        Ok(())
    }

    /// The exact inputs of an asset, as text: versions, and the clock where it decides what is seen of them.
    pub(crate) fn input_versions(&self, asset: &str) -> BTreeMap<AssetName, String> {
        let inputs = self.prepared.graph.inputs(asset);
        inputs.filter_map(|input| Some((input.clone(), self.version_as_seen(self.working.get(input)?)))).collect()
    }

    fn version_as_seen(&self, pin: &Pin) -> String {
        let version = match pin.version.table() {
            Some(table) => table.to_string(),
            None => pin.version.to_string(),
        };
        let clock = self.as_of.timestamp_micros();
        match pin.known_through {
            Some(known) if known > clock => format!("{version} as of {clock}"),
            _ => version,
        }
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

    /// The pin of an asset without rows.
    pub(crate) fn bare_pin(&self, asset: &AssetName, kind: Kind, version: baton_core::Version) -> Pin {
        let desired = self.prepared.desired.assets.get(asset);
        Pin {
            kind,
            fingerprint: desired.map_or_else(|| Fingerprint::of([asset.as_str()]), |found| found.rows.clone()),
            metadata: desired.map(|found| found.metadata.clone()),
            columns: desired.map(|found| found.columns.clone()).unwrap_or_default(),
            version,
            intervals: baton_core::IntervalSet::default(),
            rows: None,
            digest: None,
            known_through: None,
            inputs: BTreeMap::new(),
        }
    }

    /// Folds alerts into incidents, then moves the environment if anything changed: one transaction.
    async fn publish(&mut self) -> Result<(), RunError> {
        self.fold_alerts().await?;
        if self.reason == APPLY {
            self.pin_definitions();
        }
        let before = self.base.as_ref().map(|commit| &commit.assets);
        let parent = self.base.as_ref().map(|commit| commit.id.clone());
        self.report.commit = parent.clone();
        if before == Some(&self.working) {
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
        self.base = Some(commit);
        Ok(())
    }

    /// What happened in this run, between its beginning and its end.
    fn events_of_run(&mut self) -> Vec<NewEvent> {
        let failed: Vec<&str> = self.report.failures().map(|step| step.asset.as_str()).collect();
        let about = json!({"reason": self.reason, "author": self.services.author});
        let came_to = json!({"steps": self.report.steps.len(), "failed": failed});
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
                let pin = self.bare_pin(name, desired.kind, baton_core::Version::Definition);
                self.working.insert(name.clone(), pin);
            }
            if let Some(pin) = self.working.get_mut(name).filter(|_| !self.failed.contains(name)) {
                pin.metadata = Some(desired.metadata.clone());
            }
        }
    }

    fn sealed_commit(&self, parent: Option<CommitId>) -> Commit {
        Commit {
            id: CommitId(String::new()),
            parent,
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

/// Whether going on makes no sense: the ledger itself failed.
fn is_fatal(error: &RunError) -> bool {
    matches!(error, RunError::Ledger(_))
}
