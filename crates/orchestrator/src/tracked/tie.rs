//! What ties a tracked run to the step that it belongs to: code, data, clock and environment, as tags and inputs.

use baton_core::{AssetName, Timestamp};
use baton_tracking::Tag;
use baton_tracking::input::DatasetInput;
use baton_tracking::run::PromisedRun;

use super::environment::{in_a_line, locks, platform};
use super::inputs::datasets;
use crate::execution::Execution;

/// The tag that holds the git revision; MLflow's own.
pub(super) const REVISION: &str = "mlflow.source.git.commit";
/// The tag that names the asset.
pub(super) const ASSET: &str = "baton.asset";
/// The tag that names the environment.
pub(super) const ENVIRONMENT: &str = "baton.environment";
/// The tag that holds the id of Baton's own run.
pub(super) const RUN: &str = "baton.run";
/// The tag that holds the logical clock.
pub(super) const AS_OF: &str = "baton.as_of";
/// The tag that holds what defined the asset.
pub(super) const DEFINITION: &str = "baton.definition";
/// The tag that names lock files with their digests.
pub(super) const LOCKS: &str = "baton.lock";
/// The tag that names the operating system and the processor.
pub(super) const PLATFORM: &str = "baton.platform";
/// The tag that names the columns that a model reads.
pub(super) const FEATURES: &str = "baton.features";

/// What a run of a step says of itself, whatever it logs.
#[derive(Debug, Clone)]
pub(crate) struct Tie {
    /// `project/asset`.
    pub(super) experiment: String,
    /// Who runs it.
    pub(super) author: String,
    /// Tags.
    pub(super) tags: Vec<Tag>,
    /// Table versions.
    pub(super) datasets: Vec<DatasetInput>,
}

impl Tie {
    /// A run of `name` that begins now.
    pub(super) fn promised(&self, name: String, now: Timestamp) -> PromisedRun {
        PromisedRun {
            run_id: PromisedRun::new_id(),
            experiment: self.experiment.clone(),
            user_id: self.author.clone(),
            start_time: now.timestamp_millis(),
            name,
            tags: self.tags.clone(),
            datasets: self.datasets.clone(),
        }
    }
}

impl Execution<'_> {
    /// What runs of the step at hand are tied to; `context` is what its inputs are read for.
    pub(super) async fn tie_of(&self, asset: &AssetName, context: &str) -> Tie {
        let services = self.services;
        let inputs = self.prepared.graph.inputs(asset).cloned();
        Tie {
            experiment: experiment(&self.prepared.project.name, asset),
            author: services.author.clone(),
            tags: self.tags(asset),
            datasets: datasets(services, &self.working, inputs, context).await,
        }
    }

    fn tags(&self, asset: &AssetName) -> Vec<Tag> {
        let services = self.services;
        let project = &self.prepared.project.name;
        let definition = self.prepared.desired.assets.get(asset).map(|desired| desired.content().to_string());
        let declared = self.prepared.project.settings.python.lock.as_deref();
        let locks = in_a_line(&locks(&services.folder, declared));
        let all = [
            ("mlflow.user", Some(services.author.clone())),
            ("mlflow.source.name", Some(project.clone())),
            ("mlflow.source.type", Some("PROJECT".to_owned())),
            (REVISION, services.git_revision.clone()),
            (ASSET, Some(asset.to_string())),
            (ENVIRONMENT, Some(self.environment.clone())),
            (RUN, Some(self.run.clone())),
            (AS_OF, Some(self.as_of.to_rfc3339())),
            (DEFINITION, definition),
            (LOCKS, Some(locks)),
            (PLATFORM, Some(platform())),
        ];
        let tag = |(key, value): (&str, Option<String>)| {
            let value = value.filter(|value| !value.is_empty())?;
            Some(Tag { key: key.to_owned(), value })
        };
        all.into_iter().filter_map(tag).collect()
    }
}

/// The experiment of an asset's runs.
pub(super) fn experiment(project: &str, asset: &AssetName) -> String {
    if project.is_empty() { asset.to_string() } else { format!("{project}/{asset}") }
}
