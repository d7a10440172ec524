//! A request from its body: the JSON header, the tensors, and what the client wants back.

use axum::http::{HeaderMap, HeaderName};
use serde_json::{Map, Value};

use super::error::InferenceError;
use super::outputs::RequestedOutput;
use super::tensor::Tensor;
use super::wire::{WireOutput, WireRequest};

/// How many bytes of a body are JSON; tensors follow in binary.
pub(super) const HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// A request with its tensors read.
#[derive(Debug)]
pub(super) struct InferRequest {
    pub(super) id: Option<String>,
    pub(super) inputs: Vec<Tensor>,
    /// Empty when the client named none.
    pub(super) outputs: Vec<RequestedOutput>,
    /// Whether outputs go in binary when the client named none.
    pub(super) is_binary: bool,
}

impl InferRequest {
    /// Reads a request.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, InferenceError> {
        let (json, mut binary) = split(headers, body)?;
        let wire: WireRequest = serde_json::from_slice(json).map_err(|error| {
            InferenceError::bad_request(format!("the request is not one of the Open Inference Protocol: {error}"))
        })?;
        let inputs = wire.inputs.into_iter().map(|input| Tensor::read(input, &mut binary)).collect::<Result<_, _>>()?;
        if !binary.is_empty() {
            let message = format!("{} bytes follow the last tensor; no input claims them", binary.len());
            return Err(InferenceError::bad_request(message));
        }
        let is_binary = flag(&wire.parameters, "binary_data_output")?.unwrap_or(false);
        let outputs = wire.outputs.iter().map(|output| requested(output, is_binary)).collect::<Result<_, _>>()?;
        Ok(Self { id: wire.id, inputs, outputs, is_binary })
    }
}

fn split<'body>(headers: &HeaderMap, body: &'body [u8]) -> Result<(&'body [u8], &'body [u8]), InferenceError> {
    let Some(length) = headers.get(HEADER_LENGTH) else { return Ok((body, &[])) };
    let given = String::from_utf8_lossy(length.as_bytes());
    let refuse = |reason: &str| Err(InferenceError::bad_request(format!("{HEADER_LENGTH} is {given}, {reason}")));
    match given.trim().parse::<usize>() {
        Ok(0) => refuse("but raw tensors without a JSON header are not taken; describe the inputs in one"),
        Ok(length) => match body.split_at_checked(length) {
            Some(parts) => Ok(parts),
            None => refuse(&format!("but the body has only {} bytes: it is cut short", body.len())),
        },
        Err(_) => refuse("which is no number of bytes"),
    }
}

fn requested(output: &WireOutput, is_binary: bool) -> Result<RequestedOutput, InferenceError> {
    if output.parameters.contains_key("classification") {
        let message = format!("output `{}` asks for classification, which is not offered; ask without", output.name);
        return Err(InferenceError::bad_request(message));
    }
    let is_binary = flag(&output.parameters, "binary_data")?.unwrap_or(is_binary);
    Ok(RequestedOutput { name: output.name.clone(), is_binary })
}

fn flag(parameters: &Map<String, Value>, name: &str) -> Result<Option<bool>, InferenceError> {
    match parameters.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(other) => {
            Err(InferenceError::bad_request(format!("parameter `{name}` is {other}; it must be true or false")))
        }
    }
}
