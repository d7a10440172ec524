//! A model that was fitted before on the same rows: taken from its artifact, so that only the judgement is done again.

use std::collections::BTreeMap;

use arrow::compute::concat_batches;
use baton_core::AssetName;
use baton_core::asset::Model;
use baton_ml::runtime::load;

use super::dataset::{TrainingSet, instants, parts};
use super::fit::Fitted;
use super::{CHAMPION, REGISTERED, describe};
use crate::checks::quoted;
use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::registry::{ModelVersion, model_versions, stored_model};
use crate::sessions::session;
use crate::steps::{RecordedStep, StepKey, StepOutput};
use crate::values::numbers;

/// The parts of a training's key that decide the fit; the others decide its judgement.
const FIT: [&str; 3] = ["training labels", "test labels", REGISTERED];

impl Execution<'_> {
    /// The newest version that was fitted on the same rows by the same definition and code.
    pub(super) async fn fitted_before(
        &self,
        asset: &AssetName,
        key: &StepKey,
    ) -> Result<Option<ModelVersion>, RunError> {
        let fits = |key: &StepKey| FIT.map(|name| key.parameters.get(name).cloned());
        let is_same = |step: &RecordedStep| {
            let other = &step.key;
            (&other.verb, &other.content, &other.inputs, &other.code, fits(other))
                == (&key.verb, &key.content, &key.inputs, &key.code, fits(key))
        };
        let steps = self.newest_steps(asset).await?;
        let Some((_, step)) = steps.iter().rev().find(|(_, step)| is_same(step)) else { return Ok(None) };
        let versions = model_versions(self.services, asset).await?;
        Ok(versions.into_iter().rev().find(|version| step.output.pin.digest.as_ref() == Some(&version.digest)))
    }

    /// The champion is what a training would make: it stays, and a challenger to it goes.
    pub(super) async fn keep_champion(
        &mut self,
        asset: &AssetName,
        champion: ModelVersion,
        key: &StepKey,
        inputs: BTreeMap<AssetName, String>,
    ) -> Result<StepOutcome, RunError> {
        let aliases = BTreeMap::from([(CHAMPION.to_owned(), champion.number)]);
        let mut pin = self.model_pin(asset, &champion, aliases.clone(), inputs);
        pin.version = baton_core::Version::Model { aliases };
        self.record_output(asset, key, &StepOutput::of(pin.clone()), Vec::new()).await?;
        self.working.insert(asset.clone(), pin);
        self.redeploy(asset).await?;
        Ok(StepOutcome::reused(describe(&champion, true)))
    }

    /// The stored model with its test part, as if it had just been fitted.
    pub(super) async fn fitted_again(
        &self,
        asset: &AssetName,
        model: &Model,
        version: &ModelVersion,
    ) -> Result<(TrainingSet, Fitted), RunError> {
        let stored = stored_model(self.services, version).await?;
        let session = session(self.services, [("training".to_owned(), version.training_set.clone())], None).await?;
        let query = format!("select * from training order by {}", quoted(&model.labels.time));
        let (schema, batches) = session.query(&query).await?;
        let rows = concat_batches(&schema, &batches).map_err(RunError::rows(asset))?;
        let times = instants(asset, &rows, &model.labels.time)?;
        let parts = parts(model, self.as_of.timestamp_micros());
        let test = times.partition_point(|time| *time < parts.1)..times.len();
        let test_rows = rows.slice(test.start, test.len());
        let target = test_rows.column_by_name(&model.labels.target).ok_or_else(|| {
            RunError::Project(format!("the labels of model `{asset}` have no column `{}`", model.labels.target))
        })?;
        let test_labels = numbers(target);
        let test_values = stored.encoder.encode(&test_rows)?;
        let test_scores = load(&stored, &self.services.models)?.predict(&test_values, test.len())?;
        let features = stored.encoder.features().iter().map(|feature| feature.name.clone()).collect();
        let set = TrainingSet { version: version.training_set.clone(), rows, features, times };
        let origin = version.origin.clone();
        let (trials, predictor) = (version.trials, None);
        Ok((set, Fitted { stored, predictor, parts, test, test_labels, test_values, test_scores, origin, trials }))
    }
}
