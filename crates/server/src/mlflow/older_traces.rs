//! Traces as clients before MLflow 3 tell of them: begun and ended by two requests, with lists for metadata and tags.

use axum::extract::{Path, State};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use baton_tracking::trace::{TraceInfo, TraceSearch};
use baton_tracking::{Page, validate};
use serde::Serialize;

use super::error::Answer;
use super::fields::Fields;
use super::state::Shared;
use super::wire::{Tag, tags};

/// The states of a trace, in the order of their numbers in the protocol, which begin at 1.
const STATES: [&str; 3] = ["OK", "ERROR", "IN_PROGRESS"];

/// Paths below `/api/2.0/mlflow`.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/traces", post(start).get(search))
        .route("/traces/{trace_id}", patch(end))
        .route("/traces/{trace_id}/info", get(info))
}

#[derive(Serialize)]
struct Info {
    request_id: String,
    experiment_id: String,
    timestamp_ms: i64,
    execution_time_ms: i64,
    status: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    request_metadata: Vec<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

impl From<TraceInfo> for Info {
    fn from(info: TraceInfo) -> Self {
        let status = if info.state == "STATE_UNSPECIFIED" { "TRACE_STATUS_UNSPECIFIED".to_owned() } else { info.state };
        Self {
            request_id: info.trace_id,
            experiment_id: info.experiment_id.to_string(),
            timestamp_ms: info.request_time,
            execution_time_ms: info.execution_duration.unwrap_or_default(),
            status,
            request_metadata: tags(info.metadata),
            tags: tags(info.tags),
        }
    }
}

#[derive(Serialize)]
struct One {
    trace_info: Info,
}

#[derive(Serialize)]
struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    traces: Vec<Info>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

fn one(info: TraceInfo) -> Json<One> {
    Json(One { trace_info: info.into() })
}

async fn start(State(tracking): State<Shared>, fields: Fields) -> Answer<One> {
    let told = TraceInfo {
        trace_id: format!("tr-{}", uuid::Uuid::new_v4().simple()),
        experiment_id: validate::experiment_id(&fields.required_text("experiment_id")?)?,
        request_time: fields.int("timestamp_ms")?.unwrap_or_default(),
        state: "IN_PROGRESS".to_owned(),
        metadata: fields.tags("request_metadata")?,
        tags: fields.tags("tags")?,
        ..TraceInfo::default()
    };
    Ok(one(tracking.store.start_trace(told).await?))
}

/// What is said at the end is added to what was said at the beginning.
async fn end(State(tracking): State<Shared>, Path(trace_id): Path<String>, fields: Fields) -> Answer<One> {
    let known = tracking.store.trace_info(&trace_id).await?;
    let ended = fields.int("timestamp_ms")?.unwrap_or_default();
    let told = TraceInfo {
        execution_duration: Some(ended.saturating_sub(known.request_time)),
        state: fields.choice("status", &STATES)?.unwrap_or("STATE_UNSPECIFIED").to_owned(),
        metadata: fields.tags("request_metadata")?,
        tags: fields.tags("tags")?,
        assessments: Vec::new(),
        ..known
    };
    Ok(one(tracking.store.start_trace(told).await?))
}

async fn info(State(tracking): State<Shared>, Path(trace_id): Path<String>) -> Answer<One> {
    Ok(one(tracking.store.trace_info(&trace_id).await?))
}

async fn search(State(tracking): State<Shared>, fields: Fields) -> Answer<Found> {
    let wanted = TraceSearch {
        experiment_ids: fields.experiments("experiment_ids")?,
        filter: fields.text("filter")?.unwrap_or_default(),
        max_results: fields.int("max_results")?,
        order_by: fields.texts("order_by")?,
        page_token: fields.text("page_token")?,
    };
    let Page { rows, next } = tracking.store.search_traces(&wanted).await?;
    Ok(Json(Found { traces: rows.into_iter().map(Info::from).collect(), next_page_token: next }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::mlflow::testing::Client;

    async fn begun(client: &Client, name: &str) -> String {
        let tags = json!([{"key": "mlflow.traceName", "value": name}]);
        let body = json!({"experiment_id": "0", "timestamp_ms": 5, "tags": tags});
        let (status, answer) = client.post("traces", body).await;
        assert_eq!((status, &answer["trace_info"]["status"]), (200, &json!("IN_PROGRESS")), "{answer}");
        answer["trace_info"]["request_id"].as_str().unwrap().to_owned()
    }

    async fn found(client: &Client, filter: &str) -> Vec<Value> {
        let query = format!("traces?experiment_ids=0&filter={}", filter.replace(' ', "%20"));
        let (status, answer) = client.get(&query).await;
        assert_eq!(status, 200, "{answer}");
        let traces = answer["traces"].as_array().cloned().unwrap_or_default();
        traces.iter().map(|trace| trace["request_id"].clone()).collect()
    }

    #[tokio::test]
    async fn a_trace_of_an_old_client_begins_and_ends() {
        let client = Client::new().await;
        let (trace, run) = (begun(&client, "f").await, client.new_run().await);
        let body = json!({"timestamp_ms": 12, "status": "OK", "request_metadata": [{"key": "k", "value": "v"}]});
        let (status, ended) = client.patch(&format!("traces/{trace}"), body).await;
        assert_eq!((status, &ended["trace_info"]["execution_time_ms"]), (200, &json!(7)), "{ended}");
        let (_, shown) = client.get(&format!("traces/{trace}/info")).await;
        assert_eq!(shown, ended);
        assert_eq!(shown["trace_info"]["request_metadata"], json!([{"key": "k", "value": "v"}]));
        // Today's clients link here, too.
        let link = json!({"trace_ids": [trace], "run_id": run});
        assert_eq!(client.post("traces/link-to-run", link).await, (200, json!({})));
        assert_eq!(found(&client, &format!("run_id = '{run}'")).await, [json!(trace)]);
        let prompts = json!({"trace_id": trace, "prompt_versions": [{"name": "p", "version": "1"}]});
        assert_eq!(client.post("traces/link-prompts", prompts).await, (200, json!({})));
        assert_eq!(found(&client, "prompt = 'p/1'").await, [json!(trace)]);
        assert_eq!(client.get("traces").await.0, 400);
    }

    #[tokio::test]
    async fn regular_expressions_find_what_they_match() {
        let client = Client::new().await;
        let (one, other) = (begun(&client, "answer").await, begun(&client, "ask 2").await);
        for (filter, expected) in [
            ("name RLIKE '^an'", vec![&one]),
            ("name RLIKE '[0-9]$'", vec![&other]),
            ("tags.mlflow.traceName RLIKE 'ANSWER'", vec![]),
            ("tags.none RLIKE '.'", vec![]),
            ("status RLIKE 'OK|ERROR'", vec![]),
            ("request_id RLIKE '^tr-' AND name RLIKE 'w'", vec![&one]),
        ] {
            assert_eq!(found(&client, filter).await, expected.into_iter().map(|id| json!(id)).collect::<Vec<_>>());
        }
        let (status, told) = client.get("traces?experiment_ids=0&filter=name%20RLIKE%20'('").await;
        assert_eq!(status, 400);
        assert!(told["message"].as_str().unwrap().starts_with("Invalid regular expression '('"), "{told}");
    }

    #[tokio::test]
    async fn conditions_are_correlated() {
        let client = Client::new().await;
        for name in ["a", "a", "b", "c"] {
            begun(&client, name).await;
        }
        let body = json!({"experiment_ids": ["0"], "filter_string1": "name = 'a'", "filter_string2": "name != 'c'"});
        let (status, told) = client.post("/api/3.0/mlflow/traces/calculate-filter-correlation", body).await;
        assert_eq!(status, 200, "{told}");
        let counts = ["filter1_count", "filter2_count", "joint_count", "total_count"].map(|name| told[name].as_i64());
        assert_eq!(counts, [Some(2), Some(3), Some(2), Some(4)]);
        // ln(2 * 4 / (2 * 3)) / ln(4 / 2)
        assert!((told["npmi"].as_f64().unwrap() - 0.415_037_499).abs() < 1e-9, "{told}");
        let never = json!({"experiment_ids": ["0"], "filter_string1": "name = 'x'", "filter_string2": "name = 'a'"});
        let (_, told) = client.post("/api/3.0/mlflow/traces/calculate-filter-correlation", never).await;
        assert_eq!(told["npmi"], json!("NaN"));
    }
}
