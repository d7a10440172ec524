//! Searching for a model's algorithm and parameters, aside: nothing is trained to be served, and no environment moves.

use std::time::Instant;

use baton_core::asset::{Model, Search, SearchMethod, SearchPruning, Train};
use baton_core::{AssetName, Definition, Timestamp};
use baton_ml::Params;
use baton_ml::evaluate::Metric;
use baton_ml::search::sweep::{self, Sweep, SweepMetric};
use baton_ml::search::{Direction, SearchConfig, SearchReport, StudyLog, Trial, TrialState};
use serde::Serialize;
use serde_json::Value;

use super::head;
use crate::error::RunError;
use crate::execution::Execution;
use crate::prepare::Prepared;
use crate::services::Services;
use crate::training::TrainingSet;

/// The most trials of a search that time or a grid ends.
pub(super) const MOST_TRIALS: u32 = 100_000;

/// What to search; what is left out is as the model says.
#[derive(Debug, Clone, Default)]
pub struct SearchRequest {
    /// The model.
    pub model: String,
    /// The algorithm, or `auto`.
    pub algorithm: Option<String>,
    /// The most trials.
    pub trials: Option<u32>,
    /// What decides.
    pub metric: Option<String>,
    /// The seed.
    pub seed: Option<u64>,
    /// How points are chosen.
    pub method: Option<SearchMethod>,
    /// Which trials stop early.
    pub prune: Option<SearchPruning>,
    /// Seconds after which no trial begins.
    pub budget: Option<i64>,
    /// How many trials without anything better end it.
    pub patience: Option<u32>,
    /// How many trials may go on at a time.
    pub parallel: Option<u32>,
    /// A sweep of Weights & Biases.
    pub sweep: Option<Value>,
    /// Whether trials that are known are trained all the same.
    pub again: bool,
}

/// What came of a search.
#[derive(Debug, Clone, Serialize)]
pub struct SearchOutcome {
    /// The model.
    pub model: AssetName,
    /// The environment whose data it learnt from.
    pub environment: String,
    /// The logical clock.
    pub as_of: Timestamp,
    /// What decided.
    pub metric: String,
    /// Whether a larger figure is better.
    pub higher_is_better: bool,
    /// Rows that were searched on.
    pub rows: usize,
    /// How long it took.
    pub seconds: f64,
    /// The tracked run of the study, if it is tracked.
    pub run_id: Option<String>,
    /// What differs from what might be expected.
    pub notes: Vec<String>,
    /// The number of the best trial.
    pub best: usize,
    /// The trials by number.
    pub trials: Vec<TrialLine>,
}

/// A trial.
#[derive(Debug, Clone, Serialize)]
pub struct TrialLine {
    /// Its number.
    pub number: usize,
    /// The algorithm.
    pub algorithm: String,
    /// What was drawn.
    pub params: Params,
    /// The mean over all folds, when it ran in full.
    pub score: Option<f64>,
    /// What it reported last.
    pub last: Option<f64>,
    /// What it came to.
    pub state: TrialState,
    /// Whether it was known and not trained again.
    pub known: bool,
    /// Why it failed.
    pub failure: Option<String>,
}

/// Searches on what the environment holds.
///
/// # Errors
/// Without the model or a commit, for rules that cannot be, and those of lake and engine.
pub async fn search(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    as_of: Timestamp,
    request: &SearchRequest,
) -> Result<SearchOutcome, RunError> {
    let began = Instant::now();
    head(services, environment).await?;
    let sweep = request.sweep.as_ref().map(sweep::read).transpose()?;
    let (asset, model) = model_of(prepared, environment, &request.model)?;
    let model = asked(model, request, sweep.as_ref())?;
    let execution = Execution::begin(services, prepared, environment, as_of, "search").await?;
    let (rows, features, times) = execution.training_rows(&asset, &model).await?;
    // The rows are used once, and not kept: nothing is trained on them that anybody would want to explain.
    let set = TrainingSet { version: nowhere(&asset)?, rows, features, times };
    let (mut input, ..) = execution.fit_input(&asset, &model, &set)?;
    if let Some(pruning) = sweep.as_ref().and_then(|sweep| sweep.pruning.clone()).filter(|_| request.prune.is_none()) {
        input.config.pruning = pruning;
    }
    let config = input.config.clone();
    let notes = request.metric.is_none().then(|| turned(sweep.as_ref())).flatten().into_iter().collect();
    let mut keeper = execution.keeper_of_search(&asset, &model, !request.again).await;
    let budget = model.train.search.as_ref().and_then(|search| search.budget);
    let report = execution.searching(&mut keeper, budget, move |log: &dyn StudyLog| input.search(log)).await??;
    Ok(SearchOutcome {
        environment: environment.to_owned(),
        as_of,
        run_id: keeper.run_id().map(str::to_owned),
        notes,
        seconds: began.elapsed().as_secs_f64(),
        ..outcome(asset, &config, report)
    })
}

fn model_of<'p>(prepared: &'p Prepared, environment: &str, name: &str) -> Result<(AssetName, &'p Model), RunError> {
    let found = prepared.project.assets.get(name);
    match found.map(|asset| (&asset.name, &asset.definition)) {
        Some((name, Definition::Model(model))) if model.train.registered.is_none() => Ok((name.clone(), model)),
        Some((name, Definition::Model(_))) => Err(RunError::Project(format!(
            "model `{name}` is registered by a client and not trained here: there is nothing to search"
        ))),
        _ => Err(RunError::Missing {
            what: "model",
            name: name.to_owned(),
            environment: environment.to_owned(),
            hint: "`baton ls --kind model` lists them".to_owned(),
        }),
    }
}

/// The model, trained as the request asks.
fn asked(model: &Model, request: &SearchRequest, sweep: Option<&Sweep>) -> Result<Model, RunError> {
    let mut train = model.train.clone();
    let mut search = train.search.take().unwrap_or_default();
    if let Some(sweep) = sweep {
        take_sweep(&mut train, &mut search, sweep, request.sweep.as_ref())?;
    }
    search.method = request.method.unwrap_or(search.method);
    search.prune = request.prune.or(search.prune);
    search.budget = request.budget.or(search.budget);
    search.patience = request.patience.or(search.patience);
    search.parallel = request.parallel.unwrap_or(search.parallel);
    train.algorithm = request.algorithm.clone().unwrap_or(train.algorithm);
    train.metric = request.metric.clone().unwrap_or(train.metric);
    train.seed = request.seed.unwrap_or(train.seed);
    let capped = request.trials.or(sweep.and_then(|sweep| u32::try_from(sweep.trials?).ok()));
    let is_open = request.budget.is_some() || search.method == SearchMethod::Grid;
    train.trials = capped.unwrap_or(if is_open { MOST_TRIALS } else { train.trials });
    train.search = Some(search);
    Ok(Model { train, ..model.clone() })
}

/// Takes over what a sweep says. Its own rule of early ends, which a project cannot write, comes later.
fn take_sweep(train: &mut Train, search: &mut Search, sweep: &Sweep, said: Option<&Value>) -> Result<(), RunError> {
    use baton_ml::search::Method;
    search.method = match sweep.method {
        Method::Random => SearchMethod::Random,
        Method::Grid => SearchMethod::Grid,
        Method::Tpe => SearchMethod::Tpe,
    };
    search.parameters = said.and_then(|said| said.get("parameters")).cloned();
    let Some(said) = &sweep.metric else { return Ok(()) };
    let name = &said.name;
    let metric: Metric = name.parse().map_err(RunError::Statistics)?;
    if metric.direction() != said.direction() {
        let goal = if metric.direction() == Direction::HigherIsBetter { "maximize" } else { "minimize" };
        return Err(RunError::Project(format!(
            "the sweep's goal for `{name}` is the wrong way round; write `goal: {goal}`"
        )));
    }
    train.metric.clone_from(name);
    Ok(())
}

/// What a sweep does not say and Weights & Biases would take the other way.
fn turned(sweep: Option<&Sweep>) -> Option<String> {
    let metric = sweep?.metric.as_ref().filter(|metric| metric.is_turned())?;
    let SweepMetric { name, .. } = metric;
    Some(format!(
        "the sweep gives no goal for `{name}`, which is maximized here; Weights & Biases would minimize it: write `goal: maximize`"
    ))
}

fn nowhere(asset: &AssetName) -> Result<baton_core::TableVersion, RunError> {
    let location = baton_lake::TableLocation::new(format!("{asset}__training"), "search")?;
    Ok(baton_core::TableVersion { location: location.to_string(), version: 0 })
}

fn outcome(model: AssetName, config: &SearchConfig, report: SearchReport) -> SearchOutcome {
    SearchOutcome {
        model,
        environment: String::new(),
        as_of: Timestamp::default(),
        metric: config.metric.to_string(),
        higher_is_better: config.metric.direction() == Direction::HigherIsBetter,
        rows: report.n_rows,
        seconds: 0.0,
        run_id: None,
        notes: Vec::new(),
        best: report.best_trial().number,
        trials: report.trials.into_iter().map(line).collect(),
    }
}

fn line(trial: Trial) -> TrialLine {
    TrialLine {
        number: trial.number,
        state: trial.state(),
        last: trial.curve.last().map(|(_, value)| *value),
        algorithm: trial.algorithm,
        params: trial.params,
        score: trial.score,
        known: trial.is_known,
        failure: trial.failure,
    }
}
