//! A trace's folder: what it was about, and its spans in an artifact.

use std::fs;
use std::path::Path;

use baton_tracking::trace::{NewSpan, TraceInfo, WholeTrace};
use serde_json::Value;

use super::meta::{self, Meta};
use crate::aside::Aside;
use crate::files;
use crate::mlflow::span;
use crate::time::milliseconds;

/// Reads a trace.
pub(super) fn read(folder: &Path, trace_id: &str, aside: &mut Aside) -> Result<WholeTrace, String> {
    let meta = Meta::read(&folder.join("trace_info.yaml"))?;
    let time = meta.text("request_time").and_then(|text| milliseconds(&text)).or_else(|| meta.number("timestamp_ms"));
    let info = TraceInfo {
        trace_id: trace_id.to_owned(),
        client_request_id: meta.text("client_request_id"),
        experiment_id: 0,
        request_preview: meta.text("request_preview"),
        response_preview: meta.text("response_preview"),
        request_time: time.ok_or("has no `request_time`")?,
        execution_duration: meta.number("execution_duration_ms").or_else(|| meta.number("execution_time_ms")),
        state: meta.text("state").or_else(|| meta.text("status")).unwrap_or_else(|| "STATE_UNSPECIFIED".to_owned()),
        metadata: meta::texts(&folder.join("request_metadata"), aside),
        tags: meta::texts(&folder.join("tags"), aside),
        assessments: assessments(folder, aside),
    };
    let file = folder.join("artifacts/traces.json");
    let spans = of_file(&file, trace_id, aside);
    Ok(WholeTrace { info, spans, runs: Vec::new() })
}

/// The spans of a file; none where there is no file.
pub(in crate::mlflow) fn of_file(file: &Path, trace_id: &str, aside: &mut Aside) -> Vec<NewSpan> {
    if !file.exists() {
        return Vec::new();
    }
    let read = fs::read(file).map_err(|error| error.to_string());
    let read =
        read.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).map_err(|error| format!("is no JSON: {error}")));
    let Some(content) = aside.some(file.display(), read) else { return Vec::new() };
    let mut found = Vec::new();
    for written in content.get("spans").and_then(Value::as_array).into_iter().flatten() {
        match span::read(trace_id, written) {
            Some(span) => found.push(span),
            None => aside.put(file.display(), "has a span without an id"),
        }
    }
    found
}

fn assessments(folder: &Path, aside: &mut Aside) -> Vec<Value> {
    let mut found = Vec::new();
    for (path, _) in files::entries(&folder.join("assessments"), aside).unwrap_or_default() {
        found.extend(aside.some(path.display(), Meta::read(&path)).map(|meta| meta.0));
    }
    found
}
