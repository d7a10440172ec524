//! Spans in the JSON of protobuf: names in snake case, bytes as base64, what is not set left out.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::{Map, Value, json};

use baton_tracking::base64;

/// A span as a message.
pub(super) fn span(span: &Span) -> Value {
    let mut fields = Map::new();
    let kind = SpanKind::try_from(span.kind).unwrap_or(SpanKind::Unspecified);
    set(&mut fields, "trace_id", base64::encode(&span.trace_id));
    set(&mut fields, "span_id", base64::encode(&span.span_id));
    set(&mut fields, "trace_state", span.trace_state.as_str());
    set(&mut fields, "parent_span_id", base64::encode(&span.parent_span_id));
    set(&mut fields, "flags", span.flags);
    set(&mut fields, "name", span.name.as_str());
    if kind != SpanKind::Unspecified {
        set(&mut fields, "kind", kind.as_str_name());
    }
    set(&mut fields, "start_time_unix_nano", span.start_time_unix_nano);
    set(&mut fields, "end_time_unix_nano", span.end_time_unix_nano);
    set(&mut fields, "attributes", attributes(&span.attributes));
    set(&mut fields, "dropped_attributes_count", span.dropped_attributes_count);
    set(&mut fields, "events", span.events.iter().map(event).collect::<Vec<_>>());
    set(&mut fields, "dropped_events_count", span.dropped_events_count);
    set(&mut fields, "links", span.links.iter().map(link).collect::<Vec<_>>());
    set(&mut fields, "dropped_links_count", span.dropped_links_count);
    if let Some(status) = &span.status {
        let code = StatusCode::try_from(status.code).unwrap_or(StatusCode::Unset);
        let mut said = Map::new();
        set(&mut said, "message", status.message.as_str());
        if code != StatusCode::Unset {
            set(&mut said, "code", code.as_str_name());
        }
        fields.insert("status".to_owned(), Value::Object(said));
    }
    Value::Object(fields)
}

/// Sets a field, unless it has the value that an absent one has.
fn set(fields: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    let value = value.into();
    let is_default = match &value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Number(number) => number.as_u64() == Some(0),
        _ => false,
    };
    if !is_default {
        fields.insert(name.to_owned(), value);
    }
}

fn event(event: &Event) -> Value {
    let mut fields = Map::new();
    set(&mut fields, "time_unix_nano", event.time_unix_nano);
    set(&mut fields, "name", event.name.as_str());
    set(&mut fields, "attributes", attributes(&event.attributes));
    set(&mut fields, "dropped_attributes_count", event.dropped_attributes_count);
    Value::Object(fields)
}

fn link(link: &Link) -> Value {
    let mut fields = Map::new();
    set(&mut fields, "trace_id", base64::encode(&link.trace_id));
    set(&mut fields, "span_id", base64::encode(&link.span_id));
    set(&mut fields, "trace_state", link.trace_state.as_str());
    set(&mut fields, "attributes", attributes(&link.attributes));
    set(&mut fields, "dropped_attributes_count", link.dropped_attributes_count);
    set(&mut fields, "flags", link.flags);
    Value::Object(fields)
}

fn attributes(attributes: &[KeyValue]) -> Vec<Value> {
    let attribute = |KeyValue { key, value, .. }: &KeyValue| match value {
        Some(value) => json!({"key": key, "value": any(value)}),
        None => json!({"key": key}),
    };
    attributes.iter().map(attribute).collect()
}

fn any(value: &AnyValue) -> Value {
    match &value.value {
        None => json!({}),
        Some(Any::StringValue(text)) => json!({"string_value": text}),
        Some(Any::BoolValue(flag)) => json!({"bool_value": flag}),
        Some(Any::IntValue(number)) => json!({"int_value": number}),
        Some(Any::DoubleValue(number)) => json!({"double_value": double(*number)}),
        Some(Any::ArrayValue(array)) => {
            json!({"array_value": {"values": array.values.iter().map(any).collect::<Vec<_>>()}})
        }
        Some(Any::KvlistValue(list)) => json!({"kvlist_value": {"values": attributes(&list.values)}}),
        Some(Any::BytesValue(bytes)) => json!({"bytes_value": base64::encode(bytes)}),
        Some(Any::StringValueStrindex(place)) => json!({"int_value": place}),
    }
}

fn double(number: f64) -> Value {
    match number {
        number if number.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        number => number.into(),
    }
}

/// A value as plain JSON, for people.
pub(super) fn plain(value: &AnyValue) -> Value {
    match &value.value {
        None => Value::Null,
        Some(Any::StringValue(text)) => text.as_str().into(),
        Some(Any::BoolValue(flag)) => (*flag).into(),
        Some(Any::IntValue(number)) => (*number).into(),
        Some(Any::DoubleValue(number)) => double(*number),
        Some(Any::ArrayValue(array)) => array.values.iter().map(plain).collect(),
        Some(Any::KvlistValue(list)) => {
            let pair = |pair: &KeyValue| (pair.key.clone(), pair.value.as_ref().map_or(Value::Null, plain));
            Value::Object(list.values.iter().map(pair).collect())
        }
        Some(Any::BytesValue(bytes)) => base64::encode(bytes).into(),
        Some(Any::StringValueStrindex(place)) => (*place).into(),
    }
}
