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
    for id in nearest_common(&of_a, &of_b) {
        let Some(commit) = services.ledger.read_commit(&id).await? else { continue };
        if newest.as_ref().is_none_or(|known| known.created_at < commit.created_at) {
            newest = Some(commit);
        }
    }
    Ok(newest)
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
    fn strangers_have_none() {
        assert!(nearest(&line(&[("a", None, None)]), &line(&[("b", None, None)])).is_empty());
    }
}
