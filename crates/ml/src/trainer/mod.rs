//! Trainers: one trait, one list. To add an algorithm, write a file here and add a line to [`trainers`].
//!
//! A trainer knows its library and its parameters. It does not know how rows were encoded, split or scored.

mod linear;
mod trees;

use crate::data::{LabelledRows, Task};
use crate::error::{MlError, Result};
use crate::evaluate::Metric;
use crate::frame::FeatureEncoder;
use crate::linear_model::LinearModel;
use crate::model::StoredModel;
use crate::params::{ParamSpec, Params};
use crate::search::Parameter;
use hessboost::model::{BoostedModel, Iterations};
use std::ops::ControlFlow;

/// What a trainer learns from.
#[derive(Debug, Clone, Copy)]
pub struct TrainingData<'a> {
    /// What to predict.
    pub task: Task,
    /// How many categories each feature has, `None` for numeric ones ([`FeatureEncoder::n_categories`]).
    pub n_categories: &'a [Option<usize>],
    /// The rows to fit.
    pub train: &'a LabelledRows<'a>,
    /// Later rows to stop early on; without them every round is kept.
    pub validation: Option<&'a LabelledRows<'a>>,
}

/// One training algorithm.
pub trait Trainer: Send + Sync {
    /// Its name, as users write it.
    fn name(&self) -> &'static str;

    /// Whether it can learn this task.
    fn learns(&self, task: Task) -> bool;

    /// The parameters it takes.
    fn params(&self) -> &'static [ParamSpec];

    /// What a search draws where the user gives no ranges.
    fn space(&self) -> Vec<Parameter>;

    /// Its share of the trials where several algorithms are searched: how much its parameters can change.
    fn search_weight(&self) -> usize;

    /// Fits a model. The same data, parameters and seed give the same model on any number of threads.
    ///
    /// # Errors
    ///
    /// [`MlError::Parameter`], [`MlError::Labels`], or [`MlError::Training`] with what the library said.
    fn train(&self, data: &TrainingData<'_>, params: &Params, seed: u64) -> Result<TrainedModel>;

    /// Fits a model under watch; `None` when the watch broke it off. An algorithm without rounds has nothing to show
    /// before its end.
    ///
    /// # Errors
    ///
    /// As [`Self::train`].
    fn train_watched(
        &self,
        data: &TrainingData<'_>,
        params: &Params,
        seed: u64,
        _watch: &mut Watch<'_>,
    ) -> Result<Option<TrainedModel>> {
        self.train(data, params, seed).map(Some)
    }
}

/// Hears how a training goes on the validation rows, and may end it.
pub struct Watch<'a> {
    /// What is told.
    pub metric: Metric,
    /// After how many boosting rounds each time.
    pub every: usize,
    /// Is told the rounds so far and the metric.
    pub seen: &'a mut (dyn FnMut(usize, f64) -> ControlFlow<()> + Send),
}

/// Every trainer there is.
pub fn trainers() -> [&'static dyn Trainer; 4] {
    [&trees::BoostedTrees, &trees::RandomForest, &linear::Logistic, &linear::Linear]
}

/// The trainer of this name, if it learns the task.
///
/// # Errors
///
/// [`MlError::UnknownAlgorithm`] listing the algorithms of the task.
pub fn trainer(name: &str, task: Task) -> Result<&'static dyn Trainer> {
    let mut able = trainers().into_iter().filter(|trainer| trainer.learns(task));
    able.clone().find(|trainer| trainer.name() == name).ok_or_else(|| MlError::UnknownAlgorithm {
        name: name.to_owned(),
        task: task.to_string(),
        known: able.by_ref().map(Trainer::name).collect::<Vec<_>>().join(", "),
    })
}

/// The trainers that `algorithm: auto` tries for a task: boosted trees and the linear model of the task.
pub fn auto_trainers(task: Task) -> [&'static dyn Trainer; 2] {
    match task {
        Task::BinaryClassification => [&trees::BoostedTrees, &linear::Logistic],
        Task::Regression => [&trees::BoostedTrees, &linear::Linear],
    }
}

/// A fitted model, not yet stored.
#[derive(Debug)]
pub struct TrainedModel {
    /// The algorithm that fitted it.
    pub algorithm: &'static str,
    /// What it predicts.
    pub task: Task,
    /// Every parameter it was fitted with.
    pub params: Params,
    /// How many boosting rounds it kept, for models that have rounds.
    pub rounds: Option<usize>,
    pub(crate) body: ModelBody,
}

/// The fitted parts of a model.
#[derive(Debug)]
pub(crate) enum ModelBody {
    /// Trees.
    Trees(Box<BoostedModel>),
    /// A weighted sum.
    Linear(LinearModel),
}

impl TrainedModel {
    /// The model's predictions for row-major rows: probabilities of 1, or numbers.
    ///
    /// # Errors
    ///
    /// [`MlError::Prediction`] when the rows do not fit the model.
    pub fn predict(&self, rows: &[f32]) -> Result<Vec<f64>> {
        match &self.body {
            ModelBody::Linear(model) => Ok(model.predict(rows)),
            ModelBody::Trees(model) => {
                let predicted = model.predict_rows(rows, Iterations::Best).map_err(MlError::prediction)?;
                Ok(predicted.as_slice().iter().map(|value| f64::from(*value)).collect())
            }
        }
    }

    /// The model in its stored form: trees as XGBoost UBJSON, linear models as ONNX.
    ///
    /// # Errors
    ///
    /// [`MlError::Training`] when the format cannot hold the model.
    pub fn store(&self, encoder: &FeatureEncoder) -> Result<StoredModel> {
        StoredModel::of_trained(self, encoder)
    }
}

#[cfg(test)]
mod tests;
