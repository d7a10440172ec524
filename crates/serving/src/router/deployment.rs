//! What an endpoint serves: loaded models, their shares of traffic, and where each feature comes from.
//!
//! Invariant: every feature of every model has a place in the plan, so a request cannot find one missing.

use std::collections::BTreeSet;
use std::sync::Arc;

use baton_ml::data::Task;
use baton_ml::{FeatureEncoder, Predictor};

use super::served::Source;
use super::split::Share;
use crate::error::ServingError;

/// A model version that is ready to answer.
#[derive(Clone)]
pub struct LoadedModel {
    /// The model.
    pub model: Arc<str>,
    /// Its version.
    pub version: u32,
    /// What its scores are.
    pub task: Task,
    /// Runs it.
    pub predictor: Arc<dyn Predictor>,
    /// Turns request values into what it reads, in its feature order.
    pub encoder: Arc<FeatureEncoder>,
}

/// Where a feature comes from unless the request gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeatureOrigin {
    /// From nowhere else: each row must give it, if only as null.
    Request,
    /// From the online store.
    View(ViewFeature),
}

/// A feature of a feature view, as the online store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewFeature {
    /// The feature view, for people.
    pub view: String,
    /// The view's namespace in the online store.
    pub namespace: String,
    /// The names of the entity's keys, in the view's order.
    pub entity: Vec<String>,
    /// The feature's place among the view's values.
    pub index: usize,
    /// Seconds for which a value holds, both ends included; 0 is for ever.
    pub ttl: i64,
}

/// One feature that a deployment's models read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFeature {
    /// Its name in the models' encoders and in requests.
    pub name: Arc<str>,
    /// Where it comes from.
    pub origin: FeatureOrigin,
}

/// A view that several features share: it is read once a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlannedView {
    pub(super) view: Arc<str>,
    pub(super) namespace: String,
    pub(super) entity: Vec<String>,
    pub(super) ttl: i64,
}

/// A model with the places of its features in the deployment's plan.
pub(super) struct PlacedModel {
    pub(super) loaded: LoadedModel,
    pub(super) places: Vec<usize>,
}

/// What an endpoint serves, as one unit: models, and the feature values of the commit that deployed them.
pub struct Deployment {
    endpoint: Arc<str>,
    revision: u64,
    pub(super) main: PlacedModel,
    pub(super) canary: Option<(Share, PlacedModel)>,
    pub(super) shadow: Vec<PlacedModel>,
    pub(super) features: Vec<PlannedFeature>,
    pub(super) views: Vec<PlannedView>,
    /// For each feature the place of its view in `views`.
    pub(super) view_of: Vec<Option<usize>>,
    /// For each feature of a view its name as project files write it, `view.feature`: callers may send that one, too.
    pub(super) dotted: Vec<Option<String>>,
    pub(super) source: Source,
}

impl Deployment {
    /// A deployment of `main` alone; it finds no online values until it is part of a [`super::Served`]. `features` says for each feature of each model to come where it comes from.
    ///
    /// # Errors
    /// [`ServingError::UnplannedFeature`] when `features` lacks one that `main` reads.
    pub fn new(
        endpoint: &str,
        revision: u64,
        main: LoadedModel,
        features: Vec<PlannedFeature>,
    ) -> Result<Self, ServingError> {
        let mut views = Vec::new();
        let view_of = features.iter().map(|feature| place_view(&mut views, &feature.origin)).collect();
        let dotted = features.iter().map(dotted).collect();
        let main = place(endpoint, main, &features)?;
        let (canary, shadow) = (None, Vec::new());
        let source = Source::nothing();
        Ok(Self { endpoint: endpoint.into(), revision, main, canary, shadow, features, views, view_of, dotted, source })
    }

    /// Gives `share` (0 to 1) of the traffic to `canary`; the same keys always go the same way.
    ///
    /// # Errors
    /// [`ServingError::Share`] for what is no share, [`ServingError::UnplannedFeature`] as [`Self::new`].
    pub fn with_canary(mut self, share: f64, canary: LoadedModel) -> Result<Self, ServingError> {
        let share =
            Share::new(share).ok_or_else(|| ServingError::Share { endpoint: self.endpoint.to_string(), share })?;
        self.canary = Some((share, place(&self.endpoint, canary, &self.features)?));
        Ok(self)
    }

    /// Lets `shadow` see every request; it never answers.
    ///
    /// # Errors
    /// [`ServingError::UnplannedFeature`] as [`Self::new`].
    pub fn with_shadow(mut self, shadow: LoadedModel) -> Result<Self, ServingError> {
        self.shadow.push(place(&self.endpoint, shadow, &self.features)?);
        Ok(self)
    }

    /// The same deployment, reading the features of a commit.
    pub(super) fn bound_to(self, source: Source) -> Self {
        Self { source, ..self }
    }

    /// The endpoint's name.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Counts up with every change of what the endpoint serves.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The main model.
    pub fn main(&self) -> &LoadedModel {
        &self.main.loaded
    }

    /// The canary.
    pub fn canary(&self) -> Option<&LoadedModel> {
        self.canary.as_ref().map(|(_, placed)| &placed.loaded)
    }

    /// The versions that answer: the main model's, then the canary's.
    pub fn versions(&self) -> Vec<u32> {
        std::iter::once(self.main()).chain(self.canary()).map(|loaded| loaded.version).collect()
    }

    /// Whether any model sees requests without answering them.
    pub fn has_shadow(&self) -> bool {
        !self.shadow.is_empty()
    }

    /// Whether a prediction waits for another process.
    pub fn waits(&self) -> bool {
        let answering = std::iter::once(self.main()).chain(self.canary());
        answering.into_iter().any(|loaded| loaded.predictor.waits())
    }

    /// Where each feature comes from.
    pub fn features(&self) -> &[PlannedFeature] {
        &self.features
    }

    /// The names of all entity keys by which features are looked up, sorted.
    pub fn entity_keys(&self) -> BTreeSet<&str> {
        self.views.iter().flat_map(|view| view.entity.iter().map(String::as_str)).collect()
    }
}

fn place(endpoint: &str, loaded: LoadedModel, features: &[PlannedFeature]) -> Result<PlacedModel, ServingError> {
    let place_of = |name: &str| {
        features.iter().position(|feature| *feature.name == *name).ok_or_else(|| ServingError::UnplannedFeature {
            endpoint: endpoint.to_owned(),
            model: loaded.model.to_string(),
            version: loaded.version,
            feature: name.to_owned(),
        })
    };
    let places = loaded.encoder.features().iter().map(|column| place_of(&column.name)).collect::<Result<_, _>>()?;
    Ok(PlacedModel { loaded, places })
}

fn dotted(feature: &PlannedFeature) -> Option<String> {
    let FeatureOrigin::View(origin) = &feature.origin else { return None };
    let own = feature.name.strip_prefix(&*origin.view)?.strip_prefix("__")?;
    Some(format!("{}.{own}", origin.view))
}

fn place_view(views: &mut Vec<PlannedView>, origin: &FeatureOrigin) -> Option<usize> {
    let FeatureOrigin::View(feature) = origin else { return None };
    let view = PlannedView {
        view: feature.view.as_str().into(),
        namespace: feature.namespace.clone(),
        entity: feature.entity.clone(),
        ttl: feature.ttl,
    };
    let known = views.iter().position(|there| *there == view);
    Some(known.unwrap_or_else(|| {
        views.push(view);
        views.len() - 1
    }))
}
