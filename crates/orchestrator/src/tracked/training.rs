//! A training as a tracked run: parameters, figures, training set, the model that came of it.

use baton_core::asset::Model;
use baton_core::{AssetName, Fingerprint};
use baton_ml::Params;
use baton_tracking::metric::Metric;
use baton_tracking::registry::LoggedTraining;
use baton_tracking::run::Batch;
use baton_tracking::{Param, Tag, TrackingError, TrackingStore};

use super::inputs::{CONTEXT, version_as_dataset};
use super::program::{ended, untracked};
use super::tie::FEATURES;
use crate::execution::Execution;
use crate::registry::{ModelVersion, stored_model};
use crate::training::TrainingSet;

/// Longest text of a tag that holds a list.
const LONGEST: usize = 5_000;

impl Execution<'_> {
    /// Begins the run of a training; the step goes on whatever comes of it.
    pub(crate) async fn begin_training(&mut self, asset: &AssetName, model: &Model, set: &TrainingSet) {
        self.tracked.run = match Box::pin(self.try_to_begin(asset, model, set)).await {
            Ok(run) => run,
            Err(error) => {
                untracked(self.services, asset, &error);
                None
            }
        };
    }

    /// Notes the version that came of the training.
    pub(crate) async fn log_training(&self, asset: &AssetName, version: &ModelVersion) {
        if let Err(error) = Box::pin(self.try_to_log(version)).await {
            untracked(self.services, asset, &error);
        }
    }

    /// Ends the run of a training, if one was begun.
    pub(crate) async fn end_training(&mut self, asset: &AssetName, went_well: bool) {
        let Some(run) = self.tracked.run.take() else { return };
        let ended = match self.services.tracking.store().await {
            Ok(Some(store)) => store.update_run(run, ended(self.services, went_well)).await.map(drop),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            untracked(self.services, asset, &error);
        }
    }

    async fn try_to_begin(
        &self,
        asset: &AssetName,
        model: &Model,
        set: &TrainingSet,
    ) -> Result<Option<String>, TrackingError> {
        let Some(store) = self.services.tracking.store().await? else { return Ok(None) };
        let mut tie = self.tie_of(asset, "features").await;
        for input in tie.datasets.iter_mut().filter(|input| input.dataset.name == *model.labels.from) {
            input.tags.iter_mut().filter(|tag| tag.key == CONTEXT).for_each(|tag| tag.value = "labels".to_owned());
        }
        let name = format!("{asset}__training");
        let (digest, rows) = (Fingerprint::of([set.version.to_string()]).to_string(), set.rows.num_rows() as u64);
        let training = (name.as_str(), &set.version);
        tie.datasets.insert(0, version_as_dataset(self.services, training, (&digest, Some(rows)), "training").await);
        let features: String = set.features.join(", ").chars().take(LONGEST).collect();
        tie.tags.push(Tag { key: FEATURES.to_owned(), value: features });
        let promised = tie.promised(asset.to_string(), self.services.clock.now());
        let run = promised.run_id.clone();
        store.keep_promise(promised).await?;
        store.log_batch(run.clone(), Batch { params: asked(model), ..Batch::default() }).await?;
        Ok(Some(run))
    }

    async fn try_to_log(&self, version: &ModelVersion) -> Result<(), TrackingError> {
        let (Some(run), Some(store)) = (&self.tracked.run, self.services.tracking.store().await?) else {
            return Ok(());
        };
        let params = match stored_model(self.services, version).await {
            Ok(stored) => stored.params,
            Err(error) => return Err(TrackingError::Storage(error.to_string())),
        };
        let metrics = self.metrics(version);
        let tags = vec![
            Tag { key: "baton.model_version".to_owned(), value: version.reference() },
            Tag { key: "baton.passed".to_owned(), value: version.passed().to_string() },
        ];
        let params = fitted(version, &params);
        store.log_batch(run.clone(), Batch { metrics, params: params.clone(), tags }).await?;
        self.log_model(&store, run, version, params).await
    }

    fn metrics(&self, version: &ModelVersion) -> Vec<Metric> {
        let timestamp = self.services.clock.now().timestamp_millis();
        let metric = |key: String, value: f64| Metric { key, value, timestamp, ..Metric::default() };
        let figures = version.evaluation.metrics.iter().map(|(name, value)| metric(name.clone(), *value));
        let champion = version.champion.iter().flat_map(|(_, metrics)| metrics);
        let champion = champion.map(|(name, value)| metric(format!("champion.{name}"), *value));
        figures.chain(champion).collect()
    }

    async fn log_model(
        &self,
        store: &TrackingStore,
        run: &str,
        version: &ModelVersion,
        params: Vec<Param>,
    ) -> Result<(), TrackingError> {
        let training = LoggedTraining {
            run_id: run.to_owned(),
            model: version.model.to_string(),
            number: i64::from(version.number),
            model_type: version.algorithm.clone(),
            params,
        };
        store.log_trained(training).await
    }
}

/// What a training was asked to do.
fn asked(model: &Model) -> Vec<Param> {
    let train = &model.train;
    vec![
        param("train.algorithm", &train.algorithm),
        param("train.trials", train.trials),
        param("train.cross_validate", train.cross_validate),
        param("train.metric", &train.metric),
        param("train.seed", train.seed),
    ]
}

/// What the model was fitted with.
fn fitted(version: &ModelVersion, params: &Params) -> Vec<Param> {
    let chosen = params.0.iter().map(|(name, value)| param(name, value));
    [param("algorithm", &version.algorithm)].into_iter().chain(chosen).collect()
}

fn param(key: &str, value: impl ToString) -> Param {
    Param { key: key.to_owned(), value: value.to_string() }
}
