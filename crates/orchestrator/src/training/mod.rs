//! Training a model version: rows as known at prediction time, search, fit, judgement, registration.

mod dataset;
mod fit;
mod judge;

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_core::asset::Model;
use baton_core::{AssetName, EventKind, Fingerprint, Kind, Pin, Version, failpoint};
use serde_json::json;

pub(crate) use dataset::prediction_instant;

use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::registry::{LoadedVersion, ModelVersion, model_version, model_versions};

/// The alias of the version that serves.
pub(crate) const CHAMPION: &str = "champion";
/// The alias of the newest version that did not pass.
pub(crate) const CHALLENGER: &str = "challenger";

impl Execution<'_> {
    /// Trains a version, judges it by the gates, registers it, and moves the champion alias if all gates let it pass.
    pub(crate) async fn train(
        &mut self,
        asset: &AssetName,
        model: &Model,
        reason: &str,
    ) -> Result<StepOutcome, RunError> {
        let Some(desired) = self.prepared.desired.assets.get(asset) else { return Ok(StepOutcome::up_to_date()) };
        let inputs = self.input_versions(asset);
        let aliases = aliases_of(self.working.get(asset));
        let key = training_key(&desired.content(), &inputs, &aliases, self.as_of.timestamp_micros(), &self.environment);
        if let Some(output) = self.recorded_output(&key).await?
            && let Ok(pin) = serde_json::from_value::<Pin>(output)
        {
            let detail = pin.version.to_string();
            self.working.insert(asset.clone(), pin);
            self.redeploy(asset).await?;
            return Ok(StepOutcome::reused(detail));
        }
        let set = self.training_set(asset, model).await?;
        let fitted = self.fit(asset, model, &set).await?;
        let champion = match aliases.get(CHAMPION) {
            Some(number) => model_version(self.services, asset, *number).await?,
            None => None,
        };
        let number = model_versions(self.services, asset).await?.last().map_or(0, |last| last.number) + 1;
        let version = self.judge(asset, model, set, fitted, champion, number, reason).await?;
        let pin = self.model_pin(asset, &version, aliases, inputs);
        failpoint::reach("train.before_register");
        let events = vec![
            self.event(EventKind::ModelRegistered, asset, &version.reference(), json!(version)),
            self.event(EventKind::GatesEvaluated, asset, &version.reference(), json!({"gates": version.gates})),
        ];
        self.record_output(asset, &key, json!(pin), events).await?;
        let promoted = aliases_of(Some(&pin)).get(CHAMPION) == Some(&number);
        self.working.insert(asset.clone(), pin);
        self.redeploy(asset).await?;
        Ok(StepOutcome::done(describe(&version, promoted)))
    }

    fn model_pin(
        &self,
        asset: &AssetName,
        version: &ModelVersion,
        mut aliases: BTreeMap<String, u32>,
        inputs: BTreeMap<AssetName, String>,
    ) -> Pin {
        let alias = if version.passed() { CHAMPION } else { CHALLENGER };
        aliases.insert(alias.to_owned(), version.number);
        if alias == CHAMPION {
            aliases.remove(CHALLENGER);
        }
        let mut pin = self.bare_pin(asset, Kind::Model, Version::Model { aliases });
        pin.rows = Some(version.rows);
        pin.digest = Some(version.digest.clone());
        pin.inputs = inputs;
        pin
    }

    /// Lets every endpoint that serves the model follow its aliases.
    async fn redeploy(&mut self, model: &AssetName) -> Result<(), RunError> {
        let prepared = self.prepared;
        for name in prepared.graph.outputs(model) {
            if let Some(baton_core::Definition::Endpoint(endpoint)) =
                prepared.project.assets.get(name).map(|asset| &asset.definition)
                && self.working.contains_key(name)
            {
                self.deploy(name, endpoint).await?;
            }
        }
        Ok(())
    }

    /// The champion of a model in this run, ready to predict.
    pub(crate) async fn champion(&self, model: &AssetName) -> Result<Option<Arc<LoadedVersion>>, RunError> {
        let Some(number) = aliases_of(self.working.get(model)).get(CHAMPION).copied() else { return Ok(None) };
        self.prepared.models.get(self.services, model, number).await
    }
}

/// The aliases that a pin holds.
pub(crate) fn aliases_of(pin: Option<&Pin>) -> BTreeMap<String, u32> {
    match pin.map(|pin| &pin.version) {
        Some(Version::Model { aliases }) => aliases.clone(),
        _ => BTreeMap::new(),
    }
}

fn training_key(
    content: &Fingerprint,
    inputs: &BTreeMap<AssetName, String>,
    aliases: &BTreeMap<String, u32>,
    as_of: i64,
    environment: &str,
) -> Fingerprint {
    let mut parts = vec!["train".to_owned(), content.as_str().to_owned(), as_of.to_string(), environment.to_owned()];
    parts.extend(inputs.iter().flat_map(|(name, version)| [name.to_string(), version.clone()]));
    parts.extend(aliases.iter().map(|(alias, number)| format!("{alias}={number}")));
    Fingerprint::of(parts)
}

fn describe(version: &ModelVersion, promoted: bool) -> String {
    let metric = ["roc_auc", "rmse"].iter().find_map(|name| Some((name, version.evaluation.metrics.get(*name)?)));
    let figure = metric.map(|(name, value)| format!(", {name} {value:.3}")).unwrap_or_default();
    let verdict =
        if promoted { "passed its gates, now champion" } else { "did not pass its gates, kept as challenger" };
    format!("{} {}{figure}: {verdict}", version.reference(), version.algorithm)
}
