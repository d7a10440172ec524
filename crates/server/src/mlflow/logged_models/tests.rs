//! Logged models over HTTP.

use expect_test::expect;
use serde_json::{Value, json};

use crate::mlflow::testing::Client;

async fn create(client: &Client, body: Value) -> Value {
    let (status, answer) = client.post("logged-models", body).await;
    assert_eq!(status, 200, "{answer}");
    answer["model"].clone()
}

async fn found(client: &Client, body: Value) -> Vec<String> {
    let (status, answer) = client.post("logged-models/search", body).await;
    assert_eq!(status, 200, "{answer}");
    let models = answer["models"].as_array().cloned().unwrap_or_default();
    models.iter().map(|model| model["info"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_model_is_pending_then_ready_or_failed_then_gone() {
    let client = Client::new().await;
    let body = json!({
        "experiment_id": "0", "name": "clf", "source_run_id": "123", "params": [{"key": "C", "value": "1.0"}],
        "tags": [{"key": "t", "value": "u"}],
    });
    let model = create(&client, body).await;
    let id = model["info"]["model_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("m-") && id.len() == 34, "{id}");
    let shown = serde_json::to_string_pretty(&model).unwrap().replace(&id, "m-ID");
    expect![[r#"
        {
          "info": {
            "model_id": "m-ID",
            "experiment_id": "0",
            "name": "clf",
            "creation_timestamp_ms": 1000000,
            "last_updated_timestamp_ms": 1000000,
            "artifact_uri": "mlflow-artifacts:/0/models/m-ID/artifacts",
            "status": "LOGGED_MODEL_PENDING",
            "model_type": "",
            "source_run_id": "123",
            "tags": [
              {
                "key": "t",
                "value": "u"
              }
            ]
          },
          "data": {
            "params": [
              {
                "key": "C",
                "value": "1.0"
              }
            ]
          }
        }"#]]
    .assert_eq(&shown);
    for status in ["LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"] {
        let (code, answer) =
            client.patch(&format!("logged-models/{id}"), json!({"model_id": id, "status": status})).await;
        assert_eq!((code, answer["model"]["info"]["status"].as_str().unwrap()), (200, status));
    }
    assert_eq!(client.delete(&format!("logged-models/{id}"), json!({})).await, (200, json!({})));
    let (status, answer) = client.get(&format!("logged-models/{id}")).await;
    assert_eq!(
        (status, answer["message"].as_str().unwrap()),
        (404, &*format!("Logged model with ID '{id}' not found."))
    );
    assert_eq!(client.get(&format!("logged-models/{id}?allow_deleted=True")).await.0, 200);
}

#[tokio::test]
async fn names_are_drawn_or_checked() {
    let client = Client::new().await;
    assert!(!create(&client, json!({"experiment_id": "0"})).await["info"]["name"].as_str().unwrap().is_empty());
    for body in [json!({"experiment_id": "0", "name": "a/b"}), json!({}), json!({"experiment_id": "x"})] {
        assert_eq!(client.post("logged-models", body.clone()).await.0, 400, "{body}");
    }
    assert_eq!(client.post("logged-models", json!({"experiment_id": "99"})).await.0, 404);
}

#[tokio::test]
async fn tags_are_replaced_and_missing_ones_told() {
    let client = Client::new().await;
    let model = create(&client, json!({"experiment_id": "0", "name": "m"})).await;
    let id = model["info"]["model_id"].as_str().unwrap();
    for value in ["1", "2"] {
        client.patch(&format!("logged-models/{id}/tags"), json!({"tags": [{"key": "k", "value": value}]})).await;
    }
    let (_, answer) = client.get(&format!("logged-models/{id}")).await;
    assert_eq!(answer["model"]["info"]["tags"], json!([{"key": "k", "value": "2"}]));
    assert_eq!(client.delete(&format!("logged-models/{id}/tags/k"), json!({})).await, (200, json!({})));
    let (status, answer) = client.delete(&format!("logged-models/{id}/tags/k"), json!({})).await;
    let told = format!("No tag with key 'k' found for model with ID '{id}'.");
    assert_eq!((status, answer["message"].as_str().unwrap()), (404, told.as_str()));
}

#[tokio::test]
async fn searches_filter_order_and_page() {
    let client = Client::new().await;
    for (name, score) in [("a", 0.1), ("b", 0.9), ("c", 0.5)] {
        let body = json!({"experiment_id": "0", "name": name, "params": [{"key": "p", "value": name}]});
        let model = create(&client, body).await;
        let (run, id) = (client.new_run().await, model["info"]["model_id"].as_str().unwrap());
        let metric = json!({
            "run_id": run, "key": "auc", "value": score, "timestamp": 5, "step": 1, "model_id": id,
            "dataset_name": "test", "dataset_digest": name,
        });
        let (status, answer) = client.post("runs/log-metric", metric).await;
        assert_eq!(status, 200, "{answer}");
        let (_, answer) = client.get(&format!("logged-models/{id}")).await;
        let expected = json!([{
            "key": "auc", "value": score, "timestamp": 5, "step": 1, "dataset_name": "test", "dataset_digest": name,
            "model_id": id, "run_id": run,
        }]);
        assert_eq!(answer["model"]["data"]["metrics"], expected);
    }
    let search = async |body: Value| {
        let mut body = body;
        body["experiment_ids"] = json!(["0"]);
        found(&client, body).await
    };
    let by_auc = json!([{"field_name": "metrics.auc", "ascending": false}]);
    assert_eq!(search(json!({"order_by": by_auc})).await, ["b", "c", "a"]);
    assert_eq!(search(json!({"filter": "metrics.auc > 0.4", "order_by": by_auc})).await, ["b", "c"]);
    assert_eq!(search(json!({"filter": "name = 'b' AND params.p = 'b'"})).await, ["b"]);
    assert_eq!(search(json!({"filter": "status = 'PENDING'"})).await.len(), 3);
    assert_eq!(search(json!({"filter": "status IN ('READY')"})).await.len(), 0);
    assert_eq!(search(json!({"datasets": [{"dataset_name": "test", "dataset_digest": "c"}]})).await, ["c"]);
    assert_eq!(search(json!({"datasets": [{"dataset_name": "other"}]})).await.len(), 0);
    let page = json!({"experiment_ids": ["0"], "max_results": 2, "order_by": [{"field_name": "name"}]});
    let (_, first) = client.post("logged-models/search", page.clone()).await;
    let mut next = page;
    next["page_token"] = first["next_page_token"].clone();
    assert_eq!(found(&client, next).await, ["c"]);
    for body in [
        json!({}),
        json!({"experiment_ids": ["0"], "filter": "foo.x = 'a'"}),
        json!({"experiment_ids": ["0"], "filter": "metrics.auc LIKE 'a'"}),
        json!({"experiment_ids": ["0"], "filter": "status = 'NOPE'"}),
        json!({"experiment_ids": ["0"], "order_by": [{"field_name": "params.p"}]}),
        json!({"experiment_ids": ["0"], "datasets": [{"dataset_digest": "c"}]}),
    ] {
        assert_eq!(client.post("logged-models/search", body.clone()).await.0, 400, "{body}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_while_others_are_logged() {
    let client = Client::new().await;
    for name in ["b", "d", "f"] {
        create(&client, json!({"experiment_id": "0", "name": name})).await;
    }
    let orders =
        [json!([{"field_name": "name"}]), json!([{"field_name": "name", "ascending": true}, {"field_name": "status"}])];
    for order in orders {
        let mut body = json!({"experiment_ids": ["0"], "max_results": 2, "order_by": order});
        let (_, first) = client.post("logged-models/search", body.clone()).await;
        create(&client, json!({"experiment_id": "0", "name": "a"})).await;
        body["page_token"] = first["next_page_token"].clone();
        let before: Vec<&str> =
            first["models"].as_array().unwrap().iter().filter_map(|model| model["info"]["name"].as_str()).collect();
        assert!(found(&client, body).await.iter().all(|name| name.as_str() > before[before.len() - 1]), "{before:?}");
    }
    // A metric that models may lack orders them by count of rows.
    let body = json!({"experiment_ids": ["0"], "max_results": 3, "order_by": [{"field_name": "metrics.auc"}]});
    assert_eq!(found(&client, body).await.len(), 3);
}
