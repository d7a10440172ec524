//! Search and fit, off the async threads.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use baton_core::asset::{Model, Task};
use baton_core::interval::MICROS_PER_SECOND;
use baton_core::time::timestamp_from_micros;
use baton_core::{AssetName, Timestamp};
use baton_ml::data::LabelledRows;
use baton_ml::evaluate::Metric;
use baton_ml::search::{SearchConfig, SearchData, SearchReport, StudyLog, fit_best, search};
use baton_ml::trainer::TrainingData;
use baton_ml::{FeatureEncoder, MlError, Predictor, StoredModel};

use super::dataset::{TrainingSet, parts};
use super::searching::configure;
use crate::error::RunError;
use crate::execution::Execution;
use crate::registered::Origin;
use crate::values::numbers;

/// Rows of the most recent past that the search looks at; the final fit takes all.
const SEARCH_ROWS: usize = 30_000;

/// A fitted model with the test part it is to be judged on.
pub(crate) struct Fitted {
    pub(crate) stored: StoredModel,
    /// The model as it was opened, when it came in and was not trained here.
    pub(crate) predictor: Option<Arc<dyn Predictor>>,
    /// Where the validation and the test part begin, in microseconds.
    pub(crate) parts: (i64, i64),
    /// Rows of the test part within the training set.
    pub(crate) test: Range<usize>,
    /// Labels of the test part.
    pub(crate) test_labels: Vec<f64>,
    /// Its encoded features, row-major.
    pub(crate) test_values: Vec<f32>,
    /// Predictions at training time.
    pub(crate) test_scores: Vec<f64>,
    /// Where it comes from, when it was not trained here.
    pub(crate) origin: Option<Origin>,
    /// How many trials it was found in, where time decided.
    pub(crate) trials: Option<u32>,
}

/// What the worker thread needs, owned.
pub(crate) struct FitInput {
    task: baton_ml::Task,
    /// What is searched, and how.
    pub(crate) config: SearchConfig,
    train: RecordBatch,
    test: RecordBatch,
    features: Vec<String>,
    times: Vec<i64>,
    labels: Vec<f32>,
    test_labels: Vec<f64>,
}

impl FitInput {
    /// Only searches.
    pub(crate) fn search(&self, log: &dyn StudyLog) -> Result<SearchReport, MlError> {
        self.encoded(|encoder, rows| {
            let n_categories = encoder.n_categories();
            let data = SearchData { task: self.task, n_categories: &n_categories, rows, times: Some(&self.times) };
            search(&self.config, &data, log)
        })
    }

    fn encoded<T>(
        &self,
        work: impl FnOnce(&FeatureEncoder, &LabelledRows<'_>) -> Result<T, MlError>,
    ) -> Result<T, MlError> {
        let encoder = FeatureEncoder::learn(std::slice::from_ref(&self.train), &self.features)?;
        let values = encoder.encode(&self.train)?;
        let rows = LabelledRows::new(&values, &self.labels, encoder.n_features())?;
        work(&encoder, &rows)
    }
}

/// Where the validation and the test part begin, in microseconds.
type Boundaries = (i64, i64);

/// The model, the encoded test part, the predictions on it, and how many trials there were.
type FitOutput = (StoredModel, Vec<f32>, Vec<f64>, usize);

impl Execution<'_> {
    /// Fits a model, or brings in the registered one, and lets it predict the test part.
    pub(crate) async fn fit(&self, asset: &AssetName, model: &Model, set: &TrainingSet) -> Result<Fitted, RunError> {
        match &model.train.registered {
            Some(reference) => self.brought_in(asset, model, reference, set).await,
            None => self.trained(asset, model, set).await,
        }
    }

    /// Searches on the rows before the test part, fits the best on all of them, predicts the test part.
    async fn trained(&self, asset: &AssetName, model: &Model, set: &TrainingSet) -> Result<Fitted, RunError> {
        let (input, parts, test) = self.fit_input(asset, model, set)?;
        let test_labels = input.test_labels.clone();
        let mut keeper = self.keeper_of_training(asset, &model.train.metric).await;
        let budget = model.train.search.as_ref().and_then(|search| search.budget);
        let work = move |log: &dyn StudyLog| fit_blocking(&input, log);
        let (stored, test_values, test_scores, trials) = self.searching(&mut keeper, budget, work).await??;
        let trials = budget.and(u32::try_from(trials).ok());
        let predictor = None;
        Ok(Fitted { stored, predictor, parts, test, test_labels, test_values, test_scores, origin: None, trials })
    }

    pub(crate) fn fit_input(
        &self,
        asset: &AssetName,
        model: &Model,
        set: &TrainingSet,
    ) -> Result<(FitInput, Boundaries, Range<usize>), RunError> {
        let task = ml_task(model.task);
        let end = self.as_of.timestamp_micros();
        let parts = parts(model, end);
        let first_test = set.times.partition_point(|time| *time < parts.1);
        let test = first_test..set.times.len();
        if test.is_empty() || first_test == 0 {
            return Err(no_rows(asset, model, set, self.as_of, test.is_empty()));
        }
        let target = set.rows.column_by_name(&model.labels.target).ok_or_else(|| {
            RunError::Project(format!("the labels of model `{asset}` have no column `{}`", model.labels.target))
        })?;
        let labels = numbers(target);
        let mut config = SearchConfig::new(task, model.train.seed);
        config.algorithm.clone_from(&model.train.algorithm);
        config.trials = model.train.trials as usize;
        config.folds = model.train.cross_validate as usize;
        config.search_rows = SEARCH_ROWS;
        config.metric = model.train.metric.parse::<Metric>().map_err(RunError::Statistics)?;
        config.embargo = model.labels.predict_before * MICROS_PER_SECOND;
        configure(&mut config, model.train.search.as_ref())?;
        let input = FitInput {
            task,
            config,
            train: set.rows.slice(0, test.start),
            test: set.rows.slice(test.start, test.len()),
            features: set.features.clone(),
            times: set.times[..test.start].to_vec(),
            labels: labels[..test.start].iter().map(|label| *label as f32).collect(),
            test_labels: labels[test.clone()].to_vec(),
        };
        Ok((input, parts, test))
    }
}

/// Says which part has no labels, and what would give it some.
pub(super) fn no_rows(
    asset: &AssetName,
    model: &Model,
    set: &TrainingSet,
    as_of: Timestamp,
    is_test: bool,
) -> RunError {
    let part = if is_test { "test" } else { "training" };
    let newest = set.times.last().map_or_else(
        || "there are no labels at all".to_owned(),
        |time| format!("the newest label is of {}", timestamp_from_micros(*time).format("%Y-%m-%d")),
    );
    RunError::Project(format!(
        "model `{asset}` has no labels in its {part} part: split.test is the last {} before {}, and {newest}; give another --as-of or split",
        baton_core::duration::format_seconds(model.split.test),
        as_of.format("%Y-%m-%d")
    ))
}

fn fit_blocking(input: &FitInput, log: &dyn StudyLog) -> Result<FitOutput, MlError> {
    input.encoded(|encoder, rows| {
        let n_categories = encoder.n_categories();
        let data = SearchData { task: input.task, n_categories: &n_categories, rows, times: Some(&input.times) };
        let report = search(&input.config, &data, log)?;
        let training = TrainingData { task: input.task, n_categories: &n_categories, train: rows, validation: None };
        let trained = fit_best(&report, &training, input.config.seed)?;
        let test_values = encoder.encode(&input.test)?;
        let scores = trained.predict(&test_values)?;
        Ok((trained.store(encoder)?, test_values, scores, report.trials.len()))
    })
}

/// The task in the words of `baton-ml`.
pub(crate) fn ml_task(task: Task) -> baton_ml::Task {
    match task {
        Task::BinaryClassification => baton_ml::Task::BinaryClassification,
        Task::Regression => baton_ml::Task::Regression,
    }
}
