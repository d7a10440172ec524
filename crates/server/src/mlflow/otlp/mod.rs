//! Spans by OpenTelemetry's protocol (OTLP over HTTP): protobuf or JSON in, an empty answer of the same kind out.

mod json;
mod message;
mod span;
#[cfg(test)]
mod tests;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use baton_tracking::validate;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use serde_json::json;

use super::error::WireError;
use super::state::Shared;
use crate::body::{BodyError, RequestBody};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
/// The experiment that the spans belong to.
const EXPERIMENT: &str = "x-mlflow-experiment-id";
/// The run that traces whose root is among the spans are linked to.
const RUN: &str = "x-mlflow-run-id";

/// Whole paths.
pub(super) fn root() -> Router<Shared> {
    Router::new().route("/v1/traces", post(export))
}

/// A refusal in the form of this address, which is not that of the others.
enum Refusal {
    Said(StatusCode, String),
    Wire(WireError),
}

impl Refusal {
    fn bad(reason: impl Into<String>) -> Self {
        Self::Said(StatusCode::BAD_REQUEST, reason.into())
    }
}

impl<E: Into<WireError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Wire(error.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Said(status, reason) => (status, Json(json!({"detail": reason}))).into_response(),
            Self::Wire(error) => error.into_response(),
        }
    }
}

async fn export(
    State(tracking): State<Shared>,
    headers: HeaderMap,
    body: Result<RequestBody, BodyError>,
) -> Result<Response, Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let experiment = header(EXPERIMENT).filter(|id| !id.is_empty());
    let experiment = experiment.ok_or_else(|| {
        Refusal::Said(StatusCode::UNPROCESSABLE_ENTITY, format!("the header `{EXPERIMENT}` is missing"))
    })?;
    let given = header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let body = body.map_err(|error| Refusal::Said(error.status(), error.message()))?.0;
    let request = match media_type.as_str() {
        PROTOBUF => ExportTraceServiceRequest::decode(body).ok(),
        JSON => json::request(&body),
        _ => {
            return Err(Refusal::bad(format!("Invalid Content-Type: {given}. Expected: {PROTOBUF} or {JSON}")));
        }
    };
    let request = request.ok_or_else(|| Refusal::bad("Invalid OpenTelemetry format"))?;
    if request.resource_spans.is_empty() {
        return Err(Refusal::bad("Invalid OpenTelemetry format - no spans found"));
    }
    let spans = span::of_request(request).ok_or_else(|| {
        Refusal::Said(StatusCode::UNPROCESSABLE_ENTITY, "Cannot convert OpenTelemetry span to MLflow span".to_owned())
    })?;
    let ended = |span: &&baton_tracking::trace::NewSpan| span.parent_span_id.is_none();
    let roots: Vec<String> = spans.iter().filter(ended).map(|span| span.trace_id.clone()).collect();
    tracking.store.log_spans(validate::experiment_id(experiment)?, spans).await?;
    if let Some(run) = header(RUN).filter(|run| !run.is_empty()) {
        for some in roots.chunks(100) {
            tracking.store.link_traces(some.to_vec(), run.to_owned()).await?;
        }
    }
    Ok(if media_type == JSON {
        Json(json!({})).into_response()
    } else {
        ([(CONTENT_TYPE, PROTOBUF)], Vec::<u8>::new()).into_response()
    })
}
