//! Model versions as the ledger records them: registered once, never changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use baton_core::event::EventFilter;
use baton_core::{AssetName, EventKind, TableVersion, Timestamp};
use baton_ml::evaluate::Evaluation;
use baton_ml::explain::FeatureImportance;
use baton_ml::gate::GateResult;
use baton_ml::runtime::load;
use baton_ml::{Predictor, StoredModel};
use serde::{Deserialize, Serialize};

use crate::error::RunError;
use crate::registered::Origin;
use crate::services::Services;

/// A trained version of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelVersion {
    /// The model.
    pub model: AssetName,
    /// Counts from 1.
    pub number: u32,
    /// Digest of the stored model.
    pub digest: String,
    /// Where the stored model is among the artifacts.
    pub artifact: String,
    /// The algorithm that the search chose.
    pub algorithm: String,
    /// The logical clock at training.
    pub as_of: Timestamp,
    /// Why it was trained.
    pub reason: String,
    /// The rows it was trained, stopped and judged on.
    pub training_set: TableVersion,
    /// Rows of the training set.
    pub rows: u64,
    /// Instants, in microseconds, at which the validation and the test part begin.
    pub parts: (i64, i64),
    /// How it did on the test part.
    pub evaluation: Evaluation,
    /// How the champion of the time did on the same rows.
    pub champion: Option<(u32, BTreeMap<String, f64>)>,
    /// Why the champion of the time was not compared.
    #[serde(default)]
    pub not_compared: Option<String>,
    /// Features by how much predictions depend on them.
    pub importance: Vec<FeatureImportance>,
    /// Largest difference between predictions at training and of the stored form.
    pub stored_difference: f64,
    /// Where it comes from, when it was not trained here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// How many trials it was found in, where time decided: so many find it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trials: Option<u32>,
    /// How its gates came out.
    pub gates: Vec<GateResult>,
    /// The model card, as Markdown.
    pub card: String,
}

impl ModelVersion {
    /// Whether all gates let it pass.
    pub fn passed(&self) -> bool {
        self.gates.iter().all(|gate| gate.passed)
    }

    /// `model@number`.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.model, self.number)
    }
}

/// All versions of a model, oldest first.
pub async fn model_versions(services: &Services, model: &str) -> Result<Vec<ModelVersion>, RunError> {
    let Ok(name) = AssetName::parse(model) else { return Ok(Vec::new()) };
    let filter = EventFilter { kinds: vec![EventKind::ModelRegistered], asset: Some(name), ..EventFilter::default() };
    let events = services.ledger.events(&filter).await?;
    Ok(events.into_iter().filter_map(|found| serde_json::from_value(found.event.body).ok()).collect())
}

/// One version of a model.
pub(crate) async fn model_version(
    services: &Services,
    model: &AssetName,
    number: u32,
) -> Result<Option<ModelVersion>, RunError> {
    Ok(registered_version(services, model, number).await?.map(|(version, _)| version))
}

/// One version of a model, and when it was registered on the machine's clock.
pub(crate) async fn registered_version(
    services: &Services,
    model: &AssetName,
    number: u32,
) -> Result<Option<(ModelVersion, Timestamp)>, RunError> {
    let filter = EventFilter { last: Some(1), ..registered(model, number) };
    let found = services.ledger.events(&filter).await?.pop();
    Ok(found.and_then(|found| Some((serde_json::from_value(found.event.body).ok()?, found.event.at))))
}

/// The event that registers a version.
pub(crate) fn registered(model: &AssetName, number: u32) -> EventFilter {
    EventFilter {
        kinds: vec![EventKind::ModelRegistered],
        key: Some(format!("{model}@{number}")),
        ..EventFilter::default()
    }
}

/// The stored form of a version.
pub(crate) async fn stored_model(services: &Services, version: &ModelVersion) -> Result<StoredModel, RunError> {
    let files = services.lake.artifacts().get(&version.artifact).await?;
    Ok(StoredModel::from_files(&files)?)
}

/// A version that is ready to predict.
pub(crate) struct LoadedVersion {
    pub(crate) version: ModelVersion,
    pub(crate) stored: StoredModel,
    pub(crate) predictor: Box<dyn Predictor>,
}

/// Versions that were loaded, remembered over the ticks of a replay: a version never changes.
#[derive(Default)]
pub(crate) struct ModelCache(Mutex<BTreeMap<String, Arc<LoadedVersion>>>);

impl ModelCache {
    /// The version `number` of `model`; `None` when there is no such version.
    pub(crate) async fn get(
        &self,
        services: &Services,
        model: &AssetName,
        number: u32,
    ) -> Result<Option<Arc<LoadedVersion>>, RunError> {
        let key = format!("{model}@{number}");
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if kept.is_some() {
            return Ok(kept);
        }
        let Some(version) = model_version(services, model, number).await? else { return Ok(None) };
        let stored = stored_model(services, &version).await?;
        let predictor = load(&stored, &services.models)?;
        let loaded = Arc::new(LoadedVersion { version, stored, predictor });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&loaded));
        Ok(Some(loaded))
    }
}
