//! Files of runs, models and traces: put and fetched through this server, so that clients need no access to its disk.
//!
//! Bodies are streamed both ways and never whole in memory. It does not know how files are kept.

mod download;
mod error;
mod named;
mod of_trace;
mod parts;
#[cfg(test)]
mod tests;
mod uri;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, http::StatusCode};
use baton_tracking::artifact::{ArtifactEntry, ArtifactPath, Digest};
use baton_tracking::base64;
use serde::{Deserialize, Serialize};

use self::error::ArtifactFailure;
use super::state::Shared;
use super::wire::Empty;

pub(super) use named::routes;
pub(super) use of_trace::of_traces;
pub(super) use uri::path_of;

/// A file or folder as the protocol shows it.
#[derive(Debug, Serialize)]
pub(super) struct FileInfo {
    path: String,
    is_dir: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_size: Option<u64>,
}

impl FileInfo {
    /// The name below `folder`; with an empty one, the name alone.
    fn new(folder: &str, entry: ArtifactEntry) -> Self {
        let path = if folder.is_empty() { entry.name } else { format!("{folder}/{}", entry.name) };
        // Fields of the protocol are left out at their default, the size of an empty file among them.
        Self { path, is_dir: entry.size.is_none(), file_size: entry.size.filter(|size| *size > 0) }
    }
}

/// The proxy's paths, which are whole.
pub(super) fn root() -> Router<Shared> {
    let mut router = Router::new().merge(named::root());
    for prefix in ["/api", "/ajax-api"] {
        let base = format!("{prefix}/2.0/mlflow-artifacts");
        router = router
            .route(&format!("{base}/artifacts"), get(list))
            .route(&format!("{base}/artifacts/{{*path}}"), get(fetch).put(store).delete(remove))
            .merge(parts::routes(&base));
    }
    router
}

#[derive(Deserialize)]
struct Listed {
    path: Option<String>,
}

#[derive(Serialize)]
struct Listing {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileInfo>,
}

async fn list(
    State(tracking): State<Shared>,
    Query(Listed { path }): Query<Listed>,
) -> Result<Json<Listing>, ArtifactFailure> {
    let path = ArtifactPath::parse(path.as_deref().unwrap_or_default())?;
    let entries = tracking.artifacts()?.list(&path).await?;
    Ok(Json(Listing { files: entries.into_iter().map(|entry| FileInfo::new("", entry)).collect() }))
}

async fn fetch(State(tracking): State<Shared>, uri: Uri, headers: HeaderMap) -> Result<Response, ArtifactFailure> {
    let path = ArtifactPath::of_url(below(&uri, "/artifacts/"))?;
    let file = tracking.artifacts()?.get(&path).await?;
    Ok(download::answer(&path, file, &headers))
}

async fn store(
    State(tracking): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ArtifactFailure> {
    let path = ArtifactPath::of_url(below(&uri, "/artifacts/"))?;
    let stored = tracking.artifacts()?.put(&path, body.into_data_stream(), announced(&headers)).await?;
    let digest = format!("sha-256=:{}:", base64::encode(&stored.digest.0));
    Ok((StatusCode::OK, [("repr-digest", digest)], Json(Empty {})).into_response())
}

async fn remove(State(tracking): State<Shared>, uri: Uri) -> Result<Json<Empty>, ArtifactFailure> {
    let path = ArtifactPath::of_url(below(&uri, "/artifacts/"))?;
    tracking.artifacts()?.delete(&path).await?;
    Ok(Json(Empty {}))
}

/// What follows `marker` in the path, still encoded: names may hold what decoding would take for something else.
fn below<'a>(uri: &'a Uri, marker: &str) -> &'a str {
    uri.path().split_once(marker).map_or("", |(_, below)| below)
}

/// The SHA-256 that the sender says the body has (RFC 9530).
fn announced(headers: &HeaderMap) -> Option<Digest> {
    let header = headers.get("repr-digest").or_else(|| headers.get("content-digest"))?.to_str().ok()?;
    let member = header.split(',').find_map(|member| member.trim().strip_prefix("sha-256="))?;
    let bytes = base64::decode(member.trim().trim_matches(':'))?;
    bytes.try_into().ok().map(Digest)
}
