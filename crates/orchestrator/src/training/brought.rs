//! A registered model in place of one that is trained: brought into its served form, and judged on the same test part.

use std::sync::Arc;

use baton_core::asset::Model;
use baton_core::{AssetName, RegisteredReference};

use super::dataset::{TrainingSet, parts};
use super::fit::{Fitted, no_rows};
use crate::error::RunError;
use crate::execution::Execution;
use crate::registered::{RegisteredVersion, bring_in, refused};
use crate::values::numbers;

impl Execution<'_> {
    /// The version that a reference points at now.
    pub(super) async fn registered_version(
        &self,
        reference: &RegisteredReference,
    ) -> Result<RegisteredVersion, RunError> {
        self.services.registered.find(reference).await.map_err(|reason| refused(reference, reason))
    }

    /// The registered version with its predictions of the test part.
    pub(super) async fn brought_in(
        &self,
        asset: &AssetName,
        model: &Model,
        reference: &RegisteredReference,
        set: &TrainingSet,
    ) -> Result<Fitted, RunError> {
        let parts = parts(model, self.as_of.timestamp_micros());
        let test = set.times.partition_point(|time| *time < parts.1)..set.times.len();
        if test.is_empty() {
            return Err(no_rows(asset, model, set, self.as_of, true));
        }
        let version = self.registered_version(reference).await?;
        let brought = bring_in(self.services, &version, model.task, Some(set.features.clone())).await?;
        let test_rows = set.rows.slice(test.start, test.len());
        let target = test_rows.column_by_name(&model.labels.target).ok_or_else(|| {
            RunError::Project(format!("the labels of model `{asset}` have no column `{}`", model.labels.target))
        })?;
        let test_labels = numbers(target);
        let test_values = brought.stored.encoder.encode(&test_rows)?;
        let predictor = Some(Arc::clone(&brought.predictor));
        let (rows, count) = (test_values.clone(), test.len());
        let predicting = tokio::task::spawn_blocking(move || brought.predictor.predict(&rows, count));
        let test_scores = predicting.await.map_err(|error| RunError::Worker(error.to_string()))??;
        let origin = Some(brought.origin);
        let stored = brought.stored;
        Ok(Fitted { stored, predictor, parts, test, test_labels, test_values, test_scores, origin, trials: None })
    }
}
