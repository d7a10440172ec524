//! What is served by one commit: its deployments, its feature views, and the online values that they read.

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_core::ports::{OnlineError, OnlineRow, OnlineSnapshot};

use super::deployment::Deployment;
use crate::error::ServingError;

/// Where a commit's feature values come from.
#[derive(Clone)]
pub(crate) struct Source {
    /// The commit, where there is one.
    pub(crate) commit: Option<Arc<str>>,
    /// The online values, as they were when the commit began to be served.
    pub(crate) features: Arc<dyn OnlineSnapshot>,
}

impl Source {
    /// No commit and no values.
    pub(super) fn nothing() -> Self {
        Self { commit: None, features: Arc::new(Nothing) }
    }
}

/// A feature view whose values are online.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnlineView {
    /// Its name.
    pub name: String,
    /// Its namespace in the online store.
    pub namespace: String,
    /// The names of the entity's keys, in the view's order.
    pub entity: Vec<String>,
    /// The names of its features, in the order of the stored values.
    pub features: Vec<String>,
    /// Seconds for which a value holds, both ends included; 0 is for ever.
    pub ttl: i64,
}

/// All that is served at one instant, by one commit. It never changes: the next commit brings the next one.
pub struct Served {
    source: Source,
    deployments: BTreeMap<String, Arc<Deployment>>,
    views: BTreeMap<String, OnlineView>,
}

impl Served {
    /// Nothing yet, by `commit`, over the online values of `features`.
    pub fn new(commit: Option<&str>, features: Arc<dyn OnlineSnapshot>) -> Self {
        let source = Source { commit: commit.map(Arc::from), features };
        Self { source, deployments: BTreeMap::new(), views: BTreeMap::new() }
    }

    /// Nothing, over no values: for models whose features all come with the request.
    pub fn without_features() -> Self {
        Self::new(None, Arc::new(Nothing))
    }

    /// With a deployment more, which reads the values of this commit.
    #[must_use]
    pub fn with_deployment(mut self, deployment: Deployment) -> Self {
        let bound = Arc::new(deployment.bound_to(self.source.clone()));
        self.deployments.insert(bound.endpoint().to_owned(), bound);
        self
    }

    /// With a feature view more.
    #[must_use]
    pub fn with_view(mut self, view: OnlineView) -> Self {
        self.views.insert(view.name.clone(), view);
        self
    }

    /// The commit, where there is one.
    pub fn commit(&self) -> Option<&str> {
        self.source.commit.as_deref()
    }

    /// The online values.
    pub fn features(&self) -> &dyn OnlineSnapshot {
        self.source.features.as_ref()
    }

    /// All endpoints, by name.
    pub fn deployments(&self) -> Vec<Arc<Deployment>> {
        self.deployments.values().cloned().collect()
    }

    /// What an endpoint serves.
    ///
    /// # Errors
    /// [`ServingError::UnknownEndpoint`], which names those that there are.
    pub fn find(&self, endpoint: &str) -> Result<Arc<Deployment>, ServingError> {
        self.deployments.get(endpoint).cloned().ok_or_else(|| ServingError::UnknownEndpoint {
            name: endpoint.to_owned(),
            known: self.deployments.keys().cloned().collect(),
        })
    }

    /// The feature views whose values are online, by name.
    pub fn views(&self) -> impl Iterator<Item = &OnlineView> {
        self.views.values()
    }

    /// The feature view of this name, if its values are online.
    pub fn view(&self, name: &str) -> Option<&OnlineView> {
        self.views.get(name)
    }
}

/// No values at all.
struct Nothing;

impl OnlineSnapshot for Nothing {
    fn read(&self, _namespace: &str, keys: &[Vec<u8>]) -> Result<Vec<Option<OnlineRow>>, OnlineError> {
        Ok(vec![None; keys.len()])
    }
}
