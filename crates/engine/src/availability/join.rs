//! Joins: a row waits for both of its rows; a semi or mark join also for the rows that it only asks about.

use std::sync::Arc;

use datafusion::common::{Column, JoinType};
use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::logical_expr::{Aggregate, Expr, Join, JoinConstraint, LogicalPlan};

use super::walk::{Step, Tracked, Walk, later};

impl Walk {
    pub(super) fn join(&mut self, node: Join) -> Step {
        match node.join_type {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => self.both_sides(node),
            JoinType::LeftAnti => self.anti(node),
            JoinType::LeftSemi | JoinType::LeftMark => self.asking(node),
            JoinType::RightSemi => self.join(mirrored(node, JoinType::LeftSemi)),
            JoinType::RightAnti => self.join(mirrored(node, JoinType::LeftAnti)),
            JoinType::RightMark => self.join(mirrored(node, JoinType::LeftMark)),
        }
    }

    fn both_sides(&mut self, node: Join) -> Step {
        let columns = node.schema.columns().into_iter().map(Expr::Column).collect();
        let left = self.step(Arc::unwrap_or_clone(Arc::clone(&node.left)))?;
        let right = self.step(Arc::unwrap_or_clone(Arc::clone(&node.right)))?;
        let known = later(vec![left.known(), right.known()]);
        let join = joined(&node, left.plan, right.plan)?;
        self.with_known(columns, known, join)
    }

    fn anti(&mut self, node: Join) -> Step {
        let left = self.step(Arc::unwrap_or_clone(Arc::clone(&node.left)))?;
        let right = self.step(Arc::unwrap_or_clone(Arc::clone(&node.right)))?;
        Ok(Tracked { plan: joined(&node, left.plan, right.plan)?, known: left.known })
    }

    /// The join decides the rows as before; then the instants of the right rows with the same key are joined to it.
    fn asking(&mut self, node: Join) -> Step {
        let columns: Vec<Expr> = node.schema.columns().into_iter().map(Expr::Column).collect();
        let left = self.step(Arc::unwrap_or_clone(Arc::clone(&node.left)))?;
        let right = self.step(Arc::unwrap_or_clone(Arc::clone(&node.right)))?;
        let left_known = left.known();
        let first_match_is_enough = node.join_type == JoinType::LeftSemi && node.filter.is_none();
        let (instants, keys, instant) = self.instants_by_key(&node, &right, first_match_is_enough)?;
        let rows = joined(&node, left.plan, right.plan)?;
        let on = node.on.iter().map(|(left_key, _)| left_key.clone()).zip(keys).collect();
        let with_instants = Join::try_new(
            Arc::new(rows),
            Arc::new(instants),
            on,
            None,
            JoinType::Left,
            JoinConstraint::On,
            node.null_equality,
            false,
        )?;
        self.with_known(columns, later(vec![left_known, instant]), LogicalPlan::Join(with_instants))
    }

    /// One row for each key of the right side: the key, and the first or last instant of its rows.
    fn instants_by_key(
        &mut self,
        node: &Join,
        right: &Tracked,
        first: bool,
    ) -> Result<(LogicalPlan, Vec<Expr>, Expr), super::walk::Stop> {
        let names: Vec<String> = node.on.iter().map(|_| self.fresh("key")).collect();
        let groups = node.on.iter().zip(&names).map(|((_, key), name)| key.clone().alias(name)).collect();
        let name = self.fresh("match");
        let instant = if first { min(right.known()) } else { max(right.known()) };
        let aggregate = Aggregate::try_new(Arc::new(right.plan.clone()), groups, vec![instant.alias(&name)])?;
        let column = |name: &String| Expr::Column(Column::new_unqualified(name));
        Ok((LogicalPlan::Aggregate(aggregate), names.iter().map(column).collect(), column(&name)))
    }
}

fn joined(node: &Join, left: LogicalPlan, right: LogicalPlan) -> datafusion::common::Result<LogicalPlan> {
    let join = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        node.on.clone(),
        node.filter.clone(),
        node.join_type,
        node.join_constraint,
        node.null_equality,
        node.null_aware,
    )?;
    Ok(LogicalPlan::Join(join))
}

/// The same join with its sides exchanged; a one-sided join yields the same columns.
fn mirrored(node: Join, join_type: JoinType) -> Join {
    let on = node.on.into_iter().map(|(left, right)| (right, left)).collect();
    Join { left: node.right, right: node.left, on, join_type, ..node }
}
