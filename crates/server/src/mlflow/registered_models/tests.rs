//! The registry over HTTP: the lines of the contract's checklist that are about models, versions and aliases.

use axum::http::StatusCode;
use expect_test::expect;
use serde_json::{Value, json};

use crate::mlflow::testing::Client;

async fn client_with(names: &[&str]) -> Client {
    let client = Client::new().await;
    for name in names {
        let (status, answer) = client.post("registered-models/create", json!({"name": name})).await;
        assert_eq!(status, 200, "{answer}");
    }
    client
}

async fn version(client: &Client, name: &str) -> Value {
    let body = json!({"name": name, "source": "s3://bucket/model"});
    let (status, answer) = client.post("model-versions/create", body).await;
    assert_eq!(status, 200, "{answer}");
    answer["model_version"].clone()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

fn refusal((status, answer): &(u16, Value)) -> String {
    format!("{status} {} {}", answer["error_code"].as_str().unwrap(), answer["message"].as_str().unwrap())
}

#[tokio::test]
async fn a_version_of_an_unknown_logged_model_is_refused() {
    let client = client_with(&["M"]).await;
    let body = json!({"name": "M", "source": "s3://b/k", "model_id": "m-none"});
    let refused = refusal(&client.post("model-versions/create", body).await);
    assert_eq!(refused, "404 RESOURCE_DOES_NOT_EXIST Logged model with ID 'm-none' not found.");
}

#[tokio::test]
async fn a_model_is_shown_with_versions_tags_and_aliases() {
    let client = Client::new().await;
    let body = json!({"name": "M1", "tags": [{"key": "k", "value": "v"}], "description": "d"});
    client.post("registered-models/create", body).await;
    let body = json!({"name": "M1", "source": "s3://b/k", "tags": [{"key": "a", "value": "b"}]});
    client.post("model-versions/create", body).await;
    client.post("registered-models/alias", json!({"name": "M1", "alias": "champion", "version": "1"})).await;
    let (status, answer) = client.get("registered-models/get?name=M1").await;
    assert_eq!(status, 200);
    expect![[r#"
        {
          "registered_model": {
            "name": "M1",
            "creation_timestamp": 1000000,
            "last_updated_timestamp": 1000000,
            "description": "d",
            "latest_versions": [
              {
                "name": "M1",
                "version": "1",
                "creation_timestamp": 1000000,
                "last_updated_timestamp": 1000000,
                "current_stage": "None",
                "description": "",
                "source": "s3://b/k",
                "run_id": "",
                "status": "READY",
                "tags": [
                  {
                    "key": "a",
                    "value": "b"
                  }
                ],
                "run_link": ""
              }
            ],
            "tags": [
              {
                "key": "k",
                "value": "v"
              }
            ],
            "aliases": [
              {
                "alias": "champion",
                "version": "1"
              }
            ]
          }
        }"#]]
    .assert_eq(&pretty(&answer));
    let (_, answer) = client.get("registered-models/alias?name=M1&alias=champion").await;
    assert_eq!(answer["model_version"]["aliases"], json!(["champion"]));
}

#[tokio::test]
async fn names_are_refused_in_the_protocols_words() {
    let client = client_with(&["A1"]).await;
    let told = |answer| refusal(&answer);
    let create = async |body| told(client.post("registered-models/create", body).await);
    assert_eq!(
        create(json!({"name": "A1"})).await,
        "400 RESOURCE_ALREADY_EXISTS Registered Model (name=A1) already exists."
    );
    assert_eq!(
        create(json!({"name": "a/b"})).await,
        "400 INVALID_PARAMETER_VALUE Invalid model name 'a/b'. Names cannot contain '/' or ':'."
    );
    assert!(create(json!({})).await.contains("Missing value for required parameter 'name'"));
    assert!(create(json!({"name": 123})).await.contains("Invalid value 123 for parameter 'name'"));
    assert_eq!(
        told(client.get("registered-models/get?name=nope").await),
        "404 RESOURCE_DOES_NOT_EXIST Registered Model with name=nope not found"
    );
    assert_eq!(
        told(client.get("model-versions/get?name=A1&version=7").await),
        "404 RESOURCE_DOES_NOT_EXIST Model Version (name=A1, version=7) not found"
    );
    assert_eq!(
        told(client.get("model-versions/get?name=A1&version=abc").await),
        "400 INVALID_PARAMETER_VALUE Parameter 'version' must be an integer, got 'abc'."
    );
}

#[tokio::test]
async fn aliases_move_and_go_with_their_version() {
    let client = client_with(&["A1"]).await;
    version(&client, "A1").await;
    version(&client, "A1").await;
    let set = async |alias: &str, version: &str| {
        client.post("registered-models/alias", json!({"name": "A1", "alias": alias, "version": version})).await
    };
    assert_eq!(set("champion", "1").await.0, 200);
    assert_eq!(set("champion", "2").await.0, 200);
    let by_alias = async |alias: &str| client.get(&format!("registered-models/alias?name=A1&alias={alias}")).await;
    assert_eq!(by_alias("champion").await.1["model_version"]["version"], "2");
    assert_eq!(by_alias("Latest").await.1["model_version"]["version"], "2");
    for alias in ["v1", "latest", "bad alias"] {
        assert_eq!(set(alias, "1").await.0, 400, "{alias}");
    }
    assert_eq!(set("x", "9").await.0, 404);
    assert_eq!(refusal(&by_alias("nope").await), "400 INVALID_PARAMETER_VALUE Registered model alias nope not found.");
    let unknown = client.get("registered-models/alias?name=B&alias=champion").await;
    assert_eq!(refusal(&unknown), "404 RESOURCE_DOES_NOT_EXIST Registered Model with name=B not found");

    // The version takes its aliases along, and its number is not given again.
    assert_eq!(client.delete("model-versions/delete", json!({"name": "A1", "version": "2"})).await, (200, json!({})));
    assert_eq!(by_alias("champion").await.0, 400);
    assert_eq!(version(&client, "A1").await["version"], "3");
    let gone = client.delete("registered-models/alias", json!({"name": "A1", "alias": "nope"})).await;
    assert_eq!(gone, (200, json!({})));
}

#[tokio::test]
async fn stages_move_and_archive() {
    let client = client_with(&["A1"]).await;
    for _ in 0..3 {
        version(&client, "A1").await;
    }
    let transition = async |version: &str, stage: &str, archive: bool| {
        let body = json!({"name": "A1", "version": version, "stage": stage, "archive_existing_versions": archive});
        client.post("model-versions/transition-stage", body).await
    };
    assert_eq!(transition("1", "production", false).await.1["model_version"]["current_stage"], "Production");
    assert_eq!(transition("2", "Production", true).await.0, 200);
    let stage = async |version: &str| {
        let (_, answer) = client.get(&format!("model-versions/get?name=A1&version={version}")).await;
        answer["model_version"]["current_stage"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (stage("1").await, stage("2").await, stage("3").await),
        ("Archived".into(), "Production".into(), "None".into())
    );
    assert_eq!(
        refusal(&transition("1", "Foo", false).await),
        "400 INVALID_PARAMETER_VALUE Invalid Model Version stage: Foo. Value must be one of None, Staging, Production, Archived."
    );
    assert_eq!(
        refusal(&transition("1", "Archived", true).await),
        "500 INTERNAL_ERROR Model version transition cannot archive existing model versions because 'Archived' is not an Active \
         stage. Valid stages are ['Staging', 'Production']"
    );
    let latest = async |stages: Value| {
        let body = json!({"name": "A1", "stages": stages});
        let (_, answer) = client.post("registered-models/get-latest-versions", body).await;
        let versions = answer["model_versions"].as_array().unwrap().clone();
        versions.iter().map(|version| version["version"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(latest(json!(["Production"])).await, ["2"]);
    assert_eq!(latest(json!([])).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_renamed_model_keeps_what_it_has() {
    let client = client_with(&["old", "taken"]).await;
    version(&client, "old").await;
    client.post("registered-models/set-tag", json!({"name": "old", "key": "k", "value": "v"})).await;
    client.post("registered-models/alias", json!({"name": "old", "alias": "a", "version": "1"})).await;
    let rename =
        async |new: &str| client.post("registered-models/rename", json!({"name": "old", "new_name": new})).await;
    assert_eq!(rename("taken").await.1["error_code"], "RESOURCE_ALREADY_EXISTS");
    let (status, answer) = rename("new").await;
    assert_eq!(status, 200);
    let model = &answer["registered_model"];
    assert_eq!(model["latest_versions"][0]["name"], "new");
    assert_eq!(model["tags"], json!([{"key": "k", "value": "v"}]));
    assert_eq!(model["aliases"], json!([{"alias": "a", "version": "1"}]));
    assert_eq!(client.get("registered-models/get?name=old").await.0, 404);
    assert_eq!(client.delete("registered-models/delete", json!({"name": "new"})).await.0, 200);
    assert_eq!(client.get("model-versions/search").await, (200, json!({})));
}

#[tokio::test]
async fn prompts_are_found_only_by_who_asks_for_them() {
    let client = client_with(&["M1", "M2", "other"]).await;
    let prompt = json!({"name": "P", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]});
    client.post("registered-models/create", prompt).await;
    let body =
        json!({"name": "P", "source": "dummy-source", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]});
    assert_eq!(client.post("model-versions/create", body).await.0, 200);
    let names = async |filter: &str| {
        let filter = percent_encoding::utf8_percent_encode(filter, percent_encoding::NON_ALPHANUMERIC);
        let (status, answer) = client.get(&format!("registered-models/search?filter={filter}")).await;
        assert_eq!(status, 200, "{answer}");
        let models = answer["registered_models"].as_array().cloned().unwrap_or_default();
        models.iter().map(|model| model["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["M1", "M2", "other"]);
    assert_eq!(names("name LIKE 'M%' AND tag.`mlflow.prompt.is_prompt` != 'true'").await, ["M1", "M2"]);
    assert_eq!(names("tag.`mlflow.prompt.is_prompt` = 'true'").await, ["P"]);
    assert_eq!(names("tags.`mlflow.prompt.is_prompt` = 'false' AND name ILIKE 'm1'").await, ["M1"]);
    assert_eq!(names("name IN ('M1', 'other')").await, ["M1", "other"]);
    assert_eq!(names("name != 'M1'").await, ["M2", "other"]);
    assert_eq!(client.get("model-versions/search").await.1, json!({}));
}

#[tokio::test]
async fn searches_have_pages_orders_and_refusals() {
    let client = client_with(&["a", "b", "c"]).await;
    version(&client, "a").await;
    version(&client, "b").await;
    version(&client, "b").await;
    let (_, first) = client.get("registered-models/search?max_results=2&order_by=name+DESC").await;
    assert_eq!(first["registered_models"][0]["name"], "c");
    let token = first["next_page_token"].as_str().unwrap();
    let (_, second) =
        client.get(&format!("registered-models/search?max_results=2&order_by=name+DESC&page_token={token}")).await;
    assert_eq!(second["registered_models"].as_array().unwrap().len(), 1);
    assert!(second.get("next_page_token").is_none());
    let (_, versions) = client.get("model-versions/search?filter=name%3D%27b%27&order_by=version_number+ASC").await;
    let numbers: Vec<_> = versions["model_versions"].as_array().unwrap().iter().map(|one| &one["version"]).collect();
    assert_eq!(numbers, ["1", "2"]);
    let (_, versions) = client.get("model-versions/search?filter=version_number%20%3E%201").await;
    assert_eq!(versions["model_versions"].as_array().unwrap().len(), 1);
    for query in [
        "registered-models/search?max_results=0",
        "registered-models/search?max_results=123456789",
        "model-versions/search?max_results=200001",
        "registered-models/search?page_token=nonsense",
        "registered-models/search?filter=version%20%3D%201",
        "registered-models/search?filter=name%20%3D%20%27a%27%20OR%20name%20%3D%20%27b%27",
        "registered-models/search?order_by=run_id",
        "model-versions/search?filter=foo.bar%20%3D%20%27x%27",
    ] {
        assert_eq!(client.get(query).await.0, StatusCode::BAD_REQUEST.as_u16(), "{query}");
    }
}

#[tokio::test]
async fn sources_must_be_the_runs_own() {
    let client = client_with(&["m"]).await;
    let (run, other) = (client.new_run().await, client.new_run().await);
    let create = async |source: &str, run_id: Option<&str>| {
        let body = json!({"name": "m", "source": source, "run_id": run_id});
        let (status, answer) = client.post("model-versions/create", body).await;
        (status, answer["message"].as_str().unwrap_or_default().to_owned())
    };
    for source in ["/tmp/model", "file:///etc", "./model"] {
        let (status, message) = create(source, None).await;
        assert!(
            status == 400 && message.contains("To use a local path as a model version source"),
            "{source} {message}"
        );
        assert_eq!(create(source, Some(&run)).await.0, 400, "{source}");
    }
    for source in ["http://h/a/..", "mlflow-artifacts://h:1/..%2f..%2f", "http://h/a%00", "s3://b/%252e%252e/x"] {
        let (status, message) = create(source, None).await;
        assert!(status == 400 && message.contains("an absolute path must be provided"), "{source} {message}");
    }
    assert_eq!(create("s3://b/k", None).await.0, 200);
    assert_eq!(create(&format!("runs:/{run}/model"), Some(&run)).await.0, 200);
    assert_eq!(create(&format!("runs:/{other}/model"), Some(&run)).await.0, 400);
    assert_eq!(create("models:/m/1", None).await.0, 200);
    assert_eq!(create("models:/m-00000000000000000000000000000000", None).await.0, 400);
    let (_, answer) = client.get("model-versions/get-download-uri?name=m&version=2").await;
    assert_eq!(answer["artifact_uri"], format!("mlflow-artifacts:/0/{run}/artifacts/model"));
    let (_, answer) = client.get("model-versions/get-download-uri?name=m&version=3").await;
    assert_eq!(answer["artifact_uri"], "s3://b/k");
}

#[tokio::test]
async fn a_logged_model_lists_its_versions() {
    let client = client_with(&["model"]).await;
    let (_, answer) =
        client.post("logged-models", json!({"experiment_id": "0", "name": "clf", "source_run_id": "r1"})).await;
    let info = &answer["model"]["info"];
    let (model_id, location) = (info["model_id"].as_str().unwrap(), info["artifact_uri"].as_str().unwrap());
    for source in [location.to_owned(), format!("models:/{model_id}")] {
        let body = json!({"name": "model", "source": source, "model_id": model_id});
        let (status, answer) = client.post("model-versions/create", body).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["model_version"]["run_id"], "r1");
    }
    let (_, answer) = client.get(&format!("logged-models/{model_id}")).await;
    let tag = json!([{"key": "mlflow.modelVersions", "value": r#"[{"name": "model", "version": 1}, {"name": "model", "version": 2}]"#}]);
    assert_eq!(answer["model"]["info"]["tags"], tag);
    let (_, answer) = client.get("model-versions/get-download-uri?name=model&version=2").await;
    assert_eq!(answer["artifact_uri"], location);
    let stranger = json!({"name": "model", "source": location, "model_id": "m-other"});
    assert_eq!(client.post("model-versions/create", stranger).await.0, 400);
}

#[tokio::test]
async fn tags_come_and_go() {
    let client = client_with(&["m"]).await;
    version(&client, "m").await;
    let body = json!({"name": "m", "version": "1", "key": "k", "value": "v"});
    assert_eq!(client.post("model-versions/set-tag", body).await, (200, json!({})));
    let (_, answer) = client.get("model-versions/get?name=m&version=1").await;
    assert_eq!(answer["model_version"]["tags"], json!([{"key": "k", "value": "v"}]));
    for _ in 0..2 {
        let body = json!({"name": "m", "version": "1", "key": "k"});
        assert_eq!(client.delete("model-versions/delete-tag", body).await, (200, json!({})));
    }
    let body = json!({"name": "m", "version": "1", "description": "better"});
    let (_, answer) = client.patch("model-versions/update", body).await;
    assert_eq!(answer["model_version"]["description"], "better");
    let long = json!({"name": "m", "key": "k".repeat(251), "value": "v"});
    assert_eq!(client.post("registered-models/set-tag", long).await.0, 400);
    let absent = client.delete("registered-models/delete-tag", json!({"name": "nope", "key": "k"})).await;
    assert_eq!(absent.0, 404);
}
