//! The graph: which asset reads which.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::name::AssetName;

/// Directed edges from an asset to those it reads. Every name that is read is also a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    reads: BTreeMap<AssetName, BTreeSet<AssetName>>,
    readers: BTreeMap<AssetName, BTreeSet<AssetName>>,
}

impl Graph {
    /// A graph without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `asset` and what it reads.
    pub fn insert(&mut self, asset: AssetName, reads: impl IntoIterator<Item = AssetName>) {
        self.readers.entry(asset.clone()).or_default();
        for input in reads {
            self.reads.entry(input.clone()).or_default();
            self.readers.entry(input.clone()).or_default().insert(asset.clone());
            self.reads.entry(asset.clone()).or_default().insert(input);
        }
        self.reads.entry(asset).or_default();
    }

    /// All assets by name.
    pub fn assets(&self) -> impl Iterator<Item = &AssetName> {
        self.reads.keys()
    }

    /// What `asset` reads itself.
    pub fn inputs(&self, asset: &str) -> impl Iterator<Item = &AssetName> {
        self.reads.get(asset).into_iter().flatten()
    }

    /// What reads `asset` itself.
    pub fn outputs(&self, asset: &str) -> impl Iterator<Item = &AssetName> {
        self.readers.get(asset).into_iter().flatten()
    }

    /// All that `asset` depends on, without itself.
    pub fn upstream(&self, asset: &str) -> BTreeSet<AssetName> {
        reachable(&self.reads, asset)
    }

    /// All that depends on `asset`, without itself.
    pub fn downstream(&self, asset: &str) -> BTreeSet<AssetName> {
        reachable(&self.readers, asset)
    }

    /// Inputs before readers; among equals by name, so that the order is always the same.
    ///
    /// # Errors
    /// The assets of one cycle, in reading order, when there is one.
    pub fn topological_order(&self) -> Result<Vec<AssetName>, Vec<AssetName>> {
        let mut waiting: BTreeMap<&AssetName, usize> =
            self.reads.iter().map(|(asset, inputs)| (asset, inputs.len())).collect();
        let mut ready: BTreeSet<&AssetName> =
            waiting.iter().filter(|(_, count)| **count == 0).map(|(asset, _)| *asset).collect();
        let mut order = Vec::with_capacity(self.reads.len());
        while let Some(asset) = ready.pop_first() {
            order.push(asset.clone());
            for reader in self.readers.get(asset).into_iter().flatten() {
                if let Some(count) = waiting.get_mut(reader) {
                    *count -= 1;
                    if *count == 0 {
                        ready.insert(reader);
                    }
                }
            }
        }
        if order.len() == self.reads.len() { Ok(order) } else { Err(self.find_cycle(&order)) }
    }

    /// Walks inputs among the unordered assets until one comes again.
    fn find_cycle(&self, ordered: &[AssetName]) -> Vec<AssetName> {
        let done: BTreeSet<&AssetName> = ordered.iter().collect();
        let mut path: Vec<AssetName> = Vec::new();
        let mut current = self.reads.keys().find(|asset| !done.contains(asset));
        while let Some(asset) = current {
            if let Some(start) = path.iter().position(|seen| seen == asset) {
                return path.split_off(start);
            }
            path.push(asset.clone());
            current = self.inputs(asset).find(|input| !done.contains(input));
        }
        path
    }
}

fn reachable(edges: &BTreeMap<AssetName, BTreeSet<AssetName>>, from: &str) -> BTreeSet<AssetName> {
    let mut found = BTreeSet::new();
    let mut queue: VecDeque<&str> = VecDeque::from([from]);
    while let Some(asset) = queue.pop_front() {
        for next in edges.get(asset).into_iter().flatten() {
            if next.as_str() != from && found.insert(next.clone()) {
                queue.push_back(next);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> AssetName {
        AssetName::parse(text).unwrap()
    }

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let mut graph = Graph::new();
        for (asset, reads) in edges {
            graph.insert(name(asset), reads.iter().map(|input| name(input)));
        }
        graph
    }

    #[test]
    fn inputs_come_before_readers() {
        let graph = graph(&[("c", &["a", "b"]), ("b", &["a"]), ("d", &["c"])]);
        let order = graph.topological_order().unwrap();
        assert_eq!(order, ["a", "b", "c", "d"].map(name));
        assert_eq!(graph.upstream("c"), BTreeSet::from([name("a"), name("b")]));
        assert_eq!(graph.downstream("b"), BTreeSet::from([name("c"), name("d")]));
    }

    #[test]
    fn a_cycle_is_named() {
        let graph = graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"]), ("x", &[])]);
        assert_eq!(graph.topological_order(), Err(vec![name("b"), name("c")]));
    }
}
