//! What both sides of a promotion changed, told with who, when and how.

use std::collections::BTreeMap;

use baton_core::{AssetName, Commit, Kind};

use super::{Promotion, SideChange};
use crate::commands::environments::compare::{changed_lines, definition_lines};
use crate::commands::environments::merge::{Conflict, Verdict};
use crate::error::RunError;

impl Promotion<'_> {
    /// The assets of which nobody but a person can say what becomes.
    pub(super) async fn conflicts(&self, verdicts: &BTreeMap<AssetName, Verdict>) -> Result<Vec<Conflict>, RunError> {
        let mut conflicts = Vec::new();
        for (name, verdict) in verdicts {
            let Verdict::Conflict(what) = verdict else { continue };
            conflicts.push(self.conflict(name, what.clone()).await?);
        }
        Ok(conflicts)
    }

    /// One of them.
    pub(super) async fn conflict(&self, name: &AssetName, what: String) -> Result<Conflict, RunError> {
        let (_, source, target) = self.sides.pins(name);
        let kind = source.or(target).map_or(Kind::Table, |pin| pin.kind);
        Ok(Conflict {
            asset: name.clone(),
            kind,
            what,
            source: self.last_change(self.names.0, name).await?,
            target: self.last_change(self.names.1, name).await?,
            rows: Vec::new(),
        })
    }

    /// The newest commit of an environment since the base that changed how an asset is defined, else one that moved it.
    async fn last_change(&self, environment: &str, name: &AssetName) -> Result<Option<SideChange>, RunError> {
        let history = self.services.ledger.history(environment, u32::MAX).await?;
        let until = self.sides.base.map(|commit| &commit.id);
        let mut moved = None;
        for pair in history.windows(2).chain(history.last().map(std::slice::from_ref)) {
            let (new, old) = (&pair[0], pair.get(1));
            if Some(&new.id) == until {
                break;
            }
            let (after, before) = (new.assets.get(name), old.and_then(|commit| commit.assets.get(name)));
            let details = changed_lines(before, after);
            if details.is_empty() {
                continue;
            }
            let is_defined = match (before, after) {
                (Some(before), Some(after)) => !definition_lines(before, after).is_empty(),
                _ => true,
            };
            let change = side_change(environment, new, details);
            if is_defined {
                return Ok(Some(change));
            }
            moved.get_or_insert(change);
        }
        Ok(moved)
    }
}

fn side_change(environment: &str, commit: &Commit, details: Vec<String>) -> SideChange {
    SideChange {
        environment: environment.to_owned(),
        commit: commit.id.short().to_owned(),
        author: commit.author.clone(),
        at: commit.created_at,
        reason: commit.reason.clone(),
        details,
    }
}
