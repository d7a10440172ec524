//! Comparisons as SQL.

use baton_ledger::database::Statement;

use super::{Literal, Operator};
use crate::error::Result;

/// Texts that are bound one by one; longer lists are handed over as one, as the number of places is limited.
const MOST_LISTED: usize = 500;

/// Adds `column = $n` and the like for a text. `what` says in the error of a value that is no text what it was for.
pub(crate) fn compare_text(
    statement: &mut Statement,
    column: &str,
    operator: Operator,
    value: &Literal,
    what: &str,
) -> Result<()> {
    match (operator, value) {
        (Operator::In | Operator::NotIn, Literal::List(texts)) if texts.len() > MOST_LISTED => {
            let list = serde_json::Value::from(texts.clone()).to_string();
            statement.push(column).push(" ").push(operator.as_str()).push(" (SELECT value FROM json_each(");
            statement.push_bind(list).push("))");
        }
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
