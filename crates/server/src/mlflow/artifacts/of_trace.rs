//! Files of traces as pages fetch them: all spans of one, or a file that a span refers to.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use baton_tracking::TrackingError;
use baton_tracking::artifact::ArtifactPath;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::ArtifactFailure;
use super::{download, path_of};
use crate::mlflow::state::Shared;

/// The tag that says where the files of a trace are.
const LOCATION: &str = "mlflow.artifactLocation";

/// Paths below `/ajax-api/…/mlflow`.
pub(in crate::mlflow) fn of_traces() -> Router<Shared> {
    Router::new().route("/get-trace-artifact", get(fetch))
}

#[derive(Deserialize)]
struct Wanted {
    request_id: Option<String>,
    path: Option<String>,
}

async fn fetch(
    State(tracking): State<Shared>,
    Query(Wanted { request_id, path }): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, ArtifactFailure> {
    let Some(trace_id) = request_id.filter(|id| !id.is_empty()) else {
        let message = "Request must include the \"request_id\" query parameter.";
        return Err(ArtifactFailure::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message));
    };
    if let Some(path) = path.filter(|path| !path.is_empty()) {
        let info = tracking.store.trace_info(&trace_id).await?;
        let absent = || TrackingError::Missing(format!("Trace with ID '{trace_id}' has no files."));
        let root = info.tags.iter().find(|tag| tag.key == LOCATION).ok_or_else(absent)?;
        let below = ArtifactPath::parse("attachments")?.join(&ArtifactPath::parse(&path)?);
        let path = path_of(&root.value)?.join(&below);
        let file = tracking.artifacts()?.get(&path).await?;
        return Ok(download::answer(&path, file, &headers));
    }
    let (_, spans) = tracking.store.trace(&trace_id).await?;
    let spans: Vec<Value> = spans.iter().map(shown).collect();
    let fields = [
        (CONTENT_TYPE, "text/plain"),
        (CONTENT_DISPOSITION, "attachment; filename=traces.json"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((fields, json!({"spans": spans}).to_string()).into_response())
}

/// A span as files of traces have it: attributes by their keys, each a JSON text, and nothing left out.
fn shown(span: &Value) -> Value {
    let mut shown = span.clone();
    let Value::Object(fields) = &mut shown else { return shown };
    fields.insert("attributes".to_owned(), attributes(span));
    fields.entry("parent_span_id").or_insert(Value::Null);
    for list in ["events", "links"] {
        let items = fields.entry(list).or_insert_with(|| json!([]));
        for item in items.as_array_mut().into_iter().flatten() {
            item["attributes"] = plain_fields(item.get("attributes"));
        }
    }
    let status = fields.entry("status").or_insert_with(|| json!({}));
    if let Value::Object(status) = status {
        status.entry("code").or_insert_with(|| "STATUS_CODE_UNSET".into());
        status.entry("message").or_insert_with(|| "".into());
    }
    shown
}

fn attributes(span: &Value) -> Value {
    let Value::Object(fields) = plain_fields(span.get("attributes")) else { return json!({}) };
    fields.into_iter().map(|(key, value)| (key, Value::String(value.to_string()))).collect::<Map<_, _>>().into()
}

/// Keys and values of a list of them.
fn plain_fields(pairs: Option<&Value>) -> Value {
    let pairs = pairs.and_then(Value::as_array).into_iter().flatten();
    let field = |pair: &Value| {
        let key = pair.get("key").and_then(Value::as_str)?;
        Some((key.to_owned(), pair.get("value").map_or(Value::Null, plain)))
    };
    pairs.filter_map(field).collect::<Map<_, _>>().into()
}

/// A value without the name of its type.
fn plain(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|value| value.iter().next()) else { return Value::Null };
    match kind.as_str() {
        "array_value" => {
            let items = inner.get("values").and_then(Value::as_array).into_iter().flatten();
            items.map(plain).collect::<Vec<_>>().into()
        }
        "kvlist_value" => plain_fields(inner.get("values")),
        "int_value" => match inner.as_str().and_then(|digits| digits.parse::<i64>().ok()) {
            Some(number) => number.into(),
            None => inner.clone(),
        },
        _ => inner.clone(),
    }
}
