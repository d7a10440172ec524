//! Endpoints by name, each with what it serves now. A deployment is swapped as a whole: a request sees the old one or the
//! new one, never parts of both.

mod deployment;
mod features;
mod predict;
mod split;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use baton_core::ports::OnlineStore;

pub use self::deployment::{Deployment, FeatureOrigin, LoadedModel, PlannedFeature, ViewFeature};
pub use self::features::{FeatureStatus, ViewRead, read_features};
pub use self::predict::{PredictRequest, PredictResponse, RequestRow, RowPrediction, Variant};
use crate::error::ServingError;

type Deployments = BTreeMap<String, Arc<Deployment>>;

/// Routes requests to the models that serve an endpoint.
pub struct EndpointRouter {
    store: Arc<dyn OnlineStore>,
    deployments: RwLock<Arc<Deployments>>,
}

impl EndpointRouter {
    /// A router without endpoints that looks features up in `store`.
    pub fn new(store: Arc<dyn OnlineStore>) -> Self {
        Self { store, deployments: RwLock::default() }
    }

    /// Serves `deployment` under its endpoint's name from now on. Requests that have begun end on what they began with.
    pub fn deploy(&self, deployment: Deployment) {
        self.change(|deployments| {
            deployments.insert(deployment.endpoint().to_owned(), Arc::new(deployment));
        });
    }

    /// Serves an endpoint no longer; one that is not served is fine.
    pub fn remove(&self, endpoint: &str) {
        self.change(|deployments| {
            deployments.remove(endpoint);
        });
    }

    /// What an endpoint serves now, if it is served.
    pub fn deployment(&self, endpoint: &str) -> Option<Arc<Deployment>> {
        self.current().get(endpoint).cloned()
    }

    /// All endpoints by name.
    pub fn deployments(&self) -> Vec<Arc<Deployment>> {
        self.current().values().cloned().collect()
    }

    /// Predicts the rows of a request, without logging them.
    ///
    /// # Errors
    /// [`ServingError::UnknownEndpoint`], [`ServingError::MissingInput`], [`ServingError::Features`] and
    /// [`ServingError::IdCount`] for a request at fault, [`ServingError::Online`] and [`ServingError::Model`] otherwise.
    pub fn predict(&self, endpoint: &str, request: PredictRequest) -> Result<PredictResponse, ServingError> {
        self.find(endpoint)?.predict(self.store.as_ref(), request, None)
    }

    /// As [`Self::predict`], by one version of the endpoint's model whatever its share of traffic.
    ///
    /// # Errors
    /// As [`Self::predict`], and [`ServingError::UnknownVersion`] for a version that the endpoint does not serve.
    pub fn predict_version(
        &self,
        endpoint: &str,
        version: u32,
        request: PredictRequest,
    ) -> Result<PredictResponse, ServingError> {
        self.find(endpoint)?.predict(self.store.as_ref(), request, Some(version))
    }

    /// What an endpoint serves now.
    ///
    /// # Errors
    /// [`ServingError::UnknownEndpoint`], which names those that there are.
    pub fn find(&self, endpoint: &str) -> Result<Arc<Deployment>, ServingError> {
        let current = self.current();
        current.get(endpoint).cloned().ok_or_else(|| ServingError::UnknownEndpoint {
            name: endpoint.to_owned(),
            known: current.keys().cloned().collect(),
        })
    }

    /// The store that features are looked up in.
    pub fn store(&self) -> &Arc<dyn OnlineStore> {
        &self.store
    }

    fn current(&self) -> Arc<Deployments> {
        self.deployments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, edit: impl FnOnce(&mut Deployments)) {
        let mut deployments = self.deployments.write().unwrap_or_else(PoisonError::into_inner);
        edit(Arc::make_mut(&mut deployments));
    }
}
