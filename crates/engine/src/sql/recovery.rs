//! Goes on after the first unknown column: the planner stops there, so the column is replaced by null in the syntax
//! tree and the rest is planned again, until nothing unknown is left. Only unknown names found on the way count;
//! other complaints may be about the nulls.

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr, Spanned, Value, visit_expressions_mut};

use super::{place::Place, planned};
use crate::error::SqlProblem;

/// How many unknown columns one text may have before the rest is left for the next run.
const MOST: usize = 50;

/// `problems`, and the unknown names that planning would find after them; in the order of the text.
pub(super) fn further_problems(
    state: &SessionState,
    sql: &str,
    mut statement: Statement,
    mut problems: Vec<SqlProblem>,
) -> Vec<SqlProblem> {
    let mut newest = problems.clone();
    while problems.len() < MOST && blank_out(sql, &mut statement, &newest) {
        let Err(found) = planned(state, sql, statement.clone()) else { break };
        newest = found;
        newest.retain(|problem| problem.unknown_name.is_some() && !problems.contains(problem));
        problems.extend(newest.iter().cloned());
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems
}

/// Replaces the columns at the places of `problems` by null; whether there were any.
fn blank_out(sql: &str, statement: &mut Statement, problems: &[SqlProblem]) -> bool {
    let Statement::Statement(inner) = statement else { return false };
    let mut replaced = false;
    let _ = visit_expressions_mut(inner.as_mut(), |expression| {
        if matches!(expression, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
            let span = expression.span();
            let place = Place::between(sql, span.start.line, span.start.column, span.end.line, span.end.column);
            if problems.iter().any(|problem| problem.unknown_name.is_some() && place.is_of(problem)) {
                *expression = Expr::Value(Value::Null.with_empty_span());
                replaced = true;
            }
        }
        ControlFlow::<()>::Continue(())
    });
    replaced
}
