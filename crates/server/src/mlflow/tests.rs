//! The checklist of the protocol, by raw requests: numbers are those of `contracts/mlflow.md`, Appendix C.

use serde_json::{Value, json};

use super::testing::Client;

fn message(answer: &Value) -> &str {
    answer["message"].as_str().unwrap_or_default()
}

async fn refused(client: &Client, path: &str, body: Value) -> String {
    let (status, answer) = client.post(path, body).await;
    assert_eq!((status, &answer["error_code"]), (400, &json!("INVALID_PARAMETER_VALUE")), "{answer}");
    message(&answer).to_owned()
}

/// 2: types and missing fields of requests.
#[tokio::test]
async fn fields_of_the_wrong_type_are_told() {
    let client = Client::new().await;
    for (body, begins) in [
        (
            json!({"name": 123}),
            "Invalid value 123 for parameter 'name' supplied:  Hint: Value was of type 'int'. See the API docs",
        ),
        (json!({}), "Missing value for required parameter 'name'. See the API docs"),
        (json!({"name": null}), "Missing value for required parameter 'name'."),
        (json!({"name": ""}), "Missing value for required parameter 'name'."),
        (json!({"name": "x", "tags": "5"}), "Invalid value \"5\" for parameter 'tags' supplied"),
        (
            json!({"name": "x", "artifact_location": 9.0}),
            "Invalid value 9.0 for parameter 'artifact_location' supplied",
        ),
        (json!({"name": "x", "artifact_location": "a", "artifactLocation": "b"}), "Request specifies both"),
        (json!({"name": "x", "artifact_location": "s3://b/x#y"}), "'artifact_location' URL can't include fragments"),
    ] {
        let told = refused(&client, "experiments/create", body).await;
        assert!(told.starts_with(begins), "{told}");
    }
    let (status, answer) =
        client.post("experiments/create", json!({"name": "new", "artifactLocation": "s3://b"})).await;
    assert_eq!((status, answer), (200, json!({"experiment_id": "1"})));
    let (_, answer) = client.get("experiments/get?experiment_id=1").await;
    assert_eq!(answer["experiment"]["artifact_location"], json!("s3://b"));
}

/// 3 and 4: names are taken by deleted experiments; what happened already is missing.
#[tokio::test]
async fn experiments_are_deleted_and_restored_once() {
    let client = Client::new().await;
    client.post("experiments/create", json!({"name": "a"})).await;
    let (status, again) = client.post("experiments/create", json!({"name": "a"})).await;
    assert_eq!((status, &again["error_code"]), (400, &json!("RESOURCE_ALREADY_EXISTS")));
    let id = json!({"experiment_id": "1"});
    assert_eq!(client.post("experiments/delete", id.clone()).await, (200, json!({})));
    let (status, gone) = client.post("experiments/delete", id.clone()).await;
    assert_eq!((status, message(&gone)), (404, "No Experiment with id=1 exists"));
    assert_eq!(client.post("experiments/create", json!({"name": "a"})).await.0, 400);
    let (_, shown) = client.get("experiments/get?experiment_id=1").await;
    assert_eq!(shown["experiment"]["lifecycle_stage"], json!("deleted"));
    let (status, renamed) = client.post("experiments/update", json!({"experiment_id": "1", "new_name": "b"})).await;
    assert_eq!((status, &renamed["error_code"]), (500, &json!("INVALID_STATE")));
    let told = refused(&client, "runs/create", json!({"experiment_id": "1"})).await;
    assert_eq!(told, "The experiment 1 must be in the 'active' state. Current state is deleted.");
    for (view, count) in [("ACTIVE_ONLY", 1), ("DELETED_ONLY", 1), ("ALL", 2), ("2", 1)] {
        let (_, found) = client.post("experiments/search", json!({"max_results": 10, "view_type": view})).await;
        assert_eq!(found["experiments"].as_array().map(Vec::len), Some(count), "{view}");
    }
    assert_eq!(client.post("experiments/restore", id.clone()).await, (200, json!({})));
    assert_eq!(client.post("experiments/restore", id).await.0, 404);
    let (status, unknown) = client.get("experiments/get-by-name?experiment_name=x+y").await;
    assert_eq!((status, message(&unknown)), (404, "Could not find experiment with name 'x y'"));
    let told = client.get("experiments/get?experiment_id=abc").await;
    assert_eq!(
        (told.0, message(&told.1)),
        (400, "Invalid experiment ID 'abc'. Experiment ID must be a valid integer.")
    );
}

/// 9: numbers may be texts, and unknown fields are nothing.
#[tokio::test]
async fn numbers_are_read_as_protobuf_reads_them() {
    let client = Client::new().await;
    let run = client.new_run().await;
    let log = |fields: Value| {
        let mut body = json!({"run_id": run, "key": "m", "value": 1.5, "timestamp": 7});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    for fine in [
        json!({"value": "1.5", "timestamp": "7", "step": "2"}),
        json!({"value": true}),
        json!({"step": -5}),
        json!({"unknown_field": {"a": 1}}),
        json!({"run_id": null, "run_uuid": run}),
        json!({"value": "NaN", "key": "nan"}),
        json!({"value": "-Infinity", "key": "low"}),
    ] {
        let answer = client.post("runs/log-metric", log(fine.clone())).await;
        assert_eq!(answer, (200, json!({})), "{fine}");
    }
    for (wrong, begins) in [
        (json!({"timestamp": -1}), "Invalid value -1 for parameter 'timestamp' supplied: metric 'm' (value=1.5)."),
        (json!({"key": null}), "Missing value for required parameter 'key'."),
        (json!({"step": "foo"}), "Invalid value \"foo\" for parameter 'step' supplied"),
        (json!({"run_id": 31}), "Invalid value 31 for parameter 'run_id' supplied"),
        (
            json!({"key": "bad#name"}),
            "Invalid value \"bad#name\" for parameter 'name' supplied: Names may only contain",
        ),
    ] {
        let told = refused(&client, "runs/log-metric", log(wrong)).await;
        assert!(told.starts_with(begins), "{told}");
    }
    let (_, shown) = client.get(&format!("runs/get?run_id={run}")).await;
    let value = |key: &str| {
        let metrics = shown["run"]["data"]["metrics"].as_array().unwrap();
        metrics.iter().find(|metric| metric["key"] == key).unwrap()["value"].clone()
    };
    assert_eq!((value("nan"), value("low")), (json!("NaN"), json!(f64::MIN)));
}

/// 10 and 11: histories.
#[tokio::test]
async fn histories_are_paged() {
    let client = Client::new().await;
    let run = client.new_run().await;
    for step in [0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8, 9] {
        let body = json!({"run_id": run, "key": "m", "value": 0.5, "timestamp": 7, "step": step});
        client.post("runs/log-metric", body).await;
    }
    let (mut lengths, mut token) = (Vec::new(), String::new());
    loop {
        let path = format!("metrics/get-history?run_uuid={run}&metric_key=m&max_results=4{token}");
        let (_, page) = client.get(&path).await;
        lengths.push(page["metrics"].as_array().unwrap().len());
        match page["next_page_token"].as_str() {
            Some(next) => token = format!("&page_token={next}"),
            None => break,
        }
    }
    assert_eq!(lengths, [4, 4, 2]);
    let history = |query: &str| format!("metrics/get-history?run_id={run}&{query}");
    assert_eq!(client.get(&history("metric_key=other")).await, (200, json!({})));
    assert_eq!(client.get(&history("metric_key=m&page_token=invalid_token")).await.0, 400);
    assert_eq!(client.get(&history("metric_key=m&max_results=0")).await.0, 400);
    let (_, sampled) =
        client.get(&format!("metrics/get-history-bulk-interval?run_ids={run}&metric_key=m&max_results=5")).await;
    let steps: Vec<_> = sampled["metrics"].as_array().unwrap().iter().map(|point| point["step"].clone()).collect();
    assert_eq!(steps, [0, 2, 4, 6, 9]);
    assert_eq!(sampled["metrics"][0]["run_id"], json!(run));
    let one = client.get(&format!("metrics/get-history-bulk-interval?run_ids={run}&metric_key=m&start_step=1")).await;
    assert_eq!(message(&one.1), "If either start step or end step are specified, both must be specified.");
    let bulk =
        format!("/ajax-api/2.0/mlflow/metrics/get-history-bulk?run_id={run}&run_id=x&metric_key=m&max_results=3");
    assert_eq!(client.get(&bulk).await.1["metrics"].as_array().unwrap().len(), 3);
    // Only browsers ask it.
    assert_eq!(client.get(&bulk.replace("ajax-api", "api")).await.0, 404);
}

/// 12: the sizes of batches.
#[tokio::test]
async fn batches_have_limits() {
    let client = Client::new().await;
    let run = client.new_run().await;
    let metrics = |count: usize| -> Vec<Value> {
        (0..count).map(|step| json!({"key": "m", "value": 1.0, "timestamp": 1, "step": step})).collect()
    };
    let params = |count: usize| -> Vec<Value> {
        (0..count).map(|number| json!({"key": format!("p{number}"), "value": "v"})).collect()
    };
    let fine = json!({"run_id": run, "metrics": metrics(900), "params": params(100)});
    assert_eq!(client.post("runs/log-batch", fine).await, (200, json!({})));
    assert_eq!(client.post("runs/log-batch", json!({"run_id": run})).await, (200, json!({})));
    for (body, begins) in [
        (
            json!({"run_id": run, "metrics": metrics(1001)}),
            "A batch logging request can contain at most 1000 metrics. Got 1001 metrics. Please split up metrics across multiple \
             requests and try again.",
        ),
        (json!({"run_id": run, "params": params(101)}), "A batch logging request can contain at most 100 params."),
        (
            json!({"run_id": run, "metrics": metrics(901), "params": params(100)}),
            "A batch logging request can contain at most 1000 metrics, params, and tags. Got 1001",
        ),
        (
            json!({"run_id": run, "metrics": [{"key": "m", "value": 1}]}),
            "Missing value for required parameter 'metrics[0].timestamp'.",
        ),
        (json!({"run_id": run, "metrics": "foo"}), "Invalid value \"foo\" for parameter 'metrics' supplied"),
        (
            json!({"run_id": run, "tags": [{"key": "t", "value": "x".repeat(1_000_000)}]}),
            "Batched logging API requests must be at most 1000000 bytes, got a request of size 10000",
        ),
        (json!({"run_id": run, "tags": [{"key": "x".repeat(251)}]}), "'tags[0].key' exceeds the maximum length of 250"),
    ] {
        let told = refused(&client, "runs/log-batch", body).await;
        assert!(told.starts_with(begins), "{told}");
    }
}

/// 16 and 17, as far as answers go: what is found is tested beside the store.
#[tokio::test]
async fn searches_answer_pages() {
    let client = Client::new().await;
    let runs = [client.new_run().await, client.new_run().await, client.new_run().await];
    let search = |fields: Value| {
        let mut body = json!({"experiment_ids": ["0"]});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let (_, page) = client.post("runs/search", search(json!({"max_results": 2}))).await;
    assert_eq!(page["runs"].as_array().unwrap().len(), 2);
    let token = page["next_page_token"].as_str().unwrap();
    let (_, last) = client.post("runs/search", search(json!({"max_results": 2, "page_token": token}))).await;
    assert_eq!((last["runs"].as_array().unwrap().len(), &last["next_page_token"]), (1, &Value::Null));
    assert_eq!(last["runs"][0]["inputs"], json!({}));
    assert_eq!(client.post("runs/search", json!({"filter": "metrics.a > 1"})).await, (200, json!({})));
    assert_eq!(client.post("runs/search", search(json!({"filter": "metrics.a > 1"}))).await, (200, json!({})));
    let either = format!("run_id = '{}' OR run_id = '{}'", runs[0], runs[1]);
    let told = refused(&client, "runs/search", search(json!({"filter": either}))).await;
    assert_eq!(told, "Invalid clause(s) in filter string: 'OR'");
    let (_, found) = client.post("runs/search", search(json!({"filter": either, "extended_filter": true}))).await;
    assert_eq!(found["runs"].as_array().unwrap().len(), 2);
    for (wrong, begins) in [
        (
            json!({"max_results": 0}),
            "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer",
        ),
        (json!({"max_results": 123_456_789}), "Invalid value 123456789 for parameter 'max_results' supplied"),
        (json!({"page_token": "x"}), "Invalid page token, could not base64-decode"),
        (json!({"order_by": ["metrics.a metrics.b"]}), "Invalid ordering key in order_by clause"),
        (json!({"filter": 5}), "Invalid value 5 for parameter 'filter' supplied"),
    ] {
        let told = refused(&client, "runs/search", search(wrong)).await;
        assert!(told.starts_with(begins), "{told}");
    }
}

/// 21: datasets that runs read, at the path that is declared and the one that is meant.
#[tokio::test]
async fn inputs_are_shown_and_summed_up() {
    let client = Client::new().await;
    let run = client.new_run().await;
    let dataset = json!({"name": "d", "digest": "1", "source_type": "s3", "source": "{}"});
    let input = json!({"tags": [{"key": "mlflow.data.context", "value": "training"}], "dataset": dataset});
    let body = json!({"run_id": run, "datasets": [input]});
    for _ in 0..2 {
        assert_eq!(client.post("runs/log-inputs", body.clone()).await, (200, json!({})));
    }
    let outputs = json!({"run_id": run, "models": [{"model_id": "m-1", "step": 0}]});
    assert_eq!(client.post("runs/outputs", outputs).await, (200, json!({})));
    let (_, shown) = client.get(&format!("runs/get?run_id={run}")).await;
    assert_eq!(shown["run"]["inputs"], json!({"dataset_inputs": [input]}));
    assert_eq!(shown["run"]["outputs"], json!({"model_outputs": [{"model_id": "m-1", "step": 0}]}));
    let summary =
        json!({"dataset_summaries": [{"experiment_id": "0", "name": "d", "digest": "1", "context": "training"}]});
    for path in ["experiments/search-datasets", "/api/2.0mlflow/experiments/search-datasets"] {
        let found = client.post(path, json!({"experiment_ids": ["0"]})).await;
        assert_eq!(found, (200, summary.clone()), "{path}");
    }
    let many = vec!["0"; 21];
    let told = refused(&client, "experiments/search-datasets", json!({"experiment_ids": many})).await;
    assert!(told.starts_with("SearchDatasets request cannot specify more than 20 experiment_ids."), "{told}");
}

#[tokio::test]
async fn runs_are_shown_as_clients_know_them() {
    let client = Client::new().await;
    let body = json!({
        "experiment_id": "0", "user_id": "ada", "run_name": "r1", "start_time": 5,
        "tags": [{"key": "mlflow.user", "value": "ada"}],
    });
    let (status, answer) = client.post("runs/create", body).await;
    assert_eq!(status, 200, "{answer}");
    let run_id = answer["run"]["info"]["run_id"].as_str().unwrap();
    let expected = json!({"run": {
        "info": {
            "run_uuid": run_id, "experiment_id": "0", "run_name": "r1", "user_id": "ada", "status": "RUNNING", "start_time": 5,
            "artifact_uri": format!("mlflow-artifacts:/0/{run_id}/artifacts"), "lifecycle_stage": "active", "run_id": run_id,
        },
        "data": {"tags": [{"key": "mlflow.user", "value": "ada"}, {"key": "mlflow.runName", "value": "r1"}]},
        "inputs": {},
    }});
    assert_eq!(answer, expected);
    let update = json!({"run_id": run_id, "run_uuid": run_id, "status": "FINISHED", "end_time": 9});
    let (_, updated) = client.post("runs/update", update).await;
    assert_eq!((&updated["run_info"]["status"], &updated["run_info"]["end_time"]), (&json!("FINISHED"), &json!(9)));
    let told = refused(&client, "runs/update", json!({"run_id": run_id, "status": "DONE"})).await;
    assert!(told.starts_with("Invalid value \"DONE\" for parameter 'status' supplied"), "{told}");
    let (status, missing) = client.post("runs/delete-tag", json!({"run_id": run_id, "key": "fakeTag"})).await;
    assert_eq!(
        (status, message(&missing)),
        (404, format!("No tag with name: fakeTag in run with id {run_id}").as_str())
    );
    let told = refused(&client, "runs/log-model", json!({"run_id": run_id, "model_json": "{\"flavors\": {}}"})).await;
    assert_eq!(told, "Model json is missing mandatory fields: {'artifact_path', 'run_id', 'utc_time_created'}");
    let model = json!({"artifact_path": "m", "flavors": {}, "run_id": run_id, "utc_time_created": "now"});
    let body = json!({"run_id": run_id, "model_json": model.to_string()});
    assert_eq!(client.post("runs/log-model", body).await, (200, json!({})));
    let (_, shown) = client.get(&format!("/ajax-api/2.0/mlflow/runs/get?run_uuid={run_id}")).await;
    let kept = json!([model]).to_string();
    assert_eq!(shown["run"]["data"]["tags"][0], json!({"key": "mlflow.log-model.history", "value": kept}));
    assert_eq!(shown["run"]["outputs"], json!({}));
}

#[tokio::test]
async fn paths_and_bodies_are_taken_as_they_come() {
    let client = Client::new().await;
    assert_eq!(client.get("//api//2.0/mlflow/experiments/get?experiment_id=0").await.0, 200);
    assert_eq!(client.get("/api/2.0/mlflow/nothing").await.0, 404);
    assert_eq!(client.get("/api/3.0/mlflow/nothing").await.0, 404);
    assert_eq!(client.patch("runs/create", json!({})).await.0, 405);
    assert_eq!(client.get("/api/3.0/mlflow/server-info").await.1["store_type"], json!("SqlStore"));
    // Old clients send JSON within JSON.
    let double = json!(json!({"name": "double"}).to_string());
    assert_eq!(client.post("experiments/create", double).await.0, 200);
    let told = refused(&client, "experiments/create", json!(["no object"])).await;
    assert!(told.starts_with("Missing value for required parameter 'name'."));
    assert_eq!(client.delete("runs/create", json!({})).await.0, 405);
    let mut prefixed = Client::new().await;
    prefixed.router = crate::mlflow::with_prefix(prefixed.router.clone(), "/team/");
    for path in ["/team/api/2.0/mlflow/experiments/get?experiment_id=0", "experiments/get?experiment_id=0"] {
        assert_eq!(prefixed.get(path).await.0, 200, "{path}");
    }
    assert_eq!(prefixed.get("/teams/api/2.0/mlflow/experiments/get?experiment_id=0").await.0, 404);
}
