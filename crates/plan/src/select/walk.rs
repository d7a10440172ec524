//! Graph operators: from some assets to those around them.

use std::collections::{BTreeSet, VecDeque};

use baton_core::{AssetName, Graph};

/// How far around an asset a term reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    /// So many steps to what it reads, and so many to what reads it; `usize::MAX` is as far as it goes.
    Steps { up: usize, down: usize },
    /// The assets, all their descendants, and all ancestors of those: what a build of the descendants needs.
    ChildrensParents,
}

#[derive(Debug, Clone, Copy)]
enum Direction {
    Up,
    Down,
}

/// `seeds` and all within reach.
pub(super) fn widen(seeds: BTreeSet<AssetName>, walk: Walk, graph: &Graph) -> BTreeSet<AssetName> {
    match walk {
        Walk::Steps { up, down } => {
            let above = reach(graph, &seeds, up, Direction::Up);
            let below = reach(graph, &seeds, down, Direction::Down);
            above.into_iter().chain(below).collect()
        }
        Walk::ChildrensParents => {
            let below = reach(graph, &seeds, usize::MAX, Direction::Down);
            reach(graph, &below, usize::MAX, Direction::Up)
        }
    }
}

/// Breadth first, so that every asset is met by its shortest way. The seeds are part of the answer.
fn reach(graph: &Graph, seeds: &BTreeSet<AssetName>, steps: usize, direction: Direction) -> BTreeSet<AssetName> {
    let mut found = seeds.clone();
    let mut queue: VecDeque<(AssetName, usize)> = seeds.iter().map(|seed| (seed.clone(), 0)).collect();
    while let Some((name, far)) = queue.pop_front() {
        if far == steps {
            continue;
        }
        let neighbours: Vec<&AssetName> = match direction {
            Direction::Up => graph.inputs(&name).collect(),
            Direction::Down => graph.outputs(&name).collect(),
        };
        for neighbour in neighbours {
            if found.insert(neighbour.clone()) {
                queue.push_back((neighbour.clone(), far + 1));
            }
        }
    }
    found
}
