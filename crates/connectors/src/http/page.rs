//! What an answer holds: the records at their path, and each as a row of columns.

use serde_json::{Map, Value};

use super::config::Flatten;

/// The value at a path such as `data.items`; a number takes a place in a list. `$` and the empty path are the whole.
pub(super) fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let path = path.strip_prefix('$').unwrap_or(path);
    let parts = path.split('.').filter(|part| !part.is_empty());
    parts.into_iter().try_fold(value, |value, part| match value {
        Value::Object(object) => object.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The records of an answer, or what is wrong with it. An object without `records` is no list; null is an empty one.
pub(super) fn records<'v>(answer: &'v Value, path: Option<&str>) -> Result<&'v [Value], String> {
    match (at(answer, path.unwrap_or_default()), path) {
        (Some(Value::Array(items)), _) => Ok(items),
        (Some(Value::Null), Some(_)) => Ok(&[]),
        (None, Some(path)) => Err(format!("the answer has nothing at `{path}`{}", lists(answer))),
        (_, Some(path)) => Err(format!("the answer has no list at `{path}`{}", lists(answer))),
        (_, None) => Err(format!("the answer is no list{}", lists(answer))),
    }
}

/// Where an answer has lists, as a help.
fn lists(answer: &Value) -> String {
    let Value::Object(object) = answer else { return String::new() };
    let names: Vec<String> =
        object.iter().filter(|(_, value)| value.is_array()).map(|(name, _)| format!("`{name}`")).collect();
    if names.is_empty() { String::new() } else { format!(", but there is one at {}", names.join(", ")) }
}

/// A record as columns: objects opened down to the depth, what is deeper and all lists as JSON text.
///
/// # Errors
/// Two values for one column.
pub(super) fn flat(record: &Map<String, Value>, rule: &Flatten) -> Result<Map<String, Value>, String> {
    let mut columns = Map::with_capacity(record.len());
    open(record, "", 0, rule, &mut columns)?;
    Ok(columns)
}

fn open(
    object: &Map<String, Value>,
    prefix: &str,
    depth: usize,
    rule: &Flatten,
    columns: &mut Map<String, Value>,
) -> Result<(), String> {
    for (key, value) in object {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}{}{key}", rule.separator) };
        let column = match value {
            Value::Object(inner) if depth < rule.depth => {
                open(inner, &name, depth + 1, rule, columns)?;
                continue;
            }
            Value::Object(_) | Value::Array(_) => Value::from(value.to_string()),
            plain => plain.clone(),
        };
        if columns.contains_key(&name) {
            return Err(format!("two values for column `{name}`; set another `flatten.separator`"));
        }
        columns.insert(name, column);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn flattened(record: Value, depth: usize) -> Result<Value, String> {
        let rule = Flatten { depth, ..Flatten::default() };
        flat(record.as_object().unwrap(), &rule).map(Value::Object)
    }

    #[test]
    fn objects_are_opened_and_lists_kept() {
        let record = json!({"id": 1, "at": {"day": "x", "zone": {"name": "y"}}, "tags": ["a", {"b": 2}], "none": {}});
        assert_eq!(
            flattened(record.clone(), 3),
            Ok(json!({"id": 1, "at_day": "x", "at_zone_name": "y", "tags": "[\"a\",{\"b\":2}]"}))
        );
        assert_eq!(
            flattened(record, 1),
            Ok(json!({"id": 1, "at_day": "x", "at_zone": "{\"name\":\"y\"}", "tags": "[\"a\",{\"b\":2}]"}))
        );
        let twice = flattened(json!({"a_b": 1, "a": {"b": 2}}), 3).unwrap_err();
        assert!(twice.contains("column `a_b`"), "{twice}");
    }

    #[test]
    fn records_are_found_where_the_path_leads() {
        let answer = json!({"data": {"items": [1, 2]}, "empty": null, "rows": [3]});
        assert_eq!(records(&answer, Some("data.items")), Ok([json!(1), json!(2)].as_slice()));
        assert_eq!(records(&answer, Some("$.empty")), Ok([].as_slice()));
        assert_eq!(records(&json!([4]), None), Ok([json!(4)].as_slice()));
        assert_eq!(at(&answer, "data.items.1"), Some(&json!(2)));
        let missing = records(&answer, Some("data.list")).unwrap_err();
        assert_eq!(missing, "the answer has nothing at `data.list`, but there is one at `rows`");
    }
}
