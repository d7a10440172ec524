//! `MLmodel`: which library wrote the model, in which file it is, and what it reads.

use serde_json::Value;

use crate::error::{MlError, Result};

/// Flavours by which a model is recognised, the most telling first. `python_function` goes with almost all of them.
const FLAVORS: [&str; 4] = ["xgboost", "lightgbm", "onnx", "sklearn"];

/// What an `MLmodel` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The library: `xgboost`, `lightgbm`, `onnx`, `sklearn`, or the loader of a Python function.
    pub flavor: String,
    /// The file of the model, by its flavour.
    pub data: Option<String>,
    /// What it reads, by its signature; none without a signature.
    pub inputs: Option<Vec<Input>>,
    /// Whether an example was logged with it.
    pub has_example: bool,
}

/// An input of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name; none for tensors without names.
    pub name: Option<String>,
    /// Its type in MLflow's words: `double`, `long`, `string`, `tensor`, …
    pub kind: String,
}

impl Description {
    /// Reads the content of an `MLmodel`, as JSON.
    pub(super) fn of(mlmodel: &Value) -> Result<Self> {
        let flavors = &mlmodel["flavors"];
        let found = FLAVORS.iter().find(|flavor| flavors[**flavor].is_object());
        let flavor = match found {
            Some(flavor) => (*flavor).to_owned(),
            None => loader(flavors)?,
        };
        let of_flavor = &flavors[&flavor];
        let data = ["data", "pickled_model"].iter().find_map(|key| of_flavor[*key].as_str()).map(str::to_owned);
        let inputs = mlmodel["signature"]["inputs"].as_str().map(inputs).transpose()?;
        let has_example = mlmodel["saved_input_example_info"]["artifact_path"].is_string();
        Ok(Self { flavor, data, inputs, has_example })
    }

    /// The names of its inputs, in its order; none when it was logged without names.
    pub fn input_names(&self) -> Option<Vec<String>> {
        self.inputs.as_ref()?.iter().map(|input| input.name.clone()).collect()
    }
}

/// The loader of a model that is only known as a Python function, such as `mlflow.pyfunc.model` or `mlflow.catboost`.
fn loader(flavors: &Value) -> Result<String> {
    let loader = flavors["python_function"]["loader_module"].as_str();
    loader.map(|module| module.trim_start_matches("mlflow.").to_owned()).ok_or_else(|| {
        let known: Vec<&str> = flavors.as_object().map_or_else(Vec::new, |flavors| flavors.keys().map(String::as_str).collect());
        MlError::uploaded(format!(
            "its `MLmodel` names no flavour that can be run (it has {}); log it with one of {}, or as a Python function",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") },
            FLAVORS.join(", ")
        ))
    })
}

fn inputs(text: &str) -> Result<Vec<Input>> {
    let unreadable = |error: serde_json::Error| MlError::uploaded(format!("its signature cannot be read: {error}"));
    let listed: Vec<Value> = serde_json::from_str(text).map_err(unreadable)?;
    let input = |value: &Value| Input {
        name: value["name"].as_str().map(str::to_owned),
        kind: value["type"].as_str().unwrap_or("any").to_owned(),
    };
    Ok(listed.iter().map(input).collect())
}
