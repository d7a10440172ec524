//! Tokens of pages: the values by which the last row of a page was ordered, so that the next page begins behind it however
//! many rows come or go before it.

use baton_ledger::database::{Statement, Value};
use serde::{Deserialize, Serialize};

use crate::error::{Result, TrackingError};

/// A value by which rows are ordered. No value is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Part {
    #[serde(rename = "i")]
    Integer(i64),
    /// The bits of a number, which text would round.
    #[serde(rename = "r")]
    Real(u64),
    #[serde(rename = "t")]
    Text(String),
}

impl From<Part> for Value {
    fn from(part: Part) -> Self {
        match part {
            Part::Integer(value) => value.into(),
            Part::Real(bits) => f64::from_bits(bits).into(),
            Part::Text(text) => text.into(),
        }
    }
}

/// What rows are ordered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// As it is written in SQL.
    pub(crate) sql: String,
    /// Whether the smallest comes first.
    pub(crate) ascending: bool,
}

impl Column {
    pub(crate) fn new(sql: impl Into<String>, ascending: bool) -> Self {
        Self { sql: sql.into(), ascending }
    }
}

/// The token of the row whose order is `parts`.
pub(crate) fn encode(parts: &[Part]) -> String {
    // Numbers and texts always serialise.
    hex::encode(serde_json::to_vec(parts).unwrap_or_default())
}

/// The place that `token` stands for, which has `length` parts.
pub(crate) fn decode(token: &str, length: usize) -> Result<Vec<Part>> {
    let parts = hex::decode(token).ok().and_then(|bytes| serde_json::from_slice::<Vec<Part>>(&bytes).ok());
    let parts = parts.filter(|parts| parts.len() == length);
    parts.ok_or_else(|| TrackingError::invalid("Invalid page token, could not base64-decode"))
}

/// Adds `ORDER BY` over `columns`.
pub(crate) fn order_by(statement: &mut Statement, columns: &[Column]) {
    for (place, column) in columns.iter().enumerate() {
        statement.push(if place == 0 { " ORDER BY " } else { ", " }).push(&column.sql);
        statement.push(if column.ascending { "" } else { " DESC" });
    }
}

/// Adds ` AND (…)`: the row comes behind the one whose order is `parts`.
pub(crate) fn behind(statement: &mut Statement, columns: &[Column], parts: &[Part]) {
    let mut n_open = 0;
    for (place, (column, part)) in columns.iter().zip(parts).enumerate() {
        let later = if column.ascending { ">" } else { "<" };
        if place == 0 {
            // Said once more so that an index is entered at the right place.
            statement.push(" AND ").push(&column.sql).push(" ").push(later).push("= ").push_bind(part.clone());
        }
        statement.push(" AND (");
        statement.push(&column.sql).push(" ").push(later).push(" ").push_bind(part.clone());
        n_open += 1;
        if place + 1 < columns.len() {
            statement.push(" OR (").push(&column.sql).push(" = ").push_bind(part.clone());
            n_open += 1;
        }
    }
    statement.push(&")".repeat(n_open));
}

/// Divides `rows`, of which one more than `most` was asked for, into the page and the token of what follows.
pub(crate) fn page<T>(mut rows: Vec<T>, most: usize, order: impl Fn(&T) -> Vec<Part>) -> crate::Page<T> {
    let follows = rows.len() > most;
    rows.truncate(most);
    let next = if follows { rows.last().map(|row| encode(&order(row))) } else { None };
    crate::Page { rows, next }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn token_is_the_order_of_a_row() {
        let parts = vec![Part::Integer(-3), Part::Real(0.1_f64.to_bits()), Part::Text("é".to_owned())];
        assert_eq!(decode(&encode(&parts), 3).unwrap(), parts);
        assert!(decode(&encode(&parts), 2).is_err());
        expect!["Invalid page token, could not base64-decode"]
            .assert_eq(&decode("invalid_token", 1).unwrap_err().to_string());
    }

    #[test]
    fn rows_behind_a_place_are_asked_for() {
        let columns = [Column::new("a", false), Column::new("b", true)];
        let mut statement = Statement::new("SELECT 1 FROM t WHERE 1");
        behind(&mut statement, &columns, &[Part::Integer(1), Part::Integer(2)]);
        order_by(&mut statement, &columns);
        expect![[r#"SELECT 1 FROM t WHERE 1 AND a <= $1 AND (a < $2 OR (a = $3 AND (b > $4))) ORDER BY a DESC, b"#]]
            .assert_eq(statement.text());
    }
}
