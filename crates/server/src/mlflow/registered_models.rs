//! The registry's models and aliases.

#[cfg(test)]
mod tests;

use axum::extract::State;
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use baton_tracking::registry::{NewRegisteredModel, RegisteredModel, RegistrySearch};
use baton_tracking::{Page, Tag as StoredTag};
use serde::Serialize;

use super::error::{Answer, WireError};
use super::fields::Fields;
use super::model_versions::{OneVersion, Version};
use super::state::Shared;
use super::wire::{self, Empty, Tag};

/// Paths below `/api/2.0/mlflow`.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/registered-models/create", post(create))
        .route("/registered-models/get", get(show))
        .route("/registered-models/rename", post(rename))
        .route("/registered-models/update", patch(update))
        .route("/registered-models/delete", delete(remove))
        .route("/registered-models/search", get(search))
        .route("/registered-models/get-latest-versions", get(latest).post(latest))
        .route("/registered-models/set-tag", post(set_tag))
        .route("/registered-models/delete-tag", delete(delete_tag))
        .route("/registered-models/alias", get(by_alias).post(set_alias).delete(delete_alias))
}

#[derive(Serialize)]
struct One {
    registered_model: Model,
}

#[derive(Serialize)]
struct Many {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    registered_models: Vec<Model>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

#[derive(Serialize)]
struct Latest {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_versions: Vec<Version>,
}

#[derive(Serialize)]
struct Model {
    name: String,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    latest_versions: Vec<Version>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<Alias>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment_job_id: Option<String>,
}

#[derive(Serialize)]
struct Alias {
    alias: String,
    version: String,
}

impl From<RegisteredModel> for Model {
    fn from(model: RegisteredModel) -> Self {
        let alias = |(alias, version): (String, i64)| Alias { alias, version: version.to_string() };
        Self {
            name: model.name,
            creation_timestamp: model.creation_time,
            last_updated_timestamp: model.last_update_time,
            description: model.description.filter(|text| !text.is_empty()),
            latest_versions: model.latest_versions.into_iter().map(Version::from).collect(),
            tags: wire::tags(model.tags),
            aliases: model.aliases.into_iter().map(alias).collect(),
            deployment_job_id: model.deployment_job_id.filter(|text| !text.is_empty()),
        }
    }
}

fn one(model: RegisteredModel) -> Json<One> {
    Json(One { registered_model: model.into() })
}

async fn create(State(tracking): State<Shared>, fields: Fields) -> Answer<One> {
    tracking.bring_in_trained().await?;
    let new = NewRegisteredModel {
        name: fields.required_text("name")?,
        tags: fields.tags("tags")?,
        description: fields.text("description")?,
        deployment_job_id: fields.text("deployment_job_id")?,
    };
    let model = tracking.store.create_registered_model(new).await?;
    Ok(one(model))
}

async fn show(State(tracking): State<Shared>, fields: Fields) -> Answer<One> {
    let name = fields.required_text("name")?;
    tracking.bring_in_trained().await?;
    Ok(one(tracking.store.registered_model(&name).await?))
}

async fn rename(State(tracking): State<Shared>, fields: Fields) -> Answer<One> {
    let (name, new_name) = (fields.required_text("name")?, fields.required_text("new_name")?);
    Ok(one(tracking.store.rename_registered_model(name, new_name).await?))
}

async fn update(State(tracking): State<Shared>, fields: Fields) -> Answer<One> {
    let name = fields.required_text("name")?;
    Ok(one(tracking.store.update_registered_model(name, fields.text("description")?).await?))
}

async fn remove(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    tracking.store.delete_registered_model(fields.required_text("name")?).await?;
    Ok(Json(Empty {}))
}

/// What to look for, as both searches of the registry read it.
pub(super) fn wanted(fields: &Fields) -> Result<RegistrySearch, WireError> {
    Ok(RegistrySearch {
        filter: fields.text("filter")?.unwrap_or_default(),
        max_results: fields.int("max_results")?,
        order_by: fields.texts("order_by")?,
        page_token: fields.text("page_token")?,
    })
}

async fn search(State(tracking): State<Shared>, fields: Fields) -> Answer<Many> {
    tracking.bring_in_trained().await?;
    let Page { rows: models, next: next_page_token } =
        tracking.store.search_registered_models(&wanted(&fields)?).await?;
    Ok(Json(Many { registered_models: models.into_iter().map(Model::from).collect(), next_page_token }))
}

async fn latest(State(tracking): State<Shared>, fields: Fields) -> Answer<Latest> {
    let name = fields.required_text("name")?;
    tracking.bring_in_trained().await?;
    let versions = tracking.store.latest_versions(&name, &fields.texts("stages")?).await?;
    Ok(Json(Latest { model_versions: versions.into_iter().map(Version::from).collect() }))
}

async fn set_tag(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let name = fields.required_text("name")?;
    let tag = StoredTag { key: fields.required_text("key")?, value: fields.text("value")?.unwrap_or_default() };
    tracking.store.set_registered_model_tag(name, tag).await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let (name, key) = (fields.required_text("name")?, fields.required_text("key")?);
    tracking.store.delete_registered_model_tag(name, key).await?;
    Ok(Json(Empty {}))
}

async fn by_alias(State(tracking): State<Shared>, fields: Fields) -> Answer<OneVersion> {
    let (name, alias) = (fields.required_text("name")?, fields.required_text("alias")?);
    tracking.bring_in_trained().await?;
    Ok(OneVersion::answer(tracking.store.model_version_by_alias(&name, &alias).await?))
}

async fn set_alias(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let (name, alias) = (fields.required_text("name")?, fields.required_text("alias")?);
    let version = fields.required_text("version")?;
    tracking.bring_in_trained().await?;
    tracking.check_pointing(&name, &alias, &version).await?;
    tracking.store.set_model_alias(name.clone(), alias.clone(), &version).await?;
    Ok(Json(Empty {}))
}

async fn delete_alias(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let (name, alias) = (fields.required_text("name")?, fields.required_text("alias")?);
    tracking.store.delete_model_alias(name.clone(), alias.clone()).await?;
    Ok(Json(Empty {}))
}
