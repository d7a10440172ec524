//! A run in progress: the environment as it was, as it will be, and the loop over stages.
//!
//! Steps write aside and record their exact output; only the last stage moves the environment, in one transaction.
//! Invariant: whatever stops a run, the environment points at its last good commit, and the same command goes on from
//! the recorded steps.

mod approved;
mod attempts;
mod beside;
mod history;
mod journal;
mod lineage;
mod memory;
mod pins;
mod publish;
mod queue;
mod record;
mod settle;
mod slots;
mod traces;

pub(crate) use history::word as word_of;
pub(crate) use journal::Journal;
pub(crate) use lineage::{namespace, origin};
pub(crate) use publish::commit_event;
pub(crate) use settle::Applied;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use baton_core::asset::Exposure;
use baton_core::incident::Alert;
use baton_core::{AssetName, Commit, Definition, Fingerprint, Interval, NewEvent, Pin, Timestamp, failpoint};
use baton_plan::Stage;

use self::beside::Places;
use self::memory::Others;
use crate::approvals::Word;
use crate::error::RunError;
use crate::prepare::Prepared;
use crate::report::{CacheReport, RunReport, StepReport, StepState};
use crate::services::Services;
use crate::tracked::TrackedStep;

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
    pub(crate) base: Option<Arc<Commit>>,
    pub(crate) working: BTreeMap<AssetName, Pin>,
    pub(crate) failed: BTreeSet<AssetName>,
    /// Those of them that did not fail but wait for somebody's word.
    waiting: BTreeSet<AssetName>,
    /// Tables of this run whose rows changed from an instant (microseconds) on that no lookback reaches.
    pub(crate) moved_from: BTreeMap<AssetName, i64>,
    /// What the cache said about the step at hand, by asset.
    pub(crate) cache: BTreeMap<AssetName, CacheReport>,
    /// What an apply brings along beside its stages.
    pub(crate) applied: Applied,
    /// The table and the time that a backfill computes again, and how many pieces of it at once.
    pub(crate) restated: Option<(AssetName, Interval, usize)>,
    /// The times that a backfill computes one after the other; the first is next.
    pub(crate) slices: VecDeque<Interval>,
    /// What the command was asked for, as far as it is needed to go on with the run.
    pub(crate) request: Option<serde_json::Value>,
    /// When the step at hand began, on the machine's clock.
    step_began: Timestamp,
    /// What came of the values of the step at hand, when each began, and how often it was tried.
    pub(crate) values: Vec<(StepReport, Timestamp, u32)>,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) pending: Vec<NewEvent>,
    pub(crate) report: RunReport,
    /// How many steps of the run come before those of the report: of one that is executed beside others.
    steps_before: usize,
    /// Whether the step at hand is to join in a way that spills.
    pub(crate) spill_joins: bool,
    /// Those whose steps are executed beside this one's, if any are.
    others: Option<Arc<Others>>,
    /// What the step at hand tracks.
    pub(crate) tracked: TrackedStep,
    /// Where it is written down how the run goes.
    pub(crate) journal: Option<Journal>,
    /// Assets that failed and whose readers go on with the last good version.
    passing: BTreeSet<AssetName>,
    /// Why nothing more is begun.
    stopped: Option<String>,
}

/// What a step answers when it did not fail.
pub(crate) struct StepOutcome {
    pub(crate) state: StepState,
    pub(crate) detail: String,
    /// See [`crate::report::StepReport::rows`].
    pub(crate) rows: Option<u64>,
}

impl StepOutcome {
    pub(crate) fn done(detail: impl Into<String>) -> Self {
        Self { state: StepState::Done, detail: detail.into(), rows: None }
    }

    pub(crate) fn reused(detail: impl Into<String>) -> Self {
        Self { state: StepState::Reused, detail: detail.into(), rows: None }
    }

    /// The same outcome, with the rows that came of it.
    pub(crate) fn with_rows(self, rows: u64) -> Self {
        Self { rows: Some(rows), ..self }
    }

    pub(crate) fn skipped(detail: impl Into<String>) -> Self {
        Self { state: StepState::Skipped, detail: detail.into(), rows: None }
    }

    pub(crate) fn up_to_date() -> Self {
        Self { state: StepState::UpToDate, detail: String::new(), rows: None }
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
        let continued = services.asked.continues.as_ref();
        let began = continued.map_or_else(|| services.clock.now(), |continued| continued.began);
        let run = match continued {
            Some(continued) => continued.run.clone(),
            None => Fingerprint::of([environment, reason, &as_of.to_rfc3339(), &began.to_rfc3339()]).short().to_owned(),
        };
        Ok(Self {
            services,
            prepared,
            environment: environment.to_owned(),
            as_of,
            run: run.clone(),
            began,
            reason: reason.to_owned(),
            base: base.map(Arc::new),
            working,
            failed: BTreeSet::new(),
            waiting: BTreeSet::new(),
            moved_from: BTreeMap::new(),
            cache: BTreeMap::new(),
            applied: Applied::default(),
            restated: None,
            slices: VecDeque::new(),
            request: None,
            step_began: began,
            values: Vec::new(),
            alerts: Vec::new(),
            pending: Vec::new(),
            report: RunReport { run, environment: environment.to_owned(), as_of: Some(as_of), ..RunReport::default() },
            steps_before: continued.map_or(0, |continued| continued.steps),
            spill_joins: false,
            others: None,
            tracked: TrackedStep::default(),
            journal: None,
            passing: BTreeSet::new(),
            stopped: None,
        })
    }

    /// Executes `stages` in order. A failed step keeps its asset's last good version; its policy says what it means for
    /// the others.
    pub(crate) async fn execute(mut self, stages: &[Stage]) -> Result<RunReport, RunError> {
        self.record_start(stages).await?;
        let ended = match self.word_for_run().await {
            Ok(Word::Given) => self.go_through(stages).await,
            Ok(Word::Awaited(_)) => Ok(()),
            Ok(Word::Refused(reason)) => Err(RunError::NotApproved { reason }),
            Err(error) => Err(error),
        };
        let written = self.record_end(&ended).await;
        ended?;
        written?;
        Ok(self.report)
    }

    async fn go_through(&mut self, stages: &[Stage]) -> Result<(), RunError> {
        let places = Places::of(self.prepared);
        let mut ahead = stages;
        while !ahead.is_empty() {
            self.stop_if_paused().await?;
            let (now, later) = ahead.split_at(self.count_beside(ahead, &places));
            match now {
                [Stage::Publish] => self.publish().await?,
                [stage] => self.step(stage).await?,
                several => self.steps_beside(several, &places).await?,
            }
            ahead = later;
        }
        self.fold_late_alerts().await
    }

    async fn step(&mut self, stage: &Stage) -> Result<(), RunError> {
        let Some(asset) = stage.asset().cloned() else { return Ok(()) };
        let started_at = self.services.clock.now();
        let place = self.report.steps.len();
        let reason = self.stopped.clone().or_else(|| self.kept_by_input(stage, &asset));
        if let Some(reason) = reason {
            self.failed.insert(asset.clone());
            self.note(stage, StepOutcome::skipped(reason), 0.0);
            self.record_step(place, started_at, 0);
            return Ok(());
        }
        match self.word_for(stage, &asset).await? {
            Word::Given => {}
            Word::Awaited(awaited) => {
                self.note_waiting(stage, &asset, awaited.line());
                self.record_step(place, started_at, 0);
                return Ok(());
            }
            Word::Refused(reason) => {
                self.step_failed(stage, &asset, &RunError::NotApproved { reason }, 0.0).await?;
                self.record_step(place, started_at, 0);
                return Ok(());
            }
        }
        self.settle_through(&asset);
        self.step_began = started_at;
        self.take_slice(&asset);
        let began = Instant::now();
        self.services.progress.started(stage.verb(), &asset);
        self.record_begun(stage, &asset, started_at);
        let (outcome, attempts) = self.tries(stage, &asset).await;
        let took = began.elapsed();
        match outcome {
            Ok(outcome) => {
                self.services.progress.finished(stage.verb(), &asset, &outcome.detail, took);
                self.note(stage, outcome, took.as_secs_f64());
            }
            Err(error) if is_fatal(&error) => {
                self.tell_step(lineage::Moment::Abort, stage.verb(), &asset, None);
                self.trace_broken_step(self.number_of(place), stage.verb(), &asset, started_at, &error);
                return Err(error);
            }
            Err(error) => self.step_failed(stage, &asset, &error, took.as_secs_f64()).await?,
        }
        self.record_step(place, started_at, attempts);
        self.record_values();
        failpoint::reach("run.step_finished");
        Ok(())
    }

    async fn perform(&mut self, stage: &Stage, asset: &AssetName) -> Result<StepOutcome, RunError> {
        let prepared = self.prepared;
        let definition = prepared.project.assets.get(asset).map(|found| &found.definition);
        match (stage, definition) {
            (Stage::Ingest { .. }, Some(Definition::Source(source))) => match &source.pull {
                Some(pull) => self.pull(asset, source, pull).await,
                None => self.ingest(asset, source).await,
            },
            (Stage::Build { .. }, Some(Definition::Table(table))) => Box::pin(self.build(asset, table)).await,
            (Stage::Materialize { .. }, Some(Definition::FeatureView(view))) => self.materialize(asset, view).await,
            (Stage::Train { reason, .. }, Some(Definition::Model(model))) => {
                Box::pin(self.train(asset, model, reason)).await
            }
            (Stage::Deploy { .. }, Some(Definition::Endpoint(endpoint))) => self.deploy(asset, endpoint).await,
            (Stage::Score { .. }, Some(Definition::Endpoint(endpoint))) => self.score(asset, endpoint).await,
            (Stage::Watch { .. }, Some(Definition::Monitor(monitor))) => self.watch(asset, monitor).await,
            (Stage::Export { full, .. }, Some(Definition::Exposure(Exposure { export: Some(export), .. }))) => {
                self.export(asset, export, *full).await
            }
            (Stage::Remove { .. }, _) => {
                self.working.remove(asset);
                Ok(StepOutcome::done("taken out of the environment"))
            }
            _ => Ok(StepOutcome::up_to_date()),
        }
    }

    /// Why the step cannot read one of its inputs.
    fn kept_by_input(&self, stage: &Stage, asset: &AssetName) -> Option<String> {
        let input = self.broken_input(stage, asset)?;
        let waits = self.waiting.contains(&input);
        Some(format!("{input} {}", if waits { "waits for approval" } else { "failed" }))
    }

    /// Ends the run where somebody asked it to stop.
    pub(crate) async fn stop_if_paused(&self) -> Result<(), RunError> {
        match self.services.operations.is_paused(&self.run).await? {
            true => Err(RunError::Paused { run: self.run.clone() }),
            false => Ok(()),
        }
    }

    /// The values of a step follow it in report and history.
    fn record_values(&mut self) {
        for (step, began, attempts) in std::mem::take(&mut self.values) {
            self.report.steps.push(step);
            self.record_step(self.report.steps.len() - 1, began, attempts);
        }
    }

    /// Of a table that is computed again slice by slice, the next one.
    fn take_slice(&mut self, asset: &AssetName) {
        if let Some((name, interval, _)) = &mut self.restated
            && name == asset
            && let Some(slice) = self.slices.pop_front()
        {
            *interval = slice;
        }
    }

    /// The first input that failed in this run, if this stage reads data forward.
    fn broken_input(&self, stage: &Stage, asset: &AssetName) -> Option<AssetName> {
        let reads_forward = matches!(stage, Stage::Build { .. } | Stage::Materialize { .. } | Stage::Train { .. });
        let mut inputs = self.prepared.graph.inputs(asset);
        let is_broken = |input: &&AssetName| self.failed.contains(*input) && !self.passing.contains(*input);
        if reads_forward { inputs.find(is_broken).cloned() } else { None }
    }
}

/// Whether going on makes no sense: the ledger itself failed, or somebody ended the run.
pub(crate) fn is_fatal(error: &RunError) -> bool {
    matches!(error, RunError::Ledger(_) | RunError::Cancelled { .. } | RunError::Paused { .. })
}
