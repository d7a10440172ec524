//! Traces and spans over HTTP.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::mlflow::testing::Client;

const TRACE: &str = "tr-000102030405060708090a0b0c0d0e0f";

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Any::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn span(id: u8, parent: Option<u8>, name: &str) -> Span {
    Span {
        trace_id: (0..16).collect(),
        span_id: vec![id; 8],
        parent_span_id: parent.map(|id| vec![id; 8]).unwrap_or_default(),
        name: name.to_owned(),
        start_time_unix_nano: 1_700_000_000_000_000_000 + u64::from(id),
        end_time_unix_nano: 1_700_000_000_250_000_000,
        attributes: vec![
            attribute("mlflow.spanType", "TOOL"),
            attribute("mlflow.spanInputs", "{\"x\": 1}"),
            attribute("a.b", "ü"),
        ],
        status: Some(Status { code: 1, message: String::new() }),
        ..Span::default()
    }
}

fn request(spans: Vec<Span>) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

async fn export(client: &Client, headers: &[(&str, &str)], body: Vec<u8>) -> (u16, Vec<u8>) {
    let mut request = Request::builder().method("POST").uri("/v1/traces");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    (response.status().as_u16(), to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec())
}

const PROTOBUF: [(&str, &str); 2] = [("content-type", "application/x-protobuf"), ("x-mlflow-experiment-id", "0")];

async fn found(client: &Client, filter: &str) -> usize {
    let location = json!({"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}});
    let body = json!({"locations": [location], "filter": filter});
    let (status, answer) = client.post("/api/3.0/mlflow/traces/search", body).await;
    assert_eq!(status, 200, "{filter}: {answer}");
    answer["traces"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn spans_alone_make_a_trace() {
    let client = Client::new().await;
    assert_eq!(export(&client, &PROTOBUF, request(vec![span(2, Some(1), "child")])).await, (200, Vec::new()));
    let (_, answer) = client.get(&format!("/api/3.0/mlflow/traces/{TRACE}")).await;
    assert_eq!(answer["trace"]["trace_info"]["state"], "IN_PROGRESS");
    export(&client, &PROTOBUF, request(vec![span(1, None, "root")])).await;
    let (status, answer) = client.get(&format!("/api/3.0/mlflow/traces/get?trace_id={TRACE}&allow_partial=True")).await;
    assert_eq!(status, 200);
    let info = &answer["trace"]["trace_info"];
    assert_eq!(info["state"], "OK");
    assert_eq!(info["request_time"], "2023-11-14T22:13:20.000Z");
    assert_eq!(info["execution_duration"], "0.250s");
    assert_eq!(info["request_preview"], "{\"x\": 1}");
    assert_eq!(info["tags"]["mlflow.traceName"], "root");
    assert_eq!(info["tags"]["mlflow.trace.spansLocation"], "TRACKING_STORE");
    let spans = answer["trace"]["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 2);
    let expected = json!({
        "trace_id": "AAECAwQFBgcICQoLDA0ODw==", "span_id": "AQEBAQEBAQE=", "name": "root",
        "start_time_unix_nano": 1_700_000_000_000_000_001_i64, "end_time_unix_nano": 1_700_000_000_250_000_000_i64,
        "attributes": [
            {"key": "mlflow.spanType", "value": {"string_value": "TOOL"}},
            {"key": "mlflow.spanInputs", "value": {"string_value": "{\"x\": 1}"}},
            {"key": "a.b", "value": {"string_value": "ü"}},
        ],
        "status": {"code": "STATUS_CODE_OK"},
    });
    assert_eq!(spans[0], expected);
    let (_, batch) = client.get(&format!("/api/3.0/mlflow/traces/batchGet?trace_ids={TRACE}&trace_ids=tr-none")).await;
    assert_eq!(batch["traces"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn otlps_own_json_is_the_same_spans() {
    let client = Client::new().await;
    let span = json!({
        "traceId": "000102030405060708090a0b0c0d0e0f", "spanId": "0101010101010101", "name": "root", "kind": 2,
        "startTimeUnixNano": "1700000000000000001", "endTimeUnixNano": 1_700_000_000_250_000_000_i64, "unknown": 1,
        "attributes": [
            {"key": "n", "value": {"intValue": "7"}}, {"key": "d", "value": {"doubleValue": 0.5}},
            {"key": "l", "value": {"arrayValue": {"values": [{"boolValue": true}]}}},
        ],
    });
    let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]});
    let headers = [("content-type", "application/json; charset=utf-8"), ("x-mlflow-experiment-id", "0")];
    assert_eq!(export(&client, &headers, body.to_string().into_bytes()).await, (200, b"{}".to_vec()));
    let (_, answer) = client.get(&format!("/api/3.0/mlflow/traces/get?trace_id={TRACE}")).await;
    let span = &answer["trace"]["spans"][0];
    assert_eq!(span["kind"], "SPAN_KIND_SERVER");
    assert_eq!(span["attributes"][0]["value"], json!({"int_value": 7}));
    assert_eq!(span["attributes"][2]["value"], json!({"array_value": {"values": [{"bool_value": true}]}}));
}

#[tokio::test]
async fn what_is_not_otlp_is_refused() {
    let client = Client::new().await;
    let told = async |headers: &[(&str, &str)], body: &[u8]| export(&client, headers, body.to_vec()).await.0;
    assert_eq!(told(&[("content-type", "application/x-protobuf")], b"").await, 422);
    assert_eq!(told(&[("content-type", "text/plain"), ("x-mlflow-experiment-id", "0")], b"").await, 400);
    assert_eq!(told(&PROTOBUF, b"\xff\xff").await, 400);
    assert_eq!(told(&PROTOBUF, b"").await, 400);
    let elsewhere = [PROTOBUF[0], ("x-mlflow-experiment-id", "77")];
    assert_eq!(told(&elsewhere, &request(vec![span(1, None, "r")])).await, 404);
    // All or none: the second span has no id.
    let broken = Span { span_id: Vec::new(), ..span(2, None, "r") };
    assert_eq!(told(&PROTOBUF, &request(vec![span(1, None, "r"), broken])).await, 422);
    assert_eq!(found(&client, "").await, 0);
}

#[tokio::test]
async fn a_trace_that_is_told_is_what_is_told() {
    let client = Client::new().await;
    let info = json!({
        "trace_id": TRACE, "request_time": "2026-11-21T01:46:55.244Z", "execution_duration": "0.031s", "state": "OK",
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}},
        "trace_metadata": {"mlflow.trace_schema.version": "3", "mlflow.sourceRun": "r1"}, "tags": {"mlflow.traceName": "f"},
        "request_preview": "{\"x\": 1}", "response_preview": "2",
    });
    export(&client, &PROTOBUF, request(vec![span(1, None, "root")])).await;
    for _ in 0..2 {
        let (status, answer) = client.post("/api/3.0/mlflow/traces", json!({"trace": {"trace_info": info}})).await;
        assert_eq!(status, 200, "{answer}");
        let told = &answer["trace"]["trace_info"];
        assert_eq!(
            (told["request_time"].as_str(), told["execution_duration"].as_str()),
            (Some("2026-11-21T01:46:55.244Z"), Some("0.031s"))
        );
        assert_eq!(told["tags"]["mlflow.artifactLocation"], format!("mlflow-artifacts:/0/traces/{TRACE}/artifacts"));
    }
    // Spans that come later change nothing of what was told.
    export(&client, &PROTOBUF, request(vec![span(3, Some(1), "late")])).await;
    let (_, answer) = client.get(&format!("/api/3.0/mlflow/traces/{TRACE}")).await;
    assert_eq!(answer["trace"]["trace_info"]["execution_duration"], "0.031s");
    for (filter, count) in [
        ("attributes.status = 'OK'", 1),
        ("trace.name = 'f'", 1),
        ("name LIKE 'g%'", 0),
        ("run_id = 'r1'", 1),
        ("metadata.`mlflow.sourceRun` = 'r2'", 0),
        ("tags.`mlflow.traceName` IS NOT NULL", 1),
        ("tags.x IS NULL", 1),
        ("timestamp_ms > 1700000000000 AND execution_time_ms <= 31", 1),
        ("span.name = 'late' AND span.type = 'TOOL'", 1),
        ("span.attributes.a.b LIKE '%ü%'", 1),
        ("trace.text LIKE '%late%'", 1),
        ("trace.text LIKE '%nothing%'", 0),
    ] {
        assert_eq!(found(&client, filter).await, count, "{filter}");
    }
}

#[tokio::test]
async fn tags_and_judgements_come_and_go() {
    let client = Client::new().await;
    export(&client, &PROTOBUF, request(vec![span(1, None, "root")])).await;
    let tags = format!("traces/{TRACE}/tags");
    assert_eq!(client.patch(&tags, json!({"key": "k", "value": "v"})).await, (200, json!({})));
    assert_eq!(found(&client, "tags.k = 'v'").await, 1);
    assert_eq!(client.delete(&tags, json!({"key": "k"})).await.0, 200);
    assert_eq!(client.delete(&tags, json!({"key": "k"})).await.0, 404);

    let base = format!("/api/3.0/mlflow/traces/{TRACE}/assessments");
    let feedback = json!({
        "assessment_name": "good", "feedback": {"value": true}, "source": {"source_type": "HUMAN", "source_id": "me"},
    });
    let (status, answer) = client.post(&base, json!({"assessment": feedback})).await;
    assert_eq!(status, 200, "{answer}");
    let id = answer["assessment"]["assessment_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("a-") && answer["assessment"]["valid"] == true);
    assert_eq!(found(&client, "feedback.good = 'true'").await, 1);
    let change =
        json!({"assessment": {"feedback": {"value": 3}, "rationale": "r"}, "update_mask": "feedback,rationale"});
    let (_, answer) = client.patch(&format!("{base}/{id}"), change).await;
    assert_eq!(
        (&answer["assessment"]["feedback"]["value"], &answer["assessment"]["rationale"]),
        (&json!(3), &json!("r"))
    );
    assert_eq!(found(&client, "feedback.good > 2").await, 1);
    let wrong = json!({"assessment": {"expectation": {"value": 3}}, "update_mask": "expectation"});
    assert_eq!(client.patch(&format!("{base}/{id}"), wrong).await.0, 400);

    let better = json!({"assessment_name": "good", "feedback": {"value": 1}, "overrides": id});
    let (_, answer) = client.post(&base, json!({"assessment": better})).await;
    let second = answer["assessment"]["assessment_id"].as_str().unwrap();
    let valid = async || client.get(&format!("{base}/{id}")).await.1["assessment"]["valid"].clone();
    assert_eq!(valid().await, false);
    for _ in 0..2 {
        assert_eq!(client.delete(&format!("{base}/{second}"), json!({})).await, (200, json!({})));
    }
    assert_eq!(valid().await, true);
    assert_eq!(client.get(&format!("{base}/a-none")).await.0, 404);
    let (_, answer) = client.get(&format!("/api/3.0/mlflow/traces/{TRACE}")).await;
    assert_eq!(answer["trace"]["trace_info"]["assessments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn traces_are_linked_and_deleted() {
    let client = Client::new().await;
    export(&client, &PROTOBUF, request(vec![span(1, None, "root")])).await;
    let link = json!({"trace_ids": [TRACE, "tr-none"], "run_id": "r9"});
    assert_eq!(client.post("/api/3.0/mlflow/traces/link-to-run", link).await, (200, json!({})));
    assert_eq!(found(&client, "run_id = 'r9'").await, 1);
    let link = json!({"trace_id": TRACE, "prompt_versions": [{"name": "p", "version": "2"}]});
    assert_eq!(client.post("/api/3.0/mlflow/traces/link-prompts", link).await.0, 200);
    assert_eq!((found(&client, "prompt = 'p/2'").await, found(&client, "prompt = 'p/1'").await), (1, 0));
    let delete = async |body: Value| client.post("traces/delete-traces", body).await;
    assert_eq!(delete(json!({"experiment_id": "0"})).await.0, 400);
    let none = json!({"experiment_id": "0", "max_timestamp_millis": 5});
    assert_eq!(delete(none).await, (200, json!({"traces_deleted": 0})));
    let body = json!({"experiment_id": "0", "request_ids": [TRACE]});
    assert_eq!(delete(body).await, (200, json!({"traces_deleted": 1})));
    assert_eq!(client.get(&format!("/api/3.0/mlflow/traces/{TRACE}")).await.0, 404);
}
