//! From what the orchestrator says that an endpoint serves to a deployment that answers.

use std::sync::Arc;

use baton_core::{Commit, Kind};
use baton_ml::runtime::{self, RuntimeOptions};
use baton_ml::{Predictor, StoredModel};
use baton_orchestrator::{
    EndpointParts, FeaturePart, RunError, ServedModel, ViewPart, endpoint_parts, online_views, prepare_commit,
};
use baton_serving::{Deployment, FeatureOrigin, LoadedModel, OnlineView, PlannedFeature, Served, ViewFeature};

use crate::error::CliError;
use crate::project::Workspace;

/// How often a commit is read anew when another one came meanwhile. A schedule that commits faster than that is served
/// one commit late.
const TRIES: usize = 5;

/// What the environment's newest commit serves: its endpoints and feature views as they were applied, with the online
/// values of now.
///
/// # Errors
/// Those of the ledger, of the lake, of the online store and of the models. An endpoint that was never deployed is left
/// out.
pub(crate) async fn served(workspace: &Workspace) -> Result<Served, CliError> {
    let (services, environment) = (workspace.services(), workspace.environment.as_str());
    let mut head = services.ledger.head(environment).await?;
    for _ in 1..TRIES {
        let served = served_by(workspace, head.as_ref()).await?;
        let newest = services.ledger.head(environment).await?;
        if newest.as_ref().map(|commit| &commit.id) == head.as_ref().map(|commit| &commit.id) {
            return Ok(served);
        }
        head = newest;
    }
    served_by(workspace, head.as_ref()).await
}

async fn served_by(workspace: &Workspace, head: Option<&Commit>) -> Result<Served, CliError> {
    let services = workspace.services();
    let features = services.online.snapshot().map_err(RunError::from)?;
    let Some(commit) = head else { return Ok(Served::new(None, features)) };
    if !commit.assets.values().any(|pin| matches!(pin.kind, Kind::Endpoint | Kind::FeatureView)) {
        return Ok(Served::new(Some(&commit.id.0), features));
    }
    let prepared = prepare_commit(services, &workspace.project, commit).await?;
    let served = Served::new(Some(&commit.id.0), features);
    let views = online_views(&prepared, commit).into_iter().map(online_view);
    let mut served = views.fold(served, Served::with_view);
    for (name, _) in commit.assets.iter().filter(|(_, pin)| pin.kind == Kind::Endpoint) {
        let parts = endpoint_parts(services, &prepared, commit, name).await?;
        served = served.with_deployment(deployment(parts, &services.models)?);
    }
    Ok(served)
}

fn online_view(part: ViewPart) -> OnlineView {
    let ViewPart { view, namespace, entity, features, ttl } = part;
    OnlineView { name: view, namespace, entity, features, ttl }
}

/// A deployment of `parts`.
///
/// # Errors
/// Those of loading its models, and of features that nothing gives.
pub(crate) fn deployment(parts: EndpointParts, options: &RuntimeOptions) -> Result<Deployment, CliError> {
    let features = parts.features.into_iter().map(planned_feature).collect();
    let mut deployment = Deployment::new(&parts.endpoint, parts.revision, load(parts.main, options)?, features)?;
    if let Some((share, canary)) = parts.canary {
        deployment = deployment.with_canary(share, load(canary, options)?)?;
    }
    for shadow in parts.shadow {
        deployment = deployment.with_shadow(load(shadow, options)?)?;
    }
    Ok(deployment)
}

/// A deployment of one model whose features all come with the request.
///
/// # Errors
/// Those of loading the model.
pub(crate) fn bare_deployment(
    endpoint: &str,
    model: &StoredModel,
    options: &RuntimeOptions,
) -> Result<Deployment, CliError> {
    let columns = model.encoder.features();
    let features = columns
        .iter()
        .map(|column| PlannedFeature { name: column.name.as_str().into(), origin: FeatureOrigin::Request })
        .collect();
    let served = ServedModel { model: endpoint.to_owned(), version: 0, stored: model.clone() };
    Ok(Deployment::new(endpoint, 0, load(served, options)?, features)?)
}

fn load(served: ServedModel, options: &RuntimeOptions) -> Result<LoadedModel, CliError> {
    let predictor: Arc<dyn Predictor> = runtime::load(&served.stored, options).map_err(RunError::from)?.into();
    Ok(LoadedModel {
        model: served.model.into(),
        task: served.stored.task,
        version: served.version,
        predictor,
        encoder: Arc::new(served.stored.encoder),
    })
}

fn planned_feature(part: FeaturePart) -> PlannedFeature {
    let origin = match part.namespace {
        None => FeatureOrigin::Request,
        Some(namespace) => FeatureOrigin::View(ViewFeature {
            view: part.view,
            namespace,
            entity: part.entity,
            index: part.index,
            ttl: part.ttl,
        }),
    };
    PlannedFeature { name: part.name.into(), origin }
}
