//! Files by what they belong to: a run, a version of a model, a logged model.

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use baton_tracking::artifact::ArtifactPath;
use serde::{Deserialize, Serialize};

use super::error::ArtifactFailure;
use super::{FileInfo, download, path_of};
use crate::mlflow::error::WireError;
use crate::mlflow::fields::Fields;
use crate::mlflow::state::{Shared, Tracking};
use crate::mlflow::wire::Empty;

/// The most bytes that a browser uploads at once.
const MOST_UPLOADED: usize = 10 << 20;

/// Paths below `/api/2.0/mlflow`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/artifacts/list", get(list_of_run))
        .route("/upload-artifact", post(upload_to_run))
        .route("/artifacts/presigned-upload-url", post(presigned_upload))
        .route("/artifacts/presigned-download-url", post(presigned_download))
        .route("/logged-models/{model_id}/artifacts/directories", get(list_of_model))
        .route("/logged-models/{model_id}/artifacts/files", get(fetch_of_model))
}

/// Whole paths.
pub(super) fn root() -> Router<Shared> {
    Router::new().route("/get-artifact", get(fetch_of_run)).route("/model-versions/get-artifact", get(fetch_of_version))
}

#[derive(Serialize)]
struct Listing {
    root_uri: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileInfo>,
}

async fn list_of_run(State(tracking): State<Shared>, fields: Fields) -> Result<Json<Listing>, ArtifactFailure> {
    let root_uri = tracking.store.run(&fields.run_id()?).await?.info.artifact_uri;
    listing(&tracking, root_uri, &fields.text("path")?.unwrap_or_default()).await
}

async fn list_of_model(
    State(tracking): State<Shared>,
    Path(model_id): Path<String>,
    fields: Fields,
) -> Result<Json<Listing>, ArtifactFailure> {
    let root_uri = tracking.store.logged_model(&model_id, false).await?.artifact_uri;
    listing(&tracking, root_uri, &fields.text("artifact_directory_path")?.unwrap_or_default()).await
}

/// What is in the folder `path` below `root_uri`, with paths that begin there.
async fn listing(tracking: &Tracking, root_uri: String, path: &str) -> Result<Json<Listing>, ArtifactFailure> {
    let folder = ArtifactPath::parse(path)?;
    let entries = tracking.artifacts()?.list(&path_of(&root_uri)?.join(&folder)).await?;
    let shown = folder.to_string();
    let files = entries.into_iter().map(|entry| FileInfo::new(&shown, entry)).collect();
    Ok(Json(Listing { root_uri, files }))
}

/// All files go through the server, which clients are told so that they send them there.
async fn presigned_upload() -> WireError {
    WireError::invalid(
        "Presigned upload is not supported for proxied artifact storage (artifact URI scheme: mlflow-artifacts). This endpoint \
         requires a direct cloud storage artifact URI.",
    )
}

async fn presigned_download() -> WireError {
    WireError::invalid(
        "Presigned download is not supported for runs with proxied artifact storage (artifact URI scheme: mlflow-artifacts). \
         This endpoint requires a run with a direct cloud storage artifact URI.",
    )
}

#[derive(Deserialize)]
struct OfRun {
    run_id: Option<String>,
    run_uuid: Option<String>,
    path: Option<String>,
}

impl OfRun {
    fn run(&self) -> Result<&str, ArtifactFailure> {
        let run = self.run_id.as_deref().or(self.run_uuid.as_deref()).filter(|run| !run.is_empty());
        run.ok_or_else(|| missing("run_id"))
    }
}

#[derive(Deserialize)]
struct OfVersion {
    name: String,
    version: String,
    path: String,
}

#[derive(Deserialize)]
struct OfModel {
    artifact_file_path: String,
}

async fn fetch_of_run(
    State(tracking): State<Shared>,
    Query(wanted): Query<OfRun>,
    headers: HeaderMap,
) -> Result<Response, ArtifactFailure> {
    let root_uri = tracking.store.run(wanted.run()?).await?.info.artifact_uri;
    fetch(&tracking, &root_uri, wanted.path.as_deref().unwrap_or_default(), &headers).await
}

async fn fetch_of_version(
    State(tracking): State<Shared>,
    Query(OfVersion { name, version, path }): Query<OfVersion>,
    headers: HeaderMap,
) -> Result<Response, ArtifactFailure> {
    tracking.bring_in_trained().await?;
    let root_uri = tracking.store.download_uri(&name, &version).await?;
    fetch(&tracking, &root_uri, &path, &headers).await
}

async fn fetch_of_model(
    State(tracking): State<Shared>,
    Path(model_id): Path<String>,
    Query(OfModel { artifact_file_path }): Query<OfModel>,
    headers: HeaderMap,
) -> Result<Response, ArtifactFailure> {
    let root_uri = tracking.store.logged_model(&model_id, false).await?.artifact_uri;
    fetch(&tracking, &root_uri, &artifact_file_path, &headers).await
}

async fn fetch(
    tracking: &Tracking,
    root_uri: &str,
    path: &str,
    headers: &HeaderMap,
) -> Result<Response, ArtifactFailure> {
    let path = path_of(root_uri)?.join(&ArtifactPath::parse(path)?);
    let file = tracking.artifacts()?.get(&path).await?;
    Ok(download::answer(&path, file, headers))
}

async fn upload_to_run(
    State(tracking): State<Shared>,
    Query(wanted): Query<OfRun>,
    body: Body,
) -> Result<Json<Empty>, ArtifactFailure> {
    let path = wanted.path.as_deref().filter(|path| !path.is_empty()).ok_or_else(|| missing("path"))?;
    let path = ArtifactPath::parse(path)?;
    let root = path_of(&tracking.store.run(wanted.run()?).await?.info.artifact_uri)?;
    let Ok(content) = axum::body::to_bytes(body, MOST_UPLOADED).await else {
        let message = format!("Artifact size is too large. Max size is {}MB.", MOST_UPLOADED >> 20);
        return Err(ArtifactFailure::invalid(message));
    };
    tracking.artifacts()?.put_whole(&root.join(&path), content).await?;
    Ok(Json(Empty {}))
}

fn missing(parameter: &str) -> ArtifactFailure {
    ArtifactFailure::invalid(format!("Request must specify {parameter}."))
}
