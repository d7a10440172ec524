//! Tables that are built side by side: threads take the next one whose inputs are there, so what one does alone
//! (planning, writing, checking, recording) goes on while another computes.
//!
//! Each step is executed by a run of its own that sees what came of the steps before it that it reads, and nothing of the
//! others; what it leaves is taken into the run in the order of the stages, so that reports and events read as if one step
//! had followed the other.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use baton_core::asset::Table;
use baton_core::check::CheckResult;
use baton_core::incident::Alert;
use baton_core::{AssetName, Definition, NewEvent, Pin, Version};
use baton_plan::Stage;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::queue::{Ahead, Queue};
use super::{Applied, Execution, Journal, Others};
use crate::checks::tables_of;
use crate::error::RunError;
use crate::prepare::Prepared;
use crate::report::{RunReport, StepReport};
use crate::tracked::TrackedStep;

/// Stack of a thread: planning deeply nested SQL recurses.
const STACK: usize = 8 << 20;
/// How often it is asked whether somebody paused the run.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Where each asset stands in the project's order.
pub(super) struct Places<'p>(HashMap<&'p AssetName, usize>);

/// Stages that are executed side by side.
struct Side<'s> {
    stages: &'s [Stage],
    queue: Queue,
    others: Arc<Others>,
    finished: Mutex<Finished>,
    /// When it was last asked whether somebody paused the run.
    asked: Mutex<Instant>,
    /// Steps of the run that came before.
    steps_before: usize,
}

/// What came of the steps so far.
struct Finished {
    effects: BTreeMap<AssetName, Effects>,
    /// Why nothing more is begun.
    stopped: Option<String>,
    ended: Result<(), RunError>,
}

/// What a step left in its run.
struct Effects {
    place: usize,
    pin: Option<Pin>,
    moved_from: Option<i64>,
    failed: bool,
    passing: bool,
    alerts: Vec<Alert>,
    pending: Vec<NewEvent>,
    steps: Vec<StepReport>,
    checks: Vec<CheckResult>,
}

impl<'p> Places<'p> {
    pub(super) fn of(prepared: &'p Prepared) -> Self {
        Self(prepared.desired.order.iter().enumerate().map(|(place, name)| (name, place)).collect())
    }

    fn place(&self, stage: &Stage) -> Option<usize> {
        self.0.get(stage.asset()?).copied()
    }
}

impl Side<'_> {
    /// Whether it is time to ask again whether somebody paused the run: steps may be many and short.
    fn asks_for_pause(&self) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = asked.elapsed() >= ASK_EVERY;
        if is_time {
            *asked = Instant::now();
        }
        is_time
    }

    fn finished(&self) -> MutexGuard<'_, Finished> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Execution<'_> {
    /// How many of `stages`, from the first on, can be executed side by side: tables that stand in the project's order as
    /// they do here, without one between them that the plan leaves to be pinned anew.
    pub(super) fn count_beside(&self, stages: &[Stage], places: &Places<'_>) -> usize {
        if !self.has_threads() {
            return 1;
        }
        let order = &self.prepared.desired.order;
        let mut from = None;
        for (count, stage) in stages.iter().enumerate() {
            let place = places.place(stage).filter(|place| from.is_none_or(|from| from <= *place));
            let Some(place) = place.filter(|_| self.can_be_beside(stage)) else { return count.max(1) };
            if order[from.unwrap_or(place)..place].iter().any(|between| self.is_pinned_anew(between)) {
                return count.max(1);
            }
            from = Some(place + 1);
        }
        stages.len()
    }

    /// A backfill has threads of its own.
    fn has_threads(&self) -> bool {
        self.restated.is_none()
            && self.services.engine.options().threads > 1
            && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread
    }

    /// Whether a stage builds a table of SQL in one piece: one of Python has workers, which compute on threads of their own, and
    /// of what a command reads and writes nobody knows.
    fn can_be_beside(&self, stage: &Stage) -> bool {
        let Stage::Build { asset } = stage else { return false };
        let definition = self.prepared.project.assets.get(asset).map(|asset| &asset.definition);
        matches!(definition, Some(Definition::Table(Table { python: None, command: None, for_each: None, .. })))
            && self.policy(asset).approval.is_none()
    }

    fn is_pinned_anew(&self, asset: &AssetName) -> bool {
        !self.applied.redefined.is_empty() && self.applied.kept.contains(asset)
    }

    /// Executes `stages` on threads of their own.
    pub(super) async fn steps_beside(&mut self, stages: &[Stage], places: &Places<'_>) -> Result<(), RunError> {
        stages.iter().filter_map(Stage::asset).for_each(|asset| self.settle_through(asset));
        let side = Side {
            stages,
            queue: Queue::new(&self.ahead(stages, places)),
            others: Arc::new(Others::new(())),
            finished: Mutex::new(Finished { effects: BTreeMap::new(), stopped: self.stopped.clone(), ended: Ok(()) }),
            asked: Mutex::new(Instant::now()),
            steps_before: self.steps_before + self.report.steps.len(),
        };
        tokio::task::block_in_place(|| self.work_off_on_threads(&side));
        self.services.engine.share_threads(1);
        let Finished { effects, stopped, ended } = side.finished.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut in_order: Vec<(AssetName, Effects)> = effects.into_iter().collect();
        in_order.sort_by_key(|(_, effects)| effects.place);
        in_order.into_iter().for_each(|(asset, effects)| self.absorb(&asset, effects));
        self.stopped = stopped;
        ended
    }

    /// For each stage the places of those that it reads, whatever lies between, and how many rows it reads of what is there.
    fn ahead(&self, stages: &[Stage], places: &Places<'_>) -> Vec<Ahead> {
        let of_stage: HashMap<usize, usize> =
            stages.iter().enumerate().filter_map(|(place, stage)| Some((places.place(stage)?, place))).collect();
        let (Some(first), Some(last)) = (of_stage.keys().min(), of_stage.keys().max()) else { return Vec::new() };
        let mut behind: HashMap<&AssetName, BTreeSet<usize>> = HashMap::new();
        let mut ahead: Vec<Ahead> = stages.iter().map(|_| Ahead::default()).collect();
        for (place, asset) in self.prepared.desired.order.iter().enumerate().take(last + 1).skip(*first) {
            let stands_behind = |name: &AssetName| behind.get(name).into_iter().flatten().copied();
            let mut reads: BTreeSet<usize> = self.prepared.graph.inputs(asset).flat_map(stands_behind).collect();
            if let Some(stage) = of_stage.get(&place) {
                reads.extend(self.checked_against(asset).iter().flat_map(stands_behind));
                ahead[*stage] = Ahead { waits_for: reads.into_iter().collect(), work: self.rows_read_by(asset) };
                reads = BTreeSet::from([*stage]);
            }
            if !reads.is_empty() {
                behind.insert(asset, reads);
            }
        }
        ahead
    }

    fn rows_read_by(&self, asset: &AssetName) -> u64 {
        let rows = |input: &AssetName| self.working.get(input).and_then(|pin| pin.rows);
        self.prepared.graph.inputs(asset).filter_map(rows).sum()
    }

    /// The tables that the checks of an asset read beside it.
    fn checked_against(&self, asset: &AssetName) -> Vec<AssetName> {
        let asset = self.prepared.project.assets.get(asset);
        asset.map_or_else(Vec::new, |asset| asset.checks.iter().flat_map(tables_of).collect())
    }

    fn work_off_on_threads(&self, side: &Side<'_>) {
        let n_threads = self.services.engine.options().threads.min(side.stages.len());
        let runtime = Handle::current();
        thread::scope(|scope| {
            let work = || {
                let worked = panic::catch_unwind(AssertUnwindSafe(|| self.work_off(side, &runtime)));
                if let Err(reason) = worked {
                    side.queue.end();
                    panic::resume_unwind(reason);
                }
            };
            let start = |_: &usize| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).is_ok();
            if (0..n_threads).filter(start).count() == 0 {
                self.work_off(side, &runtime);
            }
        });
    }

    /// Executes steps until none waits. A fatal error ends the work of all.
    fn work_off(&self, side: &Side<'_>, runtime: &Handle) {
        while let Some((place, n_beside)) = side.queue.take() {
            self.services.engine.share_threads(n_beside);
            let stage = &side.stages[place];
            let mut fork = self.fork(side, place);
            let ended = runtime.block_on(async {
                if side.asks_for_pause() {
                    self.stop_if_paused().await?;
                }
                fork.step(stage).await
            });
            if ended.is_err() {
                side.queue.end();
            }
            let mut finished = side.finished();
            if let Some(asset) = stage.asset() {
                finished.stopped = finished.stopped.take().or(fork.stopped.take());
                finished.effects.insert(asset.clone(), fork.effects_of(asset, place));
            }
            if ended.is_err() && finished.ended.is_ok() {
                finished.ended = ended;
            }
            drop(finished);
            side.queue.finish(place);
        }
    }

    /// A run for one step: it sees what the step reads as it is there, or as steps before it left it.
    fn fork(&self, side: &Side<'_>, place: usize) -> Self {
        let finished = side.finished();
        let mut fork = self.without_assets(side, place);
        fork.stopped.clone_from(&finished.stopped);
        let Some(asset) = side.stages[place].asset() else { return fork };
        let mut waiting: Vec<AssetName> = self.prepared.graph.inputs(asset).chain([asset]).cloned().collect();
        waiting.extend(self.checked_against(asset));
        let mut seen = BTreeSet::new();
        while let Some(name) = waiting.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            match finished.effects.get(&name).filter(|effects| effects.place < place) {
                Some(effects) => fork.see(&name, effects),
                None => fork.see_as_in(self, &name),
            }
            if let Some(pin) = fork.working.get(&name).filter(|pin| !matches!(pin.version, Version::Table(_))) {
                waiting.extend(self.prepared.graph.inputs(&name).chain(pin.inputs.keys()).cloned());
            }
        }
        fork
    }

    fn without_assets(&self, side: &Side<'_>, place: usize) -> Self {
        Self {
            services: self.services,
            prepared: self.prepared,
            environment: self.environment.clone(),
            as_of: self.as_of,
            run: self.run.clone(),
            began: self.began,
            reason: self.reason.clone(),
            base: self.base.clone(),
            working: BTreeMap::new(),
            failed: BTreeSet::new(),
            waiting: self.waiting.clone(),
            moved_from: BTreeMap::new(),
            cache: BTreeMap::new(),
            applied: Applied::default(),
            restated: None,
            slices: VecDeque::new(),
            request: None,
            step_began: self.step_began,
            values: Vec::new(),
            alerts: Vec::new(),
            pending: Vec::new(),
            report: RunReport::default(),
            steps_before: side.steps_before + place,
            spill_joins: false,
            others: Some(Arc::clone(&side.others)),
            tracked: TrackedStep::default(),
            journal: self.journal.as_ref().map(Journal::beside),
            passing: BTreeSet::new(),
            stopped: None,
        }
    }

    fn see_as_in(&mut self, run: &Self, name: &AssetName) {
        self.working.extend(run.working.get(name).map(|pin| (name.clone(), pin.clone())));
        self.moved_from.extend(run.moved_from.get(name).map(|moved| (name.clone(), *moved)));
        self.failed.extend(run.failed.get(name).cloned());
        self.passing.extend(run.passing.get(name).cloned());
        self.applied.from_nothing.extend(run.applied.from_nothing.get(name).cloned());
    }

    fn see(&mut self, name: &AssetName, effects: &Effects) {
        self.working.extend(effects.pin.iter().map(|pin| (name.clone(), pin.clone())));
        self.moved_from.extend(effects.moved_from.map(|moved| (name.clone(), moved)));
        self.failed.extend(effects.failed.then(|| name.clone()));
        self.passing.extend(effects.passing.then(|| name.clone()));
    }

    fn effects_of(&mut self, asset: &AssetName, place: usize) -> Effects {
        Effects {
            place,
            pin: self.working.remove(asset),
            moved_from: self.moved_from.remove(asset),
            failed: self.failed.contains(asset),
            passing: self.passing.contains(asset),
            alerts: mem::take(&mut self.alerts),
            pending: mem::take(&mut self.pending),
            steps: mem::take(&mut self.report.steps),
            checks: mem::take(&mut self.report.checks),
        }
    }

    fn absorb(&mut self, asset: &AssetName, effects: Effects) {
        self.see(asset, &effects);
        let Effects { alerts, pending, steps, checks, .. } = effects;
        self.alerts.extend(alerts);
        self.pending.extend(pending);
        self.report.steps.extend(steps);
        self.report.checks.extend(checks);
    }
}
