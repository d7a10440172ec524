//! Tags: names that people give to commits, so that they stay and can be asked for.

use baton_core::{EventKind, Timestamp, failpoint};
use serde::Serialize;
use serde_json::json;

use super::event_of;
use super::names::{check_name, resolve_commit};
use crate::error::RunError;
use crate::services::Services;

/// A tag with what is worth knowing of its commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TagLine {
    /// The tag.
    pub name: String,
    /// The commit's id.
    pub commit: String,
    /// The environment it was made in.
    pub environment: String,
    /// Its logical clock.
    pub as_of: Timestamp,
    /// Who made the commit.
    pub author: String,
    /// Why the commit was made.
    pub reason: String,
}

/// All tags by name.
pub async fn tags(services: &Services) -> Result<Vec<TagLine>, RunError> {
    let mut lines = Vec::new();
    for tag in services.ledger.tags().await? {
        let Some(commit) = services.ledger.read_commit(&tag.commit).await? else { continue };
        lines.push(TagLine {
            name: tag.name,
            commit: commit.id.0,
            environment: commit.environment,
            as_of: commit.as_of,
            author: commit.author,
            reason: commit.reason,
        });
    }
    Ok(lines)
}

/// Names the commit that `reference` stands for (an environment, another tag, digits of an id).
///
/// # Errors
/// [`RunError::NameTaken`] when there is such a tag and not `force`, or an environment of this name.
pub async fn set_tag(services: &Services, name: &str, reference: &str, force: bool) -> Result<TagLine, RunError> {
    check_name("tag", name)?;
    let taken = |what, hint: &str| RunError::NameTaken { what, name: name.to_owned(), hint: hint.to_owned() };
    if services.ledger.environments().await?.iter().any(|found| found.name == name) {
        return Err(taken("environment", "choose another name for the tag"));
    }
    let commit = resolve_commit(services, reference).await?;
    let before = services.ledger.tags().await?.into_iter().find(|tag| tag.name == name);
    if before.is_some_and(|tag| tag.commit != commit.id && !force) {
        return Err(taken("tag", "give --force to move it"));
    }
    let body = json!({"commit": commit.id.0, "author": services.author});
    let event = event_of(services, &commit.environment, commit.as_of, None, EventKind::TagMoved, (name, body));
    failpoint::reach("tag.before_set");
    services.ledger.tag(name, &commit.id, vec![event]).await?;
    failpoint::reach("tag.after_set");
    Ok(TagLine {
        name: name.to_owned(),
        commit: commit.id.0,
        environment: commit.environment,
        as_of: commit.as_of,
        author: commit.author,
        reason: commit.reason,
    })
}

/// Deletes a tag; its commit stays, and what only the tag kept goes with the next `gc`.
///
/// # Errors
/// [`RunError::UnknownReference`] when there is none.
pub async fn delete_tag(services: &Services, name: &str) -> Result<(), RunError> {
    let now = services.clock.now();
    let body = json!({"commit": null, "author": services.author});
    let event = event_of(services, "", now, None, EventKind::TagMoved, (name, body));
    failpoint::reach("tag.before_delete");
    if services.ledger.untag(name, vec![event]).await? {
        failpoint::reach("tag.after_delete");
        return Ok(());
    }
    Err(RunError::UnknownReference { text: name.to_owned(), hint: "see `baton tag --list`".to_owned() })
}
