//! OTLP's own JSON: camel case, ids as hex digits, whole numbers as numbers or texts, unknown fields ignored.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use serde_json::Value;

use baton_tracking::base64;

/// Reads a request; `None` when it is not one.
pub(super) fn request(body: &[u8]) -> Option<ExportTraceServiceRequest> {
    let request: Value = serde_json::from_slice(body).ok()?;
    let resource_spans = each(request.as_object().map(|_| &request)?, "resourceSpans", |spans| {
        let resource = spans.get("resource").map(|resource| {
            Some(Resource { attributes: each(resource, "attributes", attribute)?, ..Resource::default() })
        });
        Some(ResourceSpans {
            resource: resource.unwrap_or_default(),
            scope_spans: each(spans, "scopeSpans", |scope| {
                Some(ScopeSpans { spans: each(scope, "spans", span)?, ..ScopeSpans::default() })
            })?,
            ..ResourceSpans::default()
        })
    })?;
    Some(ExportTraceServiceRequest { resource_spans })
}

fn span(span: &Value) -> Option<Span> {
    Some(Span {
        trace_id: id(span, "traceId")?,
        span_id: id(span, "spanId")?,
        trace_state: text(span, "traceState"),
        parent_span_id: id(span, "parentSpanId")?,
        flags: small(span, "flags"),
        name: text(span, "name"),
        kind: named(span, "kind", |name| SpanKind::from_str_name(name).map(i32::from)),
        start_time_unix_nano: whole(span, "startTimeUnixNano"),
        end_time_unix_nano: whole(span, "endTimeUnixNano"),
        attributes: each(span, "attributes", attribute)?,
        dropped_attributes_count: small(span, "droppedAttributesCount"),
        events: each(span, "events", event)?,
        dropped_events_count: small(span, "droppedEventsCount"),
        links: each(span, "links", link)?,
        dropped_links_count: small(span, "droppedLinksCount"),
        status: span.get("status").map(|status| Status {
            message: text(status, "message"),
            code: named(status, "code", |name| StatusCode::from_str_name(name).map(i32::from)),
        }),
    })
}

fn event(event: &Value) -> Option<Event> {
    Some(Event {
        time_unix_nano: whole(event, "timeUnixNano"),
        name: text(event, "name"),
        attributes: each(event, "attributes", attribute)?,
        dropped_attributes_count: small(event, "droppedAttributesCount"),
    })
}

fn link(link: &Value) -> Option<Link> {
    Some(Link {
        trace_id: id(link, "traceId")?,
        span_id: id(link, "spanId")?,
        trace_state: text(link, "traceState"),
        attributes: each(link, "attributes", attribute)?,
        dropped_attributes_count: small(link, "droppedAttributesCount"),
        flags: small(link, "flags"),
    })
}

fn attribute(attribute: &Value) -> Option<KeyValue> {
    let value = attribute.get("value").and_then(any);
    Some(KeyValue { key: text(attribute, "key"), value, ..KeyValue::default() })
}

fn any(value: &Value) -> Option<AnyValue> {
    let (name, inner) = value.as_object()?.iter().next()?;
    let value = match name.as_str() {
        "stringValue" => Any::StringValue(inner.as_str()?.to_owned()),
        "boolValue" => Any::BoolValue(inner.as_bool()?),
        "intValue" => Any::IntValue(inner.as_i64().or_else(|| inner.as_str()?.parse().ok())?),
        "doubleValue" => Any::DoubleValue(inner.as_f64().or_else(|| inner.as_str()?.parse().ok())?),
        "arrayValue" => Any::ArrayValue(ArrayValue { values: each(inner, "values", any)? }),
        "kvlistValue" => Any::KvlistValue(KeyValueList { values: each(inner, "values", attribute)? }),
        "bytesValue" => Any::BytesValue(base64::decode(inner.as_str()?)?),
        _ => return None,
    };
    Some(AnyValue { value: Some(value) })
}

/// The items of a list; none where it is not set.
fn each<T>(message: &Value, name: &str, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    match message.get(name) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(list) => list.as_array()?.iter().map(read).collect(),
    }
}

fn id(message: &Value, name: &str) -> Option<Vec<u8>> {
    let digits = message.get(name).and_then(Value::as_str).unwrap_or_default();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if digits.len() % 2 == 1 { None } else { digits.as_bytes().chunks(2).map(pair).collect() }
}

fn text(message: &Value, name: &str) -> String {
    message.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn whole(message: &Value, name: &str) -> u64 {
    let number = message.get(name);
    number.and_then(|number| number.as_u64().or_else(|| number.as_str()?.parse().ok())).unwrap_or_default()
}

fn small(message: &Value, name: &str) -> u32 {
    u32::try_from(whole(message, name)).unwrap_or_default()
}

/// An enumeration by number or name.
fn named(message: &Value, name: &str, by_name: impl Fn(&str) -> Option<i32>) -> i32 {
    match message.get(name) {
        Some(Value::String(name)) => by_name(name).unwrap_or_default(),
        Some(number) => number.as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or_default(),
        None => 0,
    }
}
