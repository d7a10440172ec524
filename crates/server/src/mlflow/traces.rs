//! Traces, their tags and judgements.

use axum::extract::{Path, State};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use baton_core::Timestamp;
use baton_core::time::timestamp_from_micros;
use baton_tracking::trace::{AssessmentChange, TraceInfo, TraceSearch};
use baton_tracking::{Page, Tag as StoredTag, validate};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::error::{Answer, WireError};
use super::fields::Fields;
use super::state::Shared;
use super::wire::{Empty, double};

/// Paths below `/api/2.0/mlflow`: what today's clients still ask there.
pub(super) fn older_routes() -> Router<Shared> {
    Router::new().merge(common())
}

/// Paths below `/api/3.0/mlflow`.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .merge(common())
        .route("/traces", post(start))
        .route("/traces/get", get(whole))
        .route("/traces/batchGet", get(batch))
        .route("/traces/batchGetInfos", post(batch_infos))
        .route("/traces/search", post(search))
        .route("/traces/calculate-filter-correlation", post(correlate))
        .route("/traces/{trace_id}", get(info))
        .route("/traces/{trace_id}/assessments", post(judge))
        .route("/traces/{trace_id}/assessments/{assessment_id}", get(judgement).patch(rejudge).delete(withdraw))
}

fn common() -> Router<Shared> {
    Router::new()
        .route("/traces/{trace_id}/tags", patch(set_tag).delete(delete_tag))
        .route("/traces/delete-traces", post(delete))
        .route("/traces/link-to-run", post(link_to_run))
        .route("/traces/link-prompts", post(link_prompts))
}

#[derive(Serialize)]
struct Info {
    trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_request_id: Option<String>,
    trace_location: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_preview: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_preview: Option<String>,
    request_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_duration: Option<String>,
    state: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    trace_metadata: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    tags: Map<String, Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    assessments: Vec<Value>,
}

impl From<TraceInfo> for Info {
    fn from(info: TraceInfo) -> Self {
        let experiment = json!({"experiment_id": info.experiment_id.to_string()});
        Self {
            trace_id: info.trace_id,
            client_request_id: info.client_request_id,
            trace_location: json!({"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": experiment}),
            request_preview: info.request_preview,
            response_preview: info.response_preview,
            request_time: instant(info.request_time),
            execution_duration: info.execution_duration.map(duration),
            state: info.state,
            trace_metadata: map(info.metadata),
            tags: map(info.tags),
            assessments: info.assessments,
        }
    }
}

fn map(tags: Vec<StoredTag>) -> Map<String, Value> {
    tags.into_iter().map(|tag| (tag.key, tag.value.into())).collect()
}

fn instant(milliseconds: i64) -> String {
    timestamp_from_micros(milliseconds.saturating_mul(1000)).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn duration(milliseconds: i64) -> String {
    match (milliseconds / 1000, milliseconds % 1000) {
        (seconds, 0) => format!("{seconds}s"),
        (seconds, rest) => format!("{seconds}.{rest:03}s"),
    }
}

#[derive(Serialize)]
struct OneInfo {
    trace: Told,
}

#[derive(Serialize)]
struct Told {
    trace_info: Info,
}

impl OneInfo {
    fn answer(info: TraceInfo) -> Json<Self> {
        Json(Self { trace: Told { trace_info: info.into() } })
    }
}

#[derive(Serialize)]
struct Whole {
    trace_info: Info,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    spans: Vec<Value>,
}

#[derive(Serialize)]
struct One {
    trace: Whole,
}

#[derive(Serialize)]
struct Many {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    traces: Vec<Whole>,
}

#[derive(Serialize)]
struct Infos {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trace_infos: Vec<Info>,
}

#[derive(Serialize)]
struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    traces: Vec<Info>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

#[derive(Serialize)]
struct Deleted {
    traces_deleted: u64,
}

#[derive(Serialize)]
struct Correlated {
    #[serde(serialize_with = "double")]
    npmi: f64,
    #[serde(serialize_with = "double")]
    npmi_smoothed: f64,
    filter1_count: i64,
    filter2_count: i64,
    joint_count: i64,
    total_count: i64,
}

#[derive(Serialize)]
struct Judgement {
    assessment: Value,
}

async fn start(State(tracking): State<Shared>, fields: Fields) -> Answer<OneInfo> {
    let trace = fields.message("trace")?.ok_or_else(|| fields.missing("trace"))?;
    let told = trace.message("trace_info")?.ok_or_else(|| fields.missing("trace.trace_info"))?;
    Ok(OneInfo::answer(tracking.store.start_trace(read_info(&told)?).await?))
}

fn read_info(told: &Fields) -> Result<TraceInfo, WireError> {
    let location = told.message("trace_location")?.unwrap_or_default();
    let experiment = location.message("mlflow_experiment")?.unwrap_or_default();
    let assessments = told.value("assessments").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(TraceInfo {
        trace_id: told.required_text("trace_id")?,
        client_request_id: told.text("client_request_id")?,
        experiment_id: validate::experiment_id(&experiment.required_text("experiment_id")?)?,
        request_preview: told.text("request_preview")?,
        response_preview: told.text("response_preview")?,
        request_time: read_instant(told)?,
        execution_duration: told.text("execution_duration")?.as_deref().map(read_duration).transpose()?,
        state: told.text("state")?.unwrap_or_else(|| "STATE_UNSPECIFIED".to_owned()),
        metadata: read_map(told, "trace_metadata"),
        tags: read_map(told, "tags"),
        assessments,
    })
}

fn read_map(fields: &Fields, name: &str) -> Vec<StoredTag> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs = fields.value(name).and_then(Value::as_object);
    pairs.into_iter().flatten().map(|(key, value)| StoredTag { key: key.clone(), value: text(value) }).collect()
}

fn read_instant(told: &Fields) -> Result<i64, WireError> {
    let text = told.required_text("request_time")?;
    let instant: Result<Timestamp, _> = text.parse();
    instant.map(|instant| instant.timestamp_millis()).map_err(|error| {
        WireError::invalid(format!("Invalid value {text} for parameter 'request_time' supplied: {error}"))
    })
}

/// Seconds with up to nine digits behind the point, and an `s`; as milliseconds.
fn read_duration(text: &str) -> Result<i64, WireError> {
    let wrong = || WireError::invalid(format!("Invalid value {text} for parameter 'execution_duration' supplied"));
    let seconds: f64 = text.strip_suffix('s').and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    if !(0.0..1e12).contains(&seconds) {
        return Err(wrong());
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is within the range, which was looked at")]
    Ok((seconds * 1000.0).round() as i64)
}

async fn info(State(tracking): State<Shared>, Path(trace_id): Path<String>) -> Answer<OneInfo> {
    Ok(OneInfo::answer(tracking.store.trace_info(&trace_id).await?))
}

async fn whole(State(tracking): State<Shared>, fields: Fields) -> Answer<One> {
    let (info, spans) = tracking.store.trace(&fields.required_text("trace_id")?).await?;
    Ok(Json(One { trace: Whole { trace_info: info.into(), spans } }))
}

async fn batch(State(tracking): State<Shared>, fields: Fields) -> Answer<Many> {
    let mut traces = Vec::new();
    for info in tracking.store.trace_infos(&fields.required_texts("trace_ids")?).await? {
        let (info, spans) = tracking.store.trace(&info.trace_id).await?;
        traces.push(Whole { trace_info: info.into(), spans });
    }
    Ok(Json(Many { traces }))
}

async fn batch_infos(State(tracking): State<Shared>, fields: Fields) -> Answer<Infos> {
    let infos = tracking.store.trace_infos(&fields.required_texts("trace_ids")?).await?;
    Ok(Json(Infos { trace_infos: infos.into_iter().map(Info::from).collect() }))
}

async fn search(State(tracking): State<Shared>, fields: Fields) -> Answer<Found> {
    let mut experiment_ids = Vec::new();
    for location in fields.list("locations")? {
        if let Some(experiment) = location.message("mlflow_experiment")? {
            experiment_ids.push(validate::experiment_id(&experiment.required_text("experiment_id")?)?);
        }
    }
    let wanted = TraceSearch {
        experiment_ids,
        filter: fields.text("filter")?.unwrap_or_default(),
        max_results: fields.int("max_results")?,
        order_by: fields.texts("order_by")?,
        page_token: fields.text("page_token")?,
    };
    let Page { rows, next } = tracking.store.search_traces(&wanted).await?;
    Ok(Json(Found { traces: rows.into_iter().map(Info::from).collect(), next_page_token: next }))
}

async fn correlate(State(tracking): State<Shared>, fields: Fields) -> Answer<Correlated> {
    let experiments = fields.experiments("experiment_ids")?;
    let (first, second) = (fields.required_text("filter_string1")?, fields.required_text("filter_string2")?);
    let base = fields.text("base_filter")?.unwrap_or_default();
    let counted = tracking.store.correlate_traces(&experiments, &first, &second, &base).await?;
    Ok(Json(Correlated {
        npmi: counted.information(0.0),
        npmi_smoothed: counted.information(0.5),
        filter1_count: counted.first,
        filter2_count: counted.second,
        joint_count: counted.both,
        total_count: counted.total,
    }))
}

async fn set_tag(State(tracking): State<Shared>, Path(trace_id): Path<String>, fields: Fields) -> Answer<Empty> {
    let tag = StoredTag { key: fields.required_text("key")?, value: fields.text("value")?.unwrap_or_default() };
    tracking.store.set_trace_tag(trace_id, tag).await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(State(tracking): State<Shared>, Path(trace_id): Path<String>, fields: Fields) -> Answer<Empty> {
    tracking.store.delete_trace_tag(trace_id, fields.required_text("key")?).await?;
    Ok(Json(Empty {}))
}

async fn delete(State(tracking): State<Shared>, fields: Fields) -> Answer<Deleted> {
    let experiment = validate::experiment_id(&fields.required_text("experiment_id")?)?;
    let (until, most) = (fields.int("max_timestamp_millis")?, fields.int("max_traces")?);
    let traces_deleted = tracking.store.delete_traces(experiment, until, most, fields.texts("request_ids")?).await?;
    Ok(Json(Deleted { traces_deleted }))
}

async fn link_to_run(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let run_id = fields.required_text("run_id")?;
    tracking.store.link_traces(fields.texts("trace_ids")?, run_id).await?;
    Ok(Json(Empty {}))
}

async fn link_prompts(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let mut prompts = Vec::new();
    for prompt in fields.list("prompt_versions")? {
        prompts.push((prompt.required_text("name")?, prompt.required_text("version")?));
    }
    tracking.store.link_prompts(fields.required_text("trace_id")?, prompts).await?;
    Ok(Json(Empty {}))
}

async fn judge(State(tracking): State<Shared>, Path(trace_id): Path<String>, fields: Fields) -> Answer<Judgement> {
    let assessment = fields.value("assessment").cloned().ok_or_else(|| fields.missing("assessment"))?;
    Ok(Json(Judgement { assessment: tracking.store.create_assessment(trace_id, assessment).await? }))
}

async fn judgement(
    State(tracking): State<Shared>,
    Path((trace_id, assessment_id)): Path<(String, String)>,
) -> Answer<Judgement> {
    Ok(Json(Judgement { assessment: tracking.store.assessment(&trace_id, &assessment_id).await? }))
}

async fn rejudge(
    State(tracking): State<Shared>,
    Path((trace_id, assessment_id)): Path<(String, String)>,
    fields: Fields,
) -> Answer<Judgement> {
    let given = fields.value("assessment").and_then(Value::as_object).ok_or_else(|| fields.missing("assessment"))?;
    // The mask is one text in protobuf's JSON, with the paths in camel case.
    let mask = fields.required_text("update_mask")?;
    let mut change = Map::new();
    for path in mask.split(',').map(|path| snake(path.trim())) {
        if let Some(value) = given.get(&path) {
            change.insert(path, value.clone());
        }
    }
    let changed = tracking.store.update_assessment(trace_id, assessment_id, AssessmentChange(change)).await?;
    Ok(Json(Judgement { assessment: changed }))
}

async fn withdraw(
    State(tracking): State<Shared>,
    Path((trace_id, assessment_id)): Path<(String, String)>,
) -> Answer<Empty> {
    tracking.store.delete_assessment(trace_id, assessment_id).await?;
    Ok(Json(Empty {}))
}

/// `assessmentName` as `assessment_name`.
fn snake(path: &str) -> String {
    let mut snake = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_protobuf() {
        assert_eq!(instant(1_795_225_615_244), "2026-11-21T01:46:55.244Z");
        assert_eq!(duration(31), "0.031s");
        assert_eq!(duration(2000), "2s");
        assert_eq!(read_duration("0.031s").unwrap(), 31);
        assert_eq!(read_duration("1.500000000s").unwrap(), 1500);
        assert!(read_duration("1.5").is_err());
        assert_eq!(snake("assessmentName"), "assessment_name");
    }
}
