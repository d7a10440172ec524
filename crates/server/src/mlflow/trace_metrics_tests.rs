//! Figures and files of traces: the answers of MLflow 3.18's own server to the same requests.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::testing::Client;

const HEX: &str = "a3c78c7414177eaf4f5ebcca47772832";

/// A server with a trace of two spans and three judgements.
async fn client() -> Client {
    let client = Client::new().await;
    let attribute = |key: &str, value: Value| json!({"key": key, "value": value});
    let cost = json!({"kvlistValue": {"values": [{"key": "total_cost", "value": {"doubleValue": 0.3}}]}});
    let text = |text: &str| json!({"stringValue": text});
    let outer = [
        attribute("mlflow.spanType", text("UNKNOWN")),
        attribute("mlflow.llm.cost", cost),
        attribute("mlflow.llm.model", text("gpt")),
    ];
    let span = |id: &str, parent: &str, name: &str, attributes: &[Value]| {
        json!({"traceId": HEX, "spanId": id, "parentSpanId": parent, "name": name, "kind": 1, "attributes": attributes,
               "startTimeUnixNano": "1795309756618000000", "endTimeUnixNano": "1795309756649000000",
               "status": {"code": 1}})
    };
    let spans = [
        span("f0bf65b065601c93", "", "outer", &outer),
        span("06f0f3b4a2ff5880", "f0bf65b065601c93", "inner", &[attribute("mlflow.spanType", text("TOOL"))]),
    ];
    let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]});
    let request = Request::post("/v1/traces").header("content-type", "application/json");
    let request = request.header("x-mlflow-experiment-id", "0").body(Body::from(body.to_string())).unwrap();
    assert_eq!(client.router.clone().oneshot(request).await.unwrap().status(), 200);
    let info = json!({
        "trace_id": format!("tr-{HEX}"), "request_time": "2026-11-22T01:09:16.618Z", "execution_duration": "0.031s",
        "state": "OK", "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}},
        "trace_metadata": {"mlflow.trace.session": "s1", "mlflow.trace.tokenUsage": "{\"total_tokens\": 12}"},
        "tags": {"mlflow.traceName": "outer"},
    });
    let (status, told) = client.post("/api/3.0/mlflow/traces", json!({"trace": {"trace_info": info}})).await;
    assert_eq!(status, 200, "{told}");
    for (name, value) in [("good", json!(true)), ("score", json!(3.5)), ("word", json!("yes"))] {
        let source = json!({"source_type": "HUMAN", "source_id": "x"});
        let judged = json!({"assessment_name": name, "source": source, "feedback": {"value": value}});
        let path = format!("/api/3.0/mlflow/traces/tr-{HEX}/assessments");
        assert_eq!(client.post(&path, json!({"assessment": judged})).await.0, 200);
    }
    client
}

async fn ask(client: &Client, view: &str, metric: &str, aggregation: &str, more: Value) -> (u16, Value) {
    let mut body = json!({"experiment_ids": ["0"], "view_type": view, "metric_name": metric,
                          "aggregations": [{"aggregation_type": aggregation}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.post("/api/3.0/mlflow/traces/metrics", body).await
}

#[tokio::test]
async fn figures_are_those_of_mlflow() {
    let client = client().await;
    let hours = json!({"time_interval_seconds": 3600, "start_time_ms": 0, "end_time_ms": 1_900_000_000_000_i64});
    let by = |names: &[&str]| json!({"dimensions": names});
    let none = json!({});
    for (view, metric, aggregation, more, expected) in [
        (
            "TRACES",
            "trace_count",
            "COUNT",
            by(&["trace_name", "trace_status"]),
            json!([[{"trace_name": "outer", "trace_status": "OK"}, {"COUNT": 1.0}]]),
        ),
        ("TRACES", "total_tokens", "SUM", none.clone(), json!([[null, {"SUM": 12.0}]])),
        ("TRACES", "latency", "AVG", none.clone(), json!([[null, {"AVG": 31.0}]])),
        (
            "TRACES",
            "session_count",
            "COUNT",
            hours,
            json!([[{"time_bucket": "2026-11-22T01:00:00+00:00"}, {"COUNT": 1.0}]]),
        ),
        ("SPANS", "total_cost", "SUM", by(&["span_model_name"]), json!([[{"span_model_name": "gpt"}, {"SUM": 0.3}]])),
        ("SPANS", "latency", "MAX", none.clone(), json!([[null, {"MAX": 31.0}]])),
        (
            "SPANS",
            "span_count",
            "COUNT",
            by(&["span_type", "span_name"]),
            json!([[{"span_type": "TOOL", "span_name": "inner"}, {"COUNT": 1.0}],
                [{"span_type": "UNKNOWN", "span_name": "outer"}, {"COUNT": 1.0}]]),
        ),
        (
            "SPANS",
            "span_count",
            "COUNT",
            json!({"filters": ["span.type = 'TOOL'", "trace.status = 'OK'"]}),
            json!([[null, {"COUNT": 1.0}]]),
        ),
        (
            "ASSESSMENTS",
            "assessment_count",
            "COUNT",
            by(&["assessment_name", "assessment_value"]),
            json!([[{"assessment_name": "good", "assessment_value": "true"}, {"COUNT": 1.0}],
                [{"assessment_name": "score", "assessment_value": "3.5"}, {"COUNT": 1.0}],
                [{"assessment_name": "word", "assessment_value": "\"yes\""}, {"COUNT": 1.0}]]),
        ),
        (
            "ASSESSMENTS",
            "assessment_value",
            "AVG",
            by(&["assessment_name"]),
            json!([[{"assessment_name": "good"}, {"AVG": 1.0}], [{"assessment_name": "score"}, {"AVG": 3.5}],
                [{"assessment_name": "word"}, {"AVG": 1.0}]]),
        ),
        (
            "TRACES",
            "trace_count",
            "COUNT",
            json!({"filters": ["trace.status = 'ERROR'"]}),
            json!([[null, {"COUNT": 0.0}]]),
        ),
        (
            "TRACES",
            "trace_count",
            "COUNT",
            json!({"filters": ["trace.metadata.mlflow.trace.session = 's1'",
                                                              "trace.tag.mlflow.traceName = 'outer'"]}),
            json!([[null, {"COUNT": 1.0}]]),
        ),
    ] {
        let (status, answer) = ask(&client, view, metric, aggregation, more).await;
        assert_eq!(status, 200, "{view} {metric}: {answer}");
        let points = answer["data_points"].as_array().cloned().unwrap_or_default();
        let found: Vec<Value> = points.iter().map(|point| json!([point.get("dimensions"), point["values"]])).collect();
        assert_eq!(Value::Array(found), expected, "{view} {metric}");
    }
    let percentile = json!({"aggregations": [{"aggregation_type": "PERCENTILE", "percentile_value": 50}]});
    let (_, answer) = ask(&client, "TRACES", "total_tokens", "SUM", percentile).await;
    assert_eq!(answer["data_points"][0]["values"], json!({"P50.0": 12.0}));
}

#[tokio::test]
async fn figures_that_there_are_not_are_refused_in_mlflows_words() {
    let client = Client::new().await;
    for (metric, aggregation, more, message) in [
        (
            "x",
            "AVG",
            json!({}),
            "metric_name must be one of ['trace_count', 'session_count', 'latency', 'input_tokens', 'output_tokens', \
          'total_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens'], got 'x'",
        ),
        (
            "trace_count",
            "AVG",
            json!({}),
            "Found invalid aggregation_type(s): ['AVG']. Supported aggregation types: ['COUNT']",
        ),
        (
            "trace_count",
            "COUNT",
            json!({"dimensions": ["z"]}),
            "Found invalid dimension(s): ['z']. Supported dimensions: ['trace_name', 'trace_status']",
        ),
        (
            "trace_count",
            "COUNT",
            json!({"filters": ["span.name = 'x'"]}),
            "Filtering by span is only supported for SPANS view type, got TRACES",
        ),
        (
            "trace_count",
            "COUNT",
            json!({"time_interval_seconds": 5}),
            "start_time_ms and end_time_ms are required if time_interval_seconds is set",
        ),
    ] {
        let (status, answer) = ask(&client, "TRACES", metric, aggregation, more).await;
        assert_eq!((status, &answer["message"]), (400, &json!(message)));
    }
}

#[tokio::test]
async fn the_file_of_a_trace_has_attributes_as_texts_of_json() {
    let client = client().await;
    let path = format!("/ajax-api/3.0/mlflow/get-trace-artifact?request_id=tr-{HEX}");
    let (status, file) = client.get(&path).await;
    assert_eq!(status, 200, "{file}");
    let outer = file["spans"].as_array().unwrap().iter().find(|span| span["name"] == "outer").unwrap();
    assert_eq!(outer["trace_id"], "o8eMdBQXfq9PXrzKR3coMg==");
    assert_eq!(outer["span_id"], "8L9lsGVgHJM=");
    assert_eq!(outer["parent_span_id"], Value::Null);
    assert_eq!(outer["start_time_unix_nano"], 1_795_309_756_618_000_000_i64);
    assert_eq!(outer["status"], json!({"code": "STATUS_CODE_OK", "message": ""}));
    assert_eq!((&outer["events"], &outer["links"]), (&json!([]), &json!([])));
    assert_eq!(outer["attributes"]["mlflow.llm.model"], "\"gpt\"");
    let cost: Value = serde_json::from_str(outer["attributes"]["mlflow.llm.cost"].as_str().unwrap()).unwrap();
    assert_eq!(cost, json!({"total_cost": 0.3}));
    assert_eq!(client.get("/ajax-api/2.0/mlflow/get-trace-artifact").await.0, 400);
    assert_eq!(client.get("/ajax-api/2.0/mlflow/get-trace-artifact?request_id=nope").await.0, 404);
    assert_eq!(client.get(&format!("{path}&path=../x")).await.0, 400);
    assert_eq!(client.get(&format!("{path}&path=x.png")).await.0, 404);
}

#[tokio::test]
async fn pages_find_no_gateway_and_send_no_telemetry() {
    let client = Client::new().await;
    let gateway = "/ajax-api/2.0/mlflow/gateway-proxy";
    assert_eq!(client.get(gateway).await, (200, json!({"endpoints": []})));
    assert_eq!(client.post(gateway, json!({"gateway_path": "x"})).await, (200, json!({"endpoints": []})));
    let telemetry = "/ajax-api/3.0/mlflow/ui-telemetry";
    let disabled = json!({"disable_ui_telemetry": true, "disable_ui_events": [], "ui_rollout_percentage": 0});
    assert_eq!(client.get(telemetry).await, (200, disabled));
    assert_eq!(client.post(telemetry, json!({"records": []})).await, (200, json!({"status": "disabled"})));
}
