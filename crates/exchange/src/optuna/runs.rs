//! Studies and trials as runs.

use baton_ledger::database::{Database, Statement};
use baton_tracking::metric::Metric;
use baton_tracking::run::{RunInfo, WholeRun};
use baton_tracking::{Lifecycle, Param, Tag};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::distribution;
use super::rows::{Attribute, Study, Trial, attributes};
use crate::aside::Aside;
use crate::error::Result;

/// The metric of values that a trial reported on its way.
const INTERMEDIATE: &str = "intermediate_value";

/// The id of the run that stands for a study.
pub(super) fn study_id(experiment: &str, study: &Study) -> String {
    run_id(&["study", experiment, &study.name])
}

/// The id of the run that stands for a trial.
pub(super) fn trial_id(experiment: &str, study: &Study, trial: &Trial) -> String {
    run_id(&["trial", experiment, &study.name, &trial.number.to_string()])
}

fn run_id(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    let mut digits = hex::encode(hasher.finalize());
    digits.truncate(32);
    digits
}

/// A study as a run: how its best value went from trial to trial, and which trial has it.
pub(super) async fn of_study(database: &Database, run_id: &str, study: &Study, aside: &mut Aside) -> Result<WholeRun> {
    let is_open = study.trials.iter().any(|trial| ["RUNNING", "WAITING"].contains(&trial.state.as_str()));
    let ended = study.trials.iter().filter_map(|trial| trial.ended).max().filter(|_| !is_open);
    let mut run = run(run_id, &study.name, if is_open { "RUNNING" } else { "FINISHED" });
    run.info.start_time = study.trials.iter().filter_map(|trial| trial.began).min().unwrap_or_default();
    run.info.end_time = ended;
    run.tags.push(tag("optuna.directions", study.directions.join(",")));
    run.tags.extend(study.attributes.iter().map(attribute_tag));
    if let ([metric], [direction]) = (study.metrics.as_slice(), study.directions.as_slice()) {
        best(database, &mut run, study, metric, direction == "maximize", aside).await?;
    }
    Ok(run)
}

async fn best(
    database: &Database,
    run: &mut WholeRun,
    study: &Study,
    metric: &str,
    is_greater_better: bool,
    aside: &mut Aside,
) -> Result<()> {
    let text = "SELECT v.trial_id, v.value, v.value_type FROM trial_values v JOIN trials t ON t.trial_id = v.trial_id \
                WHERE t.study_id = $1 AND t.state = 'COMPLETE' AND v.objective = 0";
    let rows: Vec<(i64, Option<f64>, String)> = database.all(Statement::new(text).bind(study.id)).await?;
    let mut best: Option<(f64, &Trial)> = None;
    for trial in &study.trials {
        let Some((_, value, kind)) = rows.iter().find(|(id, ..)| *id == trial.id) else { continue };
        let Some(value) = number(*value, kind) else { continue };
        let is_better = best.is_none_or(|(best, _)| if is_greater_better { value > best } else { value < best });
        if is_better {
            best = Some((value, trial));
            let timestamp = trial.ended.unwrap_or_default();
            let key = format!("best_{metric}");
            run.points.push(Metric { key, value, timestamp, step: trial.number, ..Metric::default() });
        }
    }
    if let Some((_, trial)) = best {
        let (params, _) = params(database, study, trial, aside).await?;
        let params: Map<String, Value> = params.into_iter().map(|param| (param.key, param.value.into())).collect();
        run.tags.push(tag("optuna.best_trial", trial.number.to_string()));
        run.tags.push(tag("optuna.best_params", Value::Object(params).to_string()));
    }
    Ok(())
}

/// A trial as a run below that of its study.
pub(super) async fn of_trial(
    database: &Database,
    run_id: &str,
    parent: &str,
    study: &Study,
    trial: &Trial,
    aside: &mut Aside,
) -> Result<WholeRun> {
    let status = match trial.state.as_str() {
        "COMPLETE" => "FINISHED",
        "PRUNED" => "KILLED",
        "RUNNING" => "RUNNING",
        "WAITING" => "SCHEDULED",
        _ => "FAILED",
    };
    let mut run = run(run_id, &format!("trial {}", trial.number), status);
    run.info.start_time = trial.began.unwrap_or_default();
    run.info.end_time = trial.ended;
    run.tags.push(tag("mlflow.parentRunId", parent.to_owned()));
    run.tags.push(tag("optuna.number", trial.number.to_string()));
    run.tags.push(tag("optuna.state", trial.state.clone()));
    run.tags.extend(attributes(database, "trial", trial.id).await?.iter().map(attribute_tag));
    let (params, distributions) = params(database, study, trial, aside).await?;
    run.params = params;
    run.tags.extend(distributions);
    run.points = points(database, study, trial).await?;
    Ok(run)
}

/// The parameters of a trial, and their distributions as tags.
async fn params(
    database: &Database,
    study: &Study,
    trial: &Trial,
    aside: &mut Aside,
) -> Result<(Vec<Param>, Vec<Tag>)> {
    let text =
        "SELECT param_name, param_value, distribution_json FROM trial_params WHERE trial_id = $1 ORDER BY param_name";
    let (mut params, mut distributions) = (Vec::new(), Vec::new());
    for (name, number, written) in database.all::<(String, f64, String)>(Statement::new(text).bind(trial.id)).await? {
        let place = format!("parameter `{name}` of trial {} of study `{}`", trial.number, study.name);
        let read =
            serde_json::from_str(&written).map_err(|error| format!("has a distribution that is no JSON: {error}"));
        let read = read.and_then(|distribution| distribution::value(number, &distribution));
        if let Some(value) = aside.some(place, read) {
            distributions.push(tag(&format!("optuna.distribution.{name}"), written));
            params.push(Param { key: name, value });
        }
    }
    Ok((params, distributions))
}

async fn points(database: &Database, study: &Study, trial: &Trial) -> Result<Vec<Metric>> {
    let timestamp = trial.ended.or(trial.began).unwrap_or_default();
    let text = "SELECT objective, value, value_type FROM trial_values WHERE trial_id = $1 ORDER BY objective";
    let mut points = Vec::new();
    for (objective, value, kind) in
        database.all::<(i64, Option<f64>, String)>(Statement::new(text).bind(trial.id)).await?
    {
        let name = usize::try_from(objective).ok().and_then(|place| study.metrics.get(place));
        if let (Some(key), Some(value)) = (name.cloned(), number(value, &kind)) {
            points.push(Metric { key, value, timestamp, ..Metric::default() });
        }
    }
    let text = "SELECT step, intermediate_value, intermediate_value_type FROM trial_intermediate_values \
                WHERE trial_id = $1 ORDER BY step";
    for (step, value, kind) in database.all::<(i64, Option<f64>, String)>(Statement::new(text).bind(trial.id)).await? {
        let value = number(value, &kind).unwrap_or(f64::NAN);
        points.push(Metric { key: INTERMEDIATE.to_owned(), value, timestamp, step, ..Metric::default() });
    }
    Ok(points)
}

/// A value beside the word that stands for what a database has no number for.
fn number(value: Option<f64>, kind: &str) -> Option<f64> {
    match kind {
        "INF_POS" => Some(f64::INFINITY),
        "INF_NEG" => Some(f64::NEG_INFINITY),
        "NAN" => Some(f64::NAN),
        _ => value,
    }
}

fn run(run_id: &str, name: &str, status: &str) -> WholeRun {
    let info = RunInfo {
        run_id: run_id.to_owned(),
        experiment: 0,
        name: name.to_owned(),
        user_id: String::new(),
        status: status.to_owned(),
        start_time: 0,
        end_time: None,
        lifecycle: Lifecycle::Active,
        artifact_uri: String::new(),
    };
    WholeRun {
        info,
        deleted_time: None,
        points: Vec::new(),
        params: Vec::new(),
        tags: vec![tag("mlflow.runName", name.to_owned())],
        datasets: Vec::new(),
        models: Vec::new(),
        outputs: Vec::new(),
    }
}

fn tag(key: &str, value: String) -> Tag {
    Tag { key: key.to_owned(), value }
}

fn attribute_tag(attribute: &Attribute) -> Tag {
    let text = attribute.value.as_str().map_or_else(|| attribute.value.to_string(), str::to_owned);
    tag(&format!("optuna.{}.{}", attribute.kind, attribute.key), text)
}
