//! Searches whose objective is somebody else's program: `ask` for parameters, `report` how it goes, `tell` what came of it.
//!
//! A study is a run and its trials are nested ones, so that what the program logs with MLflow lands beside what was asked.
//! The rules are those of [`baton_ml::search`]; a trial sees all that ended before it was asked for. It does not know what
//! is trained.

mod definition;
mod silence;
#[cfg(test)]
mod tests;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use baton_ml::search::{Direction, Observed, Point, Study, TrialState};
use baton_tracking::metric::Metric;
use baton_tracking::run::RunChange;
use baton_tracking::run::study::{EndedTrial, NewStudy, NewTrial, StoredTrial, StudyInfo};
use baton_tracking::{Param, Tag, TrackingError, TrackingStore};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::definition::{Begin, Definition, Goal};
use self::silence::{GIVEN_UP, give_up_the_dead};
use super::state::Shared;
use crate::problem::Problem;

/// How often another number is tried when others ask at the same time.
const TRIES: usize = 64;

type Answer<T> = Result<Json<T>, Problem>;

/// Paths below `/api/v1`.
pub(super) fn root() -> Router<Shared> {
    Router::new()
        .route("/api/v1/studies", post(begin))
        .route("/api/v1/studies/{study}", get(show))
        .route("/api/v1/studies/{study}/ask", post(ask))
        .route("/api/v1/studies/{study}/trials/{number}/report", post(report))
        .route("/api/v1/studies/{study}/trials/{number}/tell", post(tell))
}

/// A study that began, or that was there.
#[derive(Debug, Serialize)]
struct Begun {
    /// Its id, which is that of its run.
    study: String,
    experiment_id: String,
    /// Which way its values improve, as `minimize` or `maximize`.
    direction: Goal,
    /// Trials that it has already.
    trials: usize,
}

impl Begun {
    fn of(study: String, experiment: i64, rules: &Study, trials: usize) -> Self {
        let direction = match rules.direction {
            Direction::LowerIsBetter => Goal::Minimize,
            Direction::HigherIsBetter => Goal::Maximize,
        };
        Self { study, experiment_id: experiment.to_string(), direction, trials }
    }
}

async fn begin(State(tracking): State<Shared>, body: Bytes) -> Result<(StatusCode, Json<Begun>), Problem> {
    let begin: Begin = read(&body)?;
    let store = &tracking.store;
    let experiment = store.experiment_named(begin.experiment()).await?;
    let definition = begin.definition().map_err(|error| Problem::bad_request(error.to_string()))?;
    if let Some(known) = store.find_study(experiment, &definition.name).await?.filter(|_| begin.resume) {
        return resume(store, &definition, known).await;
    }
    let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: value.to_owned() };
    let new = NewStudy {
        experiment,
        run_id: None,
        name: definition.name.clone(),
        user_id: begin.user.clone().unwrap_or_default(),
        identity: definition.name.clone(),
        definition: json!(definition).to_string(),
        tags: vec![tag("baton.study", "true"), tag("mlflow.user", begin.user.as_deref().unwrap_or_default())],
        params: vec![tag("search.method", &words(&definition.study.method)), tag("search.metric", &definition.metric)],
    };
    let study = store.begin_study(new).await?;
    Ok((StatusCode::CREATED, Json(Begun::of(study, experiment, &definition.study, 0))))
}

/// Goes on with a study of the same name, if it has the same rules.
async fn resume(
    store: &TrackingStore,
    definition: &Definition,
    known: StudyInfo,
) -> Result<(StatusCode, Json<Begun>), Problem> {
    let study = known.run.run_id;
    if !read_definition(&known.definition)?.allows(definition) {
        let message = format!("study `{}` was begun with other rules", definition.name);
        return Err(
            Problem::new(StatusCode::CONFLICT, message).with_help("give it another name, or the rules that it has")
        );
    }
    let trials = store.trials(&study).await?.len();
    store.redefine_study(study.clone(), json!(definition).to_string()).await?;
    let goes_on = RunChange { status: Some("RUNNING".to_owned()), end_time: None, name: None };
    store.update_run(study.clone(), goes_on).await?;
    Ok((StatusCode::OK, Json(Begun::of(study, known.run.experiment, &definition.study, trials))))
}

/// A trial to run, or that there is none.
#[derive(Debug, Serialize)]
struct Asked {
    /// Whether the study is over; then there is no trial.
    over: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    trial: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Map<String, Value>>,
}

async fn ask(State(tracking): State<Shared>, Path(study): Path<String>) -> Answer<Asked> {
    let store = &tracking.store;
    let (info, definition) = opened(store, &study).await?;
    for _ in 0..TRIES {
        let stored = store.trials(&study).await?;
        let mut trials = observed(&stored)?;
        give_up_the_dead(store, &study, definition.timeout, &stored, &mut trials).await?;
        let number = trials.last().map_or(0, |last| last.number + 1);
        let proposed =
            definition.study.propose(number, &trials).map_err(|error| Problem::bad_request(error.to_string()))?;
        let Some(point) = proposed else {
            end_if_done(store, &info, &definition, &trials).await?;
            return Ok(Json(Asked { over: true, trial: None, run_id: None, parameters: None }));
        };
        match store.begin_trial(&study, new_trial(number, &point, &info)).await {
            // Somebody else asked at the same time.
            Err(TrackingError::AlreadyExists(_)) => {}
            begun => {
                let parameters = point.settings.into_iter().collect();
                return Ok(Json(Asked {
                    over: false,
                    trial: Some(number),
                    run_id: Some(begun?),
                    parameters: Some(parameters),
                }));
            }
        }
    }
    Err(Problem::unavailable("too many ask this study at the same time; ask again"))
}

fn new_trial(number: usize, point: &Point, info: &StudyInfo) -> NewTrial {
    let param = |(key, value): (&String, &Value)| Param { key: key.clone(), value: shown(value) };
    let trial = Observed { number, point: point.clone(), curve: Vec::new(), value: None, state: TrialState::Running };
    NewTrial {
        number: number as i64,
        key: format!("{}/{number}", info.run.run_id),
        record: json!(trial).to_string(),
        name: format!("trial {number}"),
        user_id: info.run.user_id.clone(),
        params: point.settings.iter().map(param).collect(),
        tags: vec![Tag { key: "baton.trial".to_owned(), value: number.to_string() }],
        replaces: false,
    }
}

/// How a trial goes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    step: u64,
    value: f64,
}

/// Whether it is worth going on.
#[derive(Debug, Serialize)]
struct Reported {
    should_prune: bool,
}

async fn report(
    State(tracking): State<Shared>,
    Path((study, number)): Path<(String, usize)>,
    body: Bytes,
) -> Answer<Reported> {
    let Report { step, value } = read(&body)?;
    let store = &tracking.store;
    let (_, definition) = opened(store, &study).await?;
    let stored = store.trials(&study).await?;
    let trials = observed(&stored)?;
    let mut trial = running(&trials, &stored, number)?.clone();
    if let Some((last, _)) = trial.curve.last().filter(|(last, _)| *last >= step) {
        return Err(Problem::bad_request(format!("trial {number} reported step {last} already; steps go up")));
    }
    trial.curve.push((step, value));
    let others: Vec<Observed> = trials.into_iter().filter(|other| other.number != number).collect();
    let should_prune = definition.study.stops(&trial.curve, &others);
    let metrics = vec![definition.point(store.now(), step as i64, value)];
    trial.state = TrialState::Running;
    let status = (stored[number].state == GIVEN_UP).then_some("RUNNING");
    keep(store, &study, &trial, Kept { metrics, status, ..Kept::default() }).await?;
    Ok(Json(Reported { should_prune }))
}

/// What a trial came to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tell {
    value: Option<f64>,
    state: Option<Told>,
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    Finished,
    Pruned,
    Failed,
}

/// What the study came to so far.
#[derive(Debug, Serialize)]
struct Ended {
    state: TrialState,
    best: Option<Line>,
}

async fn tell(
    State(tracking): State<Shared>,
    Path((study, number)): Path<(String, usize)>,
    body: Bytes,
) -> Answer<Ended> {
    let tell: Tell = read(&body)?;
    let store = &tracking.store;
    let (info, definition) = opened(store, &study).await?;
    let stored = store.trials(&study).await?;
    let mut trials = observed(&stored)?;
    let mut trial = running(&trials, &stored, number)?.clone();
    (trial.state, trial.value) = match (tell.state, tell.value) {
        (None | Some(Told::Finished), Some(value)) => (TrialState::Finished, Some(value)),
        (Some(Told::Pruned), _) => (TrialState::Pruned, None),
        (Some(Told::Failed), _) => (TrialState::Failed, None),
        (None | Some(Told::Finished), None) => {
            return Err(Problem::bad_request("a trial that finished has a `value`")
                .with_help("or tell `state`: `pruned` or `failed`"));
        }
    };
    // Behind all that was reported: of points of one step and one millisecond the greatest would count as the latest.
    let step = trial.curve.last().map_or(0, |(step, _)| *step as i64 + 1);
    let metrics = trial.value.map(|value| definition.point(store.now(), step, value)).into_iter().collect();
    let status = if trial.state == TrialState::Failed { "FAILED" } else { "FINISHED" };
    let kept = Kept { metrics, status: Some(status), reason: tell.reason, ..Kept::default() };
    keep(store, &study, &trial, kept).await?;
    let state = trial.state;
    trials[number] = trial;
    end_if_done(store, &info, &definition, &trials).await?;
    let best = definition.study.best(&trials).map(|place| line(&trials[place], &stored[place]));
    Ok(Json(Ended { state, best }))
}

/// A trial as it is shown.
#[derive(Debug, Serialize)]
struct Line {
    trial: usize,
    run_id: String,
    state: TrialState,
    value: Option<f64>,
    parameters: Map<String, Value>,
    reports: Vec<(u64, f64)>,
}

/// A study as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    study: String,
    name: String,
    metric: String,
    /// What it was begun with.
    definition: Study,
    /// Seconds of silence after which a trial is given up.
    timeout: u64,
    best: Option<usize>,
    trials: Vec<Line>,
}

async fn show(State(tracking): State<Shared>, Path(study): Path<String>) -> Answer<Shown> {
    let (_, definition) = opened(&tracking.store, &study).await?;
    let stored = tracking.store.trials(&study).await?;
    let trials = observed(&stored)?;
    let best = definition.study.best(&trials).map(|place| trials[place].number);
    let trials = trials.iter().zip(&stored).map(|(trial, stored)| line(trial, stored)).collect();
    let Definition { name, metric, study: rules, timeout } = definition;
    Ok(Json(Shown { study, name, metric, definition: rules, timeout, best, trials }))
}

fn line(trial: &Observed, stored: &StoredTrial) -> Line {
    Line {
        trial: trial.number,
        run_id: stored.run_id.clone(),
        state: trial.state,
        value: trial.value,
        parameters: trial.point.settings.clone().into_iter().collect(),
        reports: trial.curve.clone(),
    }
}

/// The study, if it is one of those that are asked over the network.
async fn opened(store: &TrackingStore, study: &str) -> Result<(StudyInfo, Definition), Problem> {
    let info = store.study(study).await?;
    let definition = read_definition(&info.definition).map_err(|_| {
        let message = format!("study {study} searches a model of the project: it is not asked from outside");
        Problem::new(StatusCode::CONFLICT, message)
    })?;
    Ok((info, definition))
}

fn read_definition(text: &str) -> Result<Definition, Problem> {
    serde_json::from_str(text).map_err(unreadable)
}

/// Trials have the numbers from 0 on, each once.
fn observed(stored: &[StoredTrial]) -> Result<Vec<Observed>, Problem> {
    stored.iter().map(|trial| serde_json::from_str(&trial.record).map_err(unreadable)).collect()
}

fn unreadable(error: serde_json::Error) -> Problem {
    Problem::unavailable(format!("what is kept of the study cannot be read: {error}"))
}

/// A trial that goes on, or that was given up and shows to be alive.
fn running<'t>(trials: &'t [Observed], stored: &[StoredTrial], number: usize) -> Result<&'t Observed, Problem> {
    let (Some(trial), Some(stored)) = (trials.get(number), stored.get(number)) else {
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("the study has no trial {number}")));
    };
    if trial.state == TrialState::Running || stored.state == GIVEN_UP {
        return Ok(trial);
    }
    Err(Problem::new(StatusCode::CONFLICT, format!("trial {number} has ended: it is {}", words(&trial.state))))
}

/// What is kept of a trial beside what the rules see.
#[derive(Default)]
struct Kept<'a> {
    /// Points of metrics.
    metrics: Vec<Metric>,
    /// Its state in other words than the rules'.
    state: Option<&'a str>,
    /// The status that its run is to have.
    status: Option<&'a str>,
    /// Why it failed.
    reason: Option<String>,
}

async fn keep(store: &TrackingStore, study: &str, trial: &Observed, kept: Kept<'_>) -> Result<(), Problem> {
    let Kept { metrics, state, status, reason } = kept;
    let mut tags = Vec::new();
    if status.is_some() {
        tags.push(Tag { key: "baton.trial.state".to_owned(), value: words(&trial.state) });
    }
    tags.extend(reason.map(|value| Tag { key: "baton.trial.failure".to_owned(), value }));
    let (state, status) = (state.map_or_else(|| words(&trial.state), str::to_owned), status.map(str::to_owned));
    let ended = EndedTrial { state, record: json!(trial).to_string(), status, metrics, tags };
    Ok(store.end_trial(study, trial.number as i64, ended).await?)
}

/// Ends the run of a study of which every trial ended and no other comes.
async fn end_if_done(
    store: &TrackingStore,
    info: &StudyInfo,
    definition: &Definition,
    trials: &[Observed],
) -> Result<(), Problem> {
    let goes_on = trials.iter().any(|trial| trial.state == TrialState::Running);
    if goes_on || !matches!(definition.study.propose(trials.len(), trials), Ok(None)) {
        return Ok(());
    }
    let over = RunChange { status: Some("FINISHED".to_owned()), end_time: Some(store.now()), name: None };
    store.update_run(info.run.run_id.clone(), over).await?;
    Ok(())
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("the body cannot be understood: {error}")))
}

/// A value as people write it.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn words(value: &impl Serialize) -> String {
    shown(&json!(value))
}

impl From<TrackingError> for Problem {
    fn from(error: TrackingError) -> Self {
        let status = match &error {
            TrackingError::Invalid(_) => StatusCode::BAD_REQUEST,
            TrackingError::Missing(_) => StatusCode::NOT_FOUND,
            TrackingError::AlreadyExists(_) => StatusCode::CONFLICT,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}
