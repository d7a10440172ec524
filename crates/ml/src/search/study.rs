//! The rules of a search: what trial comes next, which one stops early, which is best.
//!
//! Pure: an answer depends on the rules and on what was observed, never on the clock or on which trial ended first. The
//! trainers' search ([`super::engine`]) and clients that ask over the network go by the same rules.

use super::pruning::Pruning;
use super::space::{Point, Space};
use super::{grid, random, tpe};
use crate::error::{MlError, Result};
use baton_stats::metrics::Direction;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// How points are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// At random, from a seeded stream.
    #[default]
    Random,
    /// Every combination, in order.
    Grid,
    /// Where earlier trials did well: tree-structured Parzen estimators (Bergstra et al. 2011, Falkner et al. 2018).
    Tpe,
}

/// What a trial came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialState {
    /// It goes on.
    Running,
    /// It has its value.
    Finished,
    /// It was stopped because it did worse than others.
    Pruned,
    /// It has no value.
    Failed,
}

/// A trial as the rules see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Its number, from 0 in the order of asking.
    pub number: usize,
    /// What it tries.
    pub point: Point,
    /// What it reported by step, in order of steps.
    pub curve: Vec<(u64, f64)>,
    /// Its value when it finished.
    pub value: Option<f64>,
    /// What it came to.
    pub state: TrialState,
}

/// The rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// What may be tried.
    pub space: Space,
    /// How points are chosen.
    pub method: Method,
    /// Which trials stop early.
    pub pruning: Pruning,
    /// Which way values improve.
    pub direction: Direction,
    /// The most trials; without it, as many as the grid or the time allow.
    pub trials: Option<usize>,
    /// The study ends when so many trials in a row brought nothing better.
    pub patience: Option<usize>,
    /// How many trials may go on at a time: each sees those before it but for so many, less one.
    pub parallel: usize,
    /// The seed of everything random.
    pub seed: u64,
}

impl Study {
    /// # Errors
    ///
    /// [`MlError::Space`] for a space that cannot be searched, [`MlError::Rules`] for rules that contradict each other.
    pub fn check(&self) -> Result<()> {
        self.space.check()?;
        self.pruning.check()?;
        let needs_order = self.method == Method::Tpe || self.patience.is_some();
        if needs_order && self.pruning == Pruning::Half {
            let reason = "halving after the first fold compares all trials at once, so neither tpe nor patience can go by them; prune by median or halving";
            return Err(MlError::Rules { reason: reason.to_owned() });
        }
        if self.parallel == 0 {
            return Err(MlError::Rules { reason: "at least one trial must go on at a time".to_owned() });
        }
        if self.method == Method::Grid {
            grid::size(&self.space)?;
        }
        Ok(())
    }

    /// The point of trial `number`, given the trials that it may see and those that go on; `None` when the study is over.
    ///
    /// # Errors
    ///
    /// [`MlError::Space`] when a grid is asked for what cannot be counted.
    pub fn propose(&self, number: usize, seen: &[Observed]) -> Result<Option<Point>> {
        if self.trials.is_some_and(|most| number >= most) || self.is_out_of_patience(seen) {
            return Ok(None);
        }
        match self.method {
            Method::Random => Ok(Some(random::point(&self.space, self.seed, number))),
            Method::Grid => grid::point(&self.space, number),
            Method::Tpe => Ok(Some(tpe::point(self, number, seen))),
        }
    }

    /// Whether a trial with this curve stops at its last step, given the trials that it may see.
    pub fn stops(&self, curve: &[(u64, f64)], seen: &[Observed]) -> bool {
        self.pruning.stops(self.direction, curve, seen)
    }

    /// The trials that trial `number` may see: those so far before it that any number of workers has ended them.
    pub fn visible(&self, number: usize) -> std::ops::Range<usize> {
        0..(number + 1).saturating_sub(self.parallel)
    }

    /// The best finished trial, by its place; of equal ones the first.
    pub fn best(&self, trials: &[Observed]) -> Option<usize> {
        let finished = trials.iter().enumerate().filter(|(_, trial)| trial.state == TrialState::Finished);
        let valued = finished.filter_map(|(place, trial)| Some((place, trial.value?)));
        valued.min_by(|one, other| better_first(self.direction, one.1, other.1)).map(|(place, _)| place)
    }

    fn is_out_of_patience(&self, seen: &[Observed]) -> bool {
        let Some(patience) = self.patience else { return false };
        let ended = |trials: &[Observed]| trials.iter().filter(|trial| trial.state != TrialState::Running).count();
        self.best(seen).is_some_and(|best| ended(&seen[best..]) > patience)
    }
}

/// The better value first; what is no number comes last.
pub(super) fn better_first(direction: Direction, one: f64, other: f64) -> Ordering {
    let nan_last = one.is_nan().cmp(&other.is_nan());
    nan_last.then(match direction {
        Direction::HigherIsBetter => other.total_cmp(&one),
        Direction::LowerIsBetter => one.total_cmp(&other),
    })
}

#[cfg(test)]
#[path = "study_tests.rs"]
mod tests;
