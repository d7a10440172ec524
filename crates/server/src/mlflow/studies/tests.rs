//! Studies asked over HTTP, without a socket.

use serde_json::{Value, json};

use super::super::testing::Client;

async fn study(client: &Client, more: Value) -> String {
    let mut body = json!({
        "name": "depth", "direction": "minimize", "metric": "loss", "seed": 3,
        "parameters": {"x": {"min": -5.0, "max": 5.0}, "kind": {"values": ["a", "b"]}},
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, begun) = client.post("/api/v1/studies", body).await;
    assert_eq!(status, 201, "{begun}");
    begun["study"].as_str().unwrap().to_owned()
}

async fn ask(client: &Client, study: &str) -> Value {
    let (status, asked) = client.post(&format!("/api/v1/studies/{study}/ask"), json!({})).await;
    assert_eq!(status, 200, "{asked}");
    asked
}

async fn tell(client: &Client, study: &str, trial: &Value, body: Value) -> Value {
    let (status, told) = client.post(&format!("/api/v1/studies/{study}/trials/{trial}/tell"), body).await;
    assert_eq!(status, 200, "{told}");
    told
}

async fn report(client: &Client, study: &str, trial: &Value, step: u64, value: f64) -> bool {
    let path = format!("/api/v1/studies/{study}/trials/{trial}/report");
    let (status, answer) = client.post(&path, json!({"step": step, "value": value})).await;
    assert_eq!(status, 200, "{answer}");
    answer["should_prune"].as_bool().unwrap()
}

#[tokio::test]
async fn a_study_is_asked_and_told_until_it_is_over() {
    let client = Client::new().await;
    let study = study(&client, json!({"trials": 3})).await;
    for (number, value) in [0.5, 0.25, 0.75].into_iter().enumerate() {
        let asked = ask(&client, &study).await;
        assert_eq!((&asked["over"], &asked["trial"]), (&json!(false), &json!(number)));
        assert!(asked["parameters"]["x"].as_f64().is_some_and(|x| (-5.0..=5.0).contains(&x)), "{asked}");
        let told = tell(&client, &study, &asked["trial"], json!({"value": value})).await;
        assert_eq!(told["best"]["trial"], json!(number.min(1)));
    }
    assert_eq!(ask(&client, &study).await, json!({"over": true}));
    let (_, found) = client.get(&format!("runs/get?run_id={study}")).await;
    assert_eq!(found["run"]["info"]["status"], "FINISHED", "the study's run ended with its last trial");
}

#[tokio::test]
async fn trials_are_runs_that_clients_of_mlflow_find() {
    let client = Client::new().await;
    let study = study(&client, json!({})).await;
    let asked = ask(&client, &study).await;
    assert!(!report(&client, &study, &asked["trial"], 1, 0.5).await);
    tell(&client, &study, &asked["trial"], json!({"value": 0.25})).await;
    let filter = format!("tags.`mlflow.parentRunId` = '{study}' and metrics.loss < 0.3");
    let (_, found) = client.post("runs/search", json!({"experiment_ids": ["0"], "filter": filter})).await;
    let run = &found["runs"][0];
    assert_eq!(run["info"]["run_id"], asked["run_id"]);
    assert_eq!(run["info"]["status"], "FINISHED");
    let kind = json!({"key": "kind", "value": asked["parameters"]["kind"]});
    assert!(run["data"]["params"].as_array().unwrap().contains(&kind), "{run}");
}

#[tokio::test]
async fn a_trial_that_does_worse_than_the_median_is_to_stop() {
    let client = Client::new().await;
    let study = study(&client, json!({"prune": "median"})).await;
    for value in [0.1, 0.2, 0.3, 0.4, 0.5] {
        let trial = ask(&client, &study).await["trial"].clone();
        assert!(!report(&client, &study, &trial, 1, value).await, "too few have finished");
        tell(&client, &study, &trial, json!({"value": value})).await;
    }
    let trial = ask(&client, &study).await["trial"].clone();
    assert!(!report(&client, &study, &trial, 1, 0.25).await);
    let trial = ask(&client, &study).await["trial"].clone();
    assert!(report(&client, &study, &trial, 1, 0.9).await);
    let told = tell(&client, &study, &trial, json!({"state": "pruned"})).await;
    assert_eq!((&told["state"], &told["best"]["trial"]), (&json!("pruned"), &json!(0)));
}

/// What is asked depends on the seed and on what was told; a sweep says the same in other words.
#[tokio::test]
async fn seeds_reproduce_and_sweeps_are_taken() {
    let asked_of = async |more: Value| {
        let client = Client::new().await;
        let study = study(&client, more).await;
        let mut all = Vec::new();
        for number in 0..14 {
            let asked = ask(&client, &study).await;
            tell(&client, &study, &asked["trial"], json!({"value": f64::from(number % 5)})).await;
            all.push(asked["parameters"].clone());
        }
        all
    };
    let first = asked_of(json!({})).await;
    assert_eq!(asked_of(json!({})).await, first);
    assert_ne!(asked_of(json!({"seed": 4})).await, first);
    let sweep = json!({
        "method": "bayes", "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {"x": {"min": -5.0, "max": 5.0}, "kind": {"values": ["a", "b"]}},
    });
    assert_eq!(asked_of(json!({"sweep": sweep, "parameters": null, "direction": null})).await, first);
}

#[tokio::test]
async fn a_study_is_gone_on_with_by_its_name() {
    let client = Client::new().await;
    let first = study(&client, json!({"trials": 1})).await;
    let asked = ask(&client, &first).await;
    tell(&client, &first, &asked["trial"], json!({"state": "failed", "reason": "out of memory"})).await;
    assert_eq!(ask(&client, &first).await["over"], json!(true));
    let again = |trials: u64, seed: u64| {
        json!({
            "name": "depth", "direction": "minimize", "metric": "loss", "seed": seed, "trials": trials, "resume": true,
            "parameters": {"x": {"min": -5.0, "max": 5.0}, "kind": {"values": ["a", "b"]}},
        })
    };
    let (status, begun) = client.post("/api/v1/studies", again(2, 3)).await;
    assert_eq!((status, &begun["study"], &begun["trials"]), (200, &json!(first), &json!(1)));
    assert_eq!(ask(&client, &first).await["trial"], json!(1));
    let (status, refused) = client.post("/api/v1/studies", again(2, 4)).await;
    assert_eq!(status, 409, "{refused}");
}

/// A program that dies by an error ends its run, as MLflow's `with start_run(…)` does; one that is killed falls silent.
#[tokio::test]
async fn trials_of_programs_that_died_are_given_up() {
    let client = Client::new().await;
    let study = study(&client, json!({"trials": 3, "timeout": 600})).await;
    let (failed, silent, alive) = (ask(&client, &study).await, ask(&client, &study).await, ask(&client, &study).await);
    client.post("runs/update", json!({"run_id": failed["run_id"], "status": "FAILED"})).await;
    client.pass(500);
    assert!(!report(&client, &study, &alive["trial"], 1, 0.5).await);
    client.pass(200);
    assert_eq!(ask(&client, &study).await["over"], json!(true));
    let (_, shown) = client.get(&format!("/api/v1/studies/{study}")).await;
    let states: Vec<&str> = (0..3).map(|trial| shown["trials"][trial]["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["failed", "failed", "running"]);
    let run = async |asked: &Value| {
        let (_, found) = client.get(&format!("runs/get?run_id={}", asked["run_id"].as_str().unwrap())).await;
        let tags = found["run"]["data"]["tags"].as_array().unwrap().clone();
        let why = tags.iter().find(|tag| tag["key"] == "baton.trial.failure").map(|tag| tag["value"].clone());
        (found["run"]["info"]["status"].clone(), why.unwrap_or_default())
    };
    assert_eq!(run(&failed).await, (json!("FAILED"), json!("its run ended as FAILED, and nothing was told")));
    assert_eq!(run(&silent).await, (json!("KILLED"), json!("nothing was heard of it for 600 seconds")));
    assert_eq!(run(&alive).await, (json!("RUNNING"), json!(null)));
    tell(&client, &study, &alive["trial"], json!({"value": 0.25})).await;
    let (_, parent) = client.get(&format!("runs/get?run_id={study}")).await;
    assert_eq!(parent["run"]["info"]["status"], "FINISHED", "nothing goes on any more");
}

/// It was only slow: what it reports and tells counts.
#[tokio::test]
async fn a_trial_that_was_given_up_in_error_is_taken_up_again() {
    let client = Client::new().await;
    let study = study(&client, json!({})).await;
    let slow = ask(&client, &study).await;
    client.pass(3_700);
    ask(&client, &study).await;
    assert!(!report(&client, &study, &slow["trial"], 1, 0.5).await);
    let (_, found) = client.get(&format!("runs/get?run_id={}", slow["run_id"].as_str().unwrap())).await;
    assert_eq!((&found["run"]["info"]["status"], &found["run"]["info"]["end_time"]), (&json!("RUNNING"), &json!(null)));
    client.pass(3_700);
    ask(&client, &study).await;
    let told = tell(&client, &study, &slow["trial"], json!({"value": 0.25})).await;
    assert_eq!((&told["state"], &told["best"]["trial"]), (&json!("finished"), &json!(0)));
}

/// Weights & Biases minimises what has no goal; a metric that is known improves its own way, and the answer says which.
#[tokio::test]
async fn a_sweep_without_a_goal_goes_its_metric_s_way() {
    let client = Client::new().await;
    let direction = async |metric: &str| {
        let sweep =
            json!({"method": "random", "metric": {"name": metric}, "parameters": {"x": {"min": 0.0, "max": 1.0}}});
        let (_, begun) = client.post("/api/v1/studies", json!({"name": metric, "sweep": sweep})).await;
        begun["direction"].clone()
    };
    assert_eq!(direction("roc_auc").await, "maximize");
    assert_eq!(direction("val_loss").await, "minimize");
}

#[tokio::test]
async fn mistakes_are_told() {
    let client = Client::new().await;
    let detail = async |path: &str, body: Value| {
        let (status, problem) = client.post(path, body).await;
        format!("{status} {}", problem["detail"].as_str().unwrap_or_default())
    };
    let none = detail("/api/v1/studies", json!({"name": "x", "direction": "minimize"})).await;
    assert_eq!(none, "400 the search cannot be run so: a study needs `parameters`, or a `sweep` that has them");
    let study = study(&client, json!({})).await;
    assert_eq!(detail("/api/v1/studies/nothing/ask", json!({})).await, "404 Run with id=nothing not found");
    let path = format!("/api/v1/studies/{study}/trials/0/tell");
    assert_eq!(detail(&path, json!({"value": 1.0})).await, "404 the study has no trial 0");
    ask(&client, &study).await;
    assert_eq!(detail(&path, json!({})).await, "400 a trial that finished has a `value`");
    detail(&path, json!({"value": 1.0})).await;
    assert_eq!(detail(&path, json!({"value": 1.0})).await, "409 trial 0 has ended: it is finished");
}
