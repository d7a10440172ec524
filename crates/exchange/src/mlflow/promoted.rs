//! What MLflow 3.18 keeps of a trace in columns of its own, and shows among its tags and metadata like versions before.

use baton_tracking::Tag;
use serde_json::{Map, Number, Value};

/// The tag that holds a trace's name, and its column.
pub(super) const NAME: (&str, &str) = ("mlflow.traceName", "trace_name");
/// The metadata that holds a conversation's id, and its column.
pub(super) const SESSION: (&str, &str) = ("mlflow.trace.session", "session_id");
const TOKENS: &str = "mlflow.trace.tokenUsage";
const COST: &str = "mlflow.trace.cost";

/// Columns of numbers: the members of an object of JSON, named as they are.
pub(super) const NUMBERS: [(&str, &str); 9] = [
    (TOKENS, "input_tokens"),
    (TOKENS, "output_tokens"),
    (TOKENS, "total_tokens"),
    (TOKENS, "cache_read_input_tokens"),
    (TOKENS, "cache_creation_input_tokens"),
    (TOKENS, "cache_creation_input_tokens_above_1hr"),
    (COST, "input_cost"),
    (COST, "output_cost"),
    (COST, "total_cost"),
];

/// The metadata that columns of numbers stand for.
pub(super) fn metadata(columns: &[Option<f64>]) -> Vec<Tag> {
    let mut found = Vec::new();
    for key in [TOKENS, COST] {
        let own = NUMBERS.iter().zip(columns).filter(|((of, _), _)| *of == key);
        let member =
            |((_, name), value): (&(&str, &str), &Option<f64>)| Some(((*name).to_owned(), json(key, (*value)?)));
        let members: Map<String, Value> = own.filter_map(member).collect();
        if !members.is_empty() {
            found.push(Tag { key: key.to_owned(), value: python_json(&Value::Object(members)) });
        }
    }
    found
}

fn json(key: &str, value: f64) -> Value {
    if key == TOKENS { Value::from(value as i64) } else { Number::from_f64(value).map_or(Value::Null, Value::Number) }
}

/// The columns of numbers that metadata stand for.
pub(super) fn columns(metadata: &[Tag]) -> Vec<Option<f64>> {
    let of =
        |key: &str| metadata.iter().find(|tag| tag.key == key).and_then(|tag| serde_json::from_str(&tag.value).ok());
    let (tokens, cost): (Option<Value>, Option<Value>) = (of(TOKENS), of(COST));
    let value = |(key, name): &(&str, &str)| {
        let object = if *key == TOKENS { tokens.as_ref() } else { cost.as_ref() };
        object.and_then(|object| object.get(*name)).and_then(Value::as_f64)
    };
    NUMBERS.iter().map(value).collect()
}

/// Whether metadata has columns of its own.
pub(super) fn has_column(key: &str) -> bool {
    [SESSION.0, TOKENS, COST].contains(&key)
}

/// JSON as Python writes it, with a space behind each comma and colon: clients compare the text.
pub(super) fn python_json(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(python_json).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let member =
                |(key, value): (&String, &Value)| format!("{}: {}", Value::from(key.as_str()), python_json(value));
            format!("{{{}}}", fields.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_for_metadata_and_back() {
        let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: value.to_owned() };
        let told = vec![tag(TOKENS, r#"{"input_tokens": 3, "total_tokens": 8}"#), tag(COST, r#"{"total_cost": 0.25}"#)];
        let columns = columns(&told);
        assert_eq!(columns[..3], [Some(3.0), None, Some(8.0)]);
        assert_eq!(metadata(&columns), told);
        assert!(metadata(&[None; 9]).is_empty());
    }
}
