//! Errors of the protocol: a JSON string that holds an object with the client's own class, which it raises again.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use baton_core::ports::OnlineError;
use serde_json::{Value, json};

use crate::body::BodyError;

/// An error on its way to the client.
#[derive(Debug, PartialEq)]
pub(super) struct FeastError {
    status: StatusCode,
    body: Value,
}

impl FeastError {
    /// Something that there is not, as the class of `feast.errors` that says so.
    pub(super) fn not_found(class: &str, message: String) -> Self {
        Self::of_class(StatusCode::NOT_FOUND, class, message)
    }

    /// What the client raises as `class` of `feast.errors`.
    pub(super) fn of_class(status: StatusCode, class: &str, message: String) -> Self {
        let detail = json!({"module": "feast.errors", "class": class, "message": message});
        Self { status, body: Value::String(detail.to_string()) }
    }

    /// A field of the request that is not as it should be.
    pub(super) fn invalid(field: &str, message: &str) -> Self {
        let detail = json!([{"type": "value_error", "loc": ["body", field], "msg": message, "input": null}]);
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, body: json!({"detail": detail}) }
    }
}

impl From<BodyError> for FeastError {
    fn from(error: BodyError) -> Self {
        Self { status: error.status(), body: Value::String(error.message()) }
    }
}

impl From<OnlineError> for FeastError {
    fn from(error: OnlineError) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, body: Value::String(error.to_string()) }
    }
}

impl IntoResponse for FeastError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
