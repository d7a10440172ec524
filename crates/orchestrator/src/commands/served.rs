//! What an endpoint needs to answer: models in stored form, and where each feature comes from.

use std::collections::BTreeMap;

use baton_core::asset::Model;
use baton_core::{AssetName, Commit, Definition, Kind, Version};
use baton_diagnostics::Severity;
use baton_ml::StoredModel;
use baton_project::Project;

use super::look::known_asset;
use crate::definitions::recorded_definition;
use crate::error::RunError;
use crate::features::{feature_columns, full_name};
use crate::prepare::{Prepared, prepare};
use crate::registry::{model_version, stored_model};
use crate::services::Services;
use crate::watch::served_of;

/// A model version that an endpoint serves.
#[derive(Debug, Clone)]
pub struct ServedModel {
    /// The model.
    pub model: String,
    /// Its version number.
    pub version: u32,
    /// The stored form.
    pub stored: StoredModel,
}

/// Where one feature of the model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeaturePart {
    /// Its name in the model: `view__column`.
    pub name: String,
    /// The feature view.
    pub view: String,
    /// The view's column.
    pub column: String,
    /// Where its latest values are online; `None` when it must come with the request.
    pub namespace: Option<String>,
    /// The entity columns that find them.
    pub entity: Vec<String>,
    /// The feature's position among the view's online values.
    pub index: usize,
    /// Seconds for which a value holds; 0 is for ever.
    pub ttl: i64,
}

/// An endpoint as it is to be served.
#[derive(Debug, Clone)]
pub struct EndpointParts {
    /// The endpoint.
    pub endpoint: String,
    /// Its revision.
    pub revision: u64,
    /// The version that answers.
    pub main: ServedModel,
    /// A version on trial, with its share of traffic.
    pub canary: Option<(f64, ServedModel)>,
    /// Versions that see requests and never answer.
    pub shadow: Vec<ServedModel>,
    /// The features, in model order.
    pub features: Vec<FeaturePart>,
    /// The entity keys that a request by key must give.
    pub keys: Vec<String>,
}

/// Gathers what an endpoint serves by `commit`.
pub async fn endpoint_parts(
    services: &Services,
    prepared: &Prepared,
    commit: &Commit,
    name: &str,
) -> Result<EndpointParts, RunError> {
    let environment = commit.environment.as_str();
    let asset = known_asset(prepared, environment, name)?;
    let Definition::Endpoint(endpoint) = &asset.definition else {
        return Err(RunError::Project(format!("`{name}` is a {}, not an endpoint", asset.kind())));
    };
    let pin = commit.assets.get(name).ok_or_else(|| RunError::Missing {
        what: "deployed endpoint",
        name: name.to_owned(),
        environment: environment.to_owned(),
        hint: format!("deploy it with `baton apply -e {environment}`"),
    })?;
    let (revision, serves) = served_of(pin);
    let mut main = None;
    let mut canary = None;
    let mut shadow = Vec::new();
    for (role, reference) in &serves {
        let served = served_model(services, environment, reference).await?;
        match (role.as_str(), &endpoint.canary) {
            ("main", _) => main = Some(served),
            ("canary", Some(declared)) => canary = Some((declared.traffic, served)),
            _ => shadow.push(served),
        }
    }
    let main = main.ok_or_else(|| RunError::Project(format!("endpoint `{name}` serves no model")))?;
    let Some(Definition::Model(model)) =
        prepared.project.assets.get(&endpoint.model.model).map(|found| &found.definition)
    else {
        return Err(RunError::Project(format!("endpoint `{name}` names no model")));
    };
    let features = feature_parts(prepared, commit, model, &main.stored);
    Ok(EndpointParts {
        endpoint: name.to_owned(),
        revision,
        main,
        canary,
        shadow,
        features,
        keys: model.labels.keys.clone(),
    })
}

async fn served_model(services: &Services, environment: &str, reference: &str) -> Result<ServedModel, RunError> {
    let missing = || RunError::Missing {
        what: "model version",
        name: reference.to_owned(),
        environment: environment.to_owned(),
        hint: "it is not in the ledger; roll back to a commit that serves another".to_owned(),
    };
    let (model, number) = reference.split_once('@').ok_or_else(missing)?;
    let name = AssetName::parse(model).map_err(|_| missing())?;
    let number: u32 = number.parse().map_err(|_| missing())?;
    let version = model_version(services, &name, number).await?.ok_or_else(missing)?;
    let stored = stored_model(services, &version).await?;
    Ok(ServedModel { model: model.to_owned(), version: number, stored })
}

/// A feature view whose latest values are online.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewPart {
    /// The feature view.
    pub view: String,
    /// Where its latest values are.
    pub namespace: String,
    /// The entity columns that find them.
    pub entity: Vec<String>,
    /// Its features, in the order of the stored values.
    pub features: Vec<String>,
    /// Seconds for which a value holds; 0 is for ever.
    pub ttl: i64,
}

/// The feature views that are online by `commit`.
pub fn online_views(prepared: &Prepared, commit: &Commit) -> Vec<ViewPart> {
    let views = prepared.project.assets.iter().filter_map(|(name, asset)| {
        let Definition::FeatureView(view) = &asset.definition else { return None };
        let Version::FeatureView { online: Some(namespace), .. } = &commit.assets.get(name)?.version else {
            return None;
        };
        Some(ViewPart {
            view: name.to_string(),
            namespace: namespace.clone(),
            entity: view.entity.clone(),
            features: feature_columns(view, prepared.schemas.get(&view.from)?),
            ttl: view.ttl,
        })
    });
    views.collect()
}

/// The project as `commit` has it: definitions as they were applied, whatever the project's files say by now. What an
/// older version committed without its definition is taken as `project` declares it.
///
/// # Errors
/// Those of the stores, and [`RunError::Project`] when the definitions do not fit together any more.
pub async fn prepare_commit(services: &Services, project: &Project, commit: &Commit) -> Result<Prepared, RunError> {
    let mut assets = BTreeMap::new();
    for (name, pin) in &commit.assets {
        let recorded = match &pin.definition {
            Some(key) => recorded_definition(services, key).await?,
            None => None,
        };
        if let Some(asset) = recorded.or_else(|| project.assets.get(name).cloned()) {
            assets.insert(name.clone(), asset);
        }
    }
    let mut declared = project.clone();
    declared.assets = assets;
    let (prepared, found) = prepare(services, declared, &commit.environment, commit.as_of).await?;
    prepared.ok_or_else(|| {
        let errors = found.iter().filter(|found| found.severity == Severity::Error);
        let messages: Vec<&str> = errors.map(|found| found.message.as_str()).collect();
        RunError::Project(format!("commit {} cannot be read any more: {}", commit.id, messages.join("; ")))
    })
}

/// The models of `commit` as they were declared when it was made.
///
/// # Errors
/// Those of the ledger.
pub async fn declared_models(services: &Services, project: &Project, commit: &Commit) -> Result<Vec<Model>, RunError> {
    let mut models = Vec::new();
    for (name, pin) in commit.assets.iter().filter(|(_, pin)| pin.kind == Kind::Model) {
        let recorded = match &pin.definition {
            Some(key) => recorded_definition(services, key).await?,
            None => None,
        };
        let asset = recorded.or_else(|| project.assets.get(name).cloned());
        if let Some(Definition::Model(model)) = asset.map(|asset| asset.definition) {
            models.push(model);
        }
    }
    Ok(models)
}

/// One part a feature of the stored model, in its order.
fn feature_parts(prepared: &Prepared, commit: &Commit, model: &Model, stored: &StoredModel) -> Vec<FeaturePart> {
    let mut known = Vec::new();
    for reference in &model.features {
        let Some(Definition::FeatureView(view)) =
            prepared.project.assets.get(&reference.view).map(|asset| &asset.definition)
        else {
            continue;
        };
        let Some(schema) = prepared.schemas.get(&view.from) else { continue };
        let namespace = match commit.assets.get(&reference.view).map(|pin| &pin.version) {
            Some(Version::FeatureView { online, .. }) => online.clone(),
            _ => None,
        };
        for (index, column) in feature_columns(view, schema).into_iter().enumerate() {
            known.push(FeaturePart {
                name: full_name(&reference.view, &column),
                view: reference.view.to_string(),
                column,
                namespace: namespace.clone(),
                entity: view.entity.clone(),
                index,
                ttl: view.ttl,
            });
        }
    }
    let of_model = stored.encoder.features().iter();
    of_model.filter_map(|feature| known.iter().find(|part| part.name == feature.name).cloned()).collect()
}
