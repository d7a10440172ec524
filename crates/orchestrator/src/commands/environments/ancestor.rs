//! The commit that two environments both come from.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::ports::Ancestor;
use baton_core::{Commit, CommitId};

use crate::error::RunError;
use crate::services::Services;

/// The nearest common ancestor of two commits. Promotions in both directions can leave several that do not come from one
/// another; the newest of them is taken.
pub(super) async fn common_ancestor(
    services: &Services,
    a: &CommitId,
    b: &CommitId,
) -> Result<Option<Commit>, RunError> {
    let (of_a, of_b) = (services.ledger.ancestry(a).await?, services.ledger.ancestry(b).await?);
    let mut newest: Option<Commit> = None;
    for id in nearest_common(&as_gone_back(of_a, a), &as_gone_back(of_b, b)) {
        let Some(commit) = services.ledger.read_commit(&id).await? else { continue };
        if newest.as_ref().is_none_or(|known| known.created_at < commit.created_at) {
            newest = Some(commit);
        }
    }
    Ok(newest)
}

/// The ancestry of `head` in which a rollback goes on from the commit that it went back to: what it undid is not part of
/// it, so that it can be promoted again.
///
/// A rollback has merged one of its own ancestors, a promotion never has.
fn as_gone_back(nodes: Vec<Ancestor>, head: &CommitId) -> Vec<Ancestor> {
    let known: BTreeMap<CommitId, Ancestor> = nodes.into_iter().map(|node| (node.id.clone(), node)).collect();
    let goes_back = |node: &Ancestor| match (&node.parent, &node.merged) {
        (Some(parent), Some(merged)) => reached(parent, |id| known.get(id).cloned()).contains_key(merged),
        _ => false,
    };
    let step = |id: &CommitId| {
        let node = known.get(id)?.clone();
        Some(if goes_back(&node) { Ancestor { parent: None, ..node } } else { node })
    };
    reached(head, step).into_values().collect()
}

fn reached(head: &CommitId, step: impl Fn(&CommitId) -> Option<Ancestor>) -> BTreeMap<CommitId, Ancestor> {
    let (mut found, mut waiting) = (BTreeMap::new(), vec![head.clone()]);
    while let Some(id) = waiting.pop() {
        let Some(node) = step(&id).filter(|_| !found.contains_key(&id)) else { continue };
        waiting.extend(node.parents().cloned());
        found.insert(id, node);
    }
    found
}

/// Common commits from which no other common commit comes.
fn nearest_common(a: &[Ancestor], b: &[Ancestor]) -> BTreeSet<CommitId> {
    let in_b: BTreeSet<&CommitId> = b.iter().map(|node| &node.id).collect();
    let common: BTreeMap<&CommitId, &Ancestor> =
        a.iter().filter(|node| in_b.contains(&node.id)).map(|node| (&node.id, node)).collect();
    // Ancestors of a common commit are common too, so those that no common commit names as parent are the nearest.
    let parents: BTreeSet<&CommitId> = common.values().flat_map(|node| node.parents()).collect();
    common.keys().filter(|id| !parents.contains(*id)).map(|id| (*id).clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(nodes: &[(&str, Option<&str>, Option<&str>)]) -> Vec<Ancestor> {
        let id = |text: &str| CommitId(text.to_owned());
        let node = |(name, parent, merged): &(&str, Option<&str>, Option<&str>)| Ancestor {
            id: id(name),
            parent: parent.map(id),
            merged: merged.map(id),
        };
        nodes.iter().map(node).collect()
    }

    fn nearest(a: &[Ancestor], b: &[Ancestor]) -> Vec<String> {
        nearest_common(a, b).into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn a_fork_comes_from_where_it_left() {
        let prod = line(&[("p2", Some("p1"), None), ("p1", Some("root"), None), ("root", None, None)]);
        let dev = line(&[("d1", Some("p1"), None), ("p1", Some("root"), None), ("root", None, None)]);
        assert_eq!(nearest(&dev, &prod), ["p1"]);
        assert_eq!(nearest(&prod, &prod), ["p2"]);
    }

    #[test]
    fn after_a_promotion_the_promoted_commit_is_the_base() {
        let dev = line(&[("d2", Some("d1"), None), ("d1", Some("root"), None), ("root", None, None)]);
        let prod = line(&[("p2", Some("root"), Some("d1")), ("d1", Some("root"), None), ("root", None, None)]);
        assert_eq!(nearest(&dev, &prod), ["d1"]);
    }

    #[test]
    fn what_a_rollback_undid_can_be_promoted_again() {
        let dev = line(&[("d1", Some("root"), None), ("root", None, None)]);
        let prod = line(&[
            ("p3", Some("p2"), Some("p1")),
            ("p2", Some("p1"), Some("d1")),
            ("p1", Some("root"), None),
            ("d1", Some("root"), None),
            ("root", None, None),
        ]);
        let prod = as_gone_back(prod, &CommitId("p3".to_owned()));
        assert_eq!(nearest(&as_gone_back(dev.clone(), &CommitId("d1".to_owned())), &prod), ["root"]);
        assert_eq!(prod.len(), 3, "p2 and what it merged are undone: {prod:?}");
    }

    #[test]
    fn strangers_have_none() {
        assert!(nearest(&line(&[("a", None, None)]), &line(&[("b", None, None)])).is_empty());
    }
}
