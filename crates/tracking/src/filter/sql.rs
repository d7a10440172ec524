//! Comparisons as SQL.

use baton_ledger::database::Statement;

use super::{Literal, Operator};
use crate::error::Result;

/// Adds `column = $n` and the like for a text. `what` says in the error of a value that is no text what it was for.
pub(crate) fn compare_text(
    statement: &mut Statement,
    column: &str,
    operator: Operator,
    value: &Literal,
    what: &str,
) -> Result<()> {
    match (operator, value) {
        (Operator::In | Operator::NotIn, Literal::List(texts)) => {
            statement.push(column).push(" ").push(operator.as_str()).push(" (");
            for (place, text) in texts.iter().enumerate() {
                statement.push(if place == 0 { "" } else { ", " }).push_bind(text);
            }
            statement.push(")");
        }
        (Operator::ILike, value) => {
            let text = value.quoted(what)?;
            statement.push("lower(").push(column).push(") LIKE lower(").push_bind(text).push(")");
        }
        (operator, value) => {
            let text = value.quoted(what)?;
            statement.push(column).push(" ").push(operator.as_str()).push(" ").push_bind(text);
        }
    }
    Ok(())
}
