//! Search for an algorithm and its parameters: seeded random draws, cross-validated by time, pruned at the median.
//!
//! All draws are made before the first training. Every trial is scored on the first fold; those worse than the
//! median stop there, the others go on to all folds. As neither step depends on which trial finishes first, the
//! same data, configuration and seed give the same report on any number of threads.
//!
//! Knows trainers and metrics; does not know where the rows came from.

mod folds;
mod jobs;

pub use folds::{TimeFold, time_folds};

use crate::data::{LabelledRows, Task};
use crate::error::{MlError, Result};
use crate::evaluate::{Metric, score};
use crate::params::Params;
use crate::trainer::{TrainedModel, Trainer, TrainingData, auto_trainers, trainer};
use baton_stats::metrics::Direction;
use jobs::run_all;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// What to search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchConfig {
    /// A trainer's name, or `auto` for boosted trees and the task's linear model.
    pub algorithm: String,
    /// How many points to try; each algorithm's first is its defaults.
    pub trials: usize,
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
    /// The algorithm.
    pub algorithm: String,
    /// The drawn and the fixed parameters; the algorithm's defaults are not repeated.
    pub params: Params,
    /// The metric on each fold it was run on.
    pub fold_scores: Vec<f64>,
    /// The boosting rounds that early stopping kept on each fold, for algorithms with rounds.
    pub fold_rounds: Vec<usize>,
    /// The mean of `fold_scores`; `None` when the trial failed.
    pub score: Option<f64>,
    /// Whether it stopped after the first fold because it was worse than the median.
    pub pruned: bool,
    /// Why it failed, if it did.
    pub failure: Option<String>,
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

/// Searches. `progress` is called after every training.
///
/// # Errors
///
/// [`MlError::UnknownAlgorithm`] or [`MlError::Parameter`] for a bad configuration, [`MlError::NotEnoughData`] when
/// the folds cannot be cut, [`MlError::Training`] with the first reason when every trial fails.
pub fn search(
    config: &SearchConfig,
    data: &SearchData<'_>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<SearchReport> {
    let first = data.rows.n_rows().saturating_sub(config.search_rows.max(1));
    let latest = data.rows.part(first..data.rows.n_rows())?;
    let times = data.times.map(|times| times.get(first..).unwrap_or_default());
    let folds = time_folds(latest.n_rows(), times, config.folds, config.embargo)?;
    let parts: Result<Vec<_>> =
        folds.iter().map(|fold| Ok((latest.part(fold.train.clone())?, latest.part(fold.validate.clone())?))).collect();
    let parts = parts?;
    let mut trials = draw_trials(config, data.task)?;
    let bench = Bench { config, data, parts: &parts };
    bench.run(&mut trials, progress);
    report(config, trials, latest.n_rows())
}

/// Fits the best trial's algorithm and parameters on all `rows`, with as many boosting rounds as its folds kept on
/// average, so that no row is held back for early stopping.
///
/// # Errors
///
/// As [`Trainer::train`].
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

/// The trainers to try and how many points each gets: a share by its weight, at least one.
fn algorithms(config: &SearchConfig, task: Task) -> Result<Vec<(&'static dyn Trainer, usize)>> {
    let trials = config.trials.max(1);
    if config.algorithm != "auto" {
        return Ok(vec![(trainer(&config.algorithm, task)?, trials)]);
    }
    let [main, other] = auto_trainers(task);
    let share = (trials * other.search_weight() / (main.search_weight() + other.search_weight())).max(1);
    Ok(vec![(main, trials.saturating_sub(share).max(1)), (other, share)])
}

fn draw_trials(config: &SearchConfig, task: Task) -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for (trainer, count) in algorithms(config, task)? {
        let fixed = fixed_of(config, trainer)?;
        let mut rng = StdRng::seed_from_u64(config.seed);
        for number in 0..count {
            let drawn = if number == 0 { Params::default() } else { trainer.draw(&mut rng) };
            trials.push(planned(trainer, drawn.overlaid(&fixed)));
        }
    }
    Ok(trials)
}

/// The fixed parameters that this trainer takes. Under `auto` the others belong to another trainer; under a name
/// they are mistakes.
fn fixed_of(config: &SearchConfig, trainer: &dyn Trainer) -> Result<Params> {
    let takes = |name: &str| trainer.params().iter().any(|spec| spec.name == name);
    let mut fixed = config.fixed.clone();
    if config.algorithm == "auto" {
        fixed.0.retain(|name, _| takes(name));
    }
    fixed.resolved(trainer.name(), trainer.params())?;
    Ok(fixed)
}

fn planned(trainer: &dyn Trainer, params: Params) -> Trial {
    Trial {
        algorithm: trainer.name().to_owned(),
        params,
        fold_scores: Vec::new(),
        fold_rounds: Vec::new(),
        score: None,
        pruned: false,
        failure: None,
    }
}

/// What every trial is run on.
struct Bench<'a> {
    config: &'a SearchConfig,
    data: &'a SearchData<'a>,
    parts: &'a [(LabelledRows<'a>, LabelledRows<'a>)],
}

impl Bench<'_> {
    fn run(&self, trials: &mut [Trial], progress: &mut (dyn FnMut(Progress) + Send)) {
        let mut counted = Progress { done: 0, planned: trials.len() * self.parts.len() };
        let first: Vec<_> = (0..trials.len()).map(|trial| (trial, 0)).collect();
        self.run_jobs(trials, &first, &mut counted, progress);
        self.prune(trials);
        let going_on = (0..trials.len()).filter(|trial| goes_on(&trials[*trial]));
        let others: Vec<_> = going_on.flat_map(|trial| (1..self.parts.len()).map(move |fold| (trial, fold))).collect();
        counted.planned = counted.done + others.len();
        self.run_jobs(trials, &others, &mut counted, progress);
        for trial in trials.iter_mut().filter(|trial| trial.failure.is_none()) {
            trial.score = Some(trial.fold_scores.iter().sum::<f64>() / trial.fold_scores.len() as f64);
        }
    }

    /// Trains and scores every (trial, fold), then writes the results down in that order.
    fn run_jobs(
        &self,
        trials: &mut [Trial],
        jobs: &[(usize, usize)],
        counted: &mut Progress,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) {
        let run = |(trial, fold): &(usize, usize)| self.train_and_score(&trials[*trial], *fold);
        let results = run_all(jobs, run, &mut || {
            counted.done += 1;
            progress(*counted);
        });
        for ((trial, _), result) in jobs.iter().zip(results) {
            match result {
                Ok((score, rounds)) => {
                    trials[*trial].fold_scores.push(score);
                    trials[*trial].fold_rounds.extend(rounds);
                }
                Err(error) => trials[*trial].failure = Some(error.to_string()),
            }
        }
    }

    fn train_and_score(&self, trial: &Trial, fold: usize) -> Result<(f64, Option<usize>)> {
        let (train, validation) = &self.parts[fold];
        let task = self.data.task;
        let data = TrainingData { task, n_categories: self.data.n_categories, train, validation: Some(validation) };
        let model = trainer(&trial.algorithm, task)?.train(&data, &trial.params, self.config.seed)?;
        let predicted = model.predict(validation.values())?;
        let score = score(self.config.metric, &validation.labels_f64(), &predicted)?;
        Ok((score, model.rounds))
    }

    /// Marks the trials whose first score is worse than the median of all first scores. Fewer than four trials
    /// are all run in full.
    fn prune(&self, trials: &mut [Trial]) {
        let mut scores: Vec<f64> = trials.iter().filter_map(|trial| trial.fold_scores.first().copied()).collect();
        if scores.len() < 4 || self.parts.len() < 2 {
            return;
        }
        scores.sort_by(|a, b| better_first(self.config.metric, *a, *b));
        let median = scores[(scores.len() - 1) / 2];
        for trial in trials {
            let first = trial.fold_scores.first();
            trial.pruned =
                first.is_some_and(|first| better_first(self.config.metric, median, *first) == Ordering::Less);
        }
    }
}

fn goes_on(trial: &Trial) -> bool {
    trial.failure.is_none() && !trial.pruned
}

fn better_first(metric: Metric, a: f64, b: f64) -> Ordering {
    match metric.direction() {
        Direction::HigherIsBetter => b.total_cmp(&a),
        Direction::LowerIsBetter => a.total_cmp(&b),
    }
}

/// The best trial that ran in full; of equal ones the first.
fn report(config: &SearchConfig, trials: Vec<Trial>, n_rows: usize) -> Result<SearchReport> {
    let finished = trials.iter().enumerate().filter(|(_, trial)| !trial.pruned);
    let scored = finished.filter_map(|(place, trial)| Some((place, trial.score?)));
    let best = scored.min_by(|a, b| better_first(config.metric, a.1, b.1).then(a.0.cmp(&b.0)));
    let Some((best, _)) = best else {
        let reason = trials.iter().find_map(|trial| trial.failure.clone());
        return Err(MlError::training(&config.algorithm, reason.unwrap_or_else(|| "no trial ran".to_owned())));
    };
    Ok(SearchReport { metric: config.metric, trials, best, n_rows })
}

#[cfg(test)]
mod tests;
