//! Environments: pointers that are copied and moved back without copying data.

use std::collections::BTreeMap;

use baton_core::{AssetName, Commit, CommitId, Definition, EventKind, NewEvent, Pin, Version};
use serde_json::json;

use super::head;
use crate::error::RunError;
use crate::execution::commit_event;
use crate::features::rebuild_online;
use crate::prepare::Prepared;
use crate::services::Services;

/// The commits of an environment, newest first.
pub async fn history(services: &Services, environment: &str, limit: u32) -> Result<Vec<Commit>, RunError> {
    Ok(services.ledger.history(environment, limit).await?)
}

/// Makes `to` point at what `from` points at. Online values are the copy's own from its first run on.
pub async fn copy_environment(services: &Services, from: &str, to: &str) -> Result<CommitId, RunError> {
    let commit = head(services, from).await?;
    let event = NewEvent {
        at: services.clock.now(),
        as_of: commit.as_of,
        environment: to.to_owned(),
        run: None,
        asset: None,
        kind: EventKind::CommitMade,
        key: to.to_owned(),
        body: json!({"commit": commit.id.0, "reason": format!("copy of {from}"), "author": services.author}),
    };
    services.ledger.point(to, &commit.id, vec![event]).await?;
    Ok(commit.id)
}

/// Moves an environment back to an earlier commit (`to` is the beginning of its id; `None`: the one before the head):
/// data, features, model aliases and endpoints together, as one new commit.
pub async fn rollback(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    to: Option<&str>,
) -> Result<Commit, RunError> {
    let current = head(services, environment).await?;
    let target = rollback_target(services, environment, &current, to).await?;
    let mut commit = Commit {
        id: CommitId(String::new()),
        parent: Some(current.id.clone()),
        environment: environment.to_owned(),
        created_at: services.clock.now(),
        as_of: target.as_of,
        author: services.author.clone(),
        reason: format!("rollback to {}", target.id.short()),
        git_revision: target.git_revision.clone(),
        assets: target.assets.clone(),
    };
    restore_online(services, prepared, environment, &current, &target, &mut commit.assets).await?;
    let commit = commit.sealed();
    let event = commit_event(&commit, services, "rollback");
    services.ledger.commit(&commit, vec![event]).await?;
    Ok(commit)
}

async fn rollback_target(
    services: &Services,
    environment: &str,
    current: &Commit,
    to: Option<&str>,
) -> Result<Commit, RunError> {
    let history = services.ledger.history(environment, u32::MAX).await?;
    let found = match to {
        Some(prefix) => history.into_iter().find(|commit| commit.id.0.starts_with(prefix)),
        None => history.into_iter().find(|commit| Some(&commit.id) == current.parent.as_ref()),
    };
    found.ok_or_else(|| RunError::Missing {
        what: "commit",
        name: to.unwrap_or("before the head").to_owned(),
        environment: environment.to_owned(),
        hint: "see `baton log` for the commits there are".to_owned(),
    })
}

/// Online stores only move forward, so the values of an earlier commit are filled into a place of their own, which the
/// rollback's commit then points at.
async fn restore_online(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    current: &Commit,
    target: &Commit,
    assets: &mut BTreeMap<AssetName, Pin>,
) -> Result<(), RunError> {
    for (name, pin) in assets.iter_mut() {
        let Version::FeatureView { table, online: Some(_) } = &pin.version else { continue };
        if current.assets.get(name) == Some(&*pin) {
            continue;
        }
        let Some(Definition::FeatureView(view)) = prepared.project.assets.get(name).map(|asset| &asset.definition)
        else {
            continue;
        };
        let content = prepared.desired.assets.get(name).map(|desired| desired.content());
        let fingerprint = content.as_ref().map_or("", |content| content.short());
        let namespace = format!("{environment}/{name}/{fingerprint}/{}", current.id.short());
        rebuild_online(services, name, view, table, &namespace, target.as_of).await?;
        pin.version = Version::FeatureView { table: table.clone(), online: Some(namespace) };
    }
    Ok(())
}
