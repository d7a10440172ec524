//! `GET /health`: that the server answers, and what it serves.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::state::Shared;

pub(crate) async fn health(State(state): State<Shared>) -> Json<Value> {
    Json(json!({"status": "ok", "endpoints": state.deployments().len()}))
}
