//! Errors as problem details (RFC 9457): for Baton's own API, and for addresses that no protocol knows.

use std::any::Any;

use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use baton_diagnostics::{Code, Diagnostic, codes, to_problem};
use baton_serving::ServingError;

use crate::body::BodyError;
use crate::catalog::CatalogError;
use crate::error::status_of;

/// An error on its way to the client.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    diagnostic: Diagnostic,
}

impl Problem {
    /// A problem whose code follows from its status.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, diagnostic: Diagnostic::error(code_of(status), message) }
    }

    /// With what to do about it.
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.diagnostic.help.push(help.into());
        self
    }

    /// Something that this server cannot answer now.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// A request that cannot be understood.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl From<ServingError> for Problem {
    fn from(error: ServingError) -> Self {
        Self::new(status_of(&error), error.to_string())
    }
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Selection { message, help } => Self::bad_request(message).with_help(help),
            CatalogError::Project { message, help } => Self::unavailable(message).with_help(help),
            CatalogError::Stores { message } => Self::unavailable(message),
        }
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        Self::new(error.status(), error.message())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Json(to_problem(&self.diagnostic, self.status.as_u16(), None));
        let media_type = HeaderValue::from_static("application/problem+json");
        (self.status, [(CONTENT_TYPE, media_type)], body).into_response()
    }
}

fn code_of(status: StatusCode) -> Code {
    match status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => codes::NOT_FOUND,
        StatusCode::PAYLOAD_TOO_LARGE => codes::TOO_LARGE,
        StatusCode::SERVICE_UNAVAILABLE => codes::UNAVAILABLE,
        status if status.is_client_error() => codes::BAD_REQUEST,
        _ => codes::BUG,
    }
}

pub(crate) async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at `{}`", uri.path()))
}

pub(crate) async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("`{}` does not take {method}", uri.path()))
}

/// What a client sees of a panic; its text is on the server's standard error.
pub(crate) fn of_panic(_payload: Box<dyn Any + Send>) -> Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, PANIC).into_response()
}

/// What is said of a panic in any protocol.
pub(crate) const PANIC: &str = "the server failed on this request; its log says where";
