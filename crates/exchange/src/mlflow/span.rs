//! Spans: as MLflow writes them in files and databases, and in protobuf's JSON, which Baton keeps.
//!
//! MLflow writes each attribute as a text of JSON by its key, where protobuf has a list of keys and typed values; ids are base64
//! since its version 3, and hex digits before.

use baton_tracking::base64;
use baton_tracking::trace::NewSpan;
use serde_json::{Map, Value, json};

use super::promoted::python_json;

/// The attribute that says what kind of work a span is.
const KIND: &str = "mlflow.spanType";

/// Reads a span of `trace_id` as MLflow writes it.
pub(super) fn read(trace_id: &str, written: &Value) -> Option<NewSpan> {
    let context = written.get("context");
    let id = context.map_or_else(|| written.get("span_id"), |context| context.get("span_id")).and_then(hex_id)?;
    let parent = written.get("parent_span_id").or_else(|| written.get("parent_id")).and_then(hex_id);
    let name = written.get("name").and_then(Value::as_str).unwrap_or_default();
    let attributes = attributes(written.get("attributes"));
    let kind = attributes.get(KIND).and_then(Value::as_str).unwrap_or("UNKNOWN").to_owned();
    let nanoseconds = |new: &str, old: &str| {
        let found = written.get(new).or_else(|| written.get(old));
        found.and_then(|time| time.as_i64().or_else(|| time.as_str()?.parse().ok())).unwrap_or_default()
    };
    let (start_time, end_time) =
        (nanoseconds("start_time_unix_nano", "start_time"), nanoseconds("end_time_unix_nano", "end_time"));
    let (status, message) = status(written);
    let content = content(trace_id, &id, parent.as_deref(), written, &attributes, (status, &message));
    Some(NewSpan {
        trace_id: trace_id.to_owned(),
        span_id: id,
        parent_span_id: parent,
        name: name.to_owned(),
        kind,
        status,
        start_time,
        end_time,
        inputs: None,
        outputs: None,
        trace_tags: Vec::new(),
        content: with_times(content, start_time, end_time),
    })
}

/// A span of protobuf's JSON as MLflow writes it.
pub(super) fn written(content: &Value) -> Value {
    let mut span = content.clone();
    let Some(fields) = span.as_object_mut() else { return span };
    let attributes = members(fields.remove("attributes").as_ref());
    let text = |(key, value): (String, Value)| (key, Value::from(python_json(&value)));
    let attributes: Map<String, Value> = attributes.into_iter().map(text).collect();
    fields.insert("attributes".to_owned(), attributes.into());
    for event in fields.get_mut("events").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(event) = event.as_object_mut() else { continue };
        let attributes = members(event.remove("attributes").as_ref());
        event.insert("attributes".to_owned(), attributes.into());
    }
    for (name, absent) in [("events", json!([])), ("links", json!([])), ("parent_span_id", Value::Null)] {
        fields.entry(name).or_insert(absent);
    }
    for name in ["start_time_unix_nano", "end_time_unix_nano"] {
        if let Some(number) = fields.get(name).and_then(Value::as_str).and_then(|text| text.parse::<i64>().ok()) {
            fields.insert(name.to_owned(), number.into());
        }
    }
    span
}

/// Keys and plain values of a list of keys and typed values.
fn members(list: Option<&Value>) -> Map<String, Value> {
    let member = |entry: &Value| {
        let value = entry.get("value").map_or(Value::Null, plain);
        Some((entry.get("key")?.as_str()?.to_owned(), value))
    };
    list.and_then(Value::as_array).into_iter().flatten().filter_map(member).collect()
}

/// A typed value of protobuf's JSON as plain JSON.
fn plain(typed: &Value) -> Value {
    let Some((kind, value)) = typed.as_object().and_then(|kinds| kinds.iter().next()) else { return Value::Null };
    let values = || value.get("values");
    match kind.as_str() {
        "int_value" => {
            value.as_str().and_then(|text| text.parse::<i64>().ok()).map_or_else(|| value.clone(), Value::from)
        }
        "array_value" => values().and_then(Value::as_array).into_iter().flatten().map(plain).collect(),
        "kvlist_value" => members(values()).into(),
        _ => value.clone(),
    }
}

/// Plain JSON as a typed value of protobuf's JSON.
fn typed(plain: &Value) -> Value {
    match plain {
        Value::Null => json!({}),
        Value::Bool(value) => json!({"bool_value": value}),
        Value::Number(value) if value.is_f64() => json!({"double_value": value}),
        Value::Number(value) => json!({"int_value": value}),
        Value::String(value) => json!({"string_value": value}),
        Value::Array(items) => json!({"array_value": {"values": items.iter().map(typed).collect::<Vec<_>>()}}),
        Value::Object(fields) => json!({"kvlist_value": {"values": list(fields.iter())}}),
    }
}

/// Keys and typed values of plain ones.
fn list<'v>(members: impl Iterator<Item = (&'v String, &'v Value)>) -> Value {
    members.map(|(key, value)| json!({"key": key, "value": typed(value)})).collect()
}

/// Keys and values of attributes, which are texts of JSON each; other texts count as they are.
fn attributes(written: Option<&Value>) -> Map<String, Value> {
    let read = |value: &Value| match value.as_str() {
        Some(text) => serde_json::from_str(text).unwrap_or_else(|_no_json| value.clone()),
        None => value.clone(),
    };
    let pairs = written.and_then(Value::as_object).into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), read(value))).collect()
}

/// The status as it is searched, and its message.
fn status(written: &Value) -> (&'static str, String) {
    let status = written.get("status");
    let code = status.and_then(|status| status.get("code")).or_else(|| written.get("status_code"));
    let message = status.and_then(|status| status.get("message")).or_else(|| written.get("status_message"));
    let word = match code.and_then(Value::as_str).unwrap_or_default().trim_start_matches("STATUS_CODE_") {
        "OK" => "OK",
        "ERROR" => "ERROR",
        _ => "UNSET",
    };
    (word, message.and_then(Value::as_str).unwrap_or_default().to_owned())
}

fn content(
    trace_id: &str,
    id: &str,
    parent: Option<&str>,
    written: &Value,
    attributes: &Map<String, Value>,
    (status, message): (&str, &str),
) -> Value {
    let mut span = json!({
        "trace_id": bytes_of(trace_id.trim_start_matches("tr-")),
        "span_id": bytes_of(id),
        "name": written.get("name").cloned().unwrap_or_default(),
        "kind": written.get("kind").cloned().unwrap_or_else(|| "SPAN_KIND_INTERNAL".into()),
        "attributes": list(attributes.iter()),
        "status": {"code": format!("STATUS_CODE_{status}")},
    });
    if let Some(parent) = parent {
        span["parent_span_id"] = bytes_of(parent).into();
    }
    if !message.is_empty() {
        span["status"]["message"] = message.into();
    }
    let events = written.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
    let event = |event: &Value| {
        let time = event.get("time_unix_nano").or_else(|| event.get("timestamp")).cloned().unwrap_or_default();
        // Those of events are plain.
        let attributes = list(event.get("attributes").and_then(Value::as_object).into_iter().flatten());
        json!({"time_unix_nano": time, "name": event.get("name"), "attributes": attributes})
    };
    if !events.is_empty() {
        span["events"] = events.iter().map(event).collect();
    }
    span
}

fn with_times(mut span: Value, start: i64, end: i64) -> Value {
    span["start_time_unix_nano"] = start.into();
    span["end_time_unix_nano"] = end.into();
    span
}

/// Base64 of the bytes that hex digits stand for.
fn bytes_of(digits: &str) -> String {
    base64::encode(&hex::decode(digits).unwrap_or_default())
}

/// The 16 hex digits of an id that is written in base64, or in hex digits with `0x`.
fn hex_id(id: &Value) -> Option<String> {
    let text = id.as_str().filter(|text| !text.is_empty())?;
    if let Some(digits) = text.strip_prefix("0x") {
        return Some(digits.to_owned());
    }
    if text.len() == 16 && text.chars().all(|digit| digit.is_ascii_hexdigit()) {
        return Some(text.to_owned());
    }
    base64::decode(text).map(hex::encode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_are_read() {
        let new = json!({
            "trace_id": "jFjeFSmCAGeFId6C6Okm+g==", "span_id": "YvWh5PqRH7Q=", "parent_span_id": "hgnkCO1Z2MA=",
            "name": "inner", "kind": "SPAN_KIND_INTERNAL", "start_time_unix_nano": 5, "end_time_unix_nano": 9, "events": [],
            "links": [], "status": {"code": "STATUS_CODE_OK"},
            "attributes": {"mlflow.spanType": "\"CHAIN\"", "k": "1", "in": "{\"a\": [1, 0.5, null, true]}"},
        });
        let trace = "tr-8c58de15298200678521de82e8e926fa";
        let span = read(trace, &new).unwrap();
        assert_eq!((span.span_id.as_str(), span.kind.as_str()), ("62f5a1e4fa911fb4", "CHAIN"));
        assert_eq!(span.content["attributes"][1], json!({"key": "k", "value": {"int_value": 1}}));
        assert_eq!(written(&span.content), new);
        let old = json!({
            "name": "inner", "context": {"span_id": "0x62f5a1e4fa911fb4", "trace_id": "0x8c58de15298200678521de82e8e926fa"},
            "parent_id": "0x8609e408ed59d8c0", "start_time": 5, "end_time": 9, "status_code": "OK", "status_message": "",
            "attributes": {"mlflow.spanType": "\"CHAIN\"", "k": "1", "in": "{\"a\": [1, 0.5, null, true]}"}, "events": [],
        });
        assert_eq!(read(trace, &old).unwrap(), span);
        assert!(read(trace, &json!({"name": "no id"})).is_none());
    }
}
