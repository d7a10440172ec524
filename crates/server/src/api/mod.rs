//! Baton's own API, version 1: one file a noun. Errors are problem details.

mod endpoints;

use axum::Router;
use axum::routing::{get, post};

use crate::problem;
use crate::state::Shared;

/// Routes under `/api/v1`.
pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/endpoints", get(endpoints::list))
        .route("/endpoints/{endpoint}", get(endpoints::show))
        .route("/endpoints/{endpoint}/predict", post(endpoints::predict))
        .method_not_allowed_fallback(problem::no_such_method)
}
