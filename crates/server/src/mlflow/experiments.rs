//! Experiments.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use baton_tracking::experiment::{Experiment, ExperimentSearch};
use baton_tracking::{Tag, View, validate};
use serde::Serialize;

use super::error::{Answer, WireError};
use super::fields::Fields;
use super::state::{Shared, Tracking};
use super::wire::{self, Empty};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/experiments/create", post(create))
        .route("/experiments/get", get(get_one))
        .route("/experiments/get-by-name", get(get_by_name))
        .route("/experiments/search", post(search).get(search))
        .route("/experiments/delete", post(delete))
        .route("/experiments/restore", post(restore))
        .route("/experiments/update", post(update))
        .route("/experiments/set-experiment-tag", post(set_tag))
        .route("/experiments/delete-experiment-tag", post(delete_tag))
}

#[derive(Serialize)]
struct Created {
    experiment_id: String,
}

#[derive(Serialize)]
struct Shown {
    experiment: ExperimentMessage,
}

#[derive(Serialize)]
struct Listed {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    experiments: Vec<ExperimentMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

#[derive(Serialize)]
struct ExperimentMessage {
    experiment_id: String,
    name: String,
    artifact_location: String,
    lifecycle_stage: &'static str,
    last_update_time: i64,
    creation_time: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<wire::Tag>,
    workspace: &'static str,
}

impl From<Experiment> for ExperimentMessage {
    fn from(experiment: Experiment) -> Self {
        Self {
            experiment_id: experiment.id.to_string(),
            name: experiment.name,
            artifact_location: experiment.artifact_location,
            lifecycle_stage: experiment.lifecycle.as_str(),
            last_update_time: experiment.last_update_time,
            creation_time: experiment.creation_time,
            tags: wire::tags(experiment.tags),
            workspace: "default",
        }
    }
}

async fn create(State(tracking): State<Shared>, fields: Fields) -> Answer<Created> {
    let (name, location, tags) =
        (fields.required_text("name")?, fields.text("artifact_location")?, fields.tags("tags")?);
    let id = tracking.store.create_experiment(name, location, tags).await?;
    Ok(Json(Created { experiment_id: id.to_string() }))
}

async fn get_one(State(tracking): State<Shared>, fields: Fields) -> Answer<Shown> {
    let experiment = tracking.store.experiment(experiment_id(&fields)?).await?;
    Ok(Json(Shown { experiment: experiment.into() }))
}

async fn get_by_name(State(tracking): State<Shared>, fields: Fields) -> Answer<Shown> {
    let experiment = tracking.store.experiment_by_name(&fields.required_text("experiment_name")?).await?;
    Ok(Json(Shown { experiment: experiment.into() }))
}

async fn search(State(tracking): State<Shared>, fields: Fields) -> Answer<Listed> {
    let search = ExperimentSearch {
        view: view(&fields, "view_type")?,
        max_results: validate::max_results(fields.int("max_results")?, 0, validate::PAGE)?,
        order_by: fields.texts("order_by")?,
        filter: fields.text("filter")?.unwrap_or_default(),
        dialect: Tracking::dialect(&fields)?,
        page_token: fields.text("page_token")?.filter(|token| !token.is_empty()),
    };
    let page = tracking.store.search_experiments(search).await?;
    let experiments = page.rows.into_iter().map(ExperimentMessage::from).collect();
    Ok(Json(Listed { experiments, next_page_token: page.next }))
}

async fn delete(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    tracking.store.delete_experiment(experiment_id(&fields)?).await?;
    Ok(Json(Empty {}))
}

async fn restore(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    tracking.store.restore_experiment(experiment_id(&fields)?).await?;
    Ok(Json(Empty {}))
}

async fn update(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let (id, name) = (experiment_id(&fields)?, fields.required_text("new_name")?);
    tracking.store.rename_experiment(id, name).await?;
    Ok(Json(Empty {}))
}

async fn set_tag(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let (id, key) = (experiment_id(&fields)?, fields.required_text("key")?);
    let value = fields.text("value")?.unwrap_or_default();
    tracking.store.set_experiment_tag(id, Tag { key, value }).await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let (id, key) = (experiment_id(&fields)?, fields.required_text("key")?);
    tracking.store.delete_experiment_tag(id, key).await?;
    Ok(Json(Empty {}))
}

fn experiment_id(fields: &Fields) -> Result<i64, WireError> {
    Ok(validate::experiment_id(&fields.required_text("experiment_id")?)?)
}

/// Which stage a search looks at.
pub(super) fn view(fields: &Fields, name: &str) -> Result<View, WireError> {
    Ok(match fields.choice(name, &["ACTIVE_ONLY", "DELETED_ONLY", "ALL"])? {
        Some("DELETED_ONLY") => View::Deleted,
        Some("ALL") => View::All,
        _ => View::Active,
    })
}
