//! Deploying an endpoint: pinning the model versions that its definition and the models' aliases say.

use std::collections::BTreeMap;

use baton_core::asset::{Endpoint, ModelReference};
use baton_core::{AssetName, EventKind, Kind, Pin, Version};
use serde_json::json;

use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::training::aliases_of;

impl Execution<'_> {
    /// Pins what the endpoint serves from now on; a revision more when that changed.
    pub(crate) async fn deploy(&mut self, asset: &AssetName, endpoint: &Endpoint) -> Result<StepOutcome, RunError> {
        if self.failed.contains(&endpoint.model.model) && self.pinned_model(&endpoint.model).is_err() {
            self.failed.insert(asset.clone());
            return Ok(StepOutcome::skipped(format!("{} failed", endpoint.model.model)));
        }
        let serves = self.serves(endpoint)?;
        let before = self.working.get(asset).map(served_of);
        let revision = match &before {
            Some((revision, same)) if *same == serves => *revision,
            Some((revision, _)) => revision + 1,
            None => 1,
        };
        let changed = before.as_ref().is_none_or(|(_, there)| *there != serves);
        let pin = self.bare_pin(asset, Kind::Endpoint, Version::Endpoint { revision, serves: serves.clone() });
        self.working.insert(asset.clone(), pin);
        if !changed {
            return Ok(StepOutcome::up_to_date());
        }
        let body = json!({"revision": revision, "serves": serves, "before": before.map(|(_, serves)| serves)});
        self.pending.push(self.event(EventKind::EndpointDeployed, asset, asset.as_str(), body));
        let main = serves.get("main").cloned().unwrap_or_default();
        Ok(StepOutcome::done(format!("revision {revision} serves {main}")))
    }

    fn serves(&self, endpoint: &Endpoint) -> Result<BTreeMap<String, String>, RunError> {
        let mut serves = BTreeMap::from([("main".to_owned(), self.pinned_model(&endpoint.model)?)]);
        if let Some(canary) = &endpoint.canary
            && let Ok(found) = self.pinned_model(&canary.model)
        {
            serves.insert("canary".to_owned(), found);
        }
        for (number, shadow) in endpoint.shadow.iter().enumerate() {
            if let Ok(found) = self.pinned_model(shadow) {
                serves.insert(format!("shadow_{number}"), found);
            }
        }
        Ok(serves)
    }

    /// `model@number` for `model@alias`.
    fn pinned_model(&self, reference: &ModelReference) -> Result<String, RunError> {
        let aliases = aliases_of(self.working.get(&reference.model));
        match aliases.get(&reference.alias) {
            Some(number) => Ok(format!("{}@{number}", reference.model)),
            None => Err(RunError::Missing {
                what: "model version",
                name: format!("{}@{}", reference.model, reference.alias),
                environment: self.environment.clone(),
                hint: "train one that passes its gates; `baton show` says why the last did not".to_owned(),
            }),
        }
    }
}

/// Revision and served versions of an endpoint's pin.
pub(crate) fn served_of(pin: &Pin) -> (u64, BTreeMap<String, String>) {
    match &pin.version {
        Version::Endpoint { revision, serves } => (*revision, serves.clone()),
        _ => (0, BTreeMap::new()),
    }
}
