//! The load test of a model's gate: the model is served on loopback as it will be, and asked at a constant rate.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use baton_ml::frame::{FeatureColumn, FeatureKind};
use baton_ml::gate::LoadTestResult;
use baton_ml::runtime::RuntimeOptions;
use baton_ml::{FeatureEncoder, StoredModel};
use baton_orchestrator::{LoadTester, RunError};
use baton_server::Parts;
use baton_serving::{EndpointRouter, HttpTarget, LoadTestSpec, PredictionLog, PredictionService, Served, load_test};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::deploy::bare_deployment;
use crate::error::CliError;
use crate::wire::SystemClock;

/// The name under which the model is served while it is tested.
const ENDPOINT: &str = "load_test";
/// How long the load lasts.
const SECONDS: f64 = 2.0;
/// How long all answers may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// Different requests that are sent in turn.
const REQUESTS: usize = 64;

/// Serves a model on a free port of this machine and puts load on it.
pub(crate) struct LoopbackLoadTester {
    options: RuntimeOptions,
}

impl LoopbackLoadTester {
    /// A tester that runs models with these options.
    pub(crate) fn new(options: RuntimeOptions) -> Self {
        Self { options }
    }

    async fn measure(&self, model: &StoredModel, rows: &[f32], rps: u32) -> Result<LoadTestResult, CliError> {
        let scratch = tempfile::tempdir().map_err(CliError::file("create", "a temporary folder"))?;
        let served = Served::without_features().with_deployment(bare_deployment(ENDPOINT, model, &self.options)?);
        let log = Arc::new(PredictionLog::open(scratch.path())?);
        let service = Arc::new(PredictionService::new(Arc::new(EndpointRouter::new(served)), log)?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(CliError::Start)?;
        let address = listener.local_addr().map_err(CliError::Start)?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(baton_server::serve(listener, Parts::new(service, Arc::new(SystemClock)), async {
            // Either way the test is over.
            let _ended = stopped.await;
        }));
        let path = format!("/v2/models/{ENDPOINT}/infer");
        let target = HttpTarget::new(address, &path, bodies(&model.encoder, rows))?;
        let spec = LoadTestSpec { rps: f64::from(rps), seconds: SECONDS, p99_ms: f64::MAX };
        let measured = tokio::time::timeout(PATIENCE, load_test(spec, |number| target.send(number))).await;
        let _already_stopped = stop.send(());
        let _its_end_is_no_news = server.await;
        let measured = measured.map_err(|_too_long| RunError::Project(unanswered(rps)))??;
        // A failed request was not served: it must not help the gate.
        let share = 1.0 - measured.errors as f64 / measured.requests.max(1) as f64;
        Ok(LoadTestResult { rps: measured.achieved_rps * share, p99_ms: measured.p99_ms })
    }
}

#[async_trait]
impl LoadTester for LoopbackLoadTester {
    async fn load_test(&self, model: &StoredModel, rows: &[f32], rps: u32) -> Result<LoadTestResult, RunError> {
        self.measure(model, rows, rps).await.map_err(|error| match error {
            CliError::Run(error) => error,
            error => RunError::Project(format!("load test cannot be run: {error}")),
        })
    }
}

fn unanswered(rps: u32) -> String {
    format!("load test at {rps} requests a second was not answered within {} s", PATIENCE.as_secs())
}

/// Requests from encoded rows: codes are turned back into the categories that clients send.
fn bodies(encoder: &FeatureEncoder, rows: &[f32]) -> Vec<Bytes> {
    let width = encoder.n_features().max(1);
    let body = |row: &[f32]| {
        let inputs: Vec<Value> =
            encoder.features().iter().zip(row).map(|(column, value)| tensor(column, *value)).collect();
        Bytes::from(json!({"inputs": inputs}).to_string())
    };
    rows.chunks_exact(width).take(REQUESTS).map(body).collect()
}

fn tensor(column: &FeatureColumn, value: f32) -> Value {
    let (datatype, data) = match &column.kind {
        FeatureKind::Numeric => ("FP64", json!(value.is_finite().then_some(value))),
        FeatureKind::Categorical { categories } => ("BYTES", json!(categories.get(value as usize))),
    };
    json!({"name": column.name, "shape": [1], "datatype": datatype, "data": [data]})
}
