//! Points at random: a branch's n-th point is the n-th draw of one seeded stream, whoever asks and whenever.

use super::space::{Branch, Point, Space};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::collections::BTreeMap;

/// The point of trial `number`.
pub(super) fn point(space: &Space, seed: u64, number: usize) -> Point {
    let (branch, place) = place(space, number);
    Point { branch: branch.name.clone(), settings: settings(branch, seed, place) }
}

/// The branch of trial `number`, and the trial's place within it: each branch in turn first, then by weight.
pub(super) fn place(space: &Space, number: usize) -> (&Branch, usize) {
    let mut counts = vec![0usize; space.branches.len()];
    let mut chosen = 0;
    for turn in 0..=number {
        let due = |place: &usize| (counts[*place] + 1) as f64 / space.branches[*place].weight.max(1) as f64;
        let by_weight = || (0..counts.len()).min_by(|one, other| due(one).total_cmp(&due(other))).unwrap_or(0);
        chosen = if turn < counts.len() { turn } else { by_weight() };
        counts[chosen] += 1;
    }
    (&space.branches[chosen], counts[chosen] - 1)
}

fn settings(branch: &Branch, seed: u64, place: usize) -> BTreeMap<String, serde_json::Value> {
    let draws = match &branch.start {
        Some(start) if place == 0 => return start.clone(),
        Some(_) => place,
        None => place + 1,
    };
    let mut generator = StdRng::seed_from_u64(seed);
    let mut drawn = BTreeMap::new();
    for _ in 0..draws {
        let draw =
            |parameter: &super::space::Parameter| (parameter.name.clone(), parameter.domain.draw(&mut generator));
        drawn = branch.parameters.iter().map(draw).collect();
    }
    drawn
}
