//! Making, listing and removing environments.

use baton_core::{Commit, CommitId, EventKind, NewEvent, Timestamp, Version, failpoint};
use serde::Serialize;
use serde_json::json;

use super::event_of;
use super::names::{check_name, resolve_commit, tagged};
use super::online::own_online;
use crate::commands::head;
use crate::error::RunError;
use crate::prepare::Prepared;
use crate::services::Services;
use crate::watch::served_of;

/// An environment in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvironmentLine {
    /// Its name.
    pub name: String,
    /// What it points at; `None` when it was declared and never built.
    pub commit: Option<String>,
    /// The logical clock of that commit.
    pub as_of: Option<Timestamp>,
    /// When that commit was made, on the machine's clock.
    pub created_at: Option<Timestamp>,
    /// Who made it.
    pub author: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// How many assets it has.
    pub assets: usize,
}

/// The environments that the ledger knows, and those that are `declared` and not built yet, by name.
pub async fn environments(services: &Services, declared: &[String]) -> Result<Vec<EnvironmentLine>, RunError> {
    let mut lines = Vec::new();
    for found in services.ledger.environments().await? {
        let Some(commit) = services.ledger.read_commit(&found.commit).await? else { continue };
        lines.push(EnvironmentLine {
            name: found.name,
            commit: Some(commit.id.0),
            as_of: Some(commit.as_of),
            created_at: Some(commit.created_at),
            author: Some(commit.author),
            reason: Some(commit.reason),
            assets: commit.assets.len(),
        });
    }
    for name in declared {
        if lines.iter().all(|line| line.name != *name) {
            let name = name.clone();
            lines.push(EnvironmentLine {
                name,
                commit: None,
                as_of: None,
                created_at: None,
                author: None,
                reason: None,
                assets: 0,
            });
        }
    }
    lines.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(lines)
}

/// Makes the environment `name` at the commit that `from` names: a pointer, no data is copied.
///
/// At the head of an environment it shares that environment's online values until its own first run. Anywhere else those
/// have moved on, so the values of the commit are filled into a place of its own, and a commit of its own points there.
///
/// # Errors
/// `LedgerError::Exists` when there is such an environment, [`RunError::NameTaken`] when there is such a tag.
pub async fn create_environment(
    services: &Services,
    prepared: Option<&Prepared>,
    name: &str,
    from: &str,
) -> Result<Commit, RunError> {
    check_name("environment", name)?;
    if tagged(services, name).await?.is_some() {
        let hint = "choose another name for the environment".to_owned();
        return Err(RunError::NameTaken { what: "tag", name: name.to_owned(), hint });
    }
    let source = resolve_commit(services, from).await?;
    let is_head = services.ledger.environments().await?.iter().any(|found| found.commit == source.id);
    let commit = if is_head { source } else { commit_of_its_own(services, prepared, name, from, source).await? };
    let mut events = deployments(services, name, &commit);
    events.push(moved(services, name, &commit, &format!("created from {from}")));
    failpoint::reach("environment.before_create");
    services.ledger.start(name, &commit, events).await?;
    failpoint::reach("environment.after_create");
    Ok(commit)
}

async fn commit_of_its_own(
    services: &Services,
    prepared: Option<&Prepared>,
    name: &str,
    from: &str,
    source: Commit,
) -> Result<Commit, RunError> {
    let suffix = source.id.short().to_owned();
    let has_online =
        source.assets.values().any(|pin| matches!(&pin.version, Version::FeatureView { online: Some(_), .. }));
    if !has_online {
        return Ok(source);
    }
    let mut commit = Commit {
        id: CommitId(String::new()),
        parent: Some(source.id.clone()),
        merged: None,
        environment: name.to_owned(),
        created_at: services.clock.now(),
        author: services.author.clone(),
        reason: format!("created from {from}"),
        ..source
    };
    own_online(services, prepared, &mut commit, &suffix, |_, _| true).await?;
    failpoint::reach("environment.online_written");
    Ok(commit.sealed())
}

/// Events that say since when the environment's endpoints serve, as their scoring begins there.
fn deployments(services: &Services, name: &str, commit: &Commit) -> Vec<NewEvent> {
    let endpoints = commit.assets.iter().filter(|(_, pin)| matches!(pin.version, Version::Endpoint { .. }));
    let events = endpoints.map(|(asset, pin)| {
        let (revision, serves) = served_of(pin);
        let body = json!({"revision": revision, "serves": serves, "before": null});
        event_of(services, name, commit.as_of, Some(asset), EventKind::EndpointDeployed, (asset.as_str(), body))
    });
    events.collect()
}

fn moved(services: &Services, name: &str, commit: &Commit, reason: &str) -> NewEvent {
    let body = json!({"commit": commit.id.0, "reason": reason, "author": services.author});
    event_of(services, name, commit.as_of, None, EventKind::CommitMade, (name, body))
}

/// Makes `to` point at what `from` points at, wherever it pointed before. Online values are the copy's own from its first
/// run on.
pub async fn copy_environment(services: &Services, from: &str, to: &str) -> Result<CommitId, RunError> {
    let commit = head(services, from).await?;
    let event = moved(services, to, &commit, &format!("copy of {from}"));
    services.ledger.point(to, &commit.id, vec![event]).await?;
    Ok(commit.id)
}

/// Forgets an environment. Its commits stay in the ledger; what only it reached goes with the next `gc`.
pub async fn remove_environment(services: &Services, name: &str) -> Result<Commit, RunError> {
    let commit = head(services, name).await?;
    let body = json!({"commit": commit.id.0, "author": services.author});
    let event = event_of(services, name, commit.as_of, None, EventKind::EnvironmentRemoved, (name, body));
    failpoint::reach("environment.before_remove");
    services.ledger.remove(name, &commit.id, vec![event]).await?;
    failpoint::reach("environment.after_remove");
    Ok(commit)
}
