//! Endpoints by name, each with what it serves now. What is served is switched as a whole, with a commit: a request sees
//! models and features of the old commit or of the new one, never parts of both.

mod deployment;
mod features;
mod predict;
mod served;
mod split;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::{Arc, PoisonError, RwLock};

pub use self::deployment::{Deployment, FeatureOrigin, LoadedModel, PlannedFeature, ViewFeature};
pub use self::features::{FeatureStatus, ViewRead, read_features};
pub use self::predict::{PredictRequest, PredictResponse, RequestRow, RowPrediction, Variant};
pub use self::served::{OnlineView, Served};
use crate::error::ServingError;

/// Routes requests to what serves an endpoint now.
pub struct EndpointRouter {
    served: RwLock<Arc<Served>>,
}

impl EndpointRouter {
    /// A router to what `served` holds.
    pub fn new(served: Served) -> Self {
        Self { served: RwLock::new(Arc::new(served)) }
    }

    /// Serves `served` from now on. Requests that have begun end on what they began with.
    pub fn switch(&self, served: Served) {
        *self.served.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(served);
    }

    /// All that is served now.
    pub fn served(&self) -> Arc<Served> {
        Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What an endpoint serves now.
    ///
    /// # Errors
    /// [`ServingError::UnknownEndpoint`], which names those that there are.
    pub fn find(&self, endpoint: &str) -> Result<Arc<Deployment>, ServingError> {
        self.served().find(endpoint)
    }

    /// All endpoints by name.
    pub fn deployments(&self) -> Vec<Arc<Deployment>> {
        self.served().deployments()
    }
}
