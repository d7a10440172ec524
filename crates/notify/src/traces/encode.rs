//! Spans in OpenTelemetry's protobuf. Pure.

use baton_core::Timestamp;
use baton_core::span::{Span, SpanFailure, SpanKind, SpanValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind as WireKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as WireSpan, Status};

/// The request that brings spans of a process with these attributes.
pub(super) fn request(resource: &[(String, String)], spans: &[Span]) -> ExportTraceServiceRequest {
    let attributes = resource.iter().map(|(key, value)| attribute(key, Value::StringValue(value.clone())));
    let scope = InstrumentationScope {
        name: "baton".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes: attributes.collect(), ..Resource::default() }),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope),
                spans: spans.iter().map(span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

fn span(span: &Span) -> WireSpan {
    let kind = match span.kind {
        SpanKind::Internal => WireKind::Internal,
        SpanKind::Server => WireKind::Server,
    };
    let ended = nanos(span.ended);
    let mut attributes: Vec<_> = span.attributes.iter().map(|(key, said)| attribute(key, value(said))).collect();
    // By the conventions of OpenTelemetry for failed work of every kind.
    let error_type = |failure: &SpanFailure| attribute("error.type", text(failure.kind));
    attributes.extend(span.failure.as_ref().map(error_type));
    WireSpan {
        trace_id: span.context.trace.bytes().to_vec(),
        span_id: span.context.span.bytes().to_vec(),
        parent_span_id: span.parent.map(|parent| parent.bytes().to_vec()).unwrap_or_default(),
        flags: u32::from(span.context.is_sampled),
        name: span.name.clone(),
        kind: kind.into(),
        start_time_unix_nano: nanos(span.began),
        // Machines' clocks are set back now and then; a span never ends before it begins.
        end_time_unix_nano: ended.max(nanos(span.began)),
        attributes,
        events: span.failure.iter().map(|failure| exception(failure, ended)).collect(),
        status: span
            .failure
            .as_ref()
            .map(|failure| Status { message: failure.message.clone(), code: StatusCode::Error.into() }),
        ..WireSpan::default()
    }
}

/// The event `exception` of OpenTelemetry's conventions.
fn exception(failure: &SpanFailure, at: u64) -> Event {
    let attributes =
        vec![attribute("exception.type", text(failure.kind)), attribute("exception.message", text(&failure.message))];
    Event { time_unix_nano: at, name: "exception".to_owned(), attributes, ..Event::default() }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn value(said: &SpanValue) -> Value {
    match said {
        SpanValue::Text(said) => text(said),
        SpanValue::Count(count) => Value::IntValue(*count),
        SpanValue::Flag(flag) => Value::BoolValue(*flag),
    }
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

fn nanos(at: Timestamp) -> u64 {
    at.timestamp_nanos_opt().and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or_default()
}
