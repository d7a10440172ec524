//! Errors of the protocol: `{"error": "text"}`.

use std::any::Any;

use axum::Json;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use baton_serving::ServingError;
use serde_json::json;

use crate::body::BodyError;
use crate::error::status_of;
use crate::problem::PANIC;

/// An error on its way to the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InferenceError {
    status: StatusCode,
    message: String,
}

impl InferenceError {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// A request that cannot be understood.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl From<ServingError> for InferenceError {
    fn from(error: ServingError) -> Self {
        Self::new(status_of(&error), error.to_string())
    }
}

impl From<BodyError> for InferenceError {
    fn from(error: BodyError) -> Self {
        Self::new(error.status(), error.message())
    }
}

impl IntoResponse for InferenceError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"error": self.message}))).into_response()
    }
}

pub(super) async fn no_such_path(uri: Uri) -> InferenceError {
    InferenceError::new(StatusCode::NOT_FOUND, format!("there is nothing at `/v2{}`", uri.path()))
}

pub(super) async fn no_such_method(method: Method, uri: Uri) -> InferenceError {
    InferenceError::new(StatusCode::METHOD_NOT_ALLOWED, format!("`/v2{}` does not take {method}", uri.path()))
}

/// What a client sees of a panic.
pub(super) fn of_panic(_payload: Box<dyn Any + Send>) -> Response {
    InferenceError::new(StatusCode::INTERNAL_SERVER_ERROR, PANIC).into_response()
}
