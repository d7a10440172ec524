//! `GET /health`: that the server answers, and which commit it serves.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::state::Shared;

pub(crate) async fn health(State(state): State<Shared>) -> Json<Value> {
    let served = state.service.router().served();
    Json(json!({"status": "ok", "endpoints": served.deployments().len(), "commit": served.commit()}))
}
