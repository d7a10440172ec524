//! Rows of a trace; of versions before 3.6 its spans are in an artifact.

use baton_ledger::database::Statement;
use baton_tracking::Tag;
use baton_tracking::trace::{NewSpan, TraceInfo, WholeTrace};
use serde_json::{Map, Value, json};

use super::MlflowDatabase;
use crate::aside::Aside;
use crate::error::Result;
use crate::files::Place;
use crate::mlflow::promoted::{self, python_json};
use crate::mlflow::{folder, span};
use crate::source::Source as _;
use crate::time::rfc3339;

/// The tag that says where a trace's files are.
const LOCATION_TAG: &str = "mlflow.artifactLocation";

type Row = (Option<i64>, Option<i64>, Option<String>, Option<String>, Option<String>, Option<String>);

/// Reads a trace.
pub(super) async fn read(from: &MlflowDatabase, trace_id: &str, aside: &mut Aside) -> Result<Option<WholeTrace>> {
    let columns = [
        "timestamp_ms:INTEGER",
        "execution_time_ms:INTEGER",
        "status",
        "client_request_id",
        "request_preview",
        "response_preview",
    ];
    let text = format!("{} WHERE request_id = $1", from.select("trace_info", &columns));
    let Some(row) = from.all::<Row>(Statement::new(text).bind(trace_id)).await?.pop() else { return Ok(None) };
    let (time, execution_duration, status, client_request_id, request_preview, response_preview) = row;
    let texts = |table| from.texts(table, ["key", "value"], "request_id = $1", trace_id);
    let info = TraceInfo {
        trace_id: trace_id.to_owned(),
        client_request_id,
        experiment_id: 0,
        request_preview,
        response_preview,
        request_time: time.unwrap_or_default(),
        execution_duration,
        state: status.unwrap_or_else(|| "STATE_UNSPECIFIED".to_owned()),
        metadata: [texts("trace_request_metadata").await?, metadata_in_columns(from, trace_id).await?].concat(),
        tags: [texts("trace_tags").await?, in_column(from, trace_id, promoted::NAME).await?].concat(),
        assessments: assessments(from, trace_id, aside).await?,
    };
    let mut spans = spans(from, trace_id, aside).await?;
    let location = info.tags.iter().find(|tag| tag.key == LOCATION_TAG);
    if let Some(location) = location.filter(|_| spans.is_empty())
        && let Place::Folder(place) = from.files().place(&location.value)
    {
        spans = folder::spans_of_file(&place.join("traces.json"), trace_id, aside);
    }
    Ok(Some(WholeTrace { info, spans, runs: runs(from, trace_id).await? }))
}

/// What stands in a column, as the tag or metadata that it stands for.
async fn in_column(from: &MlflowDatabase, trace_id: &str, (key, column): (&str, &str)) -> Result<Vec<Tag>> {
    let text = format!("{} WHERE request_id = $1", from.select("trace_info", &[column]));
    let rows: Vec<(Option<String>,)> = from.all(Statement::new(text).bind(trace_id)).await?;
    Ok(rows.into_iter().filter_map(|(value,)| Some(Tag { key: key.to_owned(), value: value? })).collect())
}

async fn metadata_in_columns(from: &MlflowDatabase, trace_id: &str) -> Result<Vec<Tag>> {
    let mut found = in_column(from, trace_id, promoted::SESSION).await?;
    let mut numbers = Vec::new();
    for (_, column) in promoted::NUMBERS {
        let text = format!("{} WHERE request_id = $1", from.select("trace_info", &[&format!("{column}:REAL")]));
        let row: Option<(Option<f64>,)> = from.all(Statement::new(text).bind(trace_id)).await?.pop();
        numbers.push(row.and_then(|(number,)| number));
    }
    found.extend(promoted::metadata(&numbers));
    Ok(found)
}

async fn spans(from: &MlflowDatabase, trace_id: &str, aside: &mut Aside) -> Result<Vec<NewSpan>> {
    if !from.has("spans") {
        return Ok(Vec::new());
    }
    let text = "SELECT span_id, CAST(content AS TEXT) FROM spans WHERE trace_id = $1 ORDER BY start_time_unix_nano";
    let mut found = Vec::new();
    for (id, content) in from.all::<(String, String)>(Statement::new(text).bind(trace_id)).await? {
        let read = serde_json::from_str::<Value>(&content).ok().and_then(|written| span::read(trace_id, &written));
        let place = format!("span `{id}` of trace `{trace_id}`");
        found.extend(aside.some(place, read.ok_or("has a content that is no span")));
    }
    Ok(found)
}

async fn runs(from: &MlflowDatabase, trace_id: &str) -> Result<Vec<String>> {
    if !from.has("entity_associations") {
        return Ok(Vec::new());
    }
    let text = "SELECT destination_id FROM entity_associations \
                WHERE source_type = 'trace' AND source_id = $1 AND destination_type = 'run' ORDER BY 1";
    let rows = from.all::<(String,)>(Statement::new(text).bind(trace_id)).await?;
    Ok(rows.into_iter().map(|(run_id,)| run_id).collect())
}

type AssessmentRow = (
    String,
    String,
    String,
    String,
    Option<String>,
    i64,
    i64,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<String>,
);

async fn assessments(from: &MlflowDatabase, trace_id: &str, aside: &mut Aside) -> Result<Vec<Value>> {
    if !from.has("assessments") {
        return Ok(Vec::new());
    }
    let columns = [
        "assessment_id",
        "name",
        "assessment_type",
        "value",
        "error",
        "created_timestamp:INTEGER",
        "last_updated_timestamp:INTEGER",
        "source_type",
        "source_id",
        "span_id",
        "rationale",
        "overrides",
        "valid:INTEGER",
        "assessment_metadata",
    ];
    let text = format!("{} WHERE trace_id = $1 ORDER BY 6, 1", from.select("assessments", &columns));
    let mut found = Vec::new();
    for row in from.all::<AssessmentRow>(Statement::new(text).bind(trace_id)).await? {
        let place = format!("assessment `{}` of trace `{trace_id}`", row.0);
        found.extend(aside.some(place, assessment(trace_id, row)));
    }
    Ok(found)
}

/// A judgement in the protocol's JSON.
fn assessment(trace_id: &str, row: AssessmentRow) -> Result<Value, String> {
    let (
        id,
        name,
        kind,
        value,
        error,
        created,
        updated,
        source_type,
        source_id,
        span_id,
        rationale,
        overrides,
        valid,
        metadata,
    ) = row;
    let json = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| format!("has no JSON: {error}"));
    let value = json(&value)?;
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| {
        if !value.is_null() {
            fields.insert(name.to_owned(), value);
        }
    };
    set("assessment_id", id.into());
    set("assessment_name", name.into());
    set("trace_id", trace_id.into());
    set("span_id", span_id.into());
    set("source", json!({"source_type": source_type, "source_id": source_id.unwrap_or_default()}));
    set("create_time", rfc3339(created).into());
    set("last_update_time", rfc3339(updated).into());
    match kind.as_str() {
        "feedback" => {
            let error = error.map(|error| json(&error)).transpose()?;
            let mut feedback = json!({"value": value});
            if let Some(error) = error {
                feedback["error"] = error;
            }
            set("feedback", feedback);
        }
        "expectation" if value.is_object() || value.is_array() => {
            let serialized = json!({"serialization_format": "JSON_FORMAT", "value": python_json(&value)});
            set("expectation", json!({"serialized_value": serialized}));
        }
        "expectation" => set("expectation", json!({"value": value})),
        other => return Err(format!("is a `{other}`, which is not kept here")),
    }
    set("rationale", rationale.into());
    set("overrides", overrides.into());
    set("valid", valid.is_none_or(|valid| valid != 0).into());
    set("metadata", metadata.map(|text| json(&text)).transpose()?.into());
    Ok(Value::Object(fields))
}
