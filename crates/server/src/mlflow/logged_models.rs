//! Models that clients log.

#[cfg(test)]
mod tests;

use axum::extract::{Path, State};
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use baton_tracking::logged_model::{
    DatasetScope, LoggedModel, LoggedModelMetric, LoggedModelOrder, LoggedModelSearch, LoggedModelStatus,
    NewLoggedModel,
};
use baton_tracking::{Page, validate};
use serde::Serialize;

use super::error::{Answer, WireError};
use super::fields::Fields;
use super::state::Shared;
use super::wire::{self, Empty, Tag};

/// Paths below `/api/2.0/mlflow`.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/logged-models", post(create))
        .route("/logged-models/search", post(search))
        .route("/logged-models/{model_id}", get(show).patch(finalize).delete(remove))
        .route("/logged-models/{model_id}/tags", patch(set_tags))
        .route("/logged-models/{model_id}/tags/{key}", delete(delete_tag))
        .route("/logged-models/{model_id}/params", post(log_params))
}

#[derive(Serialize)]
struct One {
    model: Model,
}

impl One {
    fn answer(model: LoggedModel) -> Json<Self> {
        Json(Self { model: model.into() })
    }
}

#[derive(Serialize)]
struct Many {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<Model>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

#[derive(Serialize)]
struct Model {
    info: Info,
    data: Data,
}

#[derive(Serialize)]
struct Info {
    model_id: String,
    experiment_id: String,
    name: String,
    creation_timestamp_ms: i64,
    last_updated_timestamp_ms: i64,
    artifact_uri: String,
    status: &'static str,
    model_type: String,
    source_run_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_message: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

#[derive(Serialize)]
struct Data {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    params: Vec<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
struct Metric {
    key: String,
    #[serde(serialize_with = "wire::double")]
    value: f64,
    timestamp: i64,
    step: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_digest: Option<String>,
    model_id: String,
    run_id: String,
}

impl Metric {
    fn of(model_id: &str, metric: LoggedModelMetric) -> Self {
        let LoggedModelMetric { key, value, timestamp, step, run_id, dataset_name, dataset_digest } = metric;
        Self { key, value, timestamp, step, dataset_name, dataset_digest, model_id: model_id.to_owned(), run_id }
    }
}

impl From<LoggedModel> for Model {
    fn from(model: LoggedModel) -> Self {
        let metrics = model.metrics.into_iter().map(|metric| Metric::of(&model.model_id, metric)).collect();
        let info = Info {
            model_id: model.model_id,
            experiment_id: model.experiment_id.to_string(),
            name: model.name,
            creation_timestamp_ms: model.creation_time,
            last_updated_timestamp_ms: model.last_update_time,
            artifact_uri: model.artifact_uri,
            status: model.status.name(),
            model_type: model.model_type,
            source_run_id: model.source_run_id,
            status_message: model.status_message,
            tags: wire::tags(model.tags),
        };
        Self { info, data: Data { params: wire::tags(model.params), metrics } }
    }
}

async fn create(State(tracking): State<Shared>, fields: Fields) -> Answer<One> {
    let new = NewLoggedModel {
        experiment_id: validate::experiment_id(&fields.required_text("experiment_id")?)?,
        name: fields.text("name")?.filter(|name| !name.is_empty()),
        model_type: fields.text("model_type")?.unwrap_or_default(),
        source_run_id: fields.text("source_run_id")?.unwrap_or_default(),
        params: fields.tags("params")?,
        tags: fields.tags("tags")?,
    };
    Ok(One::answer(tracking.store.create_logged_model(new).await?))
}

async fn show(State(tracking): State<Shared>, Path(model_id): Path<String>, fields: Fields) -> Answer<One> {
    let allow_deleted = fields.flag("allow_deleted")?.unwrap_or_default();
    tracking.bring_in_trained().await?;
    Ok(One::answer(tracking.store.logged_model(&model_id, allow_deleted).await?))
}

async fn finalize(State(tracking): State<Shared>, Path(model_id): Path<String>, fields: Fields) -> Answer<One> {
    // Statuses are numbered from 0 in the protocol, and `choice` counts from 1.
    let status = match fields.choice("status", &LoggedModelStatus::NAMES[1..])? {
        Some(name) => LoggedModelStatus::of_name(name),
        None => None,
    };
    let status = status.ok_or_else(|| fields.missing("status"))?;
    Ok(One::answer(tracking.store.finalize_logged_model(model_id, status).await?))
}

async fn remove(State(tracking): State<Shared>, Path(model_id): Path<String>) -> Answer<Empty> {
    tracking.store.delete_logged_model(model_id).await?;
    Ok(Json(Empty {}))
}

async fn set_tags(State(tracking): State<Shared>, Path(model_id): Path<String>, fields: Fields) -> Answer<Empty> {
    tracking.store.set_logged_model_tags(model_id, fields.tags("tags")?).await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(State(tracking): State<Shared>, Path((model_id, key)): Path<(String, String)>) -> Answer<Empty> {
    tracking.store.delete_logged_model_tag(model_id, key).await?;
    Ok(Json(Empty {}))
}

async fn log_params(State(tracking): State<Shared>, Path(model_id): Path<String>, fields: Fields) -> Answer<Empty> {
    tracking.store.log_logged_model_params(model_id, fields.tags("params")?).await?;
    Ok(Json(Empty {}))
}

async fn search(State(tracking): State<Shared>, fields: Fields) -> Answer<Many> {
    let experiments = fields.texts("experiment_ids")?;
    if experiments.is_empty() {
        return Err(fields.missing("experiment_ids"));
    }
    let wanted = LoggedModelSearch {
        experiment_ids: experiments.iter().map(|id| validate::experiment_id(id)).collect::<Result<_, _>>()?,
        filter: fields.text("filter")?.unwrap_or_default(),
        datasets: fields.list("datasets")?.iter().map(scope).collect::<Result<_, _>>()?,
        max_results: fields.int("max_results")?,
        order_by: fields.list("order_by")?.iter().map(order).collect::<Result<_, _>>()?,
        page_token: fields.text("page_token")?,
    };
    let Page { rows: models, next: next_page_token } = tracking.store.search_logged_models(wanted).await?;
    Ok(Json(Many { models: models.into_iter().map(Model::from).collect(), next_page_token }))
}

fn scope(fields: &Fields) -> Result<DatasetScope, WireError> {
    let digest = fields.text("dataset_digest")?.filter(|digest| !digest.is_empty());
    Ok(DatasetScope { name: fields.text("dataset_name")?.unwrap_or_default(), digest })
}

fn order(fields: &Fields) -> Result<LoggedModelOrder, WireError> {
    Ok(LoggedModelOrder {
        field_name: fields.required_text("field_name")?,
        ascending: fields.flag("ascending")?.unwrap_or(true),
        dataset: Some(scope(fields)?).filter(|scope| !scope.name.is_empty()),
    })
}
