//! What there is: the server, its models, their versions, inputs and outputs.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use baton_ml::frame::{FeatureColumn, FeatureKind};
use baton_serving::{Deployment, ServingError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::datatype::Datatype;
use super::error::InferenceError;
use super::infer::parse_version;
use super::outputs::Output;
use crate::body::{BodyError, RequestBody};
use crate::state::Shared;

type Answer = Result<Json<Value>, InferenceError>;

/// What a client may ask of the index.
#[derive(Debug, Default, Deserialize)]
struct IndexBody {
    /// Whether only models that are ready are listed; all that an endpoint serves are.
    #[serde(default, rename = "ready")]
    _ready: bool,
}

pub(super) async fn live() -> Json<Value> {
    // The protocol's text says `live` of both; KServe's client reads `ready`.
    Json(json!({"live": true, "ready": true}))
}

pub(super) async fn server() -> Json<Value> {
    let version = env!("CARGO_PKG_VERSION");
    Json(json!({"name": "baton", "version": version, "extensions": ["binary_tensor_data"]}))
}

pub(super) async fn models(State(state): State<Shared>) -> Json<Value> {
    let names: Vec<String> = state.deployments().iter().map(|deployment| deployment.endpoint().to_owned()).collect();
    Json(json!({"models": names}))
}

pub(super) async fn model(State(state): State<Shared>, Path(model): Path<String>) -> Answer {
    Ok(described(&*state.deployment(&model)?))
}

pub(super) async fn model_version(State(state): State<Shared>, Path(path): Path<(String, String)>) -> Answer {
    Ok(described(&*served(&state, &path)?))
}

pub(super) async fn ready(State(state): State<Shared>, Path(model): Path<String>) -> Answer {
    state.deployment(&model)?;
    Ok(Json(json!({"name": model, "ready": true})))
}

pub(super) async fn version_ready(State(state): State<Shared>, Path(path): Path<(String, String)>) -> Answer {
    served(&state, &path)?;
    Ok(Json(json!({"name": path.0, "ready": true})))
}

pub(super) async fn repository_index(State(state): State<Shared>, body: Result<RequestBody, BodyError>) -> Answer {
    let body = body?.0;
    if !body.is_empty() {
        let refuse = |error| InferenceError::bad_request(format!("the body is not `{{\"ready\": true}}`: {error}"));
        let _asks_for_ready_or_all = serde_json::from_slice::<IndexBody>(&body).map_err(refuse)?;
    }
    let deployments = state.deployments();
    let lines = deployments.iter().flat_map(|deployment| {
        let line = |version: u32| {
            json!({"name": deployment.endpoint(), "version": version.to_string(), "state": "READY", "reason": ""})
        };
        deployment.versions().into_iter().map(line)
    });
    Ok(Json(lines.collect()))
}

/// The deployment, if it serves the version.
fn served(state: &Shared, (model, version): &(String, String)) -> Result<Arc<Deployment>, InferenceError> {
    let deployment = state.deployment(model)?;
    let version = parse_version(model, version)?;
    let served = deployment.versions();
    if served.contains(&version) {
        return Ok(deployment);
    }
    Err(ServingError::UnknownVersion { endpoint: model.clone(), version, served }.into())
}

fn described(deployment: &Deployment) -> Json<Value> {
    let versions: Vec<String> = deployment.versions().iter().map(u32::to_string).collect();
    let inputs: Vec<Value> = deployment.main().encoder.features().iter().map(input).collect();
    let outputs = Output::offered(deployment).into_iter();
    let outputs: Vec<Value> = outputs.map(|output| tensor(output.name(), output.datatype())).collect();
    let entity_keys: Vec<&str> = deployment.entity_keys().into_iter().collect();
    Json(json!({
        "name": deployment.endpoint(),
        "versions": versions,
        "platform": "baton",
        "inputs": inputs,
        "outputs": outputs,
        "parameters": {"entity_keys": entity_keys.join(",")},
    }))
}

fn input(column: &FeatureColumn) -> Value {
    let datatype = match column.kind {
        FeatureKind::Numeric => Datatype::Fp64,
        FeatureKind::Categorical { .. } => Datatype::Bytes,
    };
    tensor(&column.name, datatype)
}

fn tensor(name: &str, datatype: Datatype) -> Value {
    json!({"name": name, "datatype": datatype.name(), "shape": [-1]})
}
