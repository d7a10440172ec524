//! The answer: its tensors, in JSON or binary.

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use baton_ml::data::Task;
use baton_serving::{Deployment, PredictResponse, RowPrediction};
use serde_json::{Map, Value, json};

use super::datatype::Datatype;
use super::error::InferenceError;
use super::request::{HEADER_LENGTH, InferRequest};
use crate::encoding::Coding;

/// A score of a classifier from here on says true.
const THRESHOLD: f64 = 0.5;

/// An output that a client named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestedOutput {
    pub(super) name: String,
    pub(super) is_binary: bool,
}

/// A tensor that an endpoint can answer with, one element a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// Probability of true, or a number.
    Score,
    /// Whether the score of a classifier says true.
    Predicted,
    /// What `baton trace` takes.
    PredictionId,
    /// The version of the model that answered.
    ModelVersion,
}

impl Output {
    /// Those that an endpoint offers.
    pub(super) fn offered(deployment: &Deployment) -> Vec<Self> {
        let is_classifier = deployment.main().task == Task::BinaryClassification;
        let predicted = is_classifier.then_some(Self::Predicted);
        [Some(Self::Score), predicted, Some(Self::PredictionId), Some(Self::ModelVersion)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Whether it is in the answer when the client names none.
    fn is_default(self) -> bool {
        matches!(self, Self::Score | Self::Predicted)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Predicted => "predicted",
            Self::PredictionId => "prediction_id",
            Self::ModelVersion => "model_version",
        }
    }

    pub(super) fn datatype(self) -> Datatype {
        match self {
            Self::Score => Datatype::Fp64,
            Self::Predicted => Datatype::Bool,
            Self::PredictionId => Datatype::Bytes,
            Self::ModelVersion => Datatype::Uint32,
        }
    }

    fn json(self, row: &RowPrediction) -> Value {
        match self {
            Self::Score => json!(row.score),
            Self::Predicted => json!(row.score >= THRESHOLD),
            Self::PredictionId => json!(row.id),
            Self::ModelVersion => json!(row.version),
        }
    }

    fn binary(self, row: &RowPrediction, bytes: &mut Vec<u8>) {
        match self {
            Self::Score => bytes.extend(row.score.to_le_bytes()),
            Self::Predicted => bytes.push(u8::from(row.score >= THRESHOLD)),
            Self::PredictionId => {
                bytes.extend((row.id.len() as u32).to_le_bytes());
                bytes.extend(row.id.as_bytes());
            }
            Self::ModelVersion => bytes.extend(row.version.to_le_bytes()),
        }
    }
}

/// What to answer with, and each whether in binary.
pub(super) fn chosen(deployment: &Deployment, request: &InferRequest) -> Result<Vec<(Output, bool)>, InferenceError> {
    let offered = Output::offered(deployment);
    if request.outputs.is_empty() {
        let default = offered.into_iter().filter(|output| output.is_default());
        return Ok(default.map(|output| (output, request.is_binary)).collect());
    }
    let find = |wanted: &RequestedOutput| {
        let found = offered.iter().find(|output| output.name() == wanted.name);
        found.map(|output| (*output, wanted.is_binary)).ok_or_else(|| {
            let names: Vec<&str> = offered.iter().map(|output| output.name()).collect();
            let (name, names) = (&wanted.name, names.join(", "));
            InferenceError::bad_request(format!(
                "there is no output `{name}`; endpoint `{}` has {names}",
                deployment.endpoint()
            ))
        })
    };
    request.outputs.iter().map(find).collect()
}

/// Writes an answer the way the client would like it.
pub(super) fn write(
    headers: &HeaderMap,
    id: Option<&str>,
    outputs: &[(Output, bool)],
    answer: &PredictResponse,
) -> Result<Response, InferenceError> {
    let mut binary = Vec::new();
    let tensors: Vec<Value> = outputs.iter().map(|output| tensor(*output, answer, &mut binary)).collect();
    let mut body = head(id, tensors, answer).to_string().into_bytes();
    let json_length = body.len();
    body.append(&mut binary);
    let is_binary = outputs.iter().any(|(_, is_binary)| *is_binary);
    packed(headers, body, is_binary.then_some(json_length))
}

fn head(id: Option<&str>, outputs: Vec<Value>, answer: &PredictResponse) -> Value {
    let ids: Vec<&str> = answer.predictions.iter().map(|row| row.id.as_str()).collect();
    let mut versions: Vec<u32> = answer.predictions.iter().map(|row| row.version).collect();
    versions.sort_unstable();
    versions.dedup();
    // More than one when a canary answered some of the rows; the output `model_version` tells them apart.
    let versions: Vec<String> = versions.iter().map(u32::to_string).collect();
    let mut head = Map::from_iter([
        ("model_name".to_owned(), json!(&*answer.endpoint)),
        ("model_version".to_owned(), json!(versions.join(","))),
    ]);
    if let Some(id) = id {
        head.insert("id".to_owned(), json!(id));
    }
    // The protocol's parameters are plain values, so the ids are one text.
    head.insert("parameters".to_owned(), json!({"prediction_ids": ids.join(",")}));
    head.insert("outputs".to_owned(), Value::Array(outputs));
    Value::Object(head)
}

fn tensor((output, is_binary): (Output, bool), answer: &PredictResponse, binary: &mut Vec<u8>) -> Value {
    let rows = &answer.predictions;
    let (name, datatype, shape) = (output.name(), output.datatype().name(), [rows.len()]);
    if !is_binary {
        let data: Vec<Value> = rows.iter().map(|row| output.json(row)).collect();
        return json!({"name": name, "datatype": datatype, "shape": shape, "data": data});
    }
    let before = binary.len();
    rows.iter().for_each(|row| output.binary(row, binary));
    let parameters = json!({"binary_data_size": binary.len() - before});
    json!({"name": name, "datatype": datatype, "shape": shape, "parameters": parameters})
}

/// `json_length` is given when binary tensors follow the JSON.
fn packed(headers: &HeaderMap, body: Vec<u8>, json_length: Option<usize>) -> Result<Response, InferenceError> {
    let coding = Coding::of_response(headers);
    let body = coding.encode(body).map_err(|error| {
        InferenceError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the answer cannot be packed: {error}"))
    })?;
    let mut response = Body::from(body).into_response();
    let media_type = if json_length.is_some() { "application/octet-stream" } else { "application/json" };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Some(length) = json_length {
        response.headers_mut().insert(HEADER_LENGTH, HeaderValue::from(length));
    }
    if let Some(name) = coding.header() {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    Ok(response)
}
