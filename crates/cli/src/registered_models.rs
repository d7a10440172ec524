//! Models that clients of MLflow registered, for the project: found in what is tracked beside its ledger.
//!
//! The store is opened when a project first names a registered model; one that names none never makes the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use baton_core::RegisteredReference;
use baton_core::registered::Pointer;
use baton_orchestrator::{RegisteredModels, RegisteredVersion};
use baton_tracking::artifact::ArtifactPath;
use baton_tracking::{StoreOptions, Tag, TrackingStore};
use tokio::sync::OnceCell;

use crate::artifact_place::ArtifactPlace;
use crate::wire::{ARTIFACT_ROOT, SystemClock};

/// The most bytes of a model: it is held in memory as a whole.
const MOST_BYTES: u64 = 2 << 30;

/// What is tracked below a project's `.baton`.
pub(crate) struct TrackedModels {
    folder: PathBuf,
    artifacts: ArtifactPlace,
    store: OnceCell<TrackingStore>,
}

impl TrackedModels {
    /// Of the project in `folder`, with their files.
    pub(crate) fn of(folder: &Path, artifacts: ArtifactPlace) -> Self {
        Self { folder: folder.join(".baton"), artifacts, store: OnceCell::new() }
    }

    async fn store(&self) -> Result<&TrackingStore, String> {
        let file = self.folder.join("tracking.db");
        if !self.store.initialized() && !file.is_file() {
            return Err(
                "nothing is tracked in this project yet; log the model to `baton serve` and register it".to_owned()
            );
        }
        let options = StoreOptions { clock: Arc::new(SystemClock), artifact_root: ARTIFACT_ROOT.to_owned() };
        self.store.get_or_try_init(|| TrackingStore::open(&file, options)).await.map_err(said)
    }
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[async_trait]
impl RegisteredModels for TrackedModels {
    async fn find(&self, reference: &RegisteredReference) -> Result<RegisteredVersion, String> {
        let (store, name) = (self.store().await?, &reference.name);
        let found = match &reference.pointer {
            Pointer::Alias(alias) => store.model_version_by_alias(name, alias).await,
            Pointer::Version(number) => store.model_version(name, &number.to_string()).await,
        };
        let number = found.map_err(said)?.version;
        let location = store.download_uri(name, &number.to_string()).await.map_err(said)?;
        let number = u32::try_from(number).map_err(said)?;
        Ok(RegisteredVersion { name: name.clone(), number, location })
    }

    async fn files(&self, version: &RegisteredVersion) -> Result<BTreeMap<String, Vec<u8>>, String> {
        let elsewhere =
            || format!("its files are at `{}`, which this server does not keep; log it here", version.location);
        let folder = ArtifactPath::of_uri(&version.location).ok_or_else(elsewhere)?.map_err(said)?;
        let artifacts = self.artifacts.open().map_err(said)?;
        artifacts.whole_folder(&folder, MOST_BYTES).await.map_err(said)
    }

    async fn note(&self, version: &RegisteredVersion, tags: Vec<(String, String)>) -> Result<(), String> {
        let (store, number) = (self.store().await?, version.number.to_string());
        for (key, value) in tags {
            store.set_model_version_tag(version.name.clone(), &number, Tag { key, value }).await.map_err(said)?;
        }
        Ok(())
    }
}
