//! What the handlers of the protocol share.

use std::sync::Arc;

use axum::http::HeaderMap;
use baton_tracking::artifact::ArtifactStore;
use baton_tracking::filter::Dialect;
use baton_tracking::input::DatasetInput;
use baton_tracking::registry::RegistryBridge;
use baton_tracking::run::PromisedRun;
use baton_tracking::webhook::WebhookSender;
use baton_tracking::{TrackingError, TrackingStore};
use tokio::sync::Mutex;

use super::error::WireError;
use super::fields::Fields;
use super::guard::Allowed;
use super::promise::Promise;

/// The state of handlers.
pub(super) type Shared = Arc<Tracking>;

/// What a tracking server answers from.
pub struct Tracking {
    pub(super) store: TrackingStore,
    pub(super) allowed: Allowed,
    /// What may stand before each path.
    pub(crate) prefix: String,
    artifacts: Option<ArtifactStore>,
    bridge: Option<Arc<dyn RegistryBridge>>,
    pub(super) sender: Option<Arc<dyn WebhookSender>>,
    /// The run that the only client was promised, if it was.
    pub(super) promise: Option<Promise>,
    /// The state of the ledger whose trained models were brought in last.
    brought_in: Mutex<Option<String>>,
}

impl Tracking {
    /// Answers from `store`.
    pub fn new(store: TrackingStore) -> Self {
        Self {
            store,
            allowed: Allowed::default(),
            prefix: String::new(),
            artifacts: None,
            bridge: None,
            sender: None,
            promise: None,
            brought_in: Mutex::default(),
        }
    }

    /// With hosts and origins that may ask besides those that are near.
    #[must_use]
    pub fn with_allowed(self, allowed: Allowed) -> Self {
        Self { allowed, ..self }
    }

    /// With what may stand before each path, such as `/mlflow`.
    #[must_use]
    pub fn with_prefix(self, prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..self }
    }

    /// With a folder for artifacts; without one their paths are refused.
    #[must_use]
    pub fn with_artifacts(self, artifacts: ArtifactStore) -> Self {
        Self { artifacts: Some(artifacts), ..self }
    }

    /// For one program, which is promised a run: see [`PromisedRun`].
    #[must_use]
    pub fn with_promise(self, run: PromisedRun) -> Self {
        Self { promise: Some(Promise::new(run)), ..self }
    }

    /// With what knows the models that the project trains.
    #[must_use]
    pub fn with_bridge(self, bridge: Arc<dyn RegistryBridge>) -> Self {
        Self { bridge: Some(bridge), ..self }
    }

    /// Whether a request is for a host of this server.
    pub(crate) fn lets(&self, headers: &HeaderMap) -> bool {
        self.allowed.has_host(headers)
    }

    /// Records what a run read elsewhere on this server.
    pub(crate) async fn tie(&self, run: &str, inputs: Vec<DatasetInput>) -> Result<(), TrackingError> {
        self.store.log_inputs(run.to_owned(), inputs, Vec::new()).await
    }

    /// Where artifacts are.
    pub(super) fn artifacts(&self) -> Result<&ArtifactStore, WireError> {
        let absent = || TrackingError::NotImplemented("this server keeps no artifacts".to_owned());
        Ok(self.artifacts.as_ref().ok_or_else(absent)?)
    }

    /// Brings models that were trained since the last time into the registry.
    pub(super) async fn bring_in_trained(&self) -> Result<(), WireError> {
        let Some(bridge) = &self.bridge else { return Ok(()) };
        let mut brought_in = self.brought_in.lock().await;
        let state = bridge.state().await.map_err(TrackingError::Internal)?;
        if brought_in.as_ref() != Some(&state) {
            let trained = bridge.trained().await.map_err(TrackingError::Internal)?;
            self.store.import_trained(trained).await?;
            *brought_in = Some(state);
        }
        Ok(())
    }

    /// Whether an alias may point at a version, where something is served by it.
    pub(super) async fn check_pointing(&self, name: &str, alias: &str, version: &str) -> Result<(), WireError> {
        let Some(bridge) = &self.bridge else { return Ok(()) };
        let found = self.store.model_version(name, version).await?;
        let location = self.store.download_uri(name, version).await?;
        let answer = bridge.may_point(name, alias, found.version, &location).await;
        Ok(answer.map_err(TrackingError::invalid)?)
    }

    /// What a search's filter may hold: clients of MLflow get what they know, and who sends `extended_filter` more.
    pub(super) fn dialect(fields: &Fields) -> Result<Dialect, WireError> {
        Ok(if fields.flag("extended_filter")? == Some(true) { Dialect::Extended } else { Dialect::Plain })
    }
}
