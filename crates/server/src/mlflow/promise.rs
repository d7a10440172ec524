//! A run that was promised to a program: it is made when a request first speaks of it, in the experiment that the program chose before,
//! if it chose one. Other runs that the program begins have the same tags and inputs.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use baton_tracking::run::{NewRun, PromisedRun};
use baton_tracking::{TrackingError, TrackingStore};
use tokio::sync::Mutex;

use super::LIMIT;
use super::error::WireError;
use super::state::Shared;

/// The promised run of a program.
pub(super) struct Promise {
    run: PromisedRun,
    kept: AtomicBool,
    /// The experiment that the program asked for by name; locked while the run is made.
    chosen: Mutex<Option<String>>,
}

impl Promise {
    pub(super) fn new(run: PromisedRun) -> Self {
        Self { run, kept: AtomicBool::new(false), chosen: Mutex::default() }
    }

    async fn keep(&self, store: &TrackingStore) -> Result<(), TrackingError> {
        let chosen = self.chosen.lock().await;
        if self.kept.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut run = self.run.clone();
        if let Some(experiment) = &*chosen {
            run.experiment.clone_from(experiment);
        }
        store.keep_promise(run).await?;
        self.kept.store(true, Ordering::Release);
        Ok(())
    }

    /// Adds to a run of the program what the promised one has; its own tags stay.
    pub(super) fn add_tags(&self, new: &mut NewRun) {
        let more = self.run.tags.iter().filter(|tag| new.tags.iter().all(|own| own.key != tag.key));
        let more: Vec<_> = more.cloned().collect();
        new.tags.extend(more);
    }

    /// Records that a run of the program read what the promised one reads.
    pub(super) async fn add_inputs(&self, store: &TrackingStore, run_id: &str) -> Result<(), TrackingError> {
        store.log_inputs(run_id.to_owned(), self.run.datasets.clone(), Vec::new()).await
    }
}

/// Makes the promised run before the first request that speaks of it is answered.
pub(super) async fn keep(State(tracking): State<Shared>, request: Request, next: Next) -> Response {
    let Some(promise) = tracking.promise.as_ref().filter(|promise| !promise.kept.load(Ordering::Acquire)) else {
        return next.run(request).await;
    };
    if let Some(name) = chosen_experiment(&request) {
        *promise.chosen.lock().await = Some(name);
        return next.run(request).await;
    }
    let (request, speaks) = match speaks_of(request, &promise.run.run_id).await {
        Ok(found) => found,
        Err(error) => return error.into_response(),
    };
    if speaks && let Err(error) = promise.keep(&tracking.store).await {
        return WireError::from(error).into_response();
    }
    next.run(request).await
}

/// The experiment that a client asks for before it begins runs in it.
fn chosen_experiment(request: &Request) -> Option<String> {
    if !request.uri().path().ends_with("/experiments/get-by-name") {
        return None;
    }
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(request.uri()).ok()?;
    pairs.into_iter().find(|(name, _)| name == "experiment_name").map(|(_, value)| value)
}

/// Whether a request speaks of a run, in its path, its query or its JSON.
async fn speaks_of(request: Request, run_id: &str) -> Result<(Request, bool), WireError> {
    let uri = request.uri();
    if uri.path().contains(run_id) || uri.query().is_some_and(|query| query.contains(run_id)) {
        return Ok((request, true));
    }
    let is_json =
        request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_json {
        return Ok((request, false));
    }
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, LIMIT).await.map_err(|error| WireError::invalid(error.to_string()))?;
    let speaks = body.windows(run_id.len()).any(|part| part == run_id.as_bytes());
    Ok((Request::from_parts(parts, Body::from(body)), speaks))
}
