//! Uploads in parts, and addresses of files: what other servers hand to a store of objects, this one does itself.
//!
//! An upload that broke off goes on with the parts that are missing. Addresses lead to this server again.

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{ETAG, HOST};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use baton_tracking::artifact::{ArtifactPath, Digest, PartReceipt, UploadId};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};

use super::below;
use super::error::ArtifactFailure;
use crate::mlflow::fields::Fields;
use crate::mlflow::state::Shared;
use crate::mlflow::wire::Empty;

/// What stands in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');
const MOST_PARTS: i64 = 10_000;

pub(super) fn routes(base: &str) -> Router<Shared> {
    Router::new()
        .route(&format!("{base}/mpu/create/{{*path}}"), post(create))
        .route(&format!("{base}/mpu/part/{{upload}}/{{number}}"), put(store))
        .route(&format!("{base}/mpu/complete/{{*path}}"), post(complete))
        .route(&format!("{base}/mpu/abort/{{*path}}"), post(abort))
        .route(&format!("{base}/presigned/{{*path}}"), get(address))
}

#[derive(Serialize)]
struct Created {
    upload_id: String,
    credentials: Vec<Credential>,
}

#[derive(Serialize)]
struct Credential {
    url: String,
    part_number: i64,
}

async fn create(
    State(tracking): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Json<Created>, ArtifactFailure> {
    let folder = ArtifactPath::of_url(below(&uri, "/mpu/create/"))?;
    let number_of_parts = fields.required_int("num_parts")?;
    if !(1..=MOST_PARTS).contains(&number_of_parts) {
        return Err(ArtifactFailure::invalid(format!(
            "Invalid value {number_of_parts} for parameter 'num_parts' supplied: it must be between 1 and {MOST_PARTS}"
        )));
    }
    let path = target(&folder, &fields)?;
    let upload = tracking.artifacts()?.begin_parts(&path).await?;
    let base = own_address(&headers)?;
    let credential = |part_number: i64| Credential {
        url: format!("{base}/api/2.0/mlflow-artifacts/mpu/part/{}/{part_number}", upload.as_str()),
        part_number,
    };
    let credentials = (1..=number_of_parts).map(credential).collect();
    Ok(Json(Created { upload_id: upload.as_str().to_owned(), credentials }))
}

async fn store(
    State(tracking): State<Shared>,
    Path((upload, number)): Path<(String, u32)>,
    body: Body,
) -> Result<Response, ArtifactFailure> {
    let upload = UploadId::parse(&upload).ok_or_else(|| unknown(&upload))?;
    let stored = tracking.artifacts()?.put_part(&upload, number, body.into_data_stream()).await?;
    Ok((StatusCode::OK, [(ETAG, format!("\"{}\"", stored.digest))]).into_response())
}

async fn complete(State(tracking): State<Shared>, uri: Uri, fields: Fields) -> Result<Json<Empty>, ArtifactFailure> {
    let folder = ArtifactPath::of_url(below(&uri, "/mpu/complete/"))?;
    let path = target(&folder, &fields)?;
    let upload = fields.required_text("upload_id")?;
    let upload = UploadId::parse(&upload).ok_or_else(|| unknown(&upload))?;
    let receipts: Result<Vec<_>, _> = fields.list("parts")?.iter().map(receipt).collect();
    tracking.artifacts()?.complete_parts(&upload, &path, receipts?).await?;
    Ok(Json(Empty {}))
}

async fn abort(State(tracking): State<Shared>, fields: Fields) -> Result<Json<Empty>, ArtifactFailure> {
    let upload = fields.required_text("upload_id")?;
    if let Some(upload) = UploadId::parse(&upload) {
        tracking.artifacts()?.abort_parts(&upload).await?;
    }
    Ok(Json(Empty {}))
}

async fn address(State(tracking): State<Shared>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ArtifactFailure> {
    let path = ArtifactPath::of_url(below(&uri, "/presigned/"))?;
    let file = tracking.artifacts()?.get(&path).await?;
    let path = path.to_string();
    let url =
        format!("{}/api/2.0/mlflow-artifacts/artifacts/{}", own_address(&headers)?, utf8_percent_encode(&path, PLAIN));
    Ok(Json(json!({"url": url, "headers": {}, "file_size": file.size()})))
}

/// The URL names the folder and the body the local file, of which the name counts.
fn target(folder: &ArtifactPath, fields: &Fields) -> Result<ArtifactPath, ArtifactFailure> {
    let local = fields.required_text("path")?;
    let name = local.rsplit(['/', '\\']).next().unwrap_or_default();
    Ok(folder.join(&ArtifactPath::parse(name)?))
}

fn receipt(part: &Fields) -> Result<PartReceipt, ArtifactFailure> {
    let (number, etag) = (part.required_int("part_number")?, part.required_text("etag")?);
    let wrong =
        || ArtifactFailure::invalid(format!("part {number} has the etag `{etag}`, which no part was answered with"));
    let digest = Digest::of_hex(etag.trim_matches('"')).ok_or_else(wrong)?;
    Ok(PartReceipt { number: u32::try_from(number).map_err(|_| wrong())?, digest })
}

fn unknown(upload: &str) -> ArtifactFailure {
    ArtifactFailure::invalid(format!("upload `{upload}` is not known; begin it anew"))
}

/// The address by which the client reached this server.
fn own_address(headers: &HeaderMap) -> Result<String, ArtifactFailure> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = header(HOST.as_str()).ok_or_else(|| ArtifactFailure::invalid("the request names no host"))?;
    let scheme = header("x-forwarded-proto").filter(|scheme| *scheme == "https").unwrap_or("http");
    Ok(format!("{scheme}://{host}"))
}
