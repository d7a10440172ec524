//! A client for tests, without a socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use baton_core::time::timestamp_from_micros;
use baton_core::{Clock, Timestamp};
use baton_tracking::artifact::ArtifactStore;
use baton_tracking::run::PromisedRun;
use baton_tracking::{StoreOptions, TrackingStore};
use serde_json::Value;
use tower::ServiceExt as _;

use super::state::Tracking;

/// A clock that stands still until the test moves it, in seconds.
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        timestamp_from_micros(self.0.load(Ordering::Relaxed) * 1_000_000)
    }
}

/// A server on a store of its own.
pub(super) struct Client {
    pub(super) router: Router,
    clock: Arc<Moved>,
    _folder: tempfile::TempDir,
}

impl Client {
    /// A server whose clock stands at 1970-01-01 00:16:40.
    pub(super) async fn new() -> Self {
        Self::of(|tracking| tracking).await
    }

    /// The same, for a program that was promised a run.
    pub(super) async fn promised(run: PromisedRun) -> Self {
        Self::of(|tracking| tracking.with_promise(run)).await
    }

    async fn of(with: impl FnOnce(Tracking) -> Tracking) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let moved = Arc::new(Moved(AtomicI64::new(1_000)));
        let clock: Arc<dyn Clock> = Arc::clone(&moved) as _;
        let options = StoreOptions { clock, artifact_root: "mlflow-artifacts:/".to_owned() };
        let store = TrackingStore::open(&folder.path().join("tracking.db"), options).await.unwrap();
        let tracking = Tracking::new(store).with_artifacts(ArtifactStore::open(folder.path().join("artifacts")));
        let router = super::with_single_slashes(super::router(Arc::new(with(tracking))));
        Self { router, clock: moved, _folder: folder }
    }

    /// Lets so many seconds go by.
    pub(super) fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::Relaxed);
    }

    /// `POST` below `/api/2.0/mlflow/`.
    pub(super) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("POST", path, Some(body)).await
    }

    /// `PATCH` below `/api/2.0/mlflow/`.
    pub(super) async fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("PATCH", path, Some(body)).await
    }

    /// `DELETE` below `/api/2.0/mlflow/`.
    pub(super) async fn delete(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("DELETE", path, Some(body)).await
    }

    /// `GET` below `/api/2.0/mlflow/`.
    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, None).await
    }

    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let uri = if path.starts_with('/') { path.to_owned() } else { format!("/api/2.0/mlflow/{path}") };
        let mut request = Request::builder().method(method).uri(uri);
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let value = serde_json::from_slice(&bytes);
        (status, value.unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned())))
    }

    /// A new run of experiment 0.
    pub(super) async fn new_run(&self) -> String {
        let (status, run) = self.post("runs/create", serde_json::json!({"experiment_id": "0", "start_time": 1})).await;
        assert_eq!(status, 200, "{run}");
        run["run"]["info"]["run_id"].as_str().unwrap().to_owned()
    }
}
