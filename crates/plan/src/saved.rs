//! A plan in a file: what `plan --out` writes and `apply FILE` executes, held together by its digest.

use std::collections::BTreeMap;

use baton_core::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::plan::Plan;

/// The version of the file that this program writes and reads.
pub const SAVED_PLAN_VERSION: u32 = 1;

/// A plan with what it holds for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPlan {
    /// Version of the file.
    pub version: u32,
    /// Name of the project.
    pub project: String,
    /// What the project asked for; see [`crate::Desired::fingerprint`].
    pub project_fingerprint: Fingerprint,
    /// Values that the project's parameters were given, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// The plan.
    pub plan: Plan,
    /// Hash of all of the above: names the plan in approvals, and tells when somebody has changed the file.
    pub digest: Fingerprint,
}

/// Why a file is no plan that can be applied.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SavedPlanError {
    /// It is not JSON of this shape.
    #[error("is not a saved plan: {0}")]
    Unreadable(String),
    /// It was written by another version.
    #[error("is a saved plan of version {found}, and this program reads version {SAVED_PLAN_VERSION}")]
    Version {
        /// The version in the file.
        found: u64,
    },
    /// Its content is not what was saved.
    #[error("was changed after it was saved: its digest does not match")]
    Tampered,
}

impl SavedPlan {
    /// Seals `plan`, made with the defaults of all parameters.
    pub fn new(project: &str, project_fingerprint: Fingerprint, plan: Plan) -> Self {
        Self::given(project, project_fingerprint, BTreeMap::new(), plan)
    }

    /// Seals `plan`, made with these values of parameters.
    pub fn given(
        project: &str,
        project_fingerprint: Fingerprint,
        parameters: BTreeMap<String, serde_json::Value>,
        plan: Plan,
    ) -> Self {
        let mut saved = Self {
            version: SAVED_PLAN_VERSION,
            project: project.to_owned(),
            project_fingerprint,
            parameters,
            plan,
            digest: Fingerprint::of([""]),
        };
        saved.digest = saved.computed_digest();
        saved
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// Says what is wrong with the file, to be put after its name.
    pub fn parse(text: &str) -> Result<Self, SavedPlanError> {
        let unreadable = |error: serde_json::Error| SavedPlanError::Unreadable(error.to_string());
        let value: serde_json::Value = serde_json::from_str(text).map_err(unreadable)?;
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(SAVED_PLAN_VERSION) => {}
            Some(found) => return Err(SavedPlanError::Version { found }),
            None => return Err(SavedPlanError::Unreadable("it has no version".to_owned())),
        }
        let saved: Self = serde_json::from_value(value).map_err(unreadable)?;
        if saved.digest == saved.computed_digest() { Ok(saved) } else { Err(SavedPlanError::Tampered) }
    }

    fn computed_digest(&self) -> Fingerprint {
        let plan = serde_json::to_vec(&self.plan).unwrap_or_default();
        let head = format!("{}/{}/{}", self.version, self.project, self.project_fingerprint.as_str());
        let parameters = match self.parameters.is_empty() {
            true => Vec::new(),
            false => serde_json::to_vec(&self.parameters).unwrap_or_default(),
        };
        Fingerprint::of([head.into_bytes(), plan].into_iter().chain((!parameters.is_empty()).then_some(parameters)))
    }
}
