//! Trials side by side: the same on any number of threads, from memory, and after an end in the middle.

use super::super::space::{Domain, Parameter, Range, Space};
use super::super::study::{Method, TrialState};
use super::*;
use crate::error::MlError;
use baton_stats::metrics::Direction;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A parabola with a learning curve; counts its trainings.
#[derive(Default)]
struct Parabola {
    trainings: AtomicUsize,
    fails_above: Option<f64>,
}

impl Objective for Parabola {
    fn folds(&self) -> usize {
        2
    }

    fn key(&self, trial: &Trial) -> String {
        trial.params.to_string()
    }

    fn score(
        &self,
        trial: &Trial,
        fold: usize,
        report: &mut (dyn FnMut(u64, f64) -> ControlFlow<()> + Send),
    ) -> Result<Option<Scored>> {
        self.trainings.fetch_add(1, Ordering::Relaxed);
        let x = trial.params.get("x").unwrap();
        if self.fails_above.is_some_and(|most| x > most) {
            return Err(MlError::training("parabola", "too far out"));
        }
        // Later trials end first, so that the order of ends is not that of the beginnings.
        std::thread::sleep(std::time::Duration::from_micros(2_000 / (trial.number as u64 + 1)));
        let end = (x - 1.0).powi(2) + fold as f64;
        for step in 1..=10 {
            if fold == 0 && report(step, end + (10.0 - step as f64)).is_break() {
                return Ok(None);
            }
        }
        Ok(Some((end, None)))
    }
}

fn study(method: Method, pruning: Pruning) -> Study {
    Study {
        space: Space::of(vec![Parameter::new("x", Domain::Range(Range::linear(-9.0, 9.0)))]),
        method,
        pruning,
        direction: Direction::LowerIsBetter,
        trials: Some(24),
        patience: None,
        parallel: 3,
        seed: 1,
    }
}

fn every_study() -> Vec<Study> {
    vec![
        study(Method::Random, Pruning::Off),
        study(Method::Random, Pruning::Half),
        study(Method::Random, Pruning::Median { startup: 3, warmup: 0 }),
        study(Method::Tpe, Pruning::MEDIAN),
        study(Method::Tpe, Pruning::halving(1, CHECKPOINTS + 1, 3)),
        Study { patience: Some(4), ..study(Method::Tpe, Pruning::Off) },
    ]
}

/// Remembers what ended, and stops after so many trials, as a kill does.
#[derive(Default)]
struct Memory {
    ended: Mutex<HashMap<String, Trial>>,
    most: Option<usize>,
    began: AtomicUsize,
    progress: Mutex<Vec<Progress>>,
}

impl StudyLog for Memory {
    fn known(&self, key: &str) -> Option<Trial> {
        self.ended.lock().unwrap().get(key).cloned()
    }

    fn may_begin(&self) -> bool {
        self.most.is_none_or(|most| self.began.load(Ordering::Relaxed) < most)
    }

    fn began(&self, _trial: &Trial) {
        self.began.fetch_add(1, Ordering::Relaxed);
    }

    fn ended(&self, trial: &Trial) {
        self.ended.lock().unwrap().insert(trial.key.clone(), trial.clone());
    }

    fn advanced(&self, progress: Progress) {
        self.progress.lock().unwrap().push(progress);
    }
}

fn trained(trials: &[Trial]) -> Vec<Trial> {
    trials.iter().map(|trial| Trial { is_known: false, ..trial.clone() }).collect()
}

#[test]
fn threads_change_nothing() {
    for study in every_study() {
        let run_on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&study, &Parabola::default(), &Unwatched).unwrap())
        };
        let alone = run_on(1);
        assert_eq!(run_on(3), alone, "{study:?}");
        assert_eq!(run_on(8), alone, "{study:?}");
        assert!(alone.iter().any(|trial| trial.score.is_some()), "{study:?}");
    }
}

#[test]
fn a_study_that_ended_in_the_middle_goes_on_with_the_same_trials() {
    for study in every_study() {
        let whole = run(&study, &Parabola::default(), &Unwatched).unwrap();
        let mut memory = Memory { most: Some(9), ..Memory::default() };
        run(&study, &Parabola::default(), &memory).unwrap();
        memory.most = None;
        let objective = Parabola::default();
        let resumed = run(&study, &objective, &memory).unwrap();
        assert_eq!(trained(&resumed), whole, "{study:?}");
        let known = resumed.iter().filter(|trial| trial.is_known).count();
        assert!(known > 0, "{study:?}");
        let again = Parabola::default();
        assert_eq!(trained(&run(&study, &again, &memory).unwrap()), whole);
        assert_eq!(again.trainings.into_inner(), 0, "all trials are known: {study:?}");
    }
}

#[test]
fn only_what_changed_is_trained() {
    let memory = Memory::default();
    run(&study(Method::Random, Pruning::Off), &Parabola::default(), &memory).unwrap();
    let objective = Parabola::default();
    let longer = Study { trials: Some(30), ..study(Method::Random, Pruning::Off) };
    let trials = run(&longer, &objective, &memory).unwrap();
    assert_eq!(trials.iter().filter(|trial| !trial.is_known).map(|trial| trial.number).min(), Some(24));
    assert_eq!(objective.trainings.into_inner(), 12, "six trials of two folds");
}

#[test]
fn what_was_stopped_elsewhere_is_trained_where_it_goes_on() {
    let memory = Memory::default();
    let strict = run(&study(Method::Random, Pruning::halving(1, 31, 3)), &Parabola::default(), &memory).unwrap();
    assert!(strict.iter().any(|trial| trial.pruned));
    let lenient = study(Method::Random, Pruning::Off);
    let trials = run(&lenient, &Parabola::default(), &memory).unwrap();
    assert_eq!(trained(&trials), run(&lenient, &Parabola::default(), &Unwatched).unwrap());
    let half = study(Method::Random, Pruning::Half);
    let halved = run(&half, &Parabola::default(), &memory).unwrap();
    assert_eq!(
        trained(&halved),
        run(&half, &Parabola::default(), &Unwatched).unwrap(),
        "what finished there stops here"
    );
    for (trial, strict) in trials.iter().zip(&strict) {
        assert_eq!(trial.is_known, !strict.pruned);
    }
}

#[test]
fn pruning_saves_trainings_and_keeps_the_best() {
    let cost = |pruning: Pruning| {
        let (objective, study) = (Parabola::default(), Study { trials: Some(60), ..study(Method::Random, pruning) });
        let trials = run(&study, &objective, &Unwatched).unwrap();
        let reports: usize = trials.iter().map(|trial| trial.curve.len()).sum();
        let observed: Vec<Observed> = trials.iter().map(Trial::observed).collect();
        (reports, study.best(&observed).unwrap())
    };
    let (all, best) = cost(Pruning::Off);
    for pruning in [Pruning::MEDIAN, Pruning::halving(1, 31, 3)] {
        let (some, kept) = cost(pruning.clone());
        assert!(some * 10 < all * 8, "{pruning:?}: {some} of {all} reports");
        assert_eq!(kept, best, "{pruning:?}");
    }
}

#[test]
fn failures_are_kept_and_do_not_end_the_study() {
    let objective = Parabola { fails_above: Some(0.0), ..Parabola::default() };
    let trials = run(&study(Method::Tpe, Pruning::MEDIAN), &objective, &Unwatched).unwrap();
    assert_eq!(trials.len(), 24);
    let failed = trials.iter().filter(|trial| trial.state() == TrialState::Failed).count();
    assert!((1..20).contains(&failed), "{failed}");
    assert!(trials.iter().all(|trial| trial.failure.is_none() || trial.score.is_none()));
}

#[test]
fn progress_reaches_its_plan() {
    for study in every_study() {
        let memory = Memory::default();
        run(&study, &Parabola::default(), &memory).unwrap();
        let seen = memory.progress.into_inner().unwrap();
        assert!(seen.windows(2).all(|pair| pair[0].done + 1 == pair[1].done), "{study:?}");
        let last = seen.last().unwrap();
        assert!(last.done == last.planned || study.patience.is_some(), "{last:?} {study:?}");
    }
}
