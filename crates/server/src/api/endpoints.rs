//! Endpoints: what they serve, and predictions by features, by entity keys, or both.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, State};
use axum::{Extension, Json};
use baton_core::Timestamp;
use baton_core::scalar::Scalar;
use baton_core::time::timestamp_from_micros;
use baton_ml::data::Task;
use baton_ml::frame::FeatureKind;
use baton_serving::{
    Deployment, FeatureOrigin, FeatureStatus, LoadedModel, PredictResponse, RequestRow, RowPrediction, Variant,
    ViewRead,
};
use chrono::SecondsFormat;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::assets::catalogued;
use super::selection::ListQuery;
use crate::body::{BodyError, RequestBody};
use crate::problem::Problem;
use crate::request_id::RequestId;
use crate::scalars::scalar_of;
use crate::state::Shared;

/// All endpoints by name.
#[derive(Debug, Serialize)]
pub(super) struct EndpointList {
    endpoints: Vec<Endpoint>,
}

/// An endpoint.
#[derive(Debug, Serialize)]
pub(super) struct Endpoint {
    name: String,
    /// Counts up with every change of what it serves.
    revision: u64,
    main: Model,
    canary: Option<Model>,
    features: Vec<Feature>,
    /// What features are looked up by.
    entity_keys: Vec<String>,
}

/// A model version that answers.
#[derive(Debug, Serialize)]
struct Model {
    model: String,
    version: u32,
    task: Task,
}

/// A feature that the main model reads.
#[derive(Debug, Serialize)]
struct Feature {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// The feature view it is looked up in unless the request gives it; null when the request must.
    view: Option<String>,
}

/// Rows to predict: each gives features, entity keys, or both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PredictBody {
    rows: Vec<Map<String, Value>>,
}

/// The answer to a request.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    endpoint: String,
    revision: u64,
    /// The commit whose models and features answered.
    commit: Option<String>,
    /// The instant at which features were read.
    at: String,
    request_id: Option<String>,
    predictions: Vec<Prediction>,
}

/// The answer for one row.
#[derive(Debug, Serialize)]
struct Prediction {
    /// What `baton trace` takes.
    id: String,
    /// Probability of true, or a number.
    score: f64,
    variant: Variant,
    model: String,
    version: u32,
    keys: RequestRow,
    features: BTreeMap<String, FeatureValue>,
    /// By feature view, for those that were looked up.
    freshness: BTreeMap<String, Freshness>,
}

/// A feature as the model saw it.
#[derive(Debug, Serialize)]
struct FeatureValue {
    value: Scalar,
    status: FeatureStatus,
}

/// How old what a view gave was.
#[derive(Debug, Serialize)]
struct Freshness {
    status: FeatureStatus,
    event_at: Option<String>,
    /// Seconds from the event to the prediction.
    age_seconds: Option<f64>,
}

pub(super) async fn list(State(state): State<Shared>, query: ListQuery) -> Result<Json<EndpointList>, Problem> {
    let selected: Option<BTreeSet<String>> = match query.selection.is_everything() {
        true => None,
        false => {
            let found = catalogued(&state, &query.selection).await?;
            Some(found.assets.into_iter().map(|asset| asset.name).collect())
        }
    };
    let is_listed = |name: &str| {
        let is_behind = query.after.as_ref().is_none_or(|after| name > after.as_str());
        is_behind && selected.as_ref().is_none_or(|selected| selected.contains(name))
    };
    let deployments = state.deployments();
    let listed = deployments.iter().filter(|deployment| is_listed(deployment.endpoint()));
    let endpoints = listed.take(query.limit.unwrap_or(usize::MAX)).map(|deployment| Endpoint::of(deployment)).collect();
    Ok(Json(EndpointList { endpoints }))
}

pub(super) async fn show(State(state): State<Shared>, Path(endpoint): Path<String>) -> Result<Json<Endpoint>, Problem> {
    Ok(Json(Endpoint::of(&*state.deployment(&endpoint)?)))
}

pub(super) async fn predict(
    State(state): State<Shared>,
    Path(endpoint): Path<String>,
    Extension(request_id): Extension<RequestId>,
    body: Result<RequestBody, BodyError>,
) -> Result<Json<Answer>, Problem> {
    let deployment = state.deployment(&endpoint)?;
    let timer = state.metrics.begin(&deployment);
    let rows = rows_of(&body?.0)?;
    let answer = state.predict(&deployment, None, rows, request_id).await?;
    timer.succeed(&answer);
    Ok(Json(Answer::of(answer)))
}

fn rows_of(body: &[u8]) -> Result<Vec<RequestRow>, Problem> {
    let body: PredictBody = serde_json::from_slice(body).map_err(|error| {
        Problem::bad_request(format!("the body is not `{{\"rows\": [{{\"feature or key\": value}}]}}`: {error}"))
    })?;
    if body.rows.is_empty() {
        return Err(Problem::bad_request("`rows` is empty; give at least one row"));
    }
    body.rows.into_iter().enumerate().map(|(number, row)| row_of(number, row)).collect()
}

fn row_of(number: usize, row: Map<String, Value>) -> Result<RequestRow, Problem> {
    let value_of = |(name, value): (String, Value)| match scalar_of(value) {
        Ok(value) => Ok((name, value)),
        Err(found) => Err(Problem::bad_request(format!(
            "row {number} gives {found} for `{name}`; give text, a number, true, false or null"
        ))),
    };
    row.into_iter().map(value_of).collect()
}

impl Endpoint {
    fn of(deployment: &Deployment) -> Self {
        let columns = deployment.main().encoder.features().iter();
        let feature = |name: &str, kind: &FeatureKind| Feature {
            name: name.to_owned(),
            kind: match kind {
                FeatureKind::Numeric => "number",
                FeatureKind::Categorical { .. } => "text",
            },
            view: view_of(deployment, name),
        };
        Self {
            name: deployment.endpoint().to_owned(),
            revision: deployment.revision(),
            main: Model::of(deployment.main()),
            canary: deployment.canary().map(Model::of),
            features: columns.map(|column| feature(&column.name, &column.kind)).collect(),
            entity_keys: deployment.entity_keys().into_iter().map(str::to_owned).collect(),
        }
    }
}

fn view_of(deployment: &Deployment, feature: &str) -> Option<String> {
    let planned = deployment.features().iter().find(|planned| *planned.name == *feature)?;
    match &planned.origin {
        FeatureOrigin::Request => None,
        FeatureOrigin::View(origin) => Some(origin.view.clone()),
    }
}

impl Model {
    fn of(loaded: &LoadedModel) -> Self {
        Self { model: loaded.model.to_string(), version: loaded.version, task: loaded.task }
    }
}

impl Answer {
    fn of(response: PredictResponse) -> Self {
        let at = response.at;
        Self {
            endpoint: response.endpoint.to_string(),
            revision: response.revision,
            commit: response.commit.as_deref().map(str::to_owned),
            at: instant(at),
            request_id: response.request_id,
            predictions: response.predictions.into_iter().map(|row| Prediction::of(row, at)).collect(),
        }
    }
}

impl Prediction {
    fn of(row: RowPrediction, at: Timestamp) -> Self {
        let features = row.features.into_iter();
        let views = row.views.iter();
        Self {
            id: row.id,
            score: row.score,
            variant: row.variant,
            model: row.model.to_string(),
            version: row.version,
            keys: row.keys,
            features: features
                .map(|(name, value, status)| (name.to_string(), FeatureValue { value, status }))
                .collect(),
            freshness: views.map(|read| (read.view.to_string(), Freshness::of(read, at))).collect(),
        }
    }
}

impl Freshness {
    fn of(read: &ViewRead, at: Timestamp) -> Self {
        let age = |event_at: i64| (at.timestamp_micros() - event_at) as f64 / 1e6;
        Self {
            status: read.status,
            event_at: read.event_at.map(|micros| instant(timestamp_from_micros(micros))),
            age_seconds: read.event_at.map(age),
        }
    }
}

fn instant(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
