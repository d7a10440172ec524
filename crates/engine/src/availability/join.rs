//! Joins: a row waits for both of its rows; a semi or mark join also for the rows that it only asks about.

use std::sync::Arc;

use datafusion::common::{Column, JoinType};
use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::logical_expr::{Aggregate, Expr, Join, JoinConstraint, LogicalPlan};

use super::walk::{Known, Step, Tracked, Walk, later};

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
        let mut left = self.step(Arc::unwrap_or_clone(Arc::clone(&node.left)))?;
        let mut right = self.step(Arc::unwrap_or_clone(Arc::clone(&node.right)))?;
        // A side that may be absent from a row has its instant in a column, so that it is absent with it.
        if matches!(node.join_type, JoinType::Left | JoinType::Full) {
            right = self.in_column(right)?;
        }
        if matches!(node.join_type, JoinType::Right | JoinType::Full) {
            left = self.in_column(left)?;
        }
        let join = |left: Tracked, right: Tracked| joined(&node, left.plan, right.plan);
        if let (Known::Constant(one), Known::Constant(other)) = (&left.known, &right.known) {
            let known = Known::Constant(*one.max(other));
            return Ok(Tracked { plan: join(left, right)?, known });
        }
        let known = later(vec![left.known(), right.known()]);
        self.with_known(columns, known, join(left, right)?)
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
        if let (JoinType::LeftSemi, true) = (node.join_type, right.known.is_constant()) {
            // Every row has a match, and all matches are known at the same instant.
            return self.with_matches_known(node, columns, left, right);
        }
        let right = self.in_column(right)?;
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

    fn with_matches_known(&mut self, node: Join, columns: Vec<Expr>, left: Tracked, right: Tracked) -> Step {
        let known = later(vec![left.known(), right.known()]);
        let (one, other) = (left.known, right.known);
        let rows = joined(&node, left.plan, right.plan)?;
        match (one, other) {
            (Known::Constant(one), Known::Constant(other)) => {
                Ok(Tracked { plan: rows, known: Known::Constant(one.max(other)) })
            }
            _ => self.with_known(columns, known, rows),
        }
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
