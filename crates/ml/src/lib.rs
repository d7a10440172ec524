//! Trainers, search, evaluation, explanation, model formats and their runtimes.
//!
//! Owns everything between an encoded feature matrix and a stored model: [`frame`] turns Arrow rows into
//! `f32` matrices, [`trainer`] and [`search`] fit models on them, [`model`] stores a model in an open format,
//! [`runtime`] runs it, [`uploaded`] takes in what clients of MLflow made, [`evaluate`] and [`explain`] describe it, [`gate`] decides promotion and [`card`] writes
//! it all down.
//!
//! It does not know the lake, the ledger, the clock or the environment: bytes and arrays in, bytes and reports
//! out. What it opens besides is what the caller names: the ONNX Runtime library, and a Python for models that nothing else runs.
//!
//! Invariant: the same rows, parameters and seed give the same model bytes on any number of threads.

pub mod card;
pub mod data;
pub mod error;
pub mod evaluate;
pub mod explain;
pub mod frame;
pub mod gate;
pub mod linear_model;
pub mod model;
mod onnx;
pub mod params;
pub mod runtime;
pub mod search;
#[cfg(test)]
mod testdata;
pub mod trainer;
pub mod uploaded;

pub use data::{LabelledRows, Task};
pub use error::{MlError, Result};
pub use frame::{FeatureEncoder, FeatureFrame};
pub use model::StoredModel;
pub use params::Params;
pub use runtime::Predictor;
