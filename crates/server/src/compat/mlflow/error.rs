//! Errors of the protocol: `{"error_code": …, "message": …}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use baton_serving::ServingError;
use serde_json::json;

use crate::body::BodyError;
use crate::error::status_of;

/// An error on its way to the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MlflowError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl MlflowError {
    /// A request that cannot be understood.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "BAD_REQUEST", message: message.into() }
    }

    /// A content type that is not read.
    pub(super) fn unsupported(message: String) -> Self {
        Self { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, code: "BAD_REQUEST", message }
    }

    /// Nothing to ask.
    pub(super) fn no_endpoint(message: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "RESOURCE_DOES_NOT_EXIST", message }
    }

    /// Rows that do not fit the model.
    fn schema(reason: &str) -> Self {
        let message = format!("Failed to enforce schema of data: {reason}");
        Self { status: StatusCode::BAD_REQUEST, code: "INVALID_PARAMETER_VALUE", message }
    }
}

impl From<ServingError> for MlflowError {
    fn from(error: ServingError) -> Self {
        match &error {
            ServingError::UnknownEndpoint { .. } => Self::no_endpoint(error.to_string()),
            ServingError::MissingInput { .. } | ServingError::Features { .. } => Self::schema(&error.to_string()),
            error => Self { status: status_of(error), code: code_of(error), message: error.to_string() },
        }
    }
}

fn code_of(error: &ServingError) -> &'static str {
    match status_of(error) {
        StatusCode::SERVICE_UNAVAILABLE => "TEMPORARILY_UNAVAILABLE",
        status if status.is_client_error() => "BAD_REQUEST",
        _ => "INTERNAL_ERROR",
    }
}

impl From<BodyError> for MlflowError {
    fn from(error: BodyError) -> Self {
        Self { status: error.status(), code: "BAD_REQUEST", message: error.message() }
    }
}

impl IntoResponse for MlflowError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"error_code": self.code, "message": self.message}))).into_response()
    }
}
