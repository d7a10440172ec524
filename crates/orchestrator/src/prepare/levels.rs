//! Work on queries side by side: those of one level of the graph do not depend on each other.

use std::collections::BTreeMap;
use std::thread;

use baton_core::{AssetName, Graph};

/// Stack of a thread: planning deeply nested SQL recurses.
const STACK: usize = 8 << 20;
/// Fewer items than these are not worth a thread.
const WORTH_A_THREAD: usize = 8;

/// The assets of `order` (inputs before readers), each in the level after those of all that it reads.
pub(super) fn levels<'a>(order: &'a [AssetName], graph: &Graph) -> Vec<Vec<&'a AssetName>> {
    let mut level_of: BTreeMap<&AssetName, usize> = BTreeMap::new();
    let mut levels: Vec<Vec<&AssetName>> = Vec::new();
    for name in order {
        let above = graph.inputs(name).filter_map(|input| level_of.get(input));
        let level = above.max().map_or(0, |level| level + 1);
        level_of.insert(name, level);
        levels.resize_with(levels.len().max(level + 1), Vec::new);
        levels[level].push(name);
    }
    levels
}

/// What `work` makes of each item, in order, on as many threads as are worth it.
pub(super) fn side_by_side<I: Sync, R: Send>(items: &[I], work: impl Fn(&I) -> R + Sync) -> Vec<R> {
    let some = |items: &[I]| items.iter().map(&work).collect::<Vec<R>>();
    let n_threads = thread::available_parallelism().map_or(1, usize::from).min(items.len() / WORTH_A_THREAD);
    if n_threads < 2 {
        return some(items);
    }
    let some = &some;
    thread::scope(|scope| {
        let start = |part| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || some(part));
        let parts = items.chunks(items.len().div_ceil(n_threads)).map(|part| (part, start(part)));
        let parts: Vec<_> = parts.collect();
        // Without another thread the work is done on this one.
        let done = |(part, started): (&[I], std::io::Result<thread::ScopedJoinHandle<'_, Vec<R>>>)| {
            started.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(|| some(part))
        };
        parts.into_iter().flat_map(done).collect()
    })
}
