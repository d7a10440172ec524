//! Boosted trees and random forests on `hessboost`, which gives the same trees on any number of threads.

use super::{ModelBody, TrainedModel, Trainer, TrainingData, Watch};
use crate::data::Task;
use crate::error::{MlError, Result};
use crate::evaluate::Metric;
use crate::params::{ParamSpec, Params};
use crate::search::{Domain, Parameter, Range};
use hessboost::config::{TrainingParams, TrainingParamsBuilder, TreeMethod};
use hessboost::metric::EvalMetric;
use hessboost::model::BoostedModel;
use hessboost::objective::{Objective, RegLoss};
use hessboost::training::RoundEval;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

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

    fn space(&self) -> Vec<Parameter> {
        vec![
            drawn("learning_rate", Range::log(0.05, 0.3)),
            drawn("max_depth", Range::whole(4.0, 9.0)),
            drawn("min_child_weight", Range::log(1.0, 100.0)),
            drawn("subsample", Range::linear(0.6, 1.0)),
            drawn("colsample", Range::linear(0.5, 1.0)),
            drawn("lambda", Range::log(0.1, 10.0)),
        ]
    }

    fn search_weight(&self) -> usize {
        8
    }

    fn train(&self, data: &TrainingData<'_>, params: &Params, seed: u64) -> Result<TrainedModel> {
        let params = params.resolved(self.name(), BOOSTED)?;
        let model = fit(self.name(), data, boosted(data.task, &params, seed), rounds_of(&params), None)?;
        trained(self.name(), data.task, params, model)
    }

    fn train_watched(
        &self,
        data: &TrainingData<'_>,
        params: &Params,
        seed: u64,
        watch: &mut Watch<'_>,
    ) -> Result<Option<TrainedModel>> {
        let params = params.resolved(self.name(), BOOSTED)?;
        let library = boosted(data.task, &params, seed);
        let mut is_broken_off = false;
        let hook = Hook { watch, is_broken_off: &mut is_broken_off };
        let model = fit(self.name(), data, library, rounds_of(&params), Some(hook))?;
        if is_broken_off { Ok(None) } else { trained(self.name(), data.task, params, model).map(Some) }
    }
}

fn boosted(task: Task, params: &Params, seed: u64) -> TrainingParamsBuilder {
    let value = |name: &str| params.get(name).unwrap_or_default();
    let library = builder(task, params, seed).eta(value("learning_rate")).gamma(value("gamma"));
    library.colsample_bytree(value("colsample"))
}

/// The rounds and the patience of boosting.
fn rounds_of(params: &Params) -> (usize, usize) {
    let value = |name: &str| params.get(name).unwrap_or_default() as usize;
    (value("rounds"), value("early_stopping_rounds"))
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

    fn space(&self) -> Vec<Parameter> {
        vec![
            drawn("max_depth", Range::whole(8.0, 14.0)),
            drawn("min_child_weight", Range::log(1.0, 50.0)),
            drawn("colsample", Range::linear(0.3, 0.9)),
        ]
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
        let model = fit(self.name(), &alone, library, (1, 1), None)?;
        trained(self.name(), data.task, params, model)
    }
}

fn builder(task: Task, params: &Params, seed: u64) -> TrainingParamsBuilder {
    let value = |name: &str| params.get(name).unwrap_or_default();
    let objective = match task {
        Task::BinaryClassification => Objective::BinaryLogistic(RegLoss::default()),
        Task::Regression => Objective::SquaredError(RegLoss::default()),
    };
    TrainingParams::builder()
        .objective(objective)
        .tree_method(TreeMethod::Hist)
        .seed(seed)
        .max_depth(value("max_depth") as usize)
        .min_child_weight(value("min_child_weight"))
        .subsample(value("subsample"))
        .lambda(value("lambda"))
        .max_bin(value("max_bin") as usize)
}

/// A watch on a training, and whether it broke it off.
struct Hook<'w, 'f> {
    watch: &'w mut Watch<'f>,
    is_broken_off: &'w mut bool,
}

impl Hook<'_, '_> {
    fn after(&mut self, round: RoundEval<'_>) -> ControlFlow<()> {
        let rounds = round.iteration() + 1;
        // The metric that is watched stands before the one that stops early.
        let Some(value) = round.values().first().filter(|_| rounds.is_multiple_of(self.watch.every)) else {
            return ControlFlow::Continue(());
        };
        let told = (self.watch.seen)(rounds, *value);
        *self.is_broken_off = told.is_break();
        told
    }
}

/// The library's name of a metric, where it has it.
fn library_metric(metric: Metric) -> Option<EvalMetric> {
    match metric {
        Metric::RocAuc => Some(EvalMetric::Auc),
        Metric::LogLoss => Some(EvalMetric::LogLoss),
        Metric::Rmse => Some(EvalMetric::Rmse),
        Metric::Mae => Some(EvalMetric::Mae),
        _ => None,
    }
}

/// Boosts, stopping early when the validation loss has not improved for `patience` rounds; keeps the best rounds.
fn fit(
    algorithm: &str,
    data: &TrainingData<'_>,
    library: TrainingParamsBuilder,
    (rounds, patience): (usize, usize),
    hook: Option<Hook<'_, '_>>,
) -> Result<BoostedModel> {
    data.train.check_task(data.task)?;
    let refuse = |error| MlError::training(algorithm, error);
    let watched = hook.as_ref().and_then(|hook| library_metric(hook.watch.metric));
    let library = watched.into_iter().fold(library, TrainingParamsBuilder::eval_metric);
    let params = library.eval_metric(loss(data.task)).build().map_err(refuse)?;
    let mut trainer = hessboost::training::Trainer::new(&params, data.train.matrix()?, rounds);
    if let (Some(validation), Some(patience)) = (data.validation, NonZeroUsize::new(patience)) {
        trainer = trainer.eval(validation.matrix()?, "validation").early_stopping_rounds(patience);
    }
    // A metric that the library does not have is not told: the trial is then judged by whole folds.
    if let Some(mut hook) = hook.filter(|hook| library_metric(hook.watch.metric).is_some()) {
        trainer = trainer.on_round(move |round| hook.after(round));
    }
    let model = trainer.train().map_err(refuse)?.model;
    match model.best_iteration() {
        Some(best) => model.slice(..=best, 1).map_err(refuse),
        None => Ok(model),
    }
}

/// What stops boosting early.
fn loss(task: Task) -> EvalMetric {
    match task {
        Task::BinaryClassification => EvalMetric::LogLoss,
        Task::Regression => EvalMetric::Rmse,
    }
}

fn trained(algorithm: &'static str, task: Task, params: Params, model: BoostedModel) -> Result<TrainedModel> {
    let rounds = Some(model.num_boost_rounds());
    Ok(TrainedModel { algorithm, task, params, rounds, body: ModelBody::Trees(Box::new(model)) })
}

/// Three significant digits: parameters are read by people, and the search is not finer than that.
fn drawn(name: &str, range: Range) -> Parameter {
    Parameter::new(name, Domain::Range(range.with_digits(3)))
}
