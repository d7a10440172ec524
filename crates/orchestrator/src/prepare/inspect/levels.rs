//! Queries inspected side by side: those of one level of the graph do not depend on each other.

use std::collections::BTreeMap;
use std::thread;

use baton_core::{AssetName, Definition};
use baton_engine::{InspectedTable, Inspection, inspect};

use crate::prepare::Prepared;

/// Stack of a thread: planning deeply nested SQL recurses.
const STACK: usize = 8 << 20;
/// Fewer queries than these are not worth a thread.
const WORTH_A_THREAD: usize = 8;

/// The project's assets, each in the level after those of all that it reads.
pub(super) fn levels(prepared: &Prepared) -> Vec<Vec<&AssetName>> {
    let mut level_of: BTreeMap<&AssetName, usize> = BTreeMap::new();
    let mut levels: Vec<Vec<&AssetName>> = Vec::new();
    for name in &prepared.desired.order {
        let above = prepared.graph.inputs(name).filter_map(|input| level_of.get(input));
        let level = above.max().map_or(0, |level| level + 1);
        level_of.insert(name, level);
        levels.resize_with(levels.len().max(level + 1), Vec::new);
        levels[level].push(name);
    }
    levels
}

/// Inspects the queries of one level; `tables` is what is known of those before it.
pub(super) fn inspect_all(
    prepared: &Prepared,
    level: &[&AssetName],
    tables: &BTreeMap<String, InspectedTable>,
) -> BTreeMap<AssetName, Inspection> {
    let n_threads = thread::available_parallelism().map_or(1, usize::from).min(level.len() / WORTH_A_THREAD);
    if n_threads < 2 {
        return inspect_some(prepared, level, tables);
    }
    thread::scope(|scope| {
        let parts = level.chunks(level.len().div_ceil(n_threads)).map(|part| {
            let work = move || inspect_some(prepared, part, tables);
            // Without another thread the work is done on this one.
            (part, thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work))
        });
        let parts: Vec<_> = parts.collect();
        let found = parts.into_iter().flat_map(|(part, started)| {
            let done = started.ok().and_then(|thread| thread.join().ok());
            done.unwrap_or_else(|| inspect_some(prepared, part, tables))
        });
        found.collect()
    })
}

fn inspect_some(
    prepared: &Prepared,
    names: &[&AssetName],
    tables: &BTreeMap<String, InspectedTable>,
) -> BTreeMap<AssetName, Inspection> {
    let inspected = |name: &&AssetName| {
        let Definition::Table(table) = &prepared.project.assets.get(*name)?.definition else { return None };
        let inputs = prepared.graph.inputs(name).filter_map(|input| {
            let known = tables.get(input.as_str())?;
            Some((input.to_string(), known.clone()))
        });
        // It was planned before, so there is nothing new to say about a query that cannot be.
        let found = inspect(&inputs.collect(), &table.sql).ok()?;
        Some(((*name).clone(), found))
    };
    names.iter().filter_map(inspected).collect()
}
