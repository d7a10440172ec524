//! Training a model version: rows as known at prediction time, search, fit, judgement, registration.

mod brought;
mod dataset;
mod fit;
mod judge;
mod refit;
mod searching;

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_core::asset::Model;
use baton_core::{AssetName, EventKind, Fingerprint, Kind, Pin, Version, failpoint};
use serde_json::json;

pub(crate) use dataset::{TrainingSet, prediction_instant};
pub(crate) use fit::ml_task;
use judge::Judged;
pub(crate) use searching::pruning;

use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::registered::Origin;
use crate::registry::{LoadedVersion, ModelVersion, model_version, model_versions, registered};
use crate::steps::{StepKey, StepOutput};

/// The alias of the version that serves.
pub(crate) const CHAMPION: &str = "champion";
/// The part of a training's key that says which registered version came in.
const REGISTERED: &str = "registered version";
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
        let outcome = Box::pin(self.train_version(asset, model, reason)).await;
        self.end_training(asset, outcome.is_ok()).await;
        outcome
    }

    async fn train_version(&mut self, asset: &AssetName, model: &Model, reason: &str) -> Result<StepOutcome, RunError> {
        let Some(desired) = self.prepared.desired.assets.get(asset) else { return Ok(StepOutcome::up_to_date()) };
        let inputs = self.input_versions(asset);
        let aliases = aliases_of(self.working.get(asset));
        let key = self.training_key(asset, model, &desired.content(), &inputs, &aliases).await?;
        if let Some(pin) = self.take_recorded(asset, &key).await? {
            self.redeploy(asset).await?;
            return Ok(StepOutcome::reused(pin.version.to_string()));
        }
        let (set, fitted) = match self.fitted_before(asset, &key).await? {
            Some(before) if aliases.get(CHAMPION) == Some(&before.number) => {
                return self.keep_champion(asset, before, &key, inputs).await;
            }
            Some(before) => self.fitted_again(asset, model, &before).await?,
            None => {
                let set = self.training_set(asset, model).await?;
                self.begin_training(asset, model, &set).await;
                let fitted = self.fit(asset, model, &set).await?;
                (set, fitted)
            }
        };
        let champion = match aliases.get(CHAMPION) {
            Some(number) => model_version(self.services, asset, *number).await?,
            None => None,
        };
        let judged = self.judge(asset, model, set, fitted, champion, reason).await?;
        let (version, pin) = self.register(asset, &key, &judged, &aliases, &inputs).await?;
        self.log_training(asset, &version).await;
        let promoted = aliases_of(Some(&pin)).get(CHAMPION) == Some(&version.number);
        self.working.insert(asset.clone(), pin);
        self.redeploy(asset).await?;
        Ok(StepOutcome::done(describe(&version, promoted)))
    }

    /// Registers a version under the next number. Another environment may train the same model at the same time: whoever
    /// comes second takes the number after.
    async fn register(
        &mut self,
        asset: &AssetName,
        key: &StepKey,
        judged: &Judged,
        aliases: &BTreeMap<String, u32>,
        inputs: &BTreeMap<AssetName, String>,
    ) -> Result<(ModelVersion, Pin), RunError> {
        loop {
            let last = model_versions(self.services, asset).await?.last().map_or(0, |last| last.number);
            let version = judged.numbered(last + 1);
            let pin = self.model_pin(asset, &version, aliases.clone(), inputs.clone());
            failpoint::reach("train.before_register");
            let reference = version.reference();
            let events = vec![
                self.event(EventKind::ModelRegistered, asset, &reference, json!(version)),
                self.event(EventKind::GatesEvaluated, asset, &reference, json!({"gates": version.gates})),
            ];
            let taken = registered(asset, version.number);
            if self.record_output_unless(&taken, asset, key, &StepOutput::of(pin.clone()), events).await? {
                return Ok((version, pin));
            }
        }
    }

    /// What decides a model version and its judgement. The clock does so only by the labels that it parts.
    async fn training_key(
        &self,
        asset: &AssetName,
        model: &Model,
        content: &Fingerprint,
        inputs: &BTreeMap<AssetName, String>,
        aliases: &BTreeMap<String, u32>,
    ) -> Result<StepKey, RunError> {
        let (train, test) = self.count_parts(model).await?;
        let aliases: Vec<String> = aliases.iter().map(|(alias, number)| format!("{alias}={number}")).collect();
        let judged_by = Fingerprint::of([json!(model.gates).to_string(), json!(model.slices).to_string()]);
        let mut key = StepKey::new("train", content)
            .reading(inputs)
            .with("training labels", train)
            .with("test labels", test)
            .with("aliases", aliases.join(" "))
            .with("gates and slices", judged_by)
            .with("open incidents", self.open_incidents_upstream(asset).await?.join(" "));
        if let Some(reference) = &model.train.registered {
            key = key.with(REGISTERED, self.registered_version(reference).await?.to_string());
        }
        Ok(key)
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

fn describe(version: &ModelVersion, promoted: bool) -> String {
    let metric = ["roc_auc", "rmse"].iter().find_map(|name| Some((name, version.evaluation.metrics.get(*name)?)));
    let figure = metric.map(|(name, value)| format!(", {name} {value:.3}")).unwrap_or_default();
    let verdict =
        if promoted { "passed its gates, now champion" } else { "did not pass its gates, kept as challenger" };
    let compared = version.not_compared.iter().map(|reason| format!("; not compared: {reason}"));
    let origin = version.origin.as_ref().map(|origin| {
        let Origin { version, form, largest_difference, example_rows } = origin;
        format!(
            " of {version}, served as {form}, largest difference {largest_difference:.1e} on {example_rows} logged rows"
        )
    });
    let (origin, compared) = (origin.unwrap_or_default(), compared.collect::<String>());
    format!("{} {}{origin}{figure}: {verdict}{compared}", version.reference(), version.algorithm)
}
