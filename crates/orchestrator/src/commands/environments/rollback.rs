//! Moving an environment back.

use baton_core::{Commit, CommitId, failpoint};

use super::names::tagged;
use super::online::own_online;
use crate::commands::head;
use crate::error::RunError;
use crate::execution::commit_event;
use crate::prepare::Prepared;
use crate::services::Services;
use crate::stored::is_there;

/// Moves an environment back to an earlier commit (`to` is a tag or the beginning of its id; `None`: the one before the
/// head): data, features, model aliases and endpoints together, as one new commit.
///
/// # Errors
/// [`RunError::Missing`] when the environment never was at that commit, [`RunError::Collected`] when its data is gone.
pub async fn rollback(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    to: Option<&str>,
) -> Result<Commit, RunError> {
    let current = head(services, environment).await?;
    let target = rollback_target(services, environment, &current, to).await?;
    if current.merged.as_ref() == Some(&target.id) && current.environment == environment {
        // The same rollback, killed after it was done and asked for again.
        return Ok(current);
    }
    need_data(services, &target).await?;
    let mut commit = Commit {
        id: CommitId(String::new()),
        parent: Some(current.id.clone()),
        merged: Some(target.id.clone()),
        environment: environment.to_owned(),
        created_at: services.clock.now(),
        as_of: target.as_of,
        author: services.author.clone(),
        reason: format!("rollback to {}", target.id.short()),
        git_revision: target.git_revision.clone(),
        assets: target.assets.clone(),
    };
    let suffix = current.id.short();
    // A rollback to where the environment is fills what was lost of its online values.
    let is_here = target.id == current.id;
    let has_moved =
        |name: &baton_core::AssetName, pin: &baton_core::Pin| is_here || current.assets.get(name) != Some(pin);
    own_online(services, Some(prepared), &mut commit, suffix, has_moved).await?;
    failpoint::reach("rollback.online_written");
    let commit = commit.sealed();
    let event = commit_event(&commit, services, "rollback");
    failpoint::reach("rollback.before_commit");
    services.ledger.commit(&commit, vec![event]).await?;
    failpoint::reach("rollback.after_commit");
    Ok(commit)
}

async fn rollback_target(
    services: &Services,
    environment: &str,
    current: &Commit,
    to: Option<&str>,
) -> Result<Commit, RunError> {
    let tag = match to {
        Some(text) => tagged(services, text).await?,
        None => None,
    };
    let history = services.ledger.history(environment, u32::MAX).await?;
    let found = match (tag, to) {
        (Some(id), _) => history.into_iter().find(|commit| commit.id == id),
        (None, Some(prefix)) => history.into_iter().find(|commit| commit.id.0.starts_with(prefix)),
        (None, None) => history.into_iter().find(|commit| Some(&commit.id) == current.parent.as_ref()),
    };
    found.ok_or_else(|| RunError::Missing {
        what: "commit",
        name: to.unwrap_or("before the head").to_owned(),
        environment: environment.to_owned(),
        hint: "see `baton log` for the commits there are".to_owned(),
    })
}

/// Refuses a commit whose files are no longer there.
async fn need_data(services: &Services, commit: &Commit) -> Result<(), RunError> {
    for (name, pin) in &commit.assets {
        if !is_there(services, pin).await {
            return Err(RunError::Collected { asset: name.clone(), commit: commit.id.short().to_owned() });
        }
    }
    Ok(())
}
