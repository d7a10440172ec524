//! Fits plans to the memory limit: a hash join holds one side in memory and fails when it does not fit, so joins whose
//! sides are estimated to take too much are made sort-merge joins, which spill.
//!
//! What is decided follows from the plan, the statistics and the limit alone, never from what else is running or from the
//! number of threads: a sum of floating-point numbers depends on the order in which a join yields its rows.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::Schema;
use datafusion::common::Result;
use datafusion::config::ConfigOptions;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _, replace_children_if_necessary};

/// The rule after which it is known which side of each join is held in memory.
const SIDES_CHOSEN: &str = "join_selection";
/// Bytes of a value whose type does not say how many it takes, such as a text.
const LONG_VALUE: usize = 24;
/// Bytes that looking up a row takes beside the row: a slot of a hash table, some of which are empty, and a chain.
const LOOKED_UP: usize = 24;

/// The usual rules of physical planning, with joins fitted to `limit_bytes` as soon as their sides are chosen.
pub(crate) fn rules(limit_bytes: usize) -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let place = rules.iter().position(|rule| rule.name() == SIDES_CHOSEN).map_or(0, |place| place + 1);
    rules.insert(place, Arc::new(JoinsInMemory { limit_bytes }));
    rules
}

/// Sets what depends on the limit alone; `spill_joins` when every join is to be one that spills.
pub(crate) fn fit(limit_bytes: usize, spill_joins: bool, options: &mut ConfigOptions) {
    let partitions = options.execution.target_partitions.max(1);
    let reserved = limit_bytes / (4 * partitions);
    let usual = options.execution.sort_spill_reservation_bytes;
    options.execution.sort_spill_reservation_bytes = usual.min(reserved);
    options.optimizer.prefer_hash_join = !spill_joins;
}

/// Keeps hash joins as long as all of them together are estimated to take at most two thirds of the limit: the rest is for
/// groups, sorts and what is on its way. The largest are given up first.
#[derive(Debug)]
struct JoinsInMemory {
    limit_bytes: usize,
}

impl PhysicalOptimizerRule for JoinsInMemory {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let mut sizes = Vec::new();
        measure(&plan, &StatisticsContext::new(), &mut sizes);
        let room = if config.optimizer.prefer_hash_join { self.limit_bytes / 3 * 2 } else { 0 };
        match least_that_does_not_fit(&sizes, room) {
            Some(least) => merged(plan, &mut sizes.iter().map(|size| *size >= least)),
            None => Ok(plan),
        }
    }

    fn name(&self) -> &'static str {
        "joins_in_memory"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The size from which on joins are given up, so that the others fit; `None` when all do.
fn least_that_does_not_fit(sizes: &[usize], room: usize) -> Option<usize> {
    let mut ordered = sizes.to_vec();
    ordered.sort_unstable();
    let mut taken = 0_usize;
    ordered.into_iter().find(|size| {
        taken = taken.saturating_add(*size);
        taken > room
    })
}

/// The sizes of the sides that hash joins hold, inputs before readers.
fn measure(plan: &Arc<dyn ExecutionPlan>, statistics: &StatisticsContext, sizes: &mut Vec<usize>) {
    plan.children().into_iter().for_each(|child| measure(child, statistics, sizes));
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        let row = width_of(&join.left().schema()) + LOOKED_UP;
        sizes.push(rows_of(join.left(), statistics).saturating_mul(row));
    }
}

/// How many rows a plan is estimated to yield; of one that does not say, as many as the largest of its inputs.
fn rows_of(plan: &Arc<dyn ExecutionPlan>, statistics: &StatisticsContext) -> usize {
    let known = statistics.compute(plan.as_ref(), &StatisticsArgs::new());
    let known = known.ok().and_then(|known| known.num_rows.get_value().copied());
    let of_inputs = || plan.children().into_iter().map(|child| rows_of(child, statistics)).max();
    known.or_else(of_inputs).unwrap_or(0)
}

fn width_of(schema: &Schema) -> usize {
    schema.fields().iter().map(|field| field.data_type().primitive_width().unwrap_or(LONG_VALUE)).sum()
}

/// The plan with those hash joins as sort-merge joins that `is_given_up` says, inputs before readers.
fn merged(plan: Arc<dyn ExecutionPlan>, is_given_up: &mut dyn Iterator<Item = bool>) -> Result<Arc<dyn ExecutionPlan>> {
    let children = plan.children().into_iter().map(|child| merged(Arc::clone(child), is_given_up));
    let children = children.collect::<Result<Vec<_>>>()?;
    let plan = replace_children_if_necessary(plan, children)?;
    match plan.downcast_ref::<HashJoinExec>() {
        Some(join) if is_given_up.next() == Some(true) && can_be_merged(join) => sort_merge_join(join),
        _ => Ok(plan),
    }
}

/// A sort-merge join does not know the nulls of `not in`.
fn can_be_merged(join: &HashJoinExec) -> bool {
    !join.null_aware && !join.contains_projection()
}

fn sort_merge_join(join: &HashJoinExec) -> Result<Arc<dyn ExecutionPlan>> {
    let on = join.on().to_vec();
    let order = vec![place_of_nulls(join)?; on.len()];
    let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
    let filter = join.filter().cloned();
    Ok(Arc::new(SortMergeJoinExec::try_new(left, right, on, filter, *join.join_type(), order, join.null_equality())?))
}

/// Which order a sort-merge join asks its sides for: one in which a side comes already saves its sort.
fn place_of_nulls(join: &HashJoinExec) -> Result<SortOptions> {
    let last = SortOptions { descending: false, nulls_first: false };
    let [(left, right)] = join.on() else { return Ok(SortOptions::default()) };
    for (side, key) in [(join.left(), left), (join.right(), right)] {
        if side.equivalence_properties().ordering_satisfy([PhysicalSortExpr::new(Arc::clone(key), last)])? {
            return Ok(last);
        }
    }
    Ok(SortOptions::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_given_up_until_the_others_fit() {
        assert_eq!(least_that_does_not_fit(&[30, 10, 50], 100), None);
        assert_eq!(least_that_does_not_fit(&[30, 10, 50], 60), Some(50));
        assert_eq!(least_that_does_not_fit(&[30, 10, 50], 35), Some(30));
        assert_eq!(least_that_does_not_fit(&[30, 10, 50], 0), Some(10));
        assert_eq!(least_that_does_not_fit(&[], 0), None);
        assert_eq!(least_that_does_not_fit(&[usize::MAX, usize::MAX], 9), Some(usize::MAX));
    }
}
