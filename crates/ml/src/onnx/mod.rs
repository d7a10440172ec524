//! Linear models as ONNX and back: standard operators only, so any ONNX runtime computes the same.
//!
//! Knows the file format; [`crate::runtime`] runs it.

mod graph;
mod proto;

pub(crate) use graph::{decode_linear, encode_linear};
