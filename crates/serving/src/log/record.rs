//! One line of the prediction log.

use std::collections::BTreeMap;

use baton_core::scalar::Scalar;
use serde::{Deserialize, Serialize};

use crate::router::{FeatureStatus, PredictResponse, RequestRow, Variant};

/// How old what a view gave was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewFreshness {
    /// Whether the view had a row, and one that still held.
    pub status: FeatureStatus,
    /// The row's event time in microseconds.
    pub event_at: Option<i64>,
}

/// A prediction with everything needed to explain or repeat it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictionRecord {
    /// Unique; sorts by time.
    pub id: String,
    /// The prediction's instant, in microseconds since the epoch.
    pub at: i64,
    /// The endpoint.
    pub endpoint: String,
    /// The endpoint's revision.
    pub revision: u64,
    /// The commit whose models and features answered, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The role of the model.
    pub variant: Variant,
    /// The model.
    pub model: String,
    /// Its version.
    pub version: u32,
    /// Entity keys and what else identifies the row.
    pub keys: RequestRow,
    /// Feature values as the model saw them; a number that is not finite reads as null.
    pub features: BTreeMap<String, Scalar>,
    /// Probability of true, or a number.
    pub score: f64,
    /// The caller's name for the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// By view, for those that were read.
    pub freshness: BTreeMap<String, ViewFreshness>,
    /// The id of the answer that a shadow looked on at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow_of: Option<String>,
}

impl PredictionRecord {
    /// The records of an answer, one for each row.
    pub fn of_response(response: &PredictResponse) -> Vec<Self> {
        let records = response.predictions.iter().map(|row| Self {
            id: row.id.clone(),
            at: response.at.timestamp_micros(),
            endpoint: response.endpoint.to_string(),
            revision: response.revision,
            commit: response.commit.as_deref().map(str::to_owned),
            variant: row.variant,
            model: row.model.to_string(),
            version: row.version,
            keys: row.keys.clone(),
            features: row.features.iter().map(|(name, value, _)| (name.to_string(), value.clone())).collect(),
            score: row.score,
            request_id: response.request_id.clone(),
            freshness: row
                .views
                .iter()
                .map(|read| (read.view.to_string(), ViewFreshness { status: read.status, event_at: read.event_at }))
                .collect(),
            shadow_of: None,
        });
        records.collect()
    }
}
