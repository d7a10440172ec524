//! Checks as SQL: each a query whose rows are the failing rows.

use baton_core::AssetName;
use baton_core::check::{Check, Literal, Rule};

use super::NewRows;

/// A query that yields the failing rows of a check.
pub(super) fn failing_rows_query(asset: &AssetName, check: &Check, new_rows: Option<&NewRows<'_>>) -> String {
    let table = quoted(asset);
    let filtered = match &check.filter {
        Some(filter) => format!("(select * from {table} where {filter})"),
        None => table,
    };
    let column = check.column.as_deref().map(quoted).unwrap_or_default();
    match &check.rule {
        Rule::Unique { columns } => unique_query(&filtered, columns, new_rows),
        Rule::Relationships { to, field } => format!(
            "select t.* from {filtered} t left anti join {} r on t.{column} = r.{} where t.{column} is not null",
            quoted(to),
            quoted(field)
        ),
        Rule::Sql { query } => query.trim().trim_end_matches(';').to_owned(),
        Rule::NotNull => format!("select * from {filtered} where {column} is null"),
        Rule::AcceptedValues { values } => {
            let list: Vec<String> = values.iter().map(literal).collect();
            format!("select * from {filtered} where {column} not in ({})", list.join(", "))
        }
        Rule::Between { min, max } => {
            let below = min.iter().map(|least| format!("{column} < {}", literal(least)));
            let above = max.iter().map(|most| format!("{column} > {}", literal(most)));
            let outside: Vec<String> = below.chain(above).collect();
            format!("select * from {filtered} where {}", outside.join(" or "))
        }
        Rule::Matches { pattern } => {
            format!("select * from {filtered} where {column} !~ {}", literal(&Literal::Text(pattern.clone())))
        }
        Rule::RowCount { .. } | Rule::Freshness { .. } => format!("select 1 from {filtered}"),
    }
}

/// Rows that share their key with another; with `new_rows`, only keys that occur among these.
fn unique_query(table: &str, columns: &[String], new_rows: Option<&NewRows<'_>>) -> String {
    let keys: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
    let present: Vec<String> = keys.iter().map(|key| format!("{key} is not null")).collect();
    let (keys, present) = (keys.join(", "), present.join(" and "));
    let looked_at = match new_rows {
        Some(NewRows { time, interval }) => {
            let on: Vec<String> = columns.iter().map(|column| format!("t.{0} = n.{0}", quoted(column))).collect();
            format!(
                "(select t.* from {table} t left semi join (select * from {table} where {0} >= to_timestamp_micros({1}) and {0} < to_timestamp_micros({2})) n on {3})",
                quoted(time),
                interval.start,
                interval.end,
                on.join(" and ")
            )
        }
        None => table.to_owned(),
    };
    format!("select {keys}, count(*) as rows from {looked_at} where {present} group by {keys} having count(*) > 1")
}

fn literal(value: &Literal) -> String {
    match value {
        Literal::Bool(value) => value.to_string(),
        Literal::Int(value) => value.to_string(),
        Literal::Float(value) => format!("{value:?}"),
        Literal::Text(value) => format!("'{}'", value.replace('\'', "''")),
    }
}

/// An identifier in quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
