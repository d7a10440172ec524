//! From what the orchestrator says that an endpoint serves to a deployment that answers.

use std::sync::Arc;

use baton_core::Definition;
use baton_ml::runtime::{self, RuntimeOptions};
use baton_ml::{Predictor, StoredModel};
use baton_orchestrator::{EndpointParts, FeaturePart, Prepared, ServedModel, endpoint_parts};
use baton_serving::{Deployment, EndpointRouter, FeatureOrigin, LoadedModel, PlannedFeature, ViewFeature};

use crate::error::CliError;
use crate::project::Workspace;

/// A router with every endpoint that the environment serves.
///
/// # Errors
/// Those of the ledger, of the lake and of the models. An endpoint that was never deployed is left out.
pub(crate) async fn router(workspace: &Workspace, prepared: &Prepared) -> Result<EndpointRouter, CliError> {
    let services = workspace.services();
    let router = EndpointRouter::new(Arc::clone(&services.online));
    let head = services.ledger.head(&workspace.environment).await?;
    let deployed = |name: &str| head.as_ref().is_some_and(|commit| commit.assets.contains_key(name));
    for (name, asset) in &prepared.project.assets {
        if matches!(asset.definition, Definition::Endpoint(_)) && deployed(name) {
            let parts = endpoint_parts(services, prepared, &workspace.environment, name).await?;
            router.deploy(deployment(parts, &services.models)?);
        }
    }
    Ok(router)
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
    let predictor: Arc<dyn Predictor> =
        runtime::load(&served.stored, options).map_err(baton_orchestrator::RunError::from)?.into();
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
