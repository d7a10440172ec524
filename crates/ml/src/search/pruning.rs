//! Which trials stop before their end.
//!
//! A trial reports values by step; the same step means the same effort in every trial of a study. What a trial reported
//! last at or before a step stands for that step, so that one that converged early is not forgotten.

use super::study::{Observed, TrialState, better_first};
use crate::error::{MlError, Result};
use baton_stats::metrics::Direction;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Which trials stop early.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pruning {
    /// None.
    Off,
    /// All trials take the first fold, then those worse than the median stop.
    #[default]
    Half,
    /// A trial stops at a step where its best value so far is worse than the median of finished trials there (Golovin
    /// et al. 2017).
    Median {
        /// Finished trials that must be seen before any stops.
        startup: usize,
        /// Steps up to which none stops.
        warmup: u64,
    },
    /// A trial goes on past each of these steps only among the best 1/`reduction` of those that came so far:
    /// asynchronous successive halving (Li et al. 2020).
    Halving {
        /// The steps, ascending.
        rungs: Vec<u64>,
        /// One of how many goes on.
        reduction: usize,
    },
}

impl Pruning {
    /// The median rule as Optuna has it by default.
    pub const MEDIAN: Self = Self::Median { startup: 5, warmup: 0 };

    /// Steps from `first`, each `reduction` times the one before, up to `last`.
    pub fn halving(first: u64, last: u64, reduction: usize) -> Self {
        let next = |rung: &u64| rung.checked_mul(reduction as u64);
        let rungs = std::iter::successors(Some(first.max(1)), next).take_while(|rung| *rung <= last);
        Self::Halving { rungs: if reduction < 2 { Vec::new() } else { rungs.collect() }, reduction }
    }

    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Halving { rungs, reduction } if *reduction < 2 || rungs.is_empty() => {
                let reason = format!(
                    "halving keeps one of {reduction} at {} steps, but needs one of two or more at one step or more",
                    rungs.len()
                );
                Err(MlError::Rules { reason })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn stops(&self, direction: Direction, curve: &[(u64, f64)], seen: &[Observed]) -> bool {
        let Some((step, value)) = curve.last() else { return false };
        match self {
            Self::Off | Self::Half => false,
            Self::Median { startup, warmup } => {
                let finished = seen.iter().filter(|trial| trial.state == TrialState::Finished);
                let finished: Vec<&Observed> = finished.collect();
                if finished.len() < *startup || step <= warmup {
                    return false;
                }
                let others = finished.iter().filter_map(|trial| value_at(&trial.curve, *step)).collect();
                let best =
                    curve.iter().map(|(_, value)| *value).min_by(|one, other| better_first(direction, *one, *other));
                best.is_some_and(|best| is_worse_than_median(direction, best, others))
            }
            Self::Halving { rungs, reduction } => {
                let before = curve.len().checked_sub(2).map_or(0, |place| curve[place].0);
                // Only a step that reaches a rung decides, and only the highest of several.
                let reached = rungs.iter().rfind(|rung| **rung <= *step && **rung > before);
                reached.is_some_and(|rung| is_cut(direction, *reduction, *value, seen, *rung))
            }
        }
    }
}

/// Whether `value` is worse than the median of `others`.
pub(super) fn is_worse_than_median(direction: Direction, value: f64, mut others: Vec<f64>) -> bool {
    others.retain(|other| !other.is_nan());
    if others.is_empty() {
        return false;
    }
    others.sort_by(|one, other| better_first(direction, *one, *other));
    let median = others[(others.len() - 1) / 2];
    better_first(direction, median, value) == Ordering::Less
}

/// Whether `value` is none of the best that came to `rung` so far, itself included.
fn is_cut(direction: Direction, reduction: usize, value: f64, seen: &[Observed], rung: u64) -> bool {
    let came = seen.iter().filter(|trial| trial.curve.last().is_some_and(|(step, _)| *step >= rung));
    let mut values: Vec<f64> = came.filter_map(|trial| value_first_at(&trial.curve, rung)).collect();
    values.push(value);
    values.sort_by(|one, other| better_first(direction, *one, *other));
    let last_that_goes_on = values[(values.len() / reduction).max(1) - 1];
    better_first(direction, last_that_goes_on, value) == Ordering::Less
}

/// What stood at a step.
fn value_at(curve: &[(u64, f64)], step: u64) -> Option<f64> {
    curve.iter().rfind(|(at, _)| *at <= step).map(|(_, value)| *value)
}

/// What was reported when a step was first reached.
fn value_first_at(curve: &[(u64, f64)], step: u64) -> Option<f64> {
    curve.iter().find(|(at, _)| *at >= step).map(|(_, value)| *value)
}
