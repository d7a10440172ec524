//! One request through a deployment: features, variant, model, answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_core::Timestamp;
use baton_core::scalar::Scalar;
use serde::{Deserialize, Serialize};

use super::deployment::{Deployment, PlacedModel};
use super::features::{FeatureStatus, ResolvedRow, ViewRead};
use crate::error::ServingError;
use crate::prediction_id::{self, PredictionIds};

/// The named values of one row: features, entity keys, and anything else that identifies it.
pub type RequestRow = BTreeMap<String, Scalar>;

/// Rows to predict.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictRequest {
    /// The rows.
    pub rows: Vec<RequestRow>,
    /// The caller's name for the request.
    pub request_id: Option<String>,
    /// The instant at which features are read, and the prediction's time.
    pub at: Timestamp,
    /// Where prediction ids come from.
    pub ids: PredictionIds,
}

/// Which role a model played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// The main model.
    Main,
    /// The model on trial.
    Canary,
    /// A model that only looks on.
    Shadow,
}

impl Variant {
    /// The word in logs and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Canary => "canary",
            Self::Shadow => "shadow",
        }
    }
}

/// The answer for one row.
#[derive(Debug, Clone, PartialEq)]
pub struct RowPrediction {
    /// Unique.
    pub id: String,
    /// Which variant answered.
    pub variant: Variant,
    /// The model that answered.
    pub model: Arc<str>,
    /// Its version.
    pub version: u32,
    /// Probability of true, or a number.
    pub score: f64,
    /// What the row gave that is no feature: entity keys and other identification.
    pub keys: RequestRow,
    /// Every feature that the deployment plans, with its value and status.
    pub features: Vec<(Arc<str>, Scalar, FeatureStatus)>,
    /// The look-ups behind them.
    pub views: Vec<ViewRead>,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictResponse {
    /// The endpoint.
    pub endpoint: Arc<str>,
    /// Its revision.
    pub revision: u64,
    /// The commit whose models and features answered.
    pub commit: Option<Arc<str>>,
    /// The request's instant.
    pub at: Timestamp,
    /// The caller's name for the request.
    pub request_id: Option<String>,
    /// One for each row, in their order.
    pub predictions: Vec<RowPrediction>,
}

/// A row on its way to its answer.
struct OpenRow {
    id: String,
    keys: RequestRow,
    resolved: ResolvedRow,
}

impl Deployment {
    /// Predicts the rows of a request without logging them; by one version of the endpoint's model, whatever its share of
    /// traffic, if it is given.
    ///
    /// # Errors
    /// [`ServingError::MissingInput`], [`ServingError::Features`], [`ServingError::IdCount`] and
    /// [`ServingError::UnknownVersion`] for a request at fault, [`ServingError::Online`] and [`ServingError::Model`]
    /// otherwise.
    pub fn predict(&self, version: Option<u32>, request: PredictRequest) -> Result<PredictResponse, ServingError> {
        self.check_version(version)?;
        let resolved = self.resolve(&request.rows, request.at)?;
        let rows = self.open_rows(&request, resolved)?;
        let (canary, main): (Vec<usize>, Vec<usize>) =
            (0..rows.len()).partition(|row| self.goes_to_canary(&rows[*row], version));
        let mut scores = vec![0.0; rows.len()];
        self.main.predict(&rows, &main, &mut scores)?;
        if let Some((_, placed)) = &self.canary {
            placed.predict(&rows, &canary, &mut scores)?;
        }
        let is_canary = |row: usize| canary.binary_search(&row).is_ok();
        let answered = rows.into_iter().zip(scores).enumerate();
        let predictions = answered.map(|(row, (open, score))| self.answer(open, score, is_canary(row))).collect();
        Ok(PredictResponse {
            endpoint: self.endpoint().into(),
            revision: self.revision(),
            commit: self.source.commit.clone(),
            at: request.at,
            request_id: request.request_id,
            predictions,
        })
    }

    /// What each shadow would have answered to the rows of `response`: for each shadow and row the model, its version and
    /// the score. Shadows that fail are left out.
    pub(crate) fn shadow_scores(&self, response: &PredictResponse) -> Vec<(Arc<str>, u32, Vec<f64>)> {
        let scored = self.shadow.iter().filter_map(|placed| {
            let rows = response.predictions.iter().map(|row| {
                let values: Vec<Scalar> = placed.places.iter().map(|place| row.features[*place].1.clone()).collect();
                placed.loaded.encoder.encode_row(&values)
            });
            let matrix = rows.collect::<Result<Vec<_>, _>>().ok()?.concat();
            let scores = placed.loaded.predictor.predict(&matrix, response.predictions.len()).ok()?;
            Some((placed.loaded.model.clone(), placed.loaded.version, scores))
        });
        scored.collect()
    }

    fn open_rows(&self, request: &PredictRequest, resolved: Vec<ResolvedRow>) -> Result<Vec<OpenRow>, ServingError> {
        if let PredictionIds::Given(ids) = &request.ids
            && ids.len() != request.rows.len()
        {
            return Err(ServingError::IdCount { rows: request.rows.len(), ids: ids.len() });
        }
        let open = request.rows.iter().zip(resolved).enumerate().map(|(number, (row, resolved))| {
            let keys = self.keys_of(row);
            let id = match &request.ids {
                PredictionIds::Fresh => prediction_id::fresh(request.at),
                PredictionIds::FromKeys => prediction_id::from_keys(request.at, self.endpoint(), &keys),
                PredictionIds::Given(ids) => ids[number].clone(),
            };
            OpenRow { id, keys, resolved }
        });
        Ok(open.collect())
    }

    /// What of a row is no feature, or is an entity key as well.
    fn keys_of(&self, row: &RequestRow) -> RequestRow {
        let entity_keys = self.entity_keys();
        let is_feature = |name: &str| self.features.iter().any(|feature| *feature.name == *name);
        let is_key = |name: &str| entity_keys.contains(name) || !is_feature(name);
        row.iter().filter(|(name, _)| is_key(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn check_version(&self, version: Option<u32>) -> Result<(), ServingError> {
        let served = self.versions();
        match version.filter(|version| !served.contains(version)) {
            None => Ok(()),
            Some(version) => {
                Err(ServingError::UnknownVersion { endpoint: self.endpoint().to_owned(), version, served })
            }
        }
    }

    /// By the version asked for, else sticky by the row's keys; a row without keys has nothing to stick to but its id.
    fn goes_to_canary(&self, row: &OpenRow, version: Option<u32>) -> bool {
        let Some((share, _)) = &self.canary else { return false };
        if let Some(version) = version {
            return version != self.main().version;
        }
        if row.keys.is_empty() {
            return share.takes(self.endpoint(), row.id.as_bytes());
        }
        share.takes(self.endpoint(), &prediction_id::keys_bytes(&row.keys))
    }

    fn answer(&self, open: OpenRow, score: f64, is_canary: bool) -> RowPrediction {
        let canary = self.canary.as_ref().filter(|_| is_canary).map(|(_, placed)| placed);
        let (variant, placed) = canary.map_or((Variant::Main, &self.main), |placed| (Variant::Canary, placed));
        let features = self.features.iter().zip(open.resolved.values);
        RowPrediction {
            id: open.id,
            variant,
            model: placed.loaded.model.clone(),
            version: placed.loaded.version,
            score,
            keys: open.keys,
            features: features.map(|(feature, (value, status))| (feature.name.clone(), value, status)).collect(),
            views: open.resolved.reads,
        }
    }
}

impl PlacedModel {
    /// Predicts the `chosen` rows in one call and puts their scores in their places.
    fn predict(&self, rows: &[OpenRow], chosen: &[usize], scores: &mut [f64]) -> Result<(), ServingError> {
        if chosen.is_empty() {
            return Ok(());
        }
        let mut matrix = Vec::with_capacity(chosen.len() * self.places.len());
        for row in chosen {
            let resolved = &rows[*row].resolved.values;
            let values: Vec<Scalar> = self.places.iter().map(|place| resolved[*place].0.clone()).collect();
            let encoded = self.loaded.encoder.encode_row_into(&values, &mut matrix);
            encoded.map_err(|source| ServingError::Features {
                model: self.loaded.model.to_string(),
                version: self.loaded.version,
                row: *row,
                source,
            })?;
        }
        let found = self.loaded.predictor.predict(&matrix, chosen.len()).map_err(|source| ServingError::Model {
            model: self.loaded.model.to_string(),
            version: self.loaded.version,
            source,
        })?;
        for (row, score) in chosen.iter().zip(found) {
            scores[*row] = score;
        }
        Ok(())
    }
}
