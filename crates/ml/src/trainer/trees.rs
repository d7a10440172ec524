//! Boosted trees and random forests on `hessboost`, which gives the same trees on any number of threads.

use super::{ModelBody, TrainedModel, Trainer, TrainingData};
use crate::data::Task;
use crate::error::{MlError, Result};
use crate::params::{ParamSpec, Params};
use hessboost::config::{TrainingParams, TrainingParamsBuilder, TreeMethod};
use hessboost::metric::EvalMetric;
use hessboost::model::BoostedModel;
use hessboost::objective::{Objective, RegLoss};
use rand::Rng as _;
use rand::rngs::StdRng;
use std::num::NonZeroUsize;

/// Trees that each correct the ones before (`boosted_trees`).
pub(super) struct BoostedTrees;

/// Trees that each see a sample of rows and columns, averaged (`random_forest`).
pub(super) struct RandomForest;

const fn whole(name: &'static str, default: f64, min: f64, max: f64) -> ParamSpec {
    ParamSpec { name, default, min, max, whole: true }
}

const fn number(name: &'static str, default: f64, min: f64, max: f64) -> ParamSpec {
    ParamSpec { name, default, min, max, whole: false }
}

const BOOSTED: &[ParamSpec] = &[
    whole("rounds", 300.0, 1.0, 10_000.0),
    whole("early_stopping_rounds", 20.0, 1.0, 1_000.0),
    number("learning_rate", 0.1, 0.001, 1.0),
    whole("max_depth", 6.0, 1.0, 16.0),
    number("min_child_weight", 5.0, 0.0, 1e6),
    number("subsample", 0.9, 0.1, 1.0),
    number("colsample", 0.8, 0.1, 1.0),
    number("lambda", 1.0, 0.0, 1e6),
    number("gamma", 0.0, 0.0, 1e6),
    whole("max_bin", 256.0, 2.0, 1_024.0),
];

const FOREST: &[ParamSpec] = &[
    whole("trees", 100.0, 1.0, 2_000.0),
    whole("max_depth", 12.0, 1.0, 16.0),
    number("min_child_weight", 5.0, 0.0, 1e6),
    number("subsample", 0.63, 0.1, 1.0),
    number("colsample", 0.5, 0.1, 1.0),
    number("lambda", 1.0, 0.0, 1e6),
    whole("max_bin", 256.0, 2.0, 1_024.0),
];

impl Trainer for BoostedTrees {
    fn name(&self) -> &'static str {
        "boosted_trees"
    }

    fn learns(&self, _task: Task) -> bool {
        true
    }

    fn params(&self) -> &'static [ParamSpec] {
        BOOSTED
    }

    fn draw(&self, rng: &mut StdRng) -> Params {
        Params::default()
            .with("learning_rate", rounded(log_uniform(rng, 0.05, 0.3)))
            .with("max_depth", f64::from(rng.random_range(4u8..=9)))
            .with("min_child_weight", rounded(log_uniform(rng, 1.0, 100.0)))
            .with("subsample", rounded(rng.random_range(0.6..=1.0)))
            .with("colsample", rounded(rng.random_range(0.5..=1.0)))
            .with("lambda", rounded(log_uniform(rng, 0.1, 10.0)))
    }

    fn search_weight(&self) -> usize {
        8
    }

    fn train(&self, data: &TrainingData<'_>, params: &Params, seed: u64) -> Result<TrainedModel> {
        let params = params.resolved(self.name(), BOOSTED)?;
        let value = |name: &str| params.get(name).unwrap_or_default();
        let library = builder(data.task, &params, seed)
            .eta(value("learning_rate"))
            .gamma(value("gamma"))
            .colsample_bytree(value("colsample"));
        let patience = value("early_stopping_rounds") as usize;
        let model = fit(self.name(), data, library, value("rounds") as usize, patience)?;
        trained(self.name(), data.task, params, model)
    }
}

impl Trainer for RandomForest {
    fn name(&self) -> &'static str {
        "random_forest"
    }

    fn learns(&self, _task: Task) -> bool {
        true
    }

    fn params(&self) -> &'static [ParamSpec] {
        FOREST
    }

    fn draw(&self, rng: &mut StdRng) -> Params {
        Params::default()
            .with("max_depth", f64::from(rng.random_range(8u8..=14)))
            .with("min_child_weight", rounded(log_uniform(rng, 1.0, 50.0)))
            .with("colsample", rounded(rng.random_range(0.3..=0.9)))
    }

    fn search_weight(&self) -> usize {
        2
    }

    /// A forest is one round of many trees with a learning rate of one.
    fn train(&self, data: &TrainingData<'_>, params: &Params, seed: u64) -> Result<TrainedModel> {
        let params = params.resolved(self.name(), FOREST)?;
        let value = |name: &str| params.get(name).unwrap_or_default();
        let library = builder(data.task, &params, seed)
            .eta(1.0)
            .colsample_bynode(value("colsample"))
            .num_parallel_tree(value("trees") as usize);
        let alone = TrainingData { validation: None, ..*data };
        let model = fit(self.name(), &alone, library, 1, 1)?;
        trained(self.name(), data.task, params, model)
    }
}

fn builder(task: Task, params: &Params, seed: u64) -> TrainingParamsBuilder {
    let value = |name: &str| params.get(name).unwrap_or_default();
    let (objective, metric) = match task {
        Task::BinaryClassification => (Objective::BinaryLogistic(RegLoss::default()), EvalMetric::LogLoss),
        Task::Regression => (Objective::SquaredError(RegLoss::default()), EvalMetric::Rmse),
    };
    TrainingParams::builder()
        .objective(objective)
        .eval_metric(metric)
        .tree_method(TreeMethod::Hist)
        .seed(seed)
        .max_depth(value("max_depth") as usize)
        .min_child_weight(value("min_child_weight"))
        .subsample(value("subsample"))
        .lambda(value("lambda"))
        .max_bin(value("max_bin") as usize)
}

/// Boosts, stopping early when the validation loss has not improved for `patience` rounds; keeps the best rounds.
fn fit(
    algorithm: &str,
    data: &TrainingData<'_>,
    library: TrainingParamsBuilder,
    rounds: usize,
    patience: usize,
) -> Result<BoostedModel> {
    data.train.check_task(data.task)?;
    let refuse = |error| MlError::training(algorithm, error);
    let params = library.build().map_err(refuse)?;
    let mut trainer = hessboost::training::Trainer::new(&params, data.train.matrix()?, rounds);
    if let (Some(validation), Some(patience)) = (data.validation, NonZeroUsize::new(patience)) {
        trainer = trainer.eval(validation.matrix()?, "validation").early_stopping_rounds(patience);
    }
    let model = trainer.train().map_err(refuse)?.model;
    match model.best_iteration() {
        Some(best) => model.slice(..=best, 1).map_err(refuse),
        None => Ok(model),
    }
}

fn trained(algorithm: &'static str, task: Task, params: Params, model: BoostedModel) -> Result<TrainedModel> {
    let rounds = Some(model.num_boost_rounds());
    Ok(TrainedModel { algorithm, task, params, rounds, body: ModelBody::Trees(Box::new(model)) })
}

fn log_uniform(rng: &mut StdRng, low: f64, high: f64) -> f64 {
    rng.random_range(low.ln()..=high.ln()).exp()
}

/// Three significant digits: parameters are read by people, and the search is not finer than that.
fn rounded(value: f64) -> f64 {
    let scale = 10f64.powi(2 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}
