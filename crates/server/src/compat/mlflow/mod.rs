//! MLflow's model serving: `/invocations` for the only endpoint, `/endpoints/{name}/invocations` for any.

mod csv;
mod error;
mod frame;
#[cfg(test)]
mod tests;

use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde_json::{Value, json};

use self::error::MlflowError;
use crate::body::{BodyError, RequestBody};
use crate::request_id::RequestId;
use crate::state::{AppState, Shared};

/// The protocol's routes, which share the root with Baton's own.
pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/ping", get(ping))
        .route("/version", get(version))
        .route("/invocations", post(invoke_only))
        .route("/endpoints/{endpoint}/invocations", post(invoke))
}

async fn ping(State(state): State<Shared>) -> Response {
    let status = if state.deployments().is_empty() { StatusCode::NOT_FOUND } else { StatusCode::OK };
    (status, [(CONTENT_TYPE, "application/json")], "\n").into_response()
}

async fn version(State(state): State<Shared>) -> &'static str {
    if state.tracking.is_some() { crate::mlflow::VERSION } else { env!("CARGO_PKG_VERSION") }
}

async fn invoke_only(
    State(state): State<Shared>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    body: Result<RequestBody, BodyError>,
) -> Result<Json<Value>, MlflowError> {
    answer(&state, &only_endpoint(&state)?, request_id, &headers, body).await
}

async fn invoke(
    State(state): State<Shared>,
    Path(endpoint): Path<String>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    body: Result<RequestBody, BodyError>,
) -> Result<Json<Value>, MlflowError> {
    answer(&state, &endpoint, request_id, &headers, body).await
}

async fn answer(
    state: &AppState,
    endpoint: &str,
    request_id: RequestId,
    headers: &HeaderMap,
    body: Result<RequestBody, BodyError>,
) -> Result<Json<Value>, MlflowError> {
    let deployment = state.deployment(endpoint)?;
    let timer = state.metrics.begin(&deployment);
    let rows = frame::rows_of(headers, &body?.0, &deployment)?;
    let answer = state.predict(&deployment, None, rows, request_id).await?;
    timer.succeed(&answer);
    let scores: Vec<f64> = answer.predictions.iter().map(|row| row.score).collect();
    Ok(Json(json!({"predictions": scores})))
}

/// The protocol's server has one model, so it does not say which.
fn only_endpoint(state: &AppState) -> Result<String, MlflowError> {
    let names: Vec<String> = state.deployments().iter().map(|served| served.endpoint().to_owned()).collect();
    match names.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(MlflowError::no_endpoint("no endpoint is served".to_owned())),
        several => {
            let (count, names) = (several.len(), several.join(", "));
            let message = format!("{count} endpoints are served ({names}); post to /endpoints/{{name}}/invocations");
            Err(MlflowError::bad_request(message))
        }
    }
}
