//! Models that the project trains, for clients of MLflow: versions, aliases, and files that their loaders open.
//!
//! A version's files are copied once into the artifacts, with an `MLmodel` that says which loader opens them. The loaders see
//! features as the model does: encoded. It does not know the registry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use baton_core::asset::{Model, Task};
use baton_core::{AssetName, Version};
use baton_ml::model::ModelFormat;
use baton_orchestrator::{ModelVersion, RegisteredVersion, check_registered, declared_models, model_versions};
use baton_server::MLFLOW_VERSION;
use baton_tracking::Tag;
use baton_tracking::artifact::{ArtifactPath, ArtifactStore};
use baton_tracking::registry::{RegistryBridge, Told, TrainedModel, TrainedVersion};

use crate::project::Workspace;

/// The models of an environment.
pub(crate) struct TrainedModels {
    workspace: Arc<Workspace>,
    artifacts: ArtifactStore,
}

impl TrainedModels {
    /// Of an open project; files are copied to `artifacts`.
    pub(crate) fn of(workspace: Arc<Workspace>, artifacts: ArtifactStore) -> Self {
        Self { workspace, artifacts }
    }

    async fn commit(&self) -> Result<String, String> {
        let environments = self.workspace.services().ledger.environments().await.map_err(said)?;
        let found = environments.into_iter().find(|found| found.name == self.workspace.environment);
        Ok(found.map(|found| found.commit.to_string()).unwrap_or_default())
    }

    async fn models(&self) -> Result<Vec<TrainedModel>, String> {
        let services = self.workspace.services();
        let Some(commit) = services.ledger.head(&self.workspace.environment).await.map_err(said)? else {
            return Ok(Vec::new());
        };
        let mut models = Vec::new();
        for (name, pin) in &commit.assets {
            if let Version::Model { aliases } = &pin.version {
                models.extend(self.model(name, aliases).await?);
            }
        }
        Ok(models)
    }

    /// Whether models of the environment that follow `alias` of a registered model could come in at `version`.
    async fn check(&self, name: &str, alias: &str, version: i64, location: &str) -> Result<(), String> {
        let services = self.workspace.services();
        let Some(commit) = services.ledger.head(&self.workspace.environment).await.map_err(said)? else {
            return Ok(());
        };
        let models = declared_models(services, &self.workspace.project, &commit).await.map_err(said)?;
        let is_following = |model: &Model| model.train.registered.as_ref().is_some_and(|own| own.follows(name, alias));
        let tasks: BTreeSet<Task> = models.iter().filter(|model| is_following(model)).map(|model| model.task).collect();
        let number = u32::try_from(version).map_err(said)?;
        let version = RegisteredVersion { name: name.to_owned(), number, location: location.to_owned() };
        for task in tasks {
            check_registered(services, &version, task).await.map_err(said)?;
        }
        Ok(())
    }

    /// A model with all its versions; none for one whose versions came from the registry in the first place.
    async fn model(&self, name: &AssetName, aliases: &BTreeMap<String, u32>) -> Result<Option<TrainedModel>, String> {
        let mut versions = Vec::new();
        for version in model_versions(self.workspace.services(), name.as_str()).await.map_err(said)? {
            if version.origin.is_some() {
                continue;
            }
            self.copy(&version).await?;
            versions.push(trained(&version));
        }
        let aliases = aliases.iter().map(|(alias, number)| (alias.clone(), i64::from(*number))).collect();
        let description = format!("trained by the project `{}`", self.workspace.project.name);
        let is_trained = !versions.is_empty();
        Ok(is_trained.then(|| TrainedModel { name: name.to_string(), description, versions, aliases }))
    }

    /// Copies the files of a version, the one last by which it is known that all are there.
    async fn copy(&self, version: &ModelVersion) -> Result<(), String> {
        let folder = ArtifactPath::parse(&folder(version)).map_err(said)?;
        let at = |name: &str| ArtifactPath::parse(name).map(|name| folder.join(&name)).map_err(said);
        if self.artifacts.get(&at("MLmodel")?).await.is_ok() {
            return Ok(());
        }
        let files = self.workspace.services().lake.artifacts().get(&version.artifact).await.map_err(said)?;
        let description = mlmodel(version, &files);
        for (name, content) in files {
            self.artifacts.put_whole(&at(&name)?, content.into()).await.map_err(said)?;
        }
        self.artifacts.put_whole(&at("card.md")?, version.card.clone().into()).await.map_err(said)?;
        self.artifacts.put_whole(&at("MLmodel")?, description.into()).await.map_err(said)?;
        Ok(())
    }
}

impl RegistryBridge for TrainedModels {
    fn state(&self) -> Told<'_, String> {
        Box::pin(self.commit())
    }

    fn trained(&self) -> Told<'_, Vec<TrainedModel>> {
        Box::pin(self.models())
    }

    fn may_point<'a>(&'a self, name: &'a str, alias: &'a str, version: i64, location: &'a str) -> Told<'a, ()> {
        Box::pin(self.check(name, alias, version, location))
    }
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn folder(version: &ModelVersion) -> String {
    format!("models/{}/{}", version.model, version.number)
}

fn trained(version: &ModelVersion) -> TrainedVersion {
    let tag = |key: &str, value: String| Tag { key: key.to_owned(), value };
    let mut tags = vec![
        tag("baton.algorithm", version.algorithm.clone()),
        tag("baton.digest", version.digest.clone()),
        tag("baton.passed", version.passed().to_string()),
        tag("baton.training_set", version.training_set.to_string()),
    ];
    let figures = version.evaluation.metrics.iter();
    tags.extend(figures.map(|(name, value)| tag(&format!("metrics.{name}"), value.to_string())));
    TrainedVersion {
        number: i64::from(version.number),
        registered_at: version.as_of.timestamp_millis(),
        location: format!("mlflow-artifacts:/{}", folder(version)),
        description: version.reason.clone(),
        tags,
    }
}

/// The description of the model for loaders. Names in it are those of assets and hex digits, so that nothing needs quotes.
fn mlmodel(version: &ModelVersion, files: &BTreeMap<String, Vec<u8>>) -> String {
    let (data, loader, flavor) = if files.contains_key(ModelFormat::Ubjson.file_name()) {
        let flavor = "  xgboost:\n    code: null\n    data: model.ubj\n    model_class: xgboost.core.Booster\n    model_format: ubj\n";
        (ModelFormat::Ubjson.file_name(), "mlflow.xgboost", flavor)
    } else {
        let flavor = "  onnx:\n    code: null\n    data: model.onnx\n    onnx_session_options: null\n    providers:\n    - CPUExecutionProvider\n";
        (ModelFormat::Onnx.file_name(), "mlflow.onnx", flavor)
    };
    let id: String = version.digest.chars().take(32).collect();
    let size: usize = files.values().map(Vec::len).sum();
    let at = version.as_of.format("%Y-%m-%d %H:%M:%S%.6f");
    format!(
        "artifact_path: mlflow-artifacts:/{}\nflavors:\n  python_function:\n    data: {data}\n    loader_module: {loader}\n\
         {flavor}mlflow_version: {MLFLOW_VERSION}\nmodel_size_bytes: {size}\nmodel_uuid: {id}\nutc_time_created: '{at}'\n",
        folder(version)
    )
}
