//! A stored model: bytes in an open format, the encoding of its features, and what is needed to judge it.
//!
//! Trees are XGBoost UBJSON, which the `xgboost` package loads; linear models are ONNX. Neither can run code. What clients upload and
//! only Python can run is kept as it came, and opened in a worker process.
//! Knows nothing of folders: [`StoredModel::to_files`] names the files, the caller writes them.

use crate::data::Task;
use crate::error::{MlError, Result};
use crate::frame::FeatureEncoder;
use crate::onnx::encode_linear;
use crate::params::Params;
use crate::runtime::Predictor;
use crate::trainer::{ModelBody, TrainedModel};
use crate::uploaded::pack;
use hessboost::model::{BoostedModel, ModelFormat as TreeFormat};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The format of a stored model's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelFormat {
    /// XGBoost's UBJSON.
    Ubjson,
    /// ONNX.
    Onnx,
    /// The files of a model that only Python can run, as an Arrow table of names and contents.
    Python,
}

impl ModelFormat {
    /// The name of the file that holds a model of this format.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Ubjson => "model.ubj",
            Self::Onnx => "model.onnx",
            Self::Python => "model.arrow",
        }
    }
}

/// A model as it is kept and served.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredModel {
    /// The format of `bytes`.
    pub format: ModelFormat,
    /// The model file.
    pub bytes: Vec<u8>,
    /// The encoding of its features.
    pub encoder: FeatureEncoder,
    /// What it predicts.
    pub task: Task,
    /// The algorithm that fitted it, or `imported`.
    pub algorithm: String,
    /// The parameters it was fitted with.
    pub params: Params,
}

/// The name of the file beside the model file.
const METADATA_FILE: &str = "model.json";

/// What [`METADATA_FILE`] holds.
#[derive(Debug, Serialize, Deserialize)]
struct Metadata {
    version: u32,
    format: ModelFormat,
    task: Task,
    algorithm: String,
    params: Params,
    digest: String,
    encoder: FeatureEncoder,
}

impl StoredModel {
    /// The stored form of a trained model.
    pub(crate) fn of_trained(trained: &TrainedModel, encoder: &FeatureEncoder) -> Result<Self> {
        let (format, bytes) = match &trained.body {
            ModelBody::Linear(model) => (ModelFormat::Onnx, encode_linear(model)),
            ModelBody::Trees(model) => (ModelFormat::Ubjson, encode_trees(model)?),
        };
        Ok(Self {
            format,
            bytes,
            encoder: encoder.clone(),
            task: trained.task,
            algorithm: trained.algorithm.to_owned(),
            params: trained.params.clone(),
        })
    }

    /// Reads a model made elsewhere: XGBoost JSON or UBJSON, LightGBM text (each kept as UBJSON from then on), or
    /// any ONNX file with one float input, judged when [`crate::runtime::load`] opens it.
    ///
    /// # Errors
    ///
    /// [`MlError::ModelUnreadable`] for broken or unknown bytes, or a feature count other than the encoder's.
    pub fn import(bytes: &[u8], encoder: FeatureEncoder, task: Task) -> Result<Self> {
        let (format, bytes) = match TreeFormat::detect(bytes) {
            Some(found) => {
                let model = BoostedModel::decode(bytes, found).map_err(MlError::unreadable)?;
                check_width(model.n_features(), &encoder)?;
                (ModelFormat::Ubjson, encode_trees(&model)?)
            }
            None => (ModelFormat::Onnx, bytes.to_vec()),
        };
        let (algorithm, params) = ("imported".to_owned(), Params::default());
        Ok(Self { format, bytes, encoder, task, algorithm, params })
    }

    /// The stored form of files that only Python can run; `flavor` says which library wrote them.
    pub(crate) fn of_python(
        files: &BTreeMap<String, Vec<u8>>,
        flavor: &str,
        encoder: FeatureEncoder,
        task: Task,
    ) -> Result<Self> {
        let (format, bytes) = (ModelFormat::Python, pack(files)?);
        Ok(Self { format, bytes, encoder, task, algorithm: flavor.to_owned(), params: Params::default() })
    }

    /// Whether `bytes` are trees in a format that is understood: XGBoost JSON or UBJSON, LightGBM text.
    pub(crate) fn is_open_trees(bytes: &[u8]) -> bool {
        TreeFormat::detect(bytes).is_some_and(|found| BoostedModel::decode(bytes, found).is_ok())
    }

    /// The model's identity: BLAKE3 over its bytes and its encoding, as hex.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(self.bytes.len() as u64).to_le_bytes());
        hasher.update(&self.bytes);
        // Writing a list of names to memory cannot fail; an empty encoding would still be told apart by bytes.
        hasher.update(&serde_json::to_vec(&self.encoder).unwrap_or_default());
        hasher.finalize().to_hex().to_string()
    }

    /// The model as files by name: the model file in its own format, and `model.json`.
    ///
    /// # Errors
    ///
    /// [`MlError::ModelUnreadable`] when the description cannot be written as JSON.
    pub fn to_files(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let metadata = Metadata {
            version: 1,
            format: self.format,
            task: self.task,
            algorithm: self.algorithm.clone(),
            params: self.params.clone(),
            digest: self.digest(),
            encoder: self.encoder.clone(),
        };
        let json = serde_json::to_vec_pretty(&metadata).map_err(MlError::unreadable)?;
        let model = (self.format.file_name().to_owned(), self.bytes.clone());
        Ok(BTreeMap::from([model, (METADATA_FILE.to_owned(), json)]))
    }

    /// Reads back what [`Self::to_files`] named, and checks the digest.
    ///
    /// # Errors
    ///
    /// [`MlError::ModelUnreadable`] for a missing or changed file.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Self> {
        let file =
            |name: &str| files.get(name).ok_or_else(|| MlError::unreadable(format!("the file `{name}` is missing")));
        let metadata: Metadata = serde_json::from_slice(file(METADATA_FILE)?)
            .map_err(|error| MlError::unreadable(format!("`{METADATA_FILE}`: {error}")))?;
        let model = Self {
            format: metadata.format,
            bytes: file(metadata.format.file_name())?.clone(),
            encoder: metadata.encoder,
            task: metadata.task,
            algorithm: metadata.algorithm,
            params: metadata.params,
        };
        if model.digest() != metadata.digest {
            let name = metadata.format.file_name();
            return Err(MlError::unreadable(format!("`{name}` was changed after it was stored")));
        }
        Ok(model)
    }
}

/// The largest difference between what a loaded model predicts and what it predicted when it was trained.
///
/// # Errors
///
/// [`MlError::Prediction`] when the model fails, gives another number of predictions, or differs by more than
/// `tolerance` (absolute for probabilities, relative to the prediction where that is larger than 1).
pub fn verify(model: &dyn Predictor, rows: &[f32], expected: &[f64], tolerance: f64) -> Result<f64> {
    let predicted = model.predict(rows, expected.len())?;
    let mut largest = 0.0f64;
    for (row, (now, then)) in predicted.iter().zip(expected).enumerate() {
        let difference = (now - then).abs() / then.abs().max(1.0);
        if difference.is_nan() || difference > tolerance {
            return Err(MlError::prediction(format!(
                "row {row} gives {now} now but gave {then} at training (allowed difference {tolerance})"
            )));
        }
        largest = largest.max(difference);
    }
    Ok(largest)
}

fn encode_trees(model: &BoostedModel) -> Result<Vec<u8>> {
    model.encode(TreeFormat::XgboostUbjson).map_err(|error| MlError::training("trees", error))
}

fn check_width(found: usize, encoder: &FeatureEncoder) -> Result<()> {
    if found == encoder.n_features() {
        return Ok(());
    }
    let expected = encoder.n_features();
    Err(MlError::unreadable(format!("the model reads {found} features, but {expected} are declared")))
}

#[cfg(test)]
mod tests;
