//! What a failed prediction means in HTTP's words; each protocol writes it in its own form.

use axum::http::StatusCode;
use baton_serving::ServingError;

/// The status of a failure: whose fault it is, and whether trying again may help.
pub(crate) fn status_of(error: &ServingError) -> StatusCode {
    match error {
        ServingError::UnknownEndpoint { .. } | ServingError::UnknownVersion { .. } => StatusCode::NOT_FOUND,
        error if error.is_bad_request() => StatusCode::BAD_REQUEST,
        ServingError::Log { .. } | ServingError::LogClosed | ServingError::Online(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
