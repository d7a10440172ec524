//! The registry: models by name, their numbered versions, and the aliases that point at versions.
//!
//! A version says where its files are and which run or logged model it comes from. Models that the project trains are in the
//! same registry: [`RegistryBridge`] tells of them, and their versions and aliases are changed by training and promoting
//! only. It does not know the files.

mod aliases;
mod bridge;
mod models;
mod names;
mod read;
mod search;
mod source;
mod stages;
#[cfg(test)]
mod tests;
mod training;
mod transfer;
mod versions;

pub use bridge::{RegistryBridge, Told, TrainedModel, TrainedVersion};
pub use models::NewRegisteredModel;
pub use names::check_model_name;
pub use search::RegistrySearch;
pub use training::LoggedTraining;
pub use transfer::{WholeModel, WholeVersion};
pub use versions::NewModelVersion;

use crate::Tag;

/// The tag of registered models that are prompts: texts with versions, which searches for models pass over.
pub(crate) const PROMPT_TAG: &str = "mlflow.prompt.is_prompt";

/// A model of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredModel {
    /// The name.
    pub name: String,
    /// Milliseconds since 1970.
    pub creation_time: i64,
    /// Milliseconds since 1970.
    pub last_update_time: i64,
    /// In somebody's words.
    pub description: Option<String>,
    /// The newest version of each stage.
    pub latest_versions: Vec<ModelVersion>,
    /// By key.
    pub tags: Vec<Tag>,
    /// Aliases and the versions that they point at.
    pub aliases: Vec<(String, i64)>,
    /// A job of somebody else's.
    pub deployment_job_id: Option<String>,
}

/// A version of a model of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelVersion {
    /// The model.
    pub name: String,
    /// Counts from 1; a number is never given twice.
    pub version: i64,
    /// Milliseconds since 1970.
    pub creation_time: i64,
    /// Milliseconds since 1970.
    pub last_update_time: i64,
    /// In somebody's words.
    pub description: String,
    /// `None`, `Staging`, `Production` or `Archived`.
    pub stage: String,
    /// What it was made from, as the client said.
    pub source: String,
    /// The run that made it; empty when not said.
    pub run_id: String,
    /// Where that run can be looked at; empty when not said.
    pub run_link: String,
    /// The logged model that it is; empty when not said.
    pub model_id: String,
    /// By key.
    pub tags: Vec<Tag>,
    /// The aliases that point at it.
    pub aliases: Vec<String>,
}
