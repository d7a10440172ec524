//! What went wrong, as clients of MLflow read it: `{"error_code": …, "message": …}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use baton_tracking::TrackingError;
use serde_json::{Value, json};

/// The answer of a handler.
pub(super) type Answer<T> = Result<Json<T>, WireError>;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WireError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl WireError {
    /// What was asked is not valid.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        TrackingError::invalid(message).into()
    }

    /// Status and body, for answers of other forms.
    pub(super) fn parts(self) -> (StatusCode, Value) {
        (self.status, json!({"error_code": self.code, "message": self.message}))
    }
}

/// The codes' statuses are those of MLflow's `ERROR_CODE_TO_HTTP_STATUS`: what exists already is a bad request, and a state
/// that does not allow it is the server's fault.
impl From<TrackingError> for WireError {
    fn from(error: TrackingError) -> Self {
        let (status, code) = match &error {
            TrackingError::Invalid(_) => (StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE"),
            TrackingError::Missing(_) => (StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST"),
            TrackingError::AlreadyExists(_) => (StatusCode::BAD_REQUEST, "RESOURCE_ALREADY_EXISTS"),
            TrackingError::InvalidState(_) => (StatusCode::INTERNAL_SERVER_ERROR, "INVALID_STATE"),
            TrackingError::Internal(_) | TrackingError::Storage(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR")
            }
            TrackingError::NotImplemented(_) => (StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED"),
        };
        Self { status, code, message: error.to_string() }
    }
}

impl IntoResponse for WireError {
    fn into_response(self) -> Response {
        let (status, body) = self.parts();
        (status, Json(body)).into_response()
    }
}
