//! Ties of `order by … limit`: which of equal rows are taken would depend on the order of arrival, unless the remaining
//! columns decide. Rows that are equal in every column are the same row of a multiset.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, Limit, LogicalPlan, Sort};

/// `plan` with every sort below a limit continued by all columns that it does not name.
pub(crate) fn break_ties(plan: LogicalPlan) -> Result<LogicalPlan> {
    let broken = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Limit(limit) => {
            let input = Arc::unwrap_or_clone(limit.input);
            let limit = Limit { input: Arc::new(continued(input)?), ..limit };
            Ok(Transformed::yes(LogicalPlan::Limit(limit)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(broken.data)
}

/// Whether the rows of a limit's input come in an order in which only equal rows are ties.
pub(super) fn are_broken(input: &LogicalPlan) -> bool {
    match input {
        LogicalPlan::Sort(sort) => missing(sort).is_empty(),
        LogicalPlan::Projection(node) => are_broken(&node.input),
        LogicalPlan::SubqueryAlias(node) => are_broken(&node.input),
        _ => false,
    }
}

/// The sort below a limit, through what keeps rows and their order.
fn continued(input: LogicalPlan) -> Result<LogicalPlan> {
    match input {
        LogicalPlan::Sort(mut sort) if can_sort_all(&sort) => {
            let further = missing(&sort).into_iter().map(|column| Expr::Column(column).sort(true, false));
            let further: Vec<_> = further.collect();
            sort.expr.extend(further);
            Ok(LogicalPlan::Sort(sort))
        }
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => {
            Ok(input.map_children(|child| Ok(Transformed::yes(continued(child)?)))?.data)
        }
        other => Ok(other),
    }
}

fn missing(sort: &Sort) -> Vec<Column> {
    let named =
        |column: &Column| sort.expr.iter().any(|key| matches!(&key.expr, Expr::Column(named) if named == column));
    sort.input.schema().columns().into_iter().filter(|column| !named(column)).collect()
}

fn can_sort_all(sort: &Sort) -> bool {
    sort.input.schema().fields().iter().all(|field| !field.data_type().is_nested())
}
