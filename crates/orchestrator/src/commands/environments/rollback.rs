//! Moving an environment back.

use baton_core::event::EventFilter;
use baton_core::{Commit, CommitId, EventKind, NewEvent, failpoint};
use serde_json::{Value, json};

use super::event_of;
use super::names::tagged;
use super::online::own_online;
use crate::commands::head;
use crate::error::RunError;
use crate::execution::commit_event;
use crate::prepare::Prepared;
use crate::services::Services;
use crate::stored::is_there;

/// How the reasons of its commits begin.
const REASON: &str = "rollback to ";

/// What a rollback came to.
#[derive(Debug, Clone, PartialEq)]
pub struct RolledBack {
    /// What the environment points at now.
    pub commit: Commit,
    /// The commit that it pointed at before.
    pub undone: CommitId,
    /// Whether an earlier rollback did it already, and ended before it could tell anybody.
    pub was_done: bool,
}

/// Moves an environment back to an earlier commit (`to` is a tag or the beginning of its id; `None`: the one before the
/// head): data, features, model aliases and endpoints together, as one new commit.
///
/// Asked again for the same commit it does nothing. Asked again without one it goes on to the commit before, unless
/// nobody was told of the last time; see [`rollback_told`].
///
/// # Errors
/// [`RunError::Missing`] when the environment never was at that commit, [`RunError::Collected`] when its data is gone.
pub async fn rollback(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    to: Option<&str>,
) -> Result<RolledBack, RunError> {
    let current = head(services, environment).await?;
    if to.is_none() && is_untold(services, &current).await? {
        return Ok(RolledBack::done(current));
    }
    let target = rollback_target(services, environment, &current, to).await?;
    if current.merged.as_ref() == Some(&target.id) && current.environment == environment {
        // The same rollback, killed after it was done and asked for again.
        return Ok(RolledBack::done(current));
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
        reason: format!("{REASON}{}", target.id.short()),
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
    let run = run_of(&commit);
    let started = event_of_run(
        services,
        &commit,
        EventKind::RunStarted,
        json!({"reason": commit.reason, "author": commit.author}),
    );
    failpoint::reach("rollback.before_commit");
    services.ledger.commit(&commit, vec![started, commit_event(&commit, services, &run)]).await?;
    failpoint::reach("rollback.after_commit");
    Ok(RolledBack { commit, undone: current.id, was_done: false })
}

/// The commit that a rollback would go back to.
///
/// # Errors
/// As [`rollback`].
pub(crate) async fn resolve_rollback(
    services: &Services,
    environment: &str,
    to: Option<&str>,
) -> Result<Commit, RunError> {
    rollback_target(services, environment, &head(services, environment).await?, to).await
}

/// Records that somebody was told of a rollback: asked again without a commit, it goes on to the one before. Doing it twice
/// is doing it once.
///
/// # Errors
/// Those of the ledger.
pub async fn rollback_told(services: &Services, done: &RolledBack) -> Result<(), RunError> {
    if is_untold(services, &done.commit).await? {
        let event =
            event_of_run(services, &done.commit, EventKind::RunFinished, json!({"steps": 0, "failed": [], "work": []}));
        services.ledger.append(vec![event]).await?;
    }
    Ok(())
}

impl RolledBack {
    fn done(commit: Commit) -> Self {
        let undone = commit.parent.clone().unwrap_or_else(|| commit.id.clone());
        Self { commit, undone, was_done: true }
    }
}

/// Whether `commit` is a rollback that began as a run and of which nobody was told.
async fn is_untold(services: &Services, commit: &Commit) -> Result<bool, RunError> {
    if !commit.reason.starts_with(REASON) {
        return Ok(false);
    }
    let run = run_of(commit);
    let of_run = EventFilter { run: Some(run), ..EventFilter::default() };
    let events = services.ledger.events(&of_run).await?;
    let has = |kind: EventKind| events.iter().any(|found| found.event.kind == kind);
    Ok(has(EventKind::RunStarted) && !has(EventKind::RunFinished))
}

/// The run that a rollback is, named by its commit.
fn run_of(commit: &Commit) -> String {
    format!("rollback-{}", commit.id.short())
}

fn event_of_run(services: &Services, commit: &Commit, kind: EventKind, body: Value) -> NewEvent {
    let run = run_of(commit);
    let event = event_of(services, &commit.environment, commit.as_of, None, kind, (run.as_str(), body));
    NewEvent { run: Some(run), ..event }
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
