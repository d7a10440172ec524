//! What is asked for: entities by column, and features of which views.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use baton_core::scalar::Scalar;
use baton_serving::{Deployment, FeatureOrigin, OnlineView, Served};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::FeastError;
use crate::scalars::scalar_of;

/// The body of a request. Keys that are not read here are the client's business.
#[derive(Debug, Deserialize)]
pub(super) struct OnlineFeatures {
    /// A list for each join key, one element a row.
    entities: Map<String, Value>,
    /// `view:feature`.
    #[serde(default)]
    features: Option<Vec<String>>,
    #[serde(default)]
    feature_service: Option<String>,
    /// Whether features are named `view__feature` in the answer.
    #[serde(default)]
    full_feature_names: bool,
}

impl OnlineFeatures {
    pub(super) fn read(body: &[u8]) -> Result<Self, FeastError> {
        serde_json::from_slice(body).map_err(|error| FeastError::invalid("", &error.to_string()))
    }
}

/// A join key with its value for each row.
pub(super) struct JoinKey {
    pub(super) name: String,
    pub(super) values: Vec<Scalar>,
}

/// One feature: its name in the answer, and its place among the view's values.
pub(super) struct WantedFeature {
    pub(super) name: String,
    pub(super) index: usize,
}

/// A view that is read, and what of it.
pub(super) struct WantedView<'a> {
    pub(super) view: &'a OnlineView,
    pub(super) features: Vec<WantedFeature>,
}

/// A request that can be answered.
pub(super) struct Lookup<'a> {
    pub(super) keys: Vec<JoinKey>,
    pub(super) views: Vec<WantedView<'a>>,
}

impl<'a> Lookup<'a> {
    pub(super) fn of(request: &OnlineFeatures, served: &'a Served) -> Result<Self, FeastError> {
        let mut views: Vec<WantedView<'a>> = Vec::new();
        for (view, feature) in references(request, served)? {
            let view = served.view(&view).ok_or_else(|| no_view(&view, served))?;
            let index = view.features.iter().position(|known| *known == feature);
            let index = index.ok_or_else(|| no_feature(view, &feature))?;
            let name = if request.full_feature_names { format!("{}__{feature}", view.name) } else { feature };
            let wanted = WantedFeature { name, index };
            match views.iter_mut().find(|there| there.view.name == view.name) {
                Some(there) => there.features.push(wanted),
                None => views.push(WantedView { view, features: vec![wanted] }),
            }
        }
        refuse_equal_names(&views)?;
        Ok(Self { keys: join_keys(request, served, &views)?, views })
    }

    /// How many rows are asked for.
    pub(super) fn rows(&self) -> usize {
        self.keys.first().map_or(0, |key| key.values.len())
    }

    /// The entity of each row, in the order of the view's keys.
    pub(super) fn entities(&self, view: &OnlineView) -> Vec<Vec<Scalar>> {
        let of_row = |row: usize| {
            let value = |name: &String| {
                let key = self.keys.iter().find(|key| key.name == *name);
                key.and_then(|key| key.values.get(row)).cloned().unwrap_or(Scalar::Null)
            };
            view.entity.iter().map(value).collect()
        };
        (0..self.rows()).map(of_row).collect()
    }
}

/// View and feature of everything that is asked for.
fn references(request: &OnlineFeatures, served: &Served) -> Result<Vec<(String, String)>, FeastError> {
    match (&request.features, &request.feature_service) {
        (Some(features), None) if !features.is_empty() => features.iter().map(|text| reference(text)).collect(),
        (None, Some(service)) => of_service(service, served),
        _ => Err(FeastError::invalid("features", "give either `features` or `feature_service`")),
    }
}

fn reference(text: &str) -> Result<(String, String), FeastError> {
    let (view, feature) = text.split_once(':').ok_or_else(|| {
        FeastError::invalid("features", &format!("`{text}` names no feature; write `feature_view:feature`"))
    })?;
    Ok((view.to_owned(), feature.to_owned()))
}

/// The online features that the main model of an endpoint reads; the endpoint is found by its name or its model's.
fn of_service(service: &str, served: &Served) -> Result<Vec<(String, String)>, FeastError> {
    let deployments = served.deployments();
    let is_meant = |deployment: &&std::sync::Arc<Deployment>| {
        deployment.endpoint() == service || *deployment.main().model == *service
    };
    let deployment = deployments.iter().find(is_meant).ok_or_else(|| {
        let known: Vec<&str> = deployments.iter().map(|deployment| deployment.endpoint()).collect();
        let message = format!("Feature service {service} does not exist; there are {}", known.join(", "));
        FeastError::not_found("FeatureServiceNotFoundException", message)
    })?;
    let columns = deployment.main().encoder.features().iter();
    let planned = columns.filter_map(|column| deployment.features().iter().find(|found| *found.name == *column.name));
    let of_view = planned.filter_map(|planned| match &planned.origin {
        FeatureOrigin::Request => None,
        FeatureOrigin::View(origin) => {
            let feature = served.view(&origin.view)?.features.get(origin.index)?;
            Some((origin.view.clone(), feature.clone()))
        }
    });
    Ok(of_view.collect())
}

/// The columns of `entities`, all of one length, with every key that the views are found by.
fn join_keys(request: &OnlineFeatures, served: &Served, views: &[WantedView<'_>]) -> Result<Vec<JoinKey>, FeastError> {
    let is_key = |name: &String| served.views().any(|view| view.entity.contains(name));
    if let Some(name) = request.entities.keys().find(|name| !is_key(name)) {
        let message = format!("Entity {name} does not exist: no online feature view is found by it");
        return Err(FeastError::not_found("EntityNotFoundException", message));
    }
    let needed = views.iter().flat_map(|wanted| wanted.view.entity.iter().map(|name| (name, &wanted.view.name)));
    if let Some((name, view)) = needed.into_iter().find(|(name, _)| !request.entities.contains_key(*name)) {
        let message = format!("{name}, by which feature view {view} is found, is not in the entity rows");
        return Err(FeastError::not_found("RequestDataNotFoundInEntityRowsException", message));
    }
    let keys: Vec<JoinKey> = request.entities.iter().map(join_key).collect::<Result<_, _>>()?;
    let lengths: BTreeSet<usize> = keys.iter().map(|key| key.values.len()).collect();
    if lengths.len() > 1 {
        return Err(FeastError::invalid("entities", "all entities must have the same number of rows"));
    }
    Ok(keys)
}

fn join_key((name, values): (&String, &Value)) -> Result<JoinKey, FeastError> {
    let refuse = |found: &str| FeastError::invalid("entities", &format!("`{name}` holds {found}, not plain values"));
    let Value::Array(values) = values else { return Err(refuse("no list")) };
    let values = values.iter().map(|value| scalar_of(value.clone()).map_err(refuse)).collect::<Result<_, _>>()?;
    Ok(JoinKey { name: name.clone(), values })
}

/// Two features of one name cannot be told apart in the answer.
fn refuse_equal_names(views: &[WantedView<'_>]) -> Result<(), FeastError> {
    let mut seen = BTreeSet::new();
    let names = views.iter().flat_map(|wanted| &wanted.features);
    match names.into_iter().find(|feature| !seen.insert(&feature.name)) {
        None => Ok(()),
        Some(twice) => {
            let message = format!("Duplicate features named {} found; use full_feature_names=True", twice.name);
            Err(FeastError::of_class(StatusCode::BAD_REQUEST, "FeatureNameCollisionError", message))
        }
    }
}

fn no_view(name: &str, served: &Served) -> FeastError {
    let known: Vec<&str> = served.views().map(|view| view.name.as_str()).collect();
    let message = format!("Feature view {name} does not exist; online are {}", known.join(", "));
    FeastError::not_found("FeatureViewNotFoundException", message)
}

fn no_feature(view: &OnlineView, feature: &str) -> FeastError {
    let message =
        format!("feature view `{}` has no feature `{feature}`; it has {}", view.name, view.features.join(", "));
    FeastError::invalid("features", &message)
}
