//! Inference.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::error::InferenceError;
use super::request::InferRequest;
use super::{outputs, rows};
use crate::body::{BodyError, RequestBody};
use crate::request_id::RequestId;
use crate::state::Shared;

pub(super) async fn infer(
    State(state): State<Shared>,
    Path(model): Path<String>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    body: Result<RequestBody, BodyError>,
) -> Result<Response, InferenceError> {
    answer(&state, (&model, None), request_id, &headers, body).await
}

pub(super) async fn infer_version(
    State(state): State<Shared>,
    Path((model, version)): Path<(String, String)>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    body: Result<RequestBody, BodyError>,
) -> Result<Response, InferenceError> {
    let version = parse_version(&model, &version)?;
    answer(&state, (&model, Some(version)), request_id, &headers, body).await
}

async fn answer(
    state: &Shared,
    (model, version): (&str, Option<u32>),
    request_id: RequestId,
    headers: &HeaderMap,
    body: Result<RequestBody, BodyError>,
) -> Result<Response, InferenceError> {
    let deployment = state.deployment(model)?;
    let timer = state.metrics.begin(&deployment);
    let request = InferRequest::read(headers, &body?.0)?;
    let wanted = outputs::chosen(&deployment, &request)?;
    let rows = rows::rows_of(&deployment, request.inputs)?;
    let request_id = request_id.or_given(request.id.as_deref());
    let answer = state.predict(&deployment, version, rows, request_id).await?;
    timer.succeed(&answer);
    outputs::write(headers, request.id.as_deref(), &wanted, &answer)
}

/// A version as a path gives it; what is no number is no version that there is.
pub(super) fn parse_version(model: &str, version: &str) -> Result<u32, InferenceError> {
    version.parse().map_err(|_not_a_number| {
        let message = format!("endpoint `{model}` has no version `{version}`; versions are whole numbers");
        InferenceError::new(StatusCode::NOT_FOUND, message)
    })
}
