//! The registry's versions.

use axum::extract::State;
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use baton_tracking::registry::{ModelVersion, NewModelVersion};
use baton_tracking::{Page, Tag as StoredTag};
use serde::Serialize;

use super::error::Answer;
use super::fields::Fields;
use super::registered_models::wanted;
use super::state::Shared;
use super::wire::{self, Empty, Tag};

/// Paths below `/api/2.0/mlflow`.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/model-versions/create", post(create))
        .route("/model-versions/get", get(show))
        .route("/model-versions/update", patch(update))
        .route("/model-versions/delete", delete(remove))
        .route("/model-versions/transition-stage", post(transition))
        .route("/model-versions/search", get(search))
        .route("/model-versions/get-download-uri", get(download_uri))
        .route("/model-versions/set-tag", post(set_tag))
        .route("/model-versions/delete-tag", delete(delete_tag))
}

/// An answer that is a version.
#[derive(Serialize)]
pub(super) struct OneVersion {
    model_version: Version,
}

impl OneVersion {
    pub(super) fn answer(version: ModelVersion) -> Json<Self> {
        Json(Self { model_version: version.into() })
    }
}

#[derive(Serialize)]
struct Many {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_versions: Vec<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

#[derive(Serialize)]
struct Address {
    artifact_uri: String,
}

/// A version on the wire. The logged model is left out, as by the protocol's own server.
#[derive(Serialize)]
pub(super) struct Version {
    name: String,
    version: String,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    current_stage: String,
    description: String,
    source: String,
    run_id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    run_link: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
}

impl From<ModelVersion> for Version {
    fn from(version: ModelVersion) -> Self {
        Self {
            name: version.name,
            version: version.version.to_string(),
            creation_timestamp: version.creation_time,
            last_updated_timestamp: version.last_update_time,
            current_stage: version.stage,
            description: version.description,
            source: version.source,
            run_id: version.run_id,
            status: "READY",
            tags: wire::tags(version.tags),
            run_link: version.run_link,
            aliases: version.aliases,
        }
    }
}

async fn create(State(tracking): State<Shared>, fields: Fields) -> Answer<OneVersion> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let new = NewModelVersion {
        name: fields.required_text("name")?,
        source: fields.required_text("source")?,
        run_id: filled(fields.text("run_id")?),
        run_link: fields.text("run_link")?.unwrap_or_default(),
        description: fields.text("description")?.unwrap_or_default(),
        model_id: filled(fields.text("model_id")?),
        tags: fields.tags("tags")?,
    };
    tracking.bring_in_trained().await?;
    let version = tracking.store.create_model_version(new).await?;
    Ok(OneVersion::answer(version))
}

async fn show(State(tracking): State<Shared>, fields: Fields) -> Answer<OneVersion> {
    let (name, version) = address(&fields)?;
    tracking.bring_in_trained().await?;
    Ok(OneVersion::answer(tracking.store.model_version(&name, &version).await?))
}

fn address(fields: &Fields) -> Result<(String, String), super::error::WireError> {
    Ok((fields.required_text("name")?, fields.required_text("version")?))
}

async fn update(State(tracking): State<Shared>, fields: Fields) -> Answer<OneVersion> {
    let (name, version) = address(&fields)?;
    let description = fields.text("description")?.unwrap_or_default();
    Ok(OneVersion::answer(tracking.store.update_model_version(name, &version, description).await?))
}

async fn remove(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let (name, version) = address(&fields)?;
    tracking.store.delete_model_version(name, &version).await?;
    Ok(Json(Empty {}))
}

async fn transition(State(tracking): State<Shared>, fields: Fields) -> Answer<OneVersion> {
    let (name, version) = address(&fields)?;
    let stage = fields.required_text("stage")?;
    let archive_existing = fields.flag("archive_existing_versions")?.unwrap_or_default();
    let moved = tracking.store.transition_model_version(name, &version, &stage, archive_existing).await?;
    Ok(OneVersion::answer(moved))
}

async fn search(State(tracking): State<Shared>, fields: Fields) -> Answer<Many> {
    tracking.bring_in_trained().await?;
    let Page { rows: versions, next: next_page_token } =
        tracking.store.search_model_versions(&wanted(&fields)?).await?;
    Ok(Json(Many { model_versions: versions.into_iter().map(Version::from).collect(), next_page_token }))
}

async fn download_uri(State(tracking): State<Shared>, fields: Fields) -> Answer<Address> {
    let (name, version) = address(&fields)?;
    tracking.bring_in_trained().await?;
    Ok(Json(Address { artifact_uri: tracking.store.download_uri(&name, &version).await? }))
}

async fn set_tag(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let (name, version) = address(&fields)?;
    let tag = StoredTag { key: fields.required_text("key")?, value: fields.text("value")?.unwrap_or_default() };
    tracking.store.set_model_version_tag(name.clone(), &version, tag.clone()).await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let (name, version) = address(&fields)?;
    let key = fields.required_text("key")?;
    tracking.store.delete_model_version_tag(name.clone(), &version, key.clone()).await?;
    Ok(Json(Empty {}))
}
