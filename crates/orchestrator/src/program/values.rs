//! The values that a command is run for: a list, or what a query answers when the table is made.

use std::collections::BTreeMap;

use baton_core::asset::{EachOf, ForEach};
use baton_engine::{SessionInput, TableInput};
use serde_json::Value;

use crate::checks::rows_as_json;
use crate::error::RunError;
use crate::python::TableCall;

/// More values than these are a mistake rather than a list.
const MOST: usize = 10_000;

/// The values, each once, in order.
///
/// # Errors
/// [`RunError::Project`] when there are too many, and those of the query.
pub(crate) async fn values(
    call: &TableCall<'_>,
    each: &ForEach,
    tables: &BTreeMap<String, TableInput>,
) -> Result<Vec<String>, RunError> {
    let mut values = match &each.values {
        EachOf::List(values) => values.clone(),
        EachOf::Query(sql) => {
            let input = SessionInput { tables: tables.clone(), as_of: Some(call.as_of) };
            let (_, batches) = call.services.engine.session(input)?.query(sql).await?;
            let rows = rows_as_json(&batches).map_err(RunError::rows(call.asset))?;
            rows.iter().filter_map(first_value).collect()
        }
    };
    values.sort();
    values.dedup();
    if values.len() > MOST {
        let (asset, found) = (call.asset, values.len());
        let message = format!("`for_each` of `{asset}` has {found} values, and {MOST} are the most: group them");
        return Err(RunError::Project(message));
    }
    Ok(values)
}

/// The first value of a row as text; none where it is null.
fn first_value(row: &Value) -> Option<String> {
    match row.as_object()?.values().next()? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_column_has_the_values() {
        let found = [json!({"carrier": "AA", "flights": 3}), json!({"carrier": null}), json!({"hour": 7})];
        let found: Vec<Option<String>> = found.iter().map(first_value).collect();
        assert_eq!(found, [Some("AA".to_owned()), None, Some("7".to_owned())]);
    }
}
