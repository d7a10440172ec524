//! What the server says of itself.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::state::Shared;

/// The version of MLflow whose protocol this is; clients decide by it what they ask.
pub const VERSION: &str = "3.18.0";

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/server-info", get(server_info))
}

/// What a server that has nothing else says at its root.
pub(crate) fn whole_routes() -> Router {
    Router::new().route("/health", get(|| async { "OK" })).route("/version", get(|| async { VERSION }))
}

/// What clients may ask beyond the minimum. Nothing is promised that is not there.
async fn server_info() -> Json<Value> {
    Json(json!({
        "store_type": "SqlStore",
        "workspaces_enabled": false,
        "trace_archival_enabled": false,
        "multipart_uploads_enabled": false,
        "multipart_downloads_enabled": false,
        "artifact_serving_enabled": true,
        "presigned_upload_run_id_supported": false,
        "presigned_upload_model_id_supported": false,
        "model_artifact_presigned_downloads_supported": false,
        "features_enabled": {"gateway": false, "scheduled_issue_detection": false},
        "tracking_auth": "",
        "artifacts_presigned_only": false,
    }))
}
