//! What went wrong with an artifact, in the protocol's codes.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use baton_tracking::TrackingError;
use baton_tracking::artifact::ArtifactError;
use serde_json::{Value, json};

use crate::mlflow::error::WireError;

/// An error on its way to the client.
#[derive(Debug)]
pub(crate) struct ArtifactFailure {
    status: StatusCode,
    body: Value,
}

impl ArtifactFailure {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, body: json!({"error_code": code, "message": message.into()}) }
    }

    /// A request that cannot be understood.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE", message)
    }

    /// Something that this server does not do.
    pub(super) fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
    }
}

impl From<ArtifactError> for ArtifactFailure {
    fn from(error: ArtifactError) -> Self {
        let message = error.to_string();
        match error {
            ArtifactError::Missing { .. } => Self::new(StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST", message),
            ArtifactError::Folder { .. } => Self { status: StatusCode::BAD_REQUEST, body: json!({"detail": message}) },
            ArtifactError::InvalidPath { .. }
            | ArtifactError::Occupied { .. }
            | ArtifactError::Damaged { .. }
            | ArtifactError::Parts { .. }
            | ArtifactError::TooLarge { .. } => Self::invalid(message),
            ArtifactError::BrokenOff { .. } => Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message),
            ArtifactError::Disk { .. } => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", message),
        }
    }
}

impl From<WireError> for ArtifactFailure {
    fn from(error: WireError) -> Self {
        let (status, body) = error.parts();
        Self { status, body }
    }
}

impl From<TrackingError> for ArtifactFailure {
    fn from(error: TrackingError) -> Self {
        WireError::from(error).into()
    }
}

impl IntoResponse for ArtifactFailure {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
