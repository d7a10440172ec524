//! Rows of traces.

use baton_ledger::database::{Transaction, Value};
use baton_tracking::Tag;
use serde_json::Value as Json;

use super::{Writing, insert};
use crate::error::Result;
use crate::mlflow::{promoted, span};
use crate::time::milliseconds;

/// The tag that says where a trace's files are.
const LOCATION_TAG: &str = "mlflow.artifactLocation";

/// Columns that every version has.
const COLUMNS: [&str; 8] = [
    "request_id",
    "experiment_id",
    "timestamp_ms",
    "execution_time_ms",
    "status",
    "client_request_id",
    "request_preview",
    "response_preview",
];

/// Writes a trace.
pub(super) async fn write(
    writing: &mut Writing,
    transaction: &mut Transaction,
    trace_id: &str,
    experiment: i64,
) -> Result<()> {
    let (info, spans) = writing.from.store.trace(trace_id).await?;
    let said = |texts: &[Tag], key: &str| texts.iter().find(|text| text.key == key).map(|text| text.value.clone());
    let mut row = vec![
        trace_id.into(),
        experiment.into(),
        info.request_time.into(),
        info.execution_duration.into(),
        (&info.state).into(),
        (&info.client_request_id).into(),
        (&info.request_preview).into(),
        (&info.response_preview).into(),
        said(&info.tags, promoted::NAME.0).into(),
        said(&info.metadata, promoted::SESSION.0).into(),
    ];
    row.extend(promoted::columns(&info.metadata).into_iter().map(Value::from));
    let own = [promoted::NAME.1, promoted::SESSION.1].into_iter();
    let columns: Vec<&str> =
        COLUMNS.into_iter().chain(own).chain(promoted::NUMBERS.map(|(_, column)| column)).collect();
    insert(transaction, "trace_info", &columns.join(", "), vec![row]).await?;
    let mut tags: Vec<Vec<Value>> = Vec::new();
    for tag in info.tags.iter().filter(|tag| tag.key != promoted::NAME.0) {
        let is_place = tag.key == LOCATION_TAG;
        let value = if is_place { super::files::written_to(&writing.artifacts, &tag.value) } else { tag.value.clone() };
        tags.push(vec![(&tag.key).into(), value.into(), trace_id.into()]);
    }
    insert(transaction, "trace_tags", "key, value, request_id", tags).await?;
    let metadata = info.metadata.iter().filter(|tag| !promoted::has_column(&tag.key));
    let metadata = metadata.map(|tag| vec![(&tag.key).into(), (&tag.value).into(), trace_id.into()]);
    insert(transaction, "trace_request_metadata", "key, value, request_id", metadata.collect()).await?;
    let spans = spans.iter().filter_map(|content| span_row(trace_id, experiment, content)).collect();
    let columns = "trace_id, experiment_id, span_id, parent_span_id, name, type, status, start_time_unix_nano, end_time_unix_nano, \
                   content";
    insert(transaction, "spans", columns, spans).await?;
    let judged = info.assessments.iter();
    let judged = judged.filter_map(|body| assessment_row(trace_id, experiment, info.request_time, body)).collect();
    let columns = "assessment_id, trace_id, name, assessment_type, value, error, created_timestamp, last_updated_timestamp, source_type, \
                   source_id, span_id, rationale, overrides, valid, assessment_metadata, experiment_id, trace_timestamp_ms, \
                   aggregate_value, is_numeric_value";
    insert(transaction, "assessments", columns, judged).await?;
    links(writing, transaction, trace_id).await?;
    writing.report.traces += 1;
    Ok(())
}

fn span_row(trace_id: &str, experiment: i64, content: &Json) -> Option<Vec<Value>> {
    let written = span::written(content);
    let span = span::read(trace_id, &written)?;
    Some(vec![
        trace_id.into(),
        experiment.into(),
        span.span_id.into(),
        span.parent_span_id.into(),
        span.name.into(),
        span.kind.into(),
        span.status.into(),
        span.start_time.into(),
        Some(span.end_time).filter(|end| *end > 0).into(),
        written.to_string().into(),
    ])
}

fn assessment_row(trace_id: &str, experiment: i64, request_time: i64, body: &Json) -> Option<Vec<Value>> {
    let text = |name: &str| body.get(name).and_then(Json::as_str).map(str::to_owned);
    let time = |name: &str| text(name).and_then(|text| milliseconds(&text)).unwrap_or(request_time);
    let (kind, judged) = ["feedback", "expectation"].into_iter().find_map(|kind| Some((kind, body.get(kind)?)))?;
    let serialized = judged.pointer("/serialized_value/value").and_then(Json::as_str).map(str::to_owned);
    let value = serialized.unwrap_or_else(|| judged.get("value").unwrap_or(&Json::Null).to_string());
    let source = |name: &str| body.get("source").and_then(|source| source.get(name)).and_then(Json::as_str);
    let valid = body.get("valid").and_then(Json::as_bool).unwrap_or(true);
    Some(vec![
        text("assessment_id").into(),
        trace_id.into(),
        text("assessment_name").unwrap_or_default().into(),
        kind.into(),
        value.into(),
        judged.get("error").map(Json::to_string).into(),
        time("create_time").into(),
        time("last_update_time").into(),
        source("source_type").unwrap_or("CODE").into(),
        source("source_id").map(str::to_owned).into(),
        text("span_id").into(),
        text("rationale").into(),
        text("overrides").into(),
        valid.into(),
        body.get("metadata").map(Json::to_string).into(),
        experiment.into(),
        request_time.into(),
        aggregate(judged.get("value")).into(),
        judged.get("value").is_some_and(Json::is_number).into(),
    ])
}

/// The number that a judgement counts as in averages.
fn aggregate(value: Option<&Json>) -> Option<f64> {
    match value? {
        Json::Bool(value) => Some(f64::from(u8::from(*value))),
        Json::Number(value) => value.as_f64(),
        Json::String(text) if text.trim().eq_ignore_ascii_case("yes") => Some(1.0),
        Json::String(text) if text.trim().eq_ignore_ascii_case("no") => Some(0.0),
        _ => None,
    }
}

async fn links(writing: &Writing, transaction: &mut Transaction, trace_id: &str) -> Result<()> {
    let runs = writing.from.store.runs_of_trace(trace_id).await?;
    let row = |run_id: String| -> Vec<Value> {
        vec![
            format!("{trace_id}/{run_id}").chars().take(36).collect::<String>().into(),
            "trace".into(),
            trace_id.into(),
            "run".into(),
            run_id.into(),
        ]
    };
    let columns = "association_id, source_type, source_id, destination_type, destination_id";
    insert(transaction, "entity_associations", columns, runs.into_iter().map(row).collect()).await
}
