//! What a trial of a trainer is: folds by time, each trained and scored, and the key under which it is remembered.

use super::engine::{CHECKPOINTS, Objective, Scored};
use super::pruning::Pruning;
use super::{SearchConfig, SearchData, TimeFold, Trial, time_folds};
use crate::data::LabelledRows;
use crate::error::Result;
use crate::evaluate::score;
use crate::params::Params;
use crate::trainer::{TrainingData, Watch, trainer};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Raised when trainers or scoring change what a trial comes to, so that what was tried before is tried again.
const CODE: &str = "1";

/// Boosting rounds where a trial does not say.
const ROUNDS: &str = "rounds";

/// What every trial is run on, for callers that choose trials themselves.
pub struct Trials<'a>(Bench<'a>);

impl<'a> Trials<'a> {
    /// Trials by the folds, the metric and the rows of a search.
    ///
    /// # Errors
    ///
    /// As [`super::search`].
    pub fn new(config: &'a SearchConfig, data: &'a SearchData<'a>) -> Result<Self> {
        let study = super::study_of(config, data.task)?;
        Ok(Self(Bench::of(config, data, &study)?))
    }

    /// The mean over all folds; `None` when `report`, which hears what a trial reports, broke it off.
    ///
    /// # Errors
    ///
    /// As [`crate::trainer::Trainer::train`].
    pub fn score(
        &self,
        algorithm: &str,
        params: &Params,
        report: &mut (dyn FnMut(u64, f64) -> ControlFlow<()> + Send),
    ) -> Result<Option<f64>> {
        let point = super::Point { branch: algorithm.to_owned(), settings: BTreeMap::new() };
        let trial = Trial { params: params.clone(), ..Trial::planned(0, &point)? };
        let mut scores = Vec::new();
        for fold in 0..self.0.folds() {
            let Some((score, _)) = self.0.score(&trial, fold, report)? else { return Ok(None) };
            scores.push(score);
            let mean = scores.iter().sum::<f64>() / scores.len() as f64;
            let is_last = scores.len() == self.0.folds();
            if report(CHECKPOINTS + scores.len() as u64, mean).is_break() && !is_last {
                return Ok(None);
            }
        }
        Ok(Some(scores.iter().sum::<f64>() / scores.len() as f64))
    }
}

/// What every trial is run on.
pub(super) struct Bench<'a> {
    config: &'a SearchConfig,
    data: &'a SearchData<'a>,
    parts: Vec<(LabelledRows<'a>, LabelledRows<'a>)>,
    /// Rounds between two reports of a first fold.
    every: usize,
    /// The digest of everything that a trial depends on but its own parameters.
    digest: String,
    n_rows: usize,
}

impl<'a> Bench<'a> {
    /// Folds of the latest rows of `data`.
    pub(super) fn of(config: &'a SearchConfig, data: &'a SearchData<'a>, study: &super::Study) -> Result<Self> {
        let first = data.rows.n_rows().saturating_sub(config.search_rows.max(1));
        let latest = data.rows.part(first..data.rows.n_rows())?;
        let times = data.times.map(|times| times.get(first..).unwrap_or_default());
        let folds = time_folds(latest.n_rows(), times, config.folds, config.embargo)?;
        let most_rounds = most_rounds(study, data.task);
        let part = |fold: &TimeFold| Ok((latest.part(fold.train.clone())?, latest.part(fold.validate.clone())?));
        let parts = folds.iter().map(part).collect::<Result<_>>()?;
        let every = (most_rounds / CHECKPOINTS as f64).ceil().max(1.0) as usize;
        let digest = digest(config, data, &latest, &folds, every);
        Ok(Self { config, data, parts, every, digest, n_rows: latest.n_rows() })
    }

    /// What stands for everything that trials depend on but their own parameters.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// How many rows trials see.
    pub(super) fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn is_watched(&self) -> bool {
        is_watched(self.config)
    }
}

/// Half waits for whole folds; the others look at what a trial reports on its way.
fn is_watched(config: &SearchConfig) -> bool {
    matches!(config.pruning, Pruning::Median { .. } | Pruning::Halving { .. })
}

impl Objective for Bench<'_> {
    fn folds(&self) -> usize {
        self.parts.len()
    }

    fn key(&self, trial: &Trial) -> String {
        let takes =
            trainer(&trial.algorithm, self.data.task).and_then(|it| trial.params.resolved(it.name(), it.params()));
        let params = takes.unwrap_or_else(|_| trial.params.clone());
        let mut hasher = blake3::Hasher::new();
        for part in [self.digest.as_str(), &trial.algorithm, &params.to_string()] {
            hasher.update(part.as_bytes());
            hasher.update(&[0]);
        }
        hasher.finalize().to_hex().to_string()
    }

    fn score(
        &self,
        trial: &Trial,
        fold: usize,
        report: &mut (dyn FnMut(u64, f64) -> ControlFlow<()> + Send),
    ) -> Result<Option<Scored>> {
        let (train, validation) = &self.parts[fold];
        let task = self.data.task;
        let data = TrainingData { task, n_categories: self.data.n_categories, train, validation: Some(validation) };
        let trainer = trainer(&trial.algorithm, task)?;
        let model = if fold == 0 && self.is_watched() {
            let every = self.every;
            let mut seen = |rounds: usize, value: f64| report((rounds / every) as u64, value);
            let mut watch = Watch { metric: self.config.metric, every, seen: &mut seen };
            trainer.train_watched(&data, &trial.params, self.config.seed, &mut watch)?
        } else {
            Some(trainer.train(&data, &trial.params, self.config.seed)?)
        };
        let Some(model) = model else { return Ok(None) };
        let predicted = model.predict(validation.values())?;
        let score = score(self.config.metric, &validation.labels_f64(), &predicted)?;
        Ok(Some((score, model.rounds)))
    }
}

/// The most rounds that any trial may take.
fn most_rounds(study: &super::Study, task: crate::data::Task) -> f64 {
    let of_branch = |branch: &super::space::Branch| {
        let specs = trainer(&branch.name, task).map(crate::trainer::Trainer::params).unwrap_or_default();
        let default = specs.iter().find(|spec| spec.name == ROUNDS).map(|spec| spec.default)?;
        let start = branch.start.as_ref().and_then(|start| start.get(ROUNDS)?.as_f64());
        let searched = branch.parameters.iter().find(|parameter| parameter.name == ROUNDS);
        let searched = searched.and_then(|parameter| match &parameter.domain {
            super::Domain::Range(range) => Some(range.high),
            super::Domain::Choice { values, .. } => {
                values.iter().filter_map(serde_json::Value::as_f64).reduce(f64::max)
            }
        });
        Some(searched.or(start).unwrap_or(default))
    };
    study.space.branches.iter().filter_map(of_branch).fold(1.0, f64::max)
}

fn digest(
    config: &SearchConfig,
    data: &SearchData<'_>,
    rows: &LabelledRows<'_>,
    folds: &[TimeFold],
    every: usize,
) -> String {
    let mut hasher = blake3::Hasher::new();
    let watched = is_watched(config).then_some(every);
    let said = (CODE, data.task, config.metric.to_string(), config.seed, watched, data.n_categories, folds);
    hasher.update(format!("{said:?}").as_bytes());
    for values in [rows.values(), rows.labels()] {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        hasher.update(&bytes);
    }
    hasher.finalize().to_hex().to_string()
}
