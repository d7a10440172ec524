//! A run that was promised to a program: it is made when a request first speaks of it, in the experiment that the program chose before,
//! if it chose one. Other runs that the program begins have the same tags and inputs.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::http::Uri;
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
    let uri = request.uri().clone();
    if let Some(name) = chosen_experiment(&tracking.store, &uri).await {
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

/// The experiment that a client asks for, by name or number, before it begins runs in it.
async fn chosen_experiment(store: &TrackingStore, uri: &Uri) -> Option<String> {
    let (is_name, is_number) =
        (uri.path().ends_with("/experiments/get-by-name"), uri.path().ends_with("/experiments/get"));
    if !is_name && !is_number {
        return None;
    }
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    let value = |key: &str| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    if is_name {
        return value("experiment_name");
    }
    let number = value("experiment_id")?.parse().ok()?;
    store.experiment(number).await.ok().map(|found| found.name)
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

#[cfg(test)]
mod tests {
    use baton_tracking::Tag;
    use baton_tracking::input::{Dataset, DatasetInput};
    use serde_json::{Value, json};

    use super::*;
    use crate::mlflow::testing::Client;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn promised() -> PromisedRun {
        let dataset = Dataset {
            name: "flights".to_owned(),
            digest: "d1".to_owned(),
            source_type: "delta_table".to_owned(),
            source: "{}".to_owned(),
            schema: None,
            profile: None,
        };
        PromisedRun {
            run_id: ID.to_owned(),
            experiment: "shop/late".to_owned(),
            user_id: "ada".to_owned(),
            start_time: 1,
            name: "late".to_owned(),
            tags: vec![Tag { key: "baton.asset".to_owned(), value: "late".to_owned() }],
            datasets: vec![DatasetInput { dataset, tags: Vec::new() }],
        }
    }

    async fn runs_of(client: &Client, experiment: &str) -> Vec<Value> {
        let (status, found) = client.get(&format!("experiments/get-by-name?experiment_name={experiment}")).await;
        if status == 404 {
            return Vec::new();
        }
        let id = &found["experiment"]["experiment_id"];
        let (_, found) = client.post("runs/search", json!({"experiment_ids": [id]})).await;
        found["runs"].as_array().cloned().unwrap_or_default()
    }

    #[tokio::test]
    async fn a_run_that_nobody_speaks_of_is_not_made() {
        let client = Client::promised(promised()).await;
        client.post("experiments/search", json!({"max_results": 5})).await;
        assert!(runs_of(&client, "shop%2Flate").await.is_empty());
    }

    #[tokio::test]
    async fn the_first_request_that_speaks_of_the_run_makes_it_with_inputs_and_tags() {
        let client = Client::promised(promised()).await;
        let metric = json!({"run_id": ID, "key": "loss", "value": 1, "timestamp": 1});
        assert_eq!(client.post("runs/log-metric", metric).await.0, 200);
        let (status, run) = client.get(&format!("runs/get?run_id={ID}")).await;
        assert_eq!((status, &run["run"]["info"]["run_name"]), (200, &json!("late")));
        assert_eq!(run["run"]["inputs"]["dataset_inputs"][0]["dataset"]["name"], "flights");
        assert!(
            run["run"]["data"]["tags"].as_array().unwrap().contains(&json!({"key": "baton.asset", "value": "late"}))
        );
        assert_eq!(runs_of(&client, "shop%2Flate").await.len(), 1);
    }

    #[tokio::test]
    async fn the_run_is_made_in_the_experiment_that_the_program_chose() {
        let client = Client::promised(promised()).await;
        client.get("experiments/get-by-name?experiment_name=own").await;
        client.post("experiments/create", json!({"name": "own"})).await;
        client.get(&format!("runs/get?run_id={ID}")).await;
        assert_eq!(runs_of(&client, "own").await.len(), 1);
        assert!(runs_of(&client, "shop%2Flate").await.is_empty());
        let client = Client::promised(promised()).await;
        let (_, made) = client.post("experiments/create", json!({"name": "own"})).await;
        client.get(&format!("experiments/get?experiment_id={}", made["experiment_id"].as_str().unwrap())).await;
        client.get(&format!("runs/get?run_id={ID}")).await;
        assert_eq!(runs_of(&client, "own").await.len(), 1);
    }

    #[tokio::test]
    async fn other_runs_of_the_program_have_the_same_inputs_and_their_own_tags() {
        let client = Client::promised(promised()).await;
        let tags = json!([{"key": "baton.asset", "value": "mine"}, {"key": "b", "value": "c"}]);
        let (_, made) = client.post("runs/create", json!({"experiment_id": "0", "start_time": 1, "tags": tags})).await;
        let id = made["run"]["info"]["run_id"].as_str().unwrap().to_owned();
        let (_, run) = client.get(&format!("runs/get?run_id={id}")).await;
        assert_eq!(run["run"]["inputs"]["dataset_inputs"][0]["dataset"]["digest"], "d1");
        let tags = run["run"]["data"]["tags"].as_array().unwrap();
        assert!(tags.contains(&json!({"key": "baton.asset", "value": "mine"})), "{tags:?}");
        assert_eq!(client.get(&format!("runs/get?run_id={ID}")).await.0, 200);
    }
}
