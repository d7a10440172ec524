//! What is kept of a span besides the span itself.

use baton_tracking::Tag;
use baton_tracking::trace::NewSpan;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::Value;

use super::message;

/// Attributes of a root with this prefix are tags of its trace.
const TAG_PREFIX: &str = "mlflow.traceTag.";
/// Attributes of resources that are not about the program.
const NOT_TOLD: [&str; 2] = ["telemetry.sdk.", "mlflow."];
/// Tags that the server keeps itself.
const OWN_TAGS: [&str; 2] = ["mlflow.artifactLocation", "mlflow.trace.spansLocation"];

/// The spans of a request; `None` when one has no ids or times that cannot be.
pub(super) fn of_request(request: ExportTraceServiceRequest) -> Option<Vec<NewSpan>> {
    let mut spans = Vec::new();
    for group in request.resource_spans {
        let resource = group.resource.map(|resource| resource.attributes).unwrap_or_default();
        for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(of_span(span, &resource)?);
        }
    }
    Some(spans)
}

fn of_span(span: Span, resource: &[KeyValue]) -> Option<NewSpan> {
    if span.trace_id.is_empty() || span.span_id.is_empty() {
        return None;
    }
    let content = message::span(&span);
    let parent_span_id = (!span.parent_span_id.is_empty()).then(|| hex(&span.parent_span_id));
    let mut trace_tags = tags(resource, "");
    trace_tags.retain(|tag| !NOT_TOLD.iter().any(|prefix| tag.key.starts_with(prefix)));
    if parent_span_id.is_none() {
        trace_tags.extend(tags(&span.attributes, TAG_PREFIX));
    }
    let status = match span.status.map(|status| StatusCode::try_from(status.code)) {
        Some(Ok(StatusCode::Ok)) => "OK",
        Some(Ok(StatusCode::Error)) => "ERROR",
        _ => "UNSET",
    };
    Some(NewSpan {
        trace_id: format!("tr-{}", hex(&span.trace_id)),
        span_id: hex(&span.span_id),
        parent_span_id,
        kind: attribute(&span.attributes, "mlflow.spanType").unwrap_or_else(|| "UNKNOWN".to_owned()),
        status,
        start_time: i64::try_from(span.start_time_unix_nano).ok()?,
        end_time: i64::try_from(span.end_time_unix_nano).ok()?,
        inputs: attribute(&span.attributes, "mlflow.spanInputs"),
        outputs: attribute(&span.attributes, "mlflow.spanOutputs"),
        name: span.name,
        trace_tags,
        content,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An attribute as text; some programs send texts as JSON within the text.
fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?;
    Some(match message::plain(found) {
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(Value::String(inner)) => inner,
            _ => text,
        },
        other => other.to_string(),
    })
}

/// Attributes whose keys begin with `prefix`, without it.
fn tags(attributes: &[KeyValue], prefix: &str) -> Vec<Tag> {
    let tag = |pair: &KeyValue| {
        let key = pair.key.strip_prefix(prefix).filter(|key| !key.is_empty() && key.len() <= 250)?;
        let value = attribute(attributes, &pair.key)?;
        (!OWN_TAGS.contains(&key)).then(|| Tag { key: key.to_owned(), value })
    };
    attributes.iter().filter_map(tag).collect()
}
