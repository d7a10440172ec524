//! Models that clients of MLflow registered: how they come in, and that their served form does what they do.
//!
//! It knows the registry only by the port [`RegisteredModels`]. No version is served before its stored form reproduced what the
//! uploaded model makes of the example that was logged with it; the largest difference is kept with both versions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use baton_core::RegisteredReference;
use baton_core::asset::Task;
use baton_ml::runtime::{Predictor, load};
use baton_ml::uploaded::{Difference, ServedForm, UploadedModel, features_of_inputs};
use baton_ml::{MlError, StoredModel};
use serde::{Deserialize, Serialize};

use crate::error::RunError;
use crate::services::Services;
use crate::training::ml_task;

/// The largest difference that is let pass: absolute, and relative to predictions beyond 1. Served forms compute in single precision.
const TOLERANCE: f64 = 1e-5;

/// A version of a registered model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredVersion {
    /// The model's name in the registry.
    pub name: String,
    /// The version.
    pub number: u32,
    /// Where its files are.
    pub location: String,
}

impl fmt::Display for RegisteredVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "models:/{}/{}", self.name, self.number)
    }
}

/// The registry, as far as the project reads it. Reasons are for people.
#[async_trait]
pub trait RegisteredModels: Send + Sync {
    /// The version that a reference points at.
    async fn find(&self, reference: &RegisteredReference) -> Result<RegisteredVersion, String>;
    /// All files of a version, by name.
    async fn files(&self, version: &RegisteredVersion) -> Result<BTreeMap<String, Vec<u8>>, String>;
    /// Keeps tags with a version.
    async fn note(&self, version: &RegisteredVersion, tags: Vec<(String, String)>) -> Result<(), String>;
}

/// A registry with nothing in it.
pub struct NoRegisteredModels;

#[async_trait]
impl RegisteredModels for NoRegisteredModels {
    async fn find(&self, _reference: &RegisteredReference) -> Result<RegisteredVersion, String> {
        Err("there is no registry here".to_owned())
    }

    async fn files(&self, _version: &RegisteredVersion) -> Result<BTreeMap<String, Vec<u8>>, String> {
        Ok(BTreeMap::new())
    }

    async fn note(&self, _version: &RegisteredVersion, _tags: Vec<(String, String)>) -> Result<(), String> {
        Ok(())
    }
}

/// A version in the form in which it is served, ready to answer, and what that form was held against.
pub(crate) struct BroughtIn {
    pub(crate) stored: StoredModel,
    pub(crate) predictor: Arc<dyn Predictor>,
    pub(crate) origin: Origin,
}

/// Where a model version comes from that was not trained here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The registered version.
    pub version: RegisteredVersion,
    /// How it is served.
    pub form: String,
    /// The largest difference between the served form and the uploaded model, on the logged example.
    pub largest_difference: f64,
    /// Rows of that example.
    pub example_rows: usize,
}

/// Why a registered version does not come in.
pub(crate) fn refused(reference: &dyn fmt::Display, reason: impl fmt::Display) -> RunError {
    RunError::Registered { reference: reference.to_string(), reason: reason.to_string() }
}

/// Brings a version into the form in which it is served, reading `features`, or its own inputs where none are given, and holds that
/// form against the logged example.
pub(crate) async fn bring_in(
    services: &Services,
    version: &RegisteredVersion,
    task: Task,
    features: Option<Vec<String>>,
) -> Result<BroughtIn, RunError> {
    let files = services.registered.files(version).await.map_err(|reason| refused(version, reason))?;
    let (options, shown) = (services.models.clone(), version.to_string());
    let work = tokio::task::spawn_blocking(move || served_form(&shown, files, task, features.as_deref(), &options));
    let Served { stored, predictor, form, difference, rows } =
        work.await.map_err(|error| RunError::Worker(error.to_string()))??;
    let origin = Origin {
        version: version.clone(),
        form: form.to_string(),
        largest_difference: difference.largest,
        example_rows: rows,
    };
    note(services, &origin).await?;
    if difference.largest <= TOLERANCE {
        return Ok(BroughtIn { stored, predictor, origin });
    }
    let Difference { largest, row, served, logged } = difference;
    Err(refused(
        version,
        format!(
            "served as {form} it differs from what was logged by up to {largest:.3e} (allowed {TOLERANCE:.0e}): row {row} of its example \
             gives {served}, and the uploaded model gives {logged}; log it in another form, such as ONNX in single precision"
        ),
    ))
}

/// Whether a version may be pointed at by an alias that is served. The difference is kept with it.
///
/// # Errors
/// [`RunError::Registered`] with the reason why not.
pub async fn check_registered(
    services: &Services,
    version: &RegisteredVersion,
    task: Task,
) -> Result<Origin, RunError> {
    Ok(bring_in(services, version, task, None).await?.origin)
}

async fn note(services: &Services, origin: &Origin) -> Result<(), RunError> {
    let tags = [
        ("baton.largest_difference", format!("{:e}", origin.largest_difference)),
        ("baton.example_rows", origin.example_rows.to_string()),
        ("baton.served_as", origin.form.clone()),
    ];
    let tags = tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    services.registered.note(&origin.version, tags).await.map_err(|reason| refused(&origin.version, reason))
}

/// The reason alone: whose it is and what it means is said already.
fn said(error: MlError) -> String {
    match error {
        MlError::Uploaded { reason } | MlError::Prediction { reason } => reason,
        other => other.to_string(),
    }
}

/// A version in its served form, and how that form does on the logged example.
struct Served {
    stored: StoredModel,
    predictor: Arc<dyn Predictor>,
    form: ServedForm,
    difference: Difference,
    rows: usize,
}

fn served_form(
    version: &str,
    files: BTreeMap<String, Vec<u8>>,
    task: Task,
    features: Option<&[String]>,
    options: &baton_ml::runtime::RuntimeOptions,
) -> Result<Served, RunError> {
    let described =
        files.get("MLmodel").ok_or_else(|| refused(&version, "it has no file `MLmodel`; log it with `log_model`"))?;
    let described = baton_project::yaml_to_json(&String::from_utf8_lossy(described));
    let described = described.map_err(|reason| refused(&version, format!("its `MLmodel` cannot be read: {reason}")))?;
    let task = ml_task(task);
    let uploaded = UploadedModel::of(&described, files).map_err(|error| refused(&version, said(error)))?;
    let (example, open) = uploaded.example(task, options).map_err(|error| refused(&version, said(error)))?;
    let inputs = example.inputs.clone();
    let columns = match features {
        Some(features) => {
            features_of_inputs(inputs.as_deref(), features).map_err(|error| refused(&version, said(error)))?
        }
        None => inputs.unwrap_or_else(|| {
            (0..example.rows.len() / example.len().max(1)).map(|place| format!("f{place}")).collect()
        }),
    };
    let (stored, form) = uploaded.served(&columns, task, &example).map_err(|error| refused(&version, said(error)))?;
    let predictor: Arc<dyn Predictor> = match form {
        // The worker that ran the example has the model open already.
        ServedForm::Python => open.into_predictor(stored.encoder.n_features()).into(),
        ServedForm::Trees | ServedForm::Onnx => {
            load(&stored, options).map_err(|error| refused(&version, said(error)))?.into()
        }
    };
    let difference = example.difference(predictor.as_ref()).map_err(|error| refused(&version, said(error)))?;
    Ok(Served { stored, predictor, form, difference, rows: example.len() })
}
