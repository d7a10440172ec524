//! Answers are those of MLflow 3.18's own server to the same requests, but for the order of fields.

use serde_json::{Value, json};

use crate::mlflow::testing::Client;

/// A server with a run that logged something, and the run.
async fn client() -> (Client, String) {
    let client = Client::new().await;
    let new = json!({"experiment_id": "0", "start_time": 1000, "run_name": "first", "user_id": "ada"});
    let (_, run) = client.post("runs/create", new).await;
    let run = run["run"]["info"]["run_id"].as_str().unwrap().to_owned();
    for step in 0..3 {
        let value = f64::from(step) + 0.5;
        let point = json!({"run_id": run, "key": "loss", "value": value, "timestamp": 2000, "step": step});
        client.post("runs/log-metric", point).await;
    }
    client.post("runs/log-metric", json!({"run_id": run, "key": "odd", "value": "NaN", "timestamp": 2000})).await;
    client.post("runs/log-parameter", json!({"run_id": run, "key": "rate", "value": "0.1"})).await;
    let dataset = json!({"name": "d", "digest": "x", "source_type": "local", "source": "s"});
    let tags = json!([{"key": "mlflow.data.context", "value": "train"}]);
    let inputs = json!({"run_id": run, "datasets": [{"tags": tags, "dataset": dataset}]});
    client.post("runs/log-inputs", inputs).await;
    client.post("registered-models/create", json!({"name": "flights"})).await;
    let version = json!({"name": "flights", "source": format!("runs:/{run}/model"), "run_id": run});
    client.post("model-versions/create", version).await;
    let artifact = format!("/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=notes/a.txt");
    client.post(&artifact, json!(12345)).await;
    (client, run)
}

async fn ask(client: &Client, query: &str) -> Value {
    ask_with(client, json!({"query": query})).await
}

async fn ask_with(client: &Client, body: Value) -> Value {
    let (status, answer) = client.post("/graphql", body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

fn refused(message: &str) -> Value {
    json!({"data": null, "errors": [message]})
}

#[tokio::test]
async fn an_experiment_is_told_with_texts_for_large_numbers_and_defaults_for_what_is_absent() {
    let (client, _) = client().await;
    let query = r#"query G($data: MlflowGetExperimentInput!) @component(name: "X") { mlflowGetExperiment(input: $data) {
        __typename apiError { code message } experiment { experimentId name artifactLocation lifecycleStage creationTime
        tags { key value } effectiveTraceArchivalRetention workspace } } }"#;
    let variables = json!({"data": {"experimentId": "0"}});
    let as_text = json!({"query": query, "operationName": "G", "variables": variables.to_string()});
    assert_eq!(client.post("/graphql", as_text).await.0, 400, "variables are an object");
    let answer = ask_with(&client, json!({"query": query, "operationName": "G", "variables": variables})).await;
    let experiment = json!({
        "experimentId": "0", "name": "Default", "artifactLocation": "mlflow-artifacts:/0", "lifecycleStage": "active",
        "creationTime": "1000000", "tags": [], "effectiveTraceArchivalRetention": "", "workspace": "default",
    });
    let told = json!({"__typename": "MlflowGetExperimentResponse", "apiError": null, "experiment": experiment});
    assert_eq!(answer, json!({"data": {"mlflowGetExperiment": told}, "errors": null}));
}

#[tokio::test]
async fn a_run_is_told_with_its_experiment_and_the_versions_made_of_it() {
    let (client, run) = client().await;
    let query = r#"{ mlflowGetRun(input: {runId: "RUN"}) { run {
        info { runId runUuid runName experimentId userId status startTime endTime artifactUri lifecycleStage }
        data { metrics { key value timestamp step datasetName modelId runId } params { key value } tags { key value } }
        inputs { datasetInputs { tags { key value } dataset { name digest sourceType source schema profile } }
                 modelInputs { modelId } }
        outputs { modelOutputs { modelId step } } experiment { name tags { key } }
        modelVersions { name version status source userId aliases tags { key } modelId modelParams { name }
                        modelMetrics { key } statusMessage description runLink currentStage deploymentJobState { jobId } }
    } } }"#;
    let answer = ask(&client, &query.replace("RUN", &run)).await;
    let empty = json!({"key": "odd", "value": null, "timestamp": "2000", "step": "0"});
    let mut metrics = [json!({"key": "loss", "value": 2.5, "timestamp": "2000", "step": "2"}), empty];
    for metric in &mut metrics {
        for name in ["datasetName", "modelId", "runId"] {
            metric[name] = "".into();
        }
    }
    let told = json!({
        "info": {"runId": run, "runUuid": run, "runName": "first", "experimentId": "0", "userId": "ada",
                 "status": "RUNNING", "startTime": "1000", "endTime": "0",
                 "artifactUri": format!("mlflow-artifacts:/0/{run}/artifacts"), "lifecycleStage": "active"},
        "data": {"metrics": metrics, "params": [{"key": "rate", "value": "0.1"}],
                 "tags": [{"key": "mlflow.runName", "value": "first"}]},
        "inputs": {"datasetInputs": [{"tags": [{"key": "mlflow.data.context", "value": "train"}],
                   "dataset": {"name": "d", "digest": "x", "sourceType": "local", "source": "s", "schema": "",
                               "profile": ""}}],
                   "modelInputs": []},
        "outputs": {"modelOutputs": []}, "experiment": {"name": "Default", "tags": []},
        "modelVersions": [{"name": "flights", "version": "1", "status": "READY", "source": format!("runs:/{run}/model"),
                           "userId": "", "aliases": [], "tags": [], "modelId": "", "modelParams": [],
                           "modelMetrics": [], "statusMessage": "", "description": "", "runLink": "",
                           "currentStage": "None", "deploymentJobState": {"jobId": ""}}],
    });
    assert_eq!(answer, json!({"data": {"mlflowGetRun": {"run": told}}, "errors": null}));
}

#[tokio::test]
async fn points_files_versions_runs_and_datasets_are_told() {
    let (client, run) = client().await;
    let course = ask(
        &client,
        &r#"{ mlflowGetMetricHistoryBulkInterval(input: {runIds: "RUN", metricKey: "loss", startStep: 1, endStep: 2}) {
            metrics { __typename key value timestamp step runId } } }"#
            .replace("RUN", &run),
    )
    .await;
    let point = |step: i64| {
        json!({"__typename": "MlflowMetricWithRunId", "key": "loss", "runId": run, "step": step.to_string(),
               "timestamp": "2000", "value": step as f64 + 0.5})
    };
    let metrics = json!([point(1), point(2)]);
    assert_eq!(course["data"]["mlflowGetMetricHistoryBulkInterval"]["metrics"], metrics);

    let files = ask(
        &client,
        &r#"{ top: mlflowListArtifacts(input: {runId: "RUN"}) { rootUri files { path isDir fileSize } nextPageToken }
              below: mlflowListArtifacts(input: {runId: "RUN", path: "notes"}) { files { path isDir fileSize } } }"#
            .replace("RUN", &run),
    )
    .await;
    let top = json!({"rootUri": format!("mlflow-artifacts:/0/{run}/artifacts"), "nextPageToken": "",
                     "files": [{"path": "notes", "isDir": true, "fileSize": "0"}]});
    let below = json!({"files": [{"path": "notes/a.txt", "isDir": false, "fileSize": "5"}]});
    assert_eq!(files, json!({"data": {"top": top, "below": below}, "errors": null}));

    let versions = r#"{ mlflowSearchModelVersions(input: {filter: "name='flights'", maxResults: 5}) {
        modelVersions { name version } nextPageToken apiError { message } } }"#;
    let found = json!({"modelVersions": [{"name": "flights", "version": "1"}], "nextPageToken": "", "apiError": null});
    assert_eq!(ask(&client, versions).await["data"]["mlflowSearchModelVersions"], found);

    let runs = r#"mutation { mlflowSearchRuns(input: {experimentIds: ["0"], filter: "metrics.loss > 1",
        runViewType: ACTIVE_ONLY, maxResults: 3, orderBy: ["metrics.loss"]}) {
        runs { info { runName } experiment { experimentId } } nextPageToken } }"#;
    let found =
        json!({"runs": [{"info": {"runName": "first"}, "experiment": {"experimentId": "0"}}], "nextPageToken": ""});
    assert_eq!(ask(&client, runs).await["data"]["mlflowSearchRuns"], found);

    let datasets = r#"mutation { mlflowSearchDatasets(input: {experimentIds: ["0"]}) {
        datasetSummaries { experimentId name digest context } } }"#;
    let found = json!({"datasetSummaries": [{"experimentId": "0", "name": "d", "digest": "x", "context": "train"}]});
    assert_eq!(ask(&client, datasets).await["data"]["mlflowSearchDatasets"], found);
}

#[tokio::test]
async fn fragments_are_put_together_with_what_else_is_asked_of_an_object() {
    let (client, run) = client().await;
    let query = r#"query A { mlflowGetRun(input: {runId: "RUN"}) { ...R run { info { n: runName } } } }
        query B { mlflowGetRun(input: {}) { run { info { runId } } } }
        fragment R on MlflowGetRunResponse { run { ... on MlflowRunExtension { info { userId } } } }"#;
    let query = query.replace("RUN", &run);
    let answer = ask_with(&client, json!({"query": query, "operationName": "A"})).await;
    assert_eq!(answer["data"]["mlflowGetRun"], json!({"run": {"info": {"userId": "ada", "n": "first"}}}));
    let message = "Must provide operation name if query contains multiple operations.";
    assert_eq!(ask(&client, &query).await, refused(message));
}

#[tokio::test]
async fn what_is_refused_is_null_and_the_rest_is_answered() {
    let (client, _) = client().await;
    let query = r#"{ a: mlflowGetExperiment(input: {experimentId: "77"}) { experiment { name } }
                     b: mlflowGetRun(input: {runId: "nope"}) { run { info { runId } } }
                     c: mlflowSearchModelVersions(input: {filter: "x y z"}) { modelVersions { name } }
                     d: mlflowGetExperiment(input: {experimentId: "0"}) { experiment { name } } }"#;
    let answer = ask(&client, query).await;
    assert_eq!(answer["data"], json!({"a": null, "b": null, "c": null, "d": {"experiment": {"name": "Default"}}}));
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors[0], "No Experiment with id=77 exists");
    assert_eq!(errors[1], "Run with id=nope not found");
    assert_eq!(errors.len(), 3);
}

#[tokio::test]
async fn wrong_queries_are_refused_before_anything_is_answered() {
    let (client, _) = client().await;
    let known = r#"{ mlflowGetExperiment(input: INPUT) CHOSEN }"#;
    let experiment = |input: &str, chosen: &str| known.replace("INPUT", input).replace("CHOSEN", chosen);
    let id = r#"{experimentId: "0"}"#;
    for (query, message) in [
        ("{ nosuch }".to_owned(), "Cannot query field 'nosuch' on type 'Query'."),
        (experiment(id, "{ experiment { nosuch } }"), "Cannot query field 'nosuch' on type 'MlflowExperiment'."),
        (
            experiment(id, ""),
            "Field 'mlflowGetExperiment' of type 'MlflowGetExperimentResponse' must have a selection of subfields. Did you \
             mean 'mlflowGetExperiment { ... }'?",
        ),
        (experiment("{experimentId: 5}", "{ __typename }"), "String cannot represent a non string value: 5"),
        (
            experiment(r#"{nosuch: "5"}"#, "{ __typename }"),
            "Field 'nosuch' is not defined by type 'MlflowGetExperimentInput'.",
        ),
        (
            "query Q($data: MlflowGetExperimentInput!) { mlflowGetExperiment(input: $data) { __typename } }".to_owned(),
            "Variable '$data' of required type 'MlflowGetExperimentInput!' was not provided.",
        ),
        (experiment("$data", "{ __typename }"), "Variable '$data' is not defined."),
        (experiment(id, "{ ...Nosuch }"), "Unknown fragment 'Nosuch'."),
        (experiment(id, "{ __typename @skip(if: true) }"), "Unknown directive '@skip'."),
        ("subscription { x }".to_owned(), "Schema is not configured to execute subscription operation."),
    ] {
        assert_eq!(ask(&client, &query).await, refused(message), "{query}");
    }
    let broken = ask(&client, "{ mlflowGetRun(").await;
    assert!(broken["errors"][0].as_str().unwrap().starts_with("Syntax Error: "), "{broken}");
    assert_eq!(client.post("/graphql", json!({})).await.0, 400);
}

#[tokio::test]
async fn queries_have_limits_and_fragments_in_a_circle_do_not_pass_them() {
    let client = Client::new().await;
    let deep = ask(&client, &format!("{}{}", "{ a ".repeat(11), "}".repeat(11))).await;
    assert_eq!(deep, refused("Query exceeds maximum depth of 10"));
    let circle = "{ mlflowGetRun { ...F } } fragment F on MlflowGetRunResponse { run { ...F } }";
    assert_eq!(ask(&client, circle).await, refused("Query exceeds maximum depth of 10"));
    let many = ask(&client, &format!("{{ {} }}", "test ".repeat(1001))).await;
    assert_eq!(many, refused("Query exceeds maximum total selections of 1000"));
    let roots = ask(&client, &format!("{{ {} }}", "__typename ".repeat(11))).await;
    assert_eq!(roots, refused("GraphQL queries should have at most 10 root fields, got 11 root fields."));
    let names: Vec<String> = (0..11).map(|place| format!("a{place}: __typename")).collect();
    let aliases = ask(&client, &format!("{{ mlflowGetRun {{ {} }} }}", names.join(" "))).await;
    assert_eq!(aliases, refused("GraphQL queries should have at most 10 aliases, got 11 aliases."));
    let brackets = ask(&client, &"{ a ".repeat(100_000)).await;
    assert!(brackets["errors"][0].as_str().unwrap().starts_with("Syntax Error: "), "{brackets}");
}
