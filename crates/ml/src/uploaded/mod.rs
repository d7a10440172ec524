//! Models that clients of MLflow uploaded: what they are by their `MLmodel`, and the form in which they are served.
//!
//! Trees (XGBoost JSON and UBJSON, LightGBM text) and ONNX are served by this process. Everything else is kept as it was
//! uploaded and runs in a worker process of Python; pickles are opened nowhere else. Before anything is served, its form has
//! to reproduce what the uploaded model makes of the example that was logged with it ([`Example`]).

mod archive;
mod description;
mod example;
#[cfg(test)]
mod tests;

pub(crate) use archive::{pack, unpack};
pub use description::{Description, Input};
pub use example::{Difference, Example};

use std::collections::BTreeMap;
use std::fmt;

use crate::data::Task;
use crate::error::{MlError, Result};
use crate::frame::FeatureEncoder;
use crate::model::StoredModel;
use crate::runtime::{OpenModel, RuntimeOptions};

/// How an uploaded model is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServedForm {
    /// As trees, by this process.
    Trees,
    /// By ONNX Runtime.
    Onnx,
    /// By a worker process of Python.
    Python,
}

impl fmt::Display for ServedForm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Trees => "trees, without Python",
            Self::Onnx => "ONNX, without Python",
            Self::Python => "a worker process of Python",
        })
    }
}

/// An uploaded model: its description, and its files by name.
#[derive(Debug, Clone)]
pub struct UploadedModel {
    /// What `MLmodel` says.
    pub description: Description,
    files: BTreeMap<String, Vec<u8>>,
}

impl UploadedModel {
    /// A model by what its `MLmodel` says, as JSON, and all its files.
    ///
    /// # Errors
    ///
    /// [`MlError::Uploaded`] for a description without a flavour that can be run.
    pub fn of(mlmodel: &serde_json::Value, files: BTreeMap<String, Vec<u8>>) -> Result<Self> {
        Ok(Self { description: Description::of(mlmodel)?, files })
    }

    /// Runs the model on the example that was logged with it, in a worker process of `python`, which stays open: what only
    /// Python can run is asked there for more.
    ///
    /// # Errors
    ///
    /// [`MlError::PythonMissing`] without an interpreter, [`MlError::Python`] when the model cannot be opened or run there,
    /// [`MlError::Uploaded`] when it was logged without an example.
    pub fn example(&self, task: Task, options: &RuntimeOptions) -> Result<(Example, OpenModel)> {
        Example::run(&self.files, task, options)
    }

    /// The form in which the model is served, reading features that are called `columns`, in the model's order.
    ///
    /// # Errors
    ///
    /// [`MlError::ModelUnreadable`] for broken files, or another number of features.
    pub fn served(&self, columns: &[String], task: Task, example: &Example) -> Result<(StoredModel, ServedForm)> {
        let encoder = FeatureEncoder::numeric(columns);
        if let Some((form, bytes)) = self.open_form(example) {
            let mut stored = StoredModel::import(bytes, encoder, task)?;
            stored.algorithm.clone_from(&self.description.flavor);
            return Ok((stored, form));
        }
        let stored = StoredModel::of_python(&self.files, &self.description.flavor, encoder, task)?;
        Ok((stored, ServedForm::Python))
    }

    /// The bytes of an open format, where there are some: a file of the model, or trees that its library wrote down.
    fn open_form<'a>(&'a self, example: &'a Example) -> Option<(ServedForm, &'a [u8])> {
        let file = self.description.data.as_ref().and_then(|name| self.files.get(name));
        let file = file.map(Vec::as_slice);
        match self.description.flavor.as_str() {
            "onnx" => file.map(|bytes| (ServedForm::Onnx, bytes)),
            "xgboost" | "lightgbm" => {
                let open = file.filter(|bytes| StoredModel::is_open_trees(bytes));
                open.or(example.trees.as_deref()).map(|bytes| (ServedForm::Trees, bytes))
            }
            _ => example.trees.as_deref().map(|bytes| (ServedForm::Trees, bytes)),
        }
    }
}

/// For each input of a model the feature that it is: one of the same name, or the only one whose column is called so
/// (features are called `view__column`, inputs may be called `column` or `view.column`). Inputs without names are the features in
/// their order.
///
/// # Errors
///
/// [`MlError::Uploaded`] with all inputs that are no features, or another number of them.
pub fn features_of_inputs(inputs: Option<&[String]>, features: &[String]) -> Result<Vec<String>> {
    let Some(inputs) = inputs else { return Ok(features.to_vec()) };
    let found: Vec<Result<String, &str>> = inputs.iter().map(|input| feature_of(input, features)).collect();
    let unknown: Vec<String> =
        found.iter().filter_map(|found| found.as_ref().err().map(|input| format!("`{input}`"))).collect();
    if unknown.is_empty() {
        return Ok(found.into_iter().flatten().collect());
    }
    Err(MlError::uploaded(format!(
        "it reads {}, which {} among the model's features ({}); list them under `features:`, or log the model with their names",
        unknown.join(", "),
        if unknown.len() == 1 { "is not" } else { "are not" },
        features.join(", ")
    )))
}

fn feature_of<'a>(input: &'a str, features: &[String]) -> Result<String, &'a str> {
    let exact = features.iter().find(|feature| *feature == input || feature.replacen("__", ".", 1) == *input);
    if let Some(exact) = exact {
        return Ok(exact.clone());
    }
    let mut called_so = features.iter().filter(|feature| feature.split_once("__").is_some_and(|(_, own)| own == input));
    match (called_so.next(), called_so.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => Err(input),
    }
}
