//! Runs, and what they log.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use baton_tracking::run::search::RunSearch;
use baton_tracking::run::{Batch, NewRun, RunChange, STATUSES};
use baton_tracking::{Tag, TrackingError, validate};
use serde::Serialize;

use super::error::{Answer, WireError};
use super::experiments::view;
use super::fields::Fields;
use super::metrics::metric_of;
use super::state::{Shared, Tracking};
use super::wire::{Empty, RunInfoMessage, RunMessage};

/// The most bytes of a batch.
const BATCH_BYTES: usize = 1_000_000;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/runs/create", post(create))
        .route("/runs/get", get(get_one))
        .route("/runs/update", post(update))
        .route("/runs/delete", post(delete))
        .route("/runs/restore", post(restore))
        .route("/runs/search", post(search))
        .route("/runs/log-metric", post(log_metric))
        .route("/runs/log-parameter", post(log_param))
        .route("/runs/set-tag", post(set_tag))
        .route("/runs/delete-tag", post(delete_tag))
        .route("/runs/log-batch", post(log_batch))
        .route("/runs/log-model", post(log_model))
}

#[derive(Serialize)]
struct Shown {
    run: RunMessage,
}

#[derive(Serialize)]
struct Updated {
    run_info: RunInfoMessage,
}

#[derive(Serialize)]
struct Listed {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<RunMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

async fn create(State(tracking): State<Shared>, fields: Fields) -> Answer<Shown> {
    let experiment = fields.text("experiment_id")?.unwrap_or_default();
    let (start_time, name) = (fields.int("start_time")?.unwrap_or_default(), fields.text("run_name")?);
    let user_id = fields.text("user_id")?.unwrap_or_default();
    let (experiment, tags) = (validate::experiment_id(&experiment)?, fields.tags("tags")?);
    let mut new = NewRun { experiment, user_id, start_time, name, tags };
    if let Some(promise) = &tracking.promise {
        promise.add_tags(&mut new);
    }
    let run = tracking.store.create_run(new).await?;
    if let Some(promise) = &tracking.promise {
        promise.add_inputs(&tracking.store, &run.info.run_id).await?;
    }
    Ok(Json(Shown { run: RunMessage::new_run(run) }))
}

async fn get_one(State(tracking): State<Shared>, fields: Fields) -> Answer<Shown> {
    let run = tracking.store.run(&fields.run_id()?).await?;
    Ok(Json(Shown { run: run.into() }))
}

async fn update(State(tracking): State<Shared>, fields: Fields) -> Answer<Updated> {
    let run_id = fields.run_id()?;
    let change = RunChange {
        end_time: fields.int("end_time")?,
        status: fields.choice("status", &STATUSES)?.map(str::to_owned),
        name: fields.text("run_name")?,
    };
    let run = tracking.store.update_run(run_id, change).await?;
    Ok(Json(Updated { run_info: run.into() }))
}

async fn delete(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    tracking.store.delete_run(fields.required_text("run_id")?).await?;
    Ok(Json(Empty {}))
}

async fn restore(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    tracking.store.restore_run(fields.required_text("run_id")?).await?;
    Ok(Json(Empty {}))
}

async fn search(State(tracking): State<Shared>, fields: Fields) -> Answer<Listed> {
    let experiments = fields.texts("experiment_ids")?;
    let experiments = experiments.iter().map(|id| validate::experiment_id(id)).collect::<Result<_, _>>()?;
    let search = RunSearch {
        experiments,
        filter: fields.text("filter")?.unwrap_or_default(),
        dialect: Tracking::dialect(&fields)?,
        max_results: page_size(&fields)?,
        order_by: fields.texts("order_by")?,
        view: view(&fields, "run_view_type")?,
        page_token: fields.text("page_token")?,
    };
    let page = tracking.store.search_runs(search).await?;
    let runs = page.rows.into_iter().map(RunMessage::from).collect();
    Ok(Json(Listed { runs, next_page_token: page.next }))
}

/// What is over the most is told by the rules of requests, and not by those of the store.
fn page_size(fields: &Fields) -> Result<usize, WireError> {
    let given = fields.int("max_results")?;
    if given.is_some_and(|rows| rows > validate::PAGE) {
        return Err(fields.wrong_value("max_results"));
    }
    Ok(validate::max_results(given, 1000, validate::PAGE)?)
}

async fn log_metric(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let run_id = fields.run_id()?;
    fields.required_text("key")?;
    tracking.store.log_metric(run_id, metric_of(&fields)?).await?;
    Ok(Json(Empty {}))
}

async fn log_param(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let (run_id, param) = (fields.run_id()?, tag_of(&fields)?);
    tracking.store.log_param(run_id, param).await?;
    Ok(Json(Empty {}))
}

async fn set_tag(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let (run_id, tag) = (fields.run_id()?, tag_of(&fields)?);
    tracking.store.set_tag(run_id, tag).await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let (run_id, key) = (fields.run_id()?, fields.required_text("key")?);
    tracking.store.delete_tag(run_id, key).await?;
    Ok(Json(Empty {}))
}

async fn log_batch(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    if fields.size() > BATCH_BYTES {
        let size = fields.size();
        return Err(WireError::invalid(format!(
            "Batched logging API requests must be at most {BATCH_BYTES} bytes, got a request of size {size}."
        )));
    }
    let run_id = fields.required_text("run_id")?;
    let metrics = fields.list("metrics")?.iter().map(metric_of).collect::<Result<_, _>>()?;
    let tags = |name: &str| fields.list(name)?.iter().map(tag_of).collect::<Result<Vec<_>, WireError>>();
    let batch = Batch { metrics, params: tags("params")?, tags: tags("tags")? };
    tracking.store.log_batch(run_id, batch).await?;
    Ok(Json(Empty {}))
}

async fn log_model(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let (run_id, text) = (fields.required_text("run_id")?, fields.required_text("model_json")?);
    let model: serde_json::Value = serde_json::from_str(&text)
        .map_err(|_| TrackingError::invalid(format!("Malformed model info. \n {text} \n is not a valid JSON.")))?;
    check_model(&model)?;
    tracking.store.record_model(run_id, model).await?;
    Ok(Json(Empty {}))
}

/// Refuses the description of a model that does not say what every model's says.
fn check_model(model: &serde_json::Value) -> Result<(), TrackingError> {
    const MANDATORY: [&str; 4] = ["artifact_path", "flavors", "run_id", "utc_time_created"];
    let absent: Vec<String> =
        MANDATORY.iter().filter(|field| model.get(field).is_none()).map(|field| format!("'{field}'")).collect();
    if absent.is_empty() {
        return Ok(());
    }
    Err(TrackingError::invalid(format!("Model json is missing mandatory fields: {{{}}}", absent.join(", "))))
}

/// A key that must be there, and its text, which may not.
fn tag_of(fields: &Fields) -> Result<Tag, WireError> {
    Ok(Tag { key: fields.required_text("key")?, value: fields.text("value")?.unwrap_or_default() })
}
