//! Fits plans to the memory limit: joins of much data are planned as sort-merge joins, which spill, because hash
//! joins hold one side in memory and fail when it does not fit.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::table::FilesTable;

/// How much larger rows are in memory than in a compressed Parquet file; measured at 2 to 6.
const EXPANSION: u64 = 4;

/// Sets what depends on the limit and on the size of what `plan` reads.
pub(crate) fn fit(plan: &LogicalPlan, limit_bytes: usize, options: &mut ConfigOptions) {
    let partitions = options.execution.target_partitions.max(1);
    let reserved = limit_bytes / (4 * partitions);
    let usual = options.execution.sort_spill_reservation_bytes;
    options.execution.sort_spill_reservation_bytes = usual.min(reserved);
    let (joins, bytes) = joins_and_bytes(plan);
    if joins && bytes.saturating_mul(EXPANSION) > limit_bytes as u64 {
        options.optimizer.prefer_hash_join = false;
    }
}

/// Whether `plan` joins, and the size of all files that it may read.
fn joins_and_bytes(plan: &LogicalPlan) -> (bool, u64) {
    let (mut joins, mut bytes) = (false, 0u64);
    let _ = plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Join(_) => joins = true,
            LogicalPlan::TableScan(scan) => {
                let provider = source_as_provider(&scan.source);
                let files = provider.as_ref().ok().and_then(|provider| provider.downcast_ref::<FilesTable>());
                bytes = bytes.saturating_add(files.map_or(0, FilesTable::bytes));
            }
            other => joins |= other.expressions().iter().any(has_subquery),
        }
        Ok(TreeNodeRecursion::Continue)
    });
    (joins, bytes)
}

/// Subqueries become joins.
fn has_subquery(expression: &Expr) -> bool {
    let is_subquery = |part: &Expr| Ok(matches!(part, Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_)));
    expression.exists(is_subquery).unwrap_or(true)
}
