//! Runs the trials of a study side by side.
//!
//! A trial begins when all trials that it may see have ended, and stops by what those reported and nothing else. So the
//! same study gives the same trials on any number of threads, after a resume, and with or without trials known from
//! before. Under [`Pruning::Half`] points do not depend on results: every trial takes its first fold, then the better
//! half goes on.
//!
//! Knows neither trainers nor stores: an [`Objective`] trains, a [`StudyLog`] keeps.

use super::pruning::{Pruning, is_worse_than_median};
use super::study::{Observed, Study, TrialState};
use super::{Progress, Trial};
use crate::error::Result;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Steps that a trial may report within its first fold; each further one is the end of a fold.
pub const CHECKPOINTS: u64 = 30;

/// Hears of a study, and remembers. All calls may come from several threads at once.
pub trait StudyLog: Sync {
    /// A study begins; `digest` stands for the data, the metric and the code of its trials.
    fn planned(&self, _study: &Study, _digest: &str) {}

    /// A trial of this key that ended before, in this study or another.
    fn known(&self, _key: &str) -> Option<Trial> {
        None
    }

    /// Whether another trial may begin; a budget of time says no when it is used up.
    fn may_begin(&self) -> bool {
        true
    }

    /// A trial begins.
    fn began(&self, _trial: &Trial) {}

    /// A trial reports a value.
    fn reported(&self, _number: usize, _step: u64, _value: f64) {}

    /// A trial ended.
    fn ended(&self, _trial: &Trial) {}

    /// How far the study is.
    fn advanced(&self, _progress: Progress) {}
}

/// Nobody watches, nothing is remembered.
pub struct Unwatched;

impl StudyLog for Unwatched {}

/// What a fold of a trial came to: its score, and the boosting rounds that it kept.
pub(super) type Scored = (f64, Option<usize>);

/// Trains what trials ask for.
pub(super) trait Objective: Sync {
    /// How many folds a trial has.
    fn folds(&self) -> usize;

    /// What a trial depends on, as one word: trials of one key come to the same.
    fn key(&self, trial: &Trial) -> String;

    /// Trains a fold; `None` when `report` broke it off.
    fn score(
        &self,
        trial: &Trial,
        fold: usize,
        report: &mut (dyn FnMut(u64, f64) -> ControlFlow<()> + Send),
    ) -> Result<Option<Scored>>;
}

/// Runs all trials of a study; they come in the order of their numbers.
pub(super) fn run(study: &Study, objective: &dyn Objective, log: &dyn StudyLog) -> Result<Vec<Trial>> {
    let engine = Engine { study, objective, log, state: Mutex::default(), changed: Condvar::new() };
    let threads = rayon::current_num_threads();
    let side_by_side = if engine.compares_all() { study.trials.unwrap_or(threads) } else { study.parallel };
    let workers = threads.min(side_by_side).max(1);
    // A training gains little from a second thread at the sizes of a search, so trials share the threads out. These
    // are not the pool's own: a pool thread that waits inside one training would begin another one on top of it.
    let work = || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads / workers).build().ok();
        while let Some(job) = engine.next_job() {
            match &pool {
                Some(pool) => pool.install(|| engine.work(job)),
                None => engine.work(job),
            }
        }
    };
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    let state = engine.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    match state.error {
        Some(error) => Err(error),
        None => Ok(state.trials),
    }
}

/// How far a trial is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It trains its first folds.
    First,
    /// It waits for the others' first folds.
    Waiting,
    /// It may go on.
    Ready,
    /// It trains the folds behind the first.
    Rest,
    /// It ended.
    Done,
}

#[derive(Default)]
struct State {
    trials: Vec<Trial>,
    phases: Vec<Phase>,
    /// Set when no further trial begins.
    is_closed: bool,
    trainings: usize,
    error: Option<crate::error::MlError>,
}

impl State {
    fn has(&self, phase: Phase) -> bool {
        self.phases.contains(&phase)
    }
}

/// A trial to work on, and what it may see.
struct Job {
    trial: Trial,
    seen: Vec<Observed>,
}

struct Engine<'a> {
    study: &'a Study,
    objective: &'a dyn Objective,
    log: &'a dyn StudyLog,
    state: Mutex<State>,
    changed: Condvar,
}

impl Engine<'_> {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compares_all(&self) -> bool {
        self.study.pruning == Pruning::Half
    }

    fn waits_after_first_fold(&self) -> bool {
        self.compares_all() && self.objective.folds() > 1
    }

    /// The next piece of work; waits while it depends on work of others. `None` when the study is over.
    fn next_job(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            let found = self.pick(&mut state);
            if found.is_some() {
                return found;
            }
            let is_busy = state.has(Phase::First) || state.has(Phase::Rest);
            if !is_busy {
                self.changed.notify_all();
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn pick(&self, state: &mut State) -> Option<Job> {
        if state.error.is_some() {
            return None;
        }
        if let Some(job) = self.begin(state) {
            return Some(job);
        }
        if state.is_closed && state.has(Phase::Waiting) && !state.has(Phase::First) {
            self.halve(state);
        }
        let ready = state.phases.iter().position(|phase| *phase == Phase::Ready)?;
        state.phases[ready] = Phase::Rest;
        Some(Job { trial: state.trials[ready].clone(), seen: Vec::new() })
    }

    fn begin(&self, state: &mut State) -> Option<Job> {
        if state.is_closed {
            return None;
        }
        let number = state.trials.len();
        let visible = if self.compares_all() { 0..0 } else { self.study.visible(number) };
        if state.phases[visible.clone()].iter().any(|phase| *phase != Phase::Done) {
            return None;
        }
        let mut seen: Vec<Observed> = state.trials[visible.clone()].iter().map(Trial::observed).collect();
        // Of those that go on, or might on another machine, only where they lie is seen.
        seen.extend(
            state.trials[visible.end..]
                .iter()
                .filter(|_| !self.compares_all())
                .map(Trial::observed)
                .map(|trial| Observed { curve: Vec::new(), value: None, state: TrialState::Running, ..trial }),
        );
        let point = if self.log.may_begin() { self.study.propose(number, &seen) } else { Ok(None) };
        let planned = point.and_then(|point| point.map(|point| Trial::planned(number, &point)).transpose());
        match planned {
            Ok(Some(mut trial)) => {
                trial.key = self.objective.key(&trial);
                state.trials.push(trial.clone());
                state.phases.push(Phase::First);
                Some(Job { trial, seen })
            }
            Ok(None) => {
                state.is_closed = true;
                None
            }
            Err(error) => {
                state.error = Some(error);
                None
            }
        }
    }

    /// Ends the trials whose first score is worse than the median of all first scores. Fewer than four are all run.
    fn halve(&self, state: &mut State) {
        let first = |trial: &Trial| trial.fold_scores.first().copied();
        let scores: Vec<f64> = state.trials.iter().filter_map(first).collect();
        for place in 0..state.trials.len() {
            if state.phases[place] != Phase::Waiting {
                continue;
            }
            let trial = &mut state.trials[place];
            let is_worse = |score| is_worse_than_median(self.study.direction, score, scores.clone());
            trial.pruned = scores.len() >= 4 && first(trial).is_some_and(is_worse);
            state.phases[place] = if trial.pruned { Phase::Done } else { Phase::Ready };
            if trial.pruned {
                self.log.ended(trial);
            }
        }
    }

    fn work(&self, job: Job) {
        let Job { mut trial, seen } = job;
        let begins = trial.fold_scores.is_empty();
        if begins {
            self.log.began(&trial);
        }
        let known = self.log.known(&trial.key).filter(|_| begins || trial.is_known);
        let replayed = known.and_then(|known| match begins && self.waits_after_first_fold() {
            true => {
                let first = first_fold(&trial, known)?;
                first.curve.iter().for_each(|(step, value)| self.log.reported(first.number, *step, *value));
                Some((first, Phase::Waiting))
            }
            false => Some((self.replayed(&trial, &seen, known)?, Phase::Done)),
        });
        let phase = match replayed {
            Some((replayed, phase)) => {
                trial = replayed;
                phase
            }
            None => {
                trial.is_known = false;
                self.train(&mut trial, &seen)
            }
        };
        if phase == Phase::Done {
            self.log.ended(&trial);
        }
        let mut state = self.lock();
        let number = trial.number;
        state.phases[number] = phase;
        state.trials[number] = trial;
        self.changed.notify_all();
    }

    /// What a trial that is known comes to in this study: it may be stopped earlier here than it was. `None` when it was
    /// stopped there where it goes on here, so that it must be trained.
    fn replayed(&self, planned: &Trial, seen: &[Observed], known: Trial) -> Option<Trial> {
        let mut trial = Trial { is_known: true, ..planned.clone() };
        let ends_of_folds = |curve: &[(u64, f64)]| curve.iter().filter(|(step, _)| *step > CHECKPOINTS).count();
        for place in 0..known.curve.len() {
            let curve = &known.curve[..=place];
            if place >= planned.curve.len() {
                self.log.reported(trial.number, known.curve[place].0, known.curve[place].1);
            }
            // Behind its last fold nothing is left to stop.
            let is_last = known.curve[place].0 == CHECKPOINTS + self.objective.folds() as u64;
            if self.study.stops(curve, seen) && !is_last {
                trial.pruned = true;
                trial.curve = curve.to_vec();
                let folds = ends_of_folds(curve).min(known.fold_scores.len());
                trial.fold_scores = known.fold_scores[..folds].to_vec();
                return Some(trial);
            }
        }
        known.score?;
        let Trial { curve, fold_scores, fold_rounds, score, .. } = known;
        Some(Trial { curve, fold_scores, fold_rounds, score, ..trial })
    }

    /// Trains the folds that a trial still has before it.
    fn train(&self, trial: &mut Trial, seen: &[Observed]) -> Phase {
        for fold in trial.fold_scores.len()..self.objective.folds() {
            let ended = self.train_fold(trial, fold, seen);
            let waits = self.waits_after_first_fold() && fold == 0 && !ended;
            self.count(trial, ended);
            match (ended, waits) {
                (true, _) => return Phase::Done,
                (false, true) => return Phase::Waiting,
                (false, false) => {}
            }
        }
        Phase::Done
    }

    /// Trains one fold; whether the trial ended with it.
    fn train_fold(&self, trial: &mut Trial, fold: usize, seen: &[Observed]) -> bool {
        let mut curve = std::mem::take(&mut trial.curve);
        let mut report = |step: u64, value: f64| {
            curve.push((step, value));
            self.log.reported(trial.number, step, value);
            if self.study.stops(&curve, seen) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let scored = self.objective.score(trial, fold, &mut report);
        let mut is_stopped = matches!(scored, Ok(None));
        if let Ok(Some((score, rounds))) = &scored {
            trial.fold_scores.push(*score);
            trial.fold_rounds.extend(*rounds);
            let mean = trial.fold_scores.iter().sum::<f64>() / trial.fold_scores.len() as f64;
            let is_last = trial.fold_scores.len() == self.objective.folds();
            is_stopped = report(CHECKPOINTS + 1 + fold as u64, mean).is_break() && !is_last;
            trial.score = is_last.then_some(mean);
        }
        trial.failure = scored.err().map(|error| error.to_string());
        trial.pruned = is_stopped;
        trial.curve = curve;
        is_stopped || trial.failure.is_some() || trial.score.is_some()
    }

    /// Counts a training. What is planned shrinks with every trial that ends before its last fold.
    fn count(&self, trial: &Trial, ended: bool) {
        let folds = self.objective.folds();
        let mut state = self.lock();
        state.trials[trial.number] = trial.clone();
        state.trainings += 1;
        let left = |place: usize| match state.phases[place] {
            Phase::Done => 0,
            _ if ended && place == trial.number => 0,
            _ => folds - state.trials[place].fold_scores.len().min(folds),
        };
        let begun: usize = (0..state.trials.len()).map(left).sum();
        let unbegun = match self.study.trials {
            Some(trials) if !state.is_closed => trials.saturating_sub(state.trials.len()).saturating_mul(folds),
            _ => 0,
        };
        let planned = state.trainings.saturating_add(begun).saturating_add(unbegun);
        let progress = Progress { done: state.trainings, planned };
        self.log.advanced(progress);
    }
}

/// As much of a trial that is known as says how it did on the first fold.
fn first_fold(planned: &Trial, known: Trial) -> Option<Trial> {
    let score = *known.fold_scores.first()?;
    let curve = known.curve.into_iter().take_while(|(step, _)| *step <= CHECKPOINTS + 1).collect();
    let fold_rounds = known.fold_rounds.into_iter().take(1).collect();
    Some(Trial { curve, fold_scores: vec![score], fold_rounds, is_known: true, ..planned.clone() })
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
