//! The JSON of requests, as it is written.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A request, or the header of one with binary tensors.
#[derive(Debug, Deserialize)]
pub(super) struct WireRequest {
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) parameters: Map<String, Value>,
    pub(super) inputs: Vec<WireInput>,
    #[serde(default)]
    pub(super) outputs: Vec<WireOutput>,
}

/// An input tensor; its data is here, or follows in binary.
#[derive(Debug, Deserialize)]
pub(super) struct WireInput {
    pub(super) name: String,
    pub(super) shape: Vec<u64>,
    pub(super) datatype: String,
    #[serde(default)]
    pub(super) parameters: Map<String, Value>,
    pub(super) data: Option<Value>,
}

/// A tensor that the client wants.
#[derive(Debug, Deserialize)]
pub(super) struct WireOutput {
    pub(super) name: String,
    #[serde(default)]
    pub(super) parameters: Map<String, Value>,
}
