//! Brings a plan into the form that tracking, lineage and fingerprints read: types coerced, subqueries turned into
//! joins, `distinct` into aggregates.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::decorrelate_lateral_join::DecorrelateLateralJoin;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::optimizer::Optimizer;
use datafusion::optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion::optimizer::rewrite_set_comparison::RewriteSetComparison;
use datafusion::optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;

use crate::error::EngineError;
use crate::sql::problems_of;

/// `plan` analysed and freed of subqueries where the rules can.
pub(crate) fn prepare(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let mut state = state.clone();
    state.config_mut().options_mut().optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    let options = Arc::clone(state.config_options());
    let analyzed = state.analyzer().execute_and_check(plan, &options, |_, _| {})?;
    Optimizer::with_rules(vec![
        Arc::new(RewriteSetComparison::new()),
        Arc::new(SimplifyExpressions::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(DecorrelateLateralJoin::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
    ])
    .optimize(analyzed, &state, |_, _| {})
}

/// As [`prepare`]; refuses scalar subqueries that may yield more than one row, because a join would multiply rows
/// where the query must fail.
pub(super) fn for_tracking(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan, EngineError> {
    if has_loose_scalar_subquery(&plan) {
        return Err(EngineError::AvailabilityUnknown {
            construct: "a subquery used as a value that may have more than one row".to_owned(),
            advice: "aggregate it (`max(…)`) or join it".to_owned(),
        });
    }
    prepare(plan, state).map_err(|error| EngineError::Sql(problems_of("", &error)))
}

fn has_loose_scalar_subquery(plan: &LogicalPlan) -> bool {
    let mut loose = false;
    let _ = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                if let Expr::ScalarSubquery(subquery) = part
                    && subquery.outer_ref_columns.is_empty()
                {
                    loose |= subquery.subquery.max_rows().is_none_or(|rows| rows > 1);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    loose
}
