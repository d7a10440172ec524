//! The SQL of a row comparison: one pass over both sides, matched by key or counted as multisets.
//!
//! Both queries answer with flags and values that are counted by kernels; no row is looked at by itself.

use arrow::datatypes::{DataType, SchemaRef};
use baton_core::Timestamp;
use baton_engine::{AVAILABLE_AT, is_system_column};

use crate::checks::quoted;

/// A column that both sides have.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    /// Its name.
    pub(super) name: String,
    /// Whether its values have to be compared as text, because the types have nothing in common.
    pub(super) as_text: bool,
}

impl Shared {
    fn expression(&self) -> String {
        let name = quoted(&self.name);
        if self.as_text { format!("cast({name} as varchar) as {name}") } else { name }
    }
}

/// The columns that both sides have, in the order of `after`, of `wanted` when that is not empty.
pub(super) fn shared_columns(before: &SchemaRef, after: &SchemaRef, wanted: &[String]) -> Vec<Shared> {
    let fields = after.fields().iter().filter(|field| !is_system_column(field.name()));
    let fields = fields.filter(|field| wanted.is_empty() || wanted.contains(field.name()));
    let shared = fields.filter_map(|field| {
        let other = before.field_with_name(field.name()).ok()?;
        let as_text = !are_comparable(field.data_type(), other.data_type());
        Some(Shared { name: field.name().clone(), as_text })
    });
    shared.collect()
}

fn are_comparable(left: &DataType, right: &DataType) -> bool {
    let is_time = |kind: &DataType| matches!(kind, DataType::Timestamp(..) | DataType::Date32);
    left == right || (left.is_numeric() && right.is_numeric()) || (is_time(left) && is_time(right))
}

/// The rows of one side that its reader sees: all, or those known at `clock`.
pub(super) fn seen(table: &str, columns: &[Shared], clock: Option<Timestamp>) -> String {
    let mut columns: Vec<String> = columns.iter().map(Shared::expression).collect();
    if columns.is_empty() {
        columns.push("1".to_owned());
    }
    let known = clock.map_or_else(String::new, |clock| {
        let clock = clock.timestamp_micros();
        format!(" where {AVAILABLE_AT} is null or {AVAILABLE_AT} <= to_timestamp_micros({clock})")
    });
    format!("select {} from system.{table}{known}", columns.join(", "))
}

/// Matches rows by key. Columns of the answer: `in_before`, `in_after`, `k0…` keys, then for each other column `d0…`
/// (whether it changed), `b0…` and `a0…` (its values).
pub(super) fn by_grain(before: &str, after: &str, keys: &[Shared], values: &[Shared], null_keys: bool) -> String {
    let mut columns =
        vec!["coalesce(b.here, false) as in_before".to_owned(), "coalesce(a.here, false) as in_after".to_owned()];
    for (place, key) in keys.iter().enumerate() {
        let name = quoted(&key.name);
        columns.push(format!("coalesce(b.{name}, a.{name}) as k{place}"));
    }
    for (place, value) in values.iter().enumerate() {
        let name = quoted(&value.name);
        let both = "b.here is not null and a.here is not null";
        columns.push(format!("{both} and b.{name} is distinct from a.{name} as d{place}"));
        columns.push(format!("b.{name} as b{place}"));
        columns.push(format!("a.{name} as a{place}"));
    }
    let equals = if null_keys { "is not distinct from" } else { "=" };
    let on: Vec<String> = keys.iter().map(|key| format!("b.{0} {equals} a.{0}", quoted(&key.name))).collect();
    format!(
        "select {} from (select true as here, * from ({before})) b full outer join (select true as here, * from ({after})) a on {}",
        columns.join(", "),
        on.join(" and ")
    )
}

/// Counts equal rows of both sides: the values, and `more`, how many more of them are after (fewer: negative). Rows that
/// are as often on both sides do not come.
pub(super) fn as_multiset(before: &str, after: &str, values: &[Shared]) -> String {
    let columns: Vec<String> = values.iter().map(|value| quoted(&value.name)).collect();
    let columns = columns.join(", ");
    format!(
        "select {columns}, sum(one) as more from (select {columns}, 1 as one from ({after}) union all select {columns}, -1 as one from ({before})) group by {columns} having sum(one) <> 0"
    )
}
