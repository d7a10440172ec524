//! Search for an algorithm and its parameters, cross-validated by time: at random, on a grid or by tpe, with trials that
//! do badly stopped early.
//!
//! [`Study`] holds the rules and is pure; `engine` runs trials by them, side by side; `objective` says what a trial of a
//! trainer is. No step depends on which trial finishes first, so the same data, configuration and seed give the same
//! report on any number of threads, and a trial that is known from before ([`StudyLog::known`]) need not be trained.
//!
//! Knows trainers and metrics; does not know where the rows came from, nor where trials are kept.

mod algorithms;
mod engine;
mod folds;
mod grid;
mod objective;
mod parzen;
mod pruning;
mod random;
mod space;
mod study;
pub mod sweep;
mod tpe;

pub use baton_stats::metrics::Direction;
pub use engine::{CHECKPOINTS, StudyLog, Unwatched};
pub use folds::{TimeFold, time_folds};
pub use objective::Trials;
pub use pruning::Pruning;
pub use space::{Branch, Domain, MOST_POINTS, Parameter, Point, Range, Scale, Space};
pub use study::{Method, Observed, Study, TrialState};

use crate::data::{LabelledRows, Task};
use crate::error::{MlError, Result};
use crate::evaluate::Metric;
use crate::params::Params;
use crate::trainer::{TrainedModel, TrainingData, trainer};
use objective::Bench;
use serde::{Deserialize, Serialize};

/// What to search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchConfig {
    /// A trainer's name, or `auto` for boosted trees and the task's linear model.
    pub algorithm: String,
    /// The most points to try; each algorithm's first is its defaults.
    pub trials: usize,
    /// How points are chosen.
    pub method: Method,
    /// Which trials stop early.
    pub pruning: Pruning,
    /// The search ends when so many trials in a row brought nothing better.
    pub patience: Option<usize>,
    /// How many trials may go on at a time. It decides what a trial sees, so another number is another search.
    pub parallel: usize,
    /// What to draw instead of the algorithm's own ranges. One named `algorithm` lists algorithms.
    pub parameters: Option<Vec<Parameter>>,
    /// How many blocks to judge on.
    pub folds: usize,
    /// What decides.
    pub metric: Metric,
    /// The seed of all draws and trainings.
    pub seed: u64,
    /// How many of the latest rows to search on; the final fit takes all.
    pub search_rows: usize,
    /// How long before a block training must end, in the unit of the times (0 for labels known at once).
    pub embargo: i64,
    /// Parameters that the user fixed; they are never drawn.
    pub fixed: Params,
}

impl SearchConfig {
    /// A search with the defaults: `auto`, 12 trials, 3 folds, the 60,000 latest rows, ROC AUC or RMSE.
    pub fn new(task: Task, seed: u64) -> Self {
        Self {
            algorithm: "auto".to_owned(),
            trials: 12,
            method: Method::Random,
            pruning: Pruning::Half,
            patience: None,
            parallel: 4,
            parameters: None,
            folds: 3,
            metric: match task {
                Task::BinaryClassification => Metric::RocAuc,
                Task::Regression => Metric::Rmse,
            },
            seed,
            search_rows: 60_000,
            embargo: 0,
            fixed: Params::default(),
        }
    }
}

/// The rows to search on, in time order.
#[derive(Debug, Clone, Copy)]
pub struct SearchData<'a> {
    /// What to predict.
    pub task: Task,
    /// How many categories each feature has, `None` for numeric ones.
    pub n_categories: &'a [Option<usize>],
    /// The rows, earliest first.
    pub rows: &'a LabelledRows<'a>,
    /// One time a row, ascending; without them row order is time order.
    pub times: Option<&'a [i64]>,
}

/// One point of the search and how it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its number, from 0 in the order of the draws.
    #[serde(default)]
    pub number: usize,
    /// The algorithm.
    pub algorithm: String,
    /// The drawn and the fixed parameters; the algorithm's defaults are not repeated.
    pub params: Params,
    /// What it depends on, as one word; trials of one key come to the same.
    #[serde(default)]
    pub key: String,
    /// The metric by step: up to [`CHECKPOINTS`] within the first fold, then the mean after each fold.
    #[serde(default)]
    pub curve: Vec<(u64, f64)>,
    /// The metric on each fold it was run on.
    pub fold_scores: Vec<f64>,
    /// The boosting rounds that early stopping kept on each fold, for algorithms with rounds.
    pub fold_rounds: Vec<usize>,
    /// The mean of `fold_scores`; `None` when the trial did not run in full.
    pub score: Option<f64>,
    /// Whether it stopped because it did worse than others.
    pub pruned: bool,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// Whether it was known from before and not trained again.
    #[serde(default)]
    pub is_known: bool,
}

impl Trial {
    /// A trial that is to begin.
    fn planned(number: usize, point: &Point) -> Result<Self> {
        Ok(Self {
            number,
            algorithm: point.branch.clone(),
            params: params_of(point)?,
            key: String::new(),
            curve: Vec::new(),
            fold_scores: Vec::new(),
            fold_rounds: Vec::new(),
            score: None,
            pruned: false,
            failure: None,
            is_known: false,
        })
    }

    /// What it came to.
    pub fn state(&self) -> TrialState {
        match (&self.failure, self.pruned, self.score) {
            (Some(_), ..) => TrialState::Failed,
            (None, true, _) => TrialState::Pruned,
            (None, false, Some(_)) => TrialState::Finished,
            (None, false, None) => TrialState::Running,
        }
    }

    /// The trial as the rules of a study see it.
    pub fn observed(&self) -> Observed {
        let settings = self.params.0.iter().map(|(name, value)| (name.clone(), (*value).into())).collect();
        Observed {
            number: self.number,
            point: Point { branch: self.algorithm.clone(), settings },
            curve: self.curve.clone(),
            value: self.score,
            state: self.state(),
        }
    }
}

/// Trainers take numbers only.
fn params_of(point: &Point) -> Result<Params> {
    let number = |(name, value): (&String, &serde_json::Value)| match value.as_f64() {
        Some(value) => Ok((name.clone(), value)),
        None => Err(MlError::space(name, format!("`{}` takes numbers, but it may be {value}", point.branch))),
    };
    Ok(Params(point.settings.iter().map(number).collect::<Result<_>>()?))
}

/// All trials, and which was best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchReport {
    /// The metric that decided.
    pub metric: Metric,
    /// The trials, in the order of their draws.
    pub trials: Vec<Trial>,
    /// The place of the best trial that was not pruned.
    pub best: usize,
    /// How many rows the search read.
    pub n_rows: usize,
}

impl SearchReport {
    /// The best trial.
    pub fn best_trial(&self) -> &Trial {
        &self.trials[self.best]
    }
}

/// How far a search is: trainings done of those still planned (pruning lowers the plan).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Trainings done.
    pub done: usize,
    /// Trainings planned in all.
    pub planned: usize,
}

/// Searches; `log` hears of every trial.
///
/// # Errors
///
/// [`MlError::UnknownAlgorithm`], [`MlError::Parameter`], [`MlError::Space`] or [`MlError::Rules`] for a bad
/// configuration, [`MlError::NotEnoughData`] when the folds cannot be cut, [`MlError::Training`] with the first reason
/// when every trial fails.
pub fn search(config: &SearchConfig, data: &SearchData<'_>, log: &dyn StudyLog) -> Result<SearchReport> {
    let study = study_of(config, data.task)?;
    let bench = Bench::of(config, data, &study)?;
    log.planned(&study, bench.digest());
    let trials = engine::run(&study, &bench, log)?;
    report(config, &study, trials, bench.n_rows())
}

/// Fits the best trial's algorithm and parameters on all `rows`, with as many boosting rounds as its folds kept on
/// average, so that no row is held back for early stopping.
///
/// # Errors
///
/// As [`crate::trainer::Trainer::train`].
pub fn fit_best(report: &SearchReport, data: &TrainingData<'_>, seed: u64) -> Result<TrainedModel> {
    let best = report.best_trial();
    let mut params = best.params.clone();
    if trainer(&best.algorithm, data.task)?.params().iter().any(|spec| spec.name == "rounds") {
        params = params.with("rounds", mean_rounds(&best.fold_rounds));
    }
    let everything = TrainingData { validation: None, ..*data };
    trainer(&best.algorithm, data.task)?.train(&everything, &params, seed)
}

fn mean_rounds(rounds: &[usize]) -> f64 {
    let sum: usize = rounds.iter().sum();
    (sum as f64 / rounds.len().max(1) as f64).round().max(1.0)
}

/// The rules of a search, with every algorithm's parameters.
///
/// # Errors
///
/// Those of a bad configuration, as [`search`].
pub fn study_of(config: &SearchConfig, task: Task) -> Result<Study> {
    let study = Study {
        space: algorithms::space(config, task)?,
        method: config.method,
        pruning: config.pruning.clone(),
        direction: config.metric.direction(),
        trials: (config.trials < usize::MAX).then_some(config.trials.max(1)),
        patience: config.patience,
        parallel: config.parallel,
        seed: config.seed,
    };
    study.check()?;
    Ok(study)
}

/// The best trial that ran in full; of equal ones the first.
fn report(config: &SearchConfig, study: &Study, trials: Vec<Trial>, n_rows: usize) -> Result<SearchReport> {
    let observed: Vec<Observed> = trials.iter().map(Trial::observed).collect();
    let Some(best) = study.best(&observed) else {
        let reason = trials.iter().find_map(|trial| trial.failure.clone());
        return Err(MlError::training(
            &config.algorithm,
            reason.unwrap_or_else(|| "no trial ran to its end".to_owned()),
        ));
    };
    Ok(SearchReport { metric: config.metric, trials, best, n_rows })
}

#[cfg(test)]
mod tests;
