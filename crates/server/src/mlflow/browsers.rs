//! What only the pages of MLflow's web interface ask, below `/ajax-api`: answered as by its server where nothing is set up.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::artifacts;
use super::state::Shared;

/// Paths below `/ajax-api/2.0/mlflow`.
pub(super) fn v2() -> Router<Shared> {
    Router::new().route("/gateway-proxy", get(gateway).post(gateway)).merge(artifacts::of_traces())
}

/// Paths below `/ajax-api/3.0/mlflow`.
pub(super) fn v3() -> Router<Shared> {
    Router::new().route("/ui-telemetry", get(telemetry).post(take_telemetry)).merge(artifacts::of_traces())
}

/// There is no gateway, which is shown as one without endpoints.
async fn gateway() -> Json<Value> {
    Json(json!({"endpoints": []}))
}

/// Nothing is to be told about who uses the pages.
async fn telemetry() -> Json<Value> {
    Json(json!({"disable_ui_telemetry": true, "disable_ui_events": [], "ui_rollout_percentage": 0}))
}

/// What pages tell nevertheless is not kept, and they are told to stop.
async fn take_telemetry() -> Json<Value> {
    Json(json!({"status": "disabled"}))
}
