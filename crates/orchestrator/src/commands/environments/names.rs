//! What names a commit: an environment, a tag, or the first digits of a commit's id.

use baton_core::{Commit, CommitId};

use crate::error::RunError;
use crate::services::Services;

/// Digits that are needed at least to name a commit.
const SHORTEST_PREFIX: usize = 4;

/// The commit that `text` names: the head of an environment, else a tag, else the commit whose id begins so. With `~2`
/// behind it, the commit two before that; `~` alone is `~1`.
///
/// # Errors
/// [`RunError::UnknownReference`] when it names none, or more than one.
pub async fn resolve_commit(services: &Services, text: &str) -> Result<Commit, RunError> {
    let Some((name, steps)) = text.rsplit_once('~') else { return named_commit(services, text).await };
    let steps = if steps.is_empty() { Ok(1) } else { steps.parse::<u32>() };
    let steps = steps.map_err(|_| unknown(text, "a number of commits follows `~`, as in `prod~1`"))?;
    let mut commit = named_commit(services, name).await?;
    for _ in 0..steps {
        let parent = commit.parent.ok_or_else(|| unknown(text, "the history is not that long; see `baton log`"))?;
        let found = services.ledger.read_commit(&parent).await?;
        commit = found.ok_or_else(|| unknown(text, "see `baton log`"))?;
    }
    Ok(commit)
}

async fn named_commit(services: &Services, text: &str) -> Result<Commit, RunError> {
    if let Some(commit) = services.ledger.head(text).await? {
        return Ok(commit);
    }
    let tag = services.ledger.tags().await?.into_iter().find(|tag| tag.name == text);
    let id = match tag {
        Some(tag) => tag.commit,
        None => by_prefix(services, text).await?,
    };
    services.ledger.read_commit(&id).await?.ok_or_else(|| unknown(text, "see `baton log` and `baton tag --list`"))
}

/// The id that a tag has or that begins with `text`, where either is fine; `None` when it is neither.
pub(super) async fn tagged(services: &Services, text: &str) -> Result<Option<CommitId>, RunError> {
    Ok(services.ledger.tags().await?.into_iter().find(|tag| tag.name == text).map(|tag| tag.commit))
}

async fn by_prefix(services: &Services, text: &str) -> Result<CommitId, RunError> {
    let is_prefix = text.len() >= SHORTEST_PREFIX && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_prefix {
        return Err(unknown(text, "see `baton env list`, `baton tag --list` and `baton log`"));
    }
    let mut found = services.ledger.commits_starting(text).await?;
    match (found.pop(), found.pop()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(unknown(text, "more than one commit begins so; give more digits")),
        (None, _) => Err(unknown(text, "see `baton log` for the commits there are")),
    }
}

fn unknown(text: &str, hint: &str) -> RunError {
    RunError::UnknownReference { text: text.to_owned(), hint: hint.to_owned() }
}

/// Checks the name of a new environment or tag: letters, digits, `_`, `-` and `.`, beginning with a letter or digit, and
/// not to be taken for the digits of a commit.
///
/// # Errors
/// [`RunError::BadName`].
pub fn check_name(what: &'static str, name: &str) -> Result<(), RunError> {
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
    let reads_as_commit = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if starts_well && name.chars().all(plain) && name.len() <= 100 && !reads_as_commit {
        return Ok(());
    }
    Err(RunError::BadName { what, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["dev", "pr-12", "2013.06_close", "a"] {
            check_name("tag", good).unwrap();
        }
        for bad in ["", "-x", ".x", "a/b", "a b", "ä", &"a".repeat(101), &"0f".repeat(32)] {
            assert!(check_name("tag", bad).is_err(), "{bad}");
        }
    }
}
