//! Baton's own API, version 1: one file a noun. Errors are problem details.

mod approvals;
mod assets;
mod endpoints;
mod lineage;
mod query;
mod schedules;
mod selection;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::{get, post};

use crate::state::Shared;

/// Routes under `/api/v1`.
pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/approvals", get(approvals::list))
        .route("/runs/{run}/approve", post(approvals::approve))
        .route("/assets", get(assets::list))
        .route("/lineage", post(lineage::take))
        .route("/lineage/batch", post(lineage::take_batch))
        .route("/query", post(query::query))
        .route("/schedules/{name}/trigger", post(schedules::trigger))
        .route("/endpoints", get(endpoints::list))
        .route("/endpoints/{endpoint}", get(endpoints::show))
        .route("/endpoints/{endpoint}/predict", post(endpoints::predict))
}
