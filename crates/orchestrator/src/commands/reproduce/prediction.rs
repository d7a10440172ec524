//! Rebuilding an endpoint's predictions: every tick scored again, by the version and from the tables of its commit.

use std::collections::BTreeMap;

use baton_core::event::EventFilter;
use baton_core::{AssetName, Commit, CommitId, Definition, EventKind, Graph, Interval, Pin, TableVersion};
use baton_lake::{RowDigest, conform, delta_schema};
use baton_project::Project;
use serde::Deserialize;

use super::model::{NOWHERE, schemas_of};
use super::recipe::Reason;
use crate::definitions::recorded_definition;
use crate::error::RunError;
use crate::execution::Execution;
use crate::prepare::Prepared;
use crate::services::Services;
use crate::watch::predictions_of;

/// The body of an `endpoint.scored` event.
#[derive(Deserialize)]
struct Scored {
    model: String,
    revision: u64,
    interval: Interval,
}

/// Predictions made again.
pub(super) struct Predicted {
    pub(super) digest: RowDigest,
    pub(super) ticks: usize,
}

/// The endpoint whose predictions a table is.
pub(super) fn endpoint_of(commit: &Commit, table: &AssetName) -> Option<AssetName> {
    commit.assets.keys().find(|name| predictions_of(name) == *table).cloned()
}

/// Scores again what led to `version`, back along the commits from `commit`.
pub(super) async fn predict_again(
    services: &Services,
    commit: &Commit,
    endpoint: &AssetName,
    version: &TableVersion,
) -> Result<Result<Predicted, Reason>, RunError> {
    let table = predictions_of(endpoint);
    let mut found = Predicted { digest: RowDigest::default(), ticks: 0 };
    let (mut next, mut is_reached) = (Some(commit.clone()), false);
    while let Some(commit) = next.take() {
        let parent = parent_of(services, commit.parent.as_ref()).await?;
        let here = commit.assets.get(&table).and_then(|pin| pin.version.table());
        let before = parent.as_ref().and_then(|parent| parent.assets.get(&table)?.version.table());
        is_reached |= here == Some(version);
        if is_reached && here.is_some() && here != before {
            match tick_again(services, &commit, endpoint).await? {
                Ok(digest) => found.digest = found.digest.and(digest),
                Err(reason) => return Ok(Err(reason)),
            }
            found.ticks += 1;
            services.progress.advanced(&table, found.ticks as u64, found.ticks as u64);
        }
        next = parent;
    }
    match found.ticks {
        0 => Ok(Err("the ticks that scored it are not in the environment's history".to_owned())),
        _ => Ok(Ok(found)),
    }
}

async fn parent_of(services: &Services, id: Option<&CommitId>) -> Result<Option<Commit>, RunError> {
    match id {
        Some(id) => Ok(services.ledger.read_commit(id).await?),
        None => Ok(None),
    }
}

async fn tick_again(
    services: &Services,
    commit: &Commit,
    endpoint: &AssetName,
) -> Result<Result<RowDigest, Reason>, RunError> {
    let Some(scored) = scored_at(services, commit, endpoint).await? else {
        return Ok(Err(format!("how it was scored as of {} is not recorded", commit.as_of)));
    };
    let project = declared_at(services, commit).await?;
    let definition = |name: &str| project.assets.get(name).map(|asset| asset.definition.clone());
    let (Some(Definition::Endpoint(declared)), Some((model, number))) =
        (definition(endpoint), scored.model.split_once('@'))
    else {
        return Ok(Err(format!("the definition of {endpoint} as of {} is not recorded", commit.as_of)));
    };
    let (Some(Definition::Model(model_declared)), Some(scoring)) = (definition(model), &declared.score) else {
        return Ok(Err(format!("the definition of {model} as of {} is not recorded", commit.as_of)));
    };
    let (Ok(model), Ok(number)) = (AssetName::parse(model), number.parse::<u32>()) else {
        return Ok(Err(format!("{} is no model version", scored.model)));
    };
    let schemas = schemas_of(services, &project.assets, &commit.assets).await?;
    let prepared = Prepared::recorded(project, Graph::new(), schemas);
    let Some(version) = prepared.models.get(services, &model, number).await? else {
        return Ok(Err(format!("{} is gone", scored.model)));
    };
    let mut execution = Execution::begin(services, &prepared, NOWHERE, commit.as_of, "reproduce").await?;
    execution.working.clone_from(&commit.assets);
    let parts = (&model_declared, scoring);
    let rows = execution.scored_rows(endpoint, parts, scored.interval, &version, scored.revision).await?;
    Ok(Ok(RowDigest::of(&conform(&rows, &delta_schema(&rows.schema())?)?)?))
}

async fn scored_at(services: &Services, commit: &Commit, endpoint: &AssetName) -> Result<Option<Scored>, RunError> {
    let filter = EventFilter {
        kinds: vec![EventKind::EndpointScored],
        environment: Some(commit.environment.clone()),
        asset: Some(endpoint.clone()),
        from: Some(commit.as_of),
        until: Some(commit.as_of + chrono::TimeDelta::microseconds(1)),
        last: Some(1),
        ..EventFilter::default()
    };
    let found = services.ledger.events(&filter).await?.pop();
    Ok(found.and_then(|found| serde_json::from_value(found.event.body).ok()))
}

/// Models, feature views and endpoints as they were declared in a commit.
async fn declared_at(services: &Services, commit: &Commit) -> Result<Project, RunError> {
    let mut project = Project::default();
    let pins: BTreeMap<&AssetName, &Pin> = commit
        .assets
        .iter()
        .filter(|(_, pin)| pin.version.table().is_none() || pin.kind == baton_core::Kind::FeatureView)
        .collect();
    for (name, pin) in pins {
        let Some(key) = &pin.definition else { continue };
        if let Some(asset) = recorded_definition(services, key).await? {
            project.assets.insert(name.clone(), asset);
        }
    }
    Ok(project)
}
