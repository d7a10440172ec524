//! The Open Inference Protocol V2 over HTTP, with Triton's binary tensors: an endpoint is a model of the protocol.
//!
//! A request gives one named tensor for each feature or entity key, or one matrix of all features in the model's order
//! ([`rows`]); the answer is `score` and, from classifiers, `predicted` ([`outputs`]).

mod binary;
mod datatype;
mod error;
mod infer;
mod json;
mod metadata;
mod outputs;
mod request;
mod rows;
mod tensor;
#[cfg(test)]
mod tests;
mod wire;

use axum::Router;
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;

use crate::state::Shared;

/// Routes under `/v2`.
pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(metadata::server))
        .route("/health/live", get(metadata::live))
        .route("/health/ready", get(metadata::live))
        .route("/models", get(metadata::models))
        .route("/models/{model}", get(metadata::model))
        .route("/models/{model}/ready", get(metadata::ready))
        .route("/models/{model}/infer", post(infer::infer))
        .route("/models/{model}/versions/{version}", get(metadata::model_version))
        .route("/models/{model}/versions/{version}/ready", get(metadata::version_ready))
        .route("/models/{model}/versions/{version}/infer", post(infer::infer_version))
        .route("/repository/index", post(metadata::repository_index))
        .fallback(error::no_such_path)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(CatchPanicLayer::custom(error::of_panic))
}
