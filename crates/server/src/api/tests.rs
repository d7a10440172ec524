//! The API, its errors, and what surrounds every request.

use expect_test::expect;
use serde_json::{Value, json};

use crate::testing::{TestServer, delay_score};

const PREDICT: &str = "/api/v1/endpoints/delay/predict";

#[tokio::test]
async fn prediction_says_all_that_is_behind_it() {
    let server = TestServer::new();
    let body = r#"{"rows": [{"carrier": "UA", "distance": 1400, "flight_id": "UA-1"}]}"#;
    let headers = ["content-type: application/json", "x-request-id: call-1"];
    let reply = server.post(PREDICT, &headers, body).await;
    assert_eq!(reply.header("x-request-id"), "call-1");
    let mut answer = reply.json();
    let id = answer["predictions"][0]["id"].take();
    let logged = server.log.find(id.as_str().unwrap()).unwrap().unwrap();
    assert_eq!(logged.request_id.as_deref(), Some("call-1"));
    assert_eq!(answer["predictions"][0]["score"].take(), json!(delay_score(1400.0, "UA", Some(7.5))));
    expect![[r#"
        {
          "endpoint": "delay",
          "revision": 7,
          "commit": "c-1",
          "at": "1970-01-01T00:02:00Z",
          "request_id": "call-1",
          "predictions": [
            {
              "id": null,
              "score": null,
              "variant": "main",
              "model": "arrival_delay",
              "version": 3,
              "keys": {
                "carrier": "UA",
                "flight_id": "UA-1"
              },
              "features": {
                "carrier": {
                  "value": "UA",
                  "status": "PRESENT"
                },
                "distance": {
                  "value": 1400,
                  "status": "PRESENT"
                },
                "mean_delay": {
                  "value": 7.5,
                  "status": "PRESENT"
                }
              },
              "freshness": {
                "carrier_delays": {
                  "status": "PRESENT",
                  "event_at": "1970-01-01T00:01:40Z",
                  "age_seconds": 20.0
                }
              }
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&answer).unwrap());
}

#[tokio::test]
async fn endpoints_are_listed_and_shown() {
    let server = TestServer::new();
    let list = server.get("/api/v1/endpoints").await.json();
    let names: Vec<&Value> = list["endpoints"].as_array().unwrap().iter().map(|endpoint| &endpoint["name"]).collect();
    assert_eq!(names, ["amount", "broken", "delay"]);
    assert_eq!(list["endpoints"][2], server.get("/api/v1/endpoints/delay").await.json());
    expect![[r#"
        {
          "name": "delay",
          "revision": 7,
          "main": {
            "model": "arrival_delay",
            "version": 3,
            "task": "binary_classification"
          },
          "canary": null,
          "features": [
            {
              "name": "distance",
              "type": "number",
              "view": null
            },
            {
              "name": "carrier",
              "type": "text",
              "view": null
            },
            {
              "name": "mean_delay",
              "type": "number",
              "view": "carrier_delays"
            }
          ],
          "entity_keys": [
            "carrier"
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&list["endpoints"][2]).unwrap());
}

#[tokio::test]
async fn errors_are_problem_details() {
    let server = TestServer::new();
    let mut text = String::new();
    for (path, body) in [
        (PREDICT, "{"),
        (PREDICT, r#"{"rows": []}"#),
        (PREDICT, r#"{"rows": [{"carrier": "UA"}]}"#),
        (PREDICT, r#"{"rows": [{"distance": 5}]}"#),
        (PREDICT, r#"{"rows": [{"carrier": "UA", "distance": [5]}]}"#),
        (PREDICT, r#"{"rows": [{"carrier": "UA", "distance": "far"}]}"#),
        ("/api/v1/endpoints/none/predict", r#"{"rows": [{}]}"#),
        ("/api/v1/endpoints/broken/predict", r#"{"rows": [{"a": 1}]}"#),
        ("/api/v1/endpoints", "{}"),
        ("/api/v2", "{}"),
    ] {
        let reply = server.post_json(path, body).await;
        assert_eq!(reply.header("content-type"), "application/problem+json");
        let problem = reply.json();
        assert_eq!(problem["status"], reply.status.as_u16());
        text.push_str(&format!("{} {} {}\n", reply.status.as_u16(), problem["code"], problem["detail"]));
    }
    expect![[r#"
        400 "A0101" "the body is not `{\"rows\": [{\"feature or key\": value}]}`: EOF while parsing an object at line 1 column 1"
        400 "A0101" "`rows` is empty; give at least one row"
        400 "A0101" "row 0 gives no `distance`; send it with the row, or send null if it is not known"
        400 "A0101" "row 0 gives no `mean_delay`; send it with the row, or send carrier to look it up"
        400 "A0101" "row 0 gives a list for `distance`; give text, a number, true, false or null"
        400 "A0101" "model `arrival_delay@3` cannot predict row 0: feature `distance` takes a number, but got the text `far`"
        404 "A0102" "there is no endpoint `none`; served are amount, broken, delay"
        500 "X0001" "the server failed on this request; its log says where"
        405 "A0102" "`/api/v1/endpoints` does not take POST"
        404 "A0102" "there is nothing at `/api/v2`"
    "#]].assert_eq(&text);
}

#[tokio::test]
async fn inferences_are_counted_under_the_names_of_triton() {
    let server = TestServer::new();
    let rows = r#"{"rows": [{"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1, "b": 2}]}"#;
    for body in [rows, rows, r#"{"rows": [{"a": 1}]}"#] {
        server.post_json("/api/v1/endpoints/amount/predict", body).await;
    }
    server.post_json("/api/v1/endpoints/no_such/predict", rows).await;
    let text = server.get("/metrics").await.text();
    for line in [
        "nv_inference_request_success{model=\"amount\",version=\"3\"} 2",
        "nv_inference_request_failure{model=\"amount\",version=\"3\"} 1",
        "nv_inference_count{model=\"amount\",version=\"3\"} 6",
        "nv_inference_exec_count{model=\"amount\",version=\"3\"} 2",
        "baton_http_requests_total{route=\"/api/v1/endpoints/{endpoint}/predict\",status=\"200\"} 2",
        "baton_http_requests_total{route=\"/api/v1/endpoints/{endpoint}/predict\",status=\"404\"} 1",
        "baton_shadows_dropped_total 0",
    ] {
        assert!(text.lines().any(|there| there == line), "{line}\n{text}");
    }
    assert!(text.contains("nv_inference_request_duration_us{model=\"amount\",version=\"3\"} "), "{text}");
    assert!(!text.contains("no_such"), "{text}");
    assert_eq!(server.get("/health").await.line(), r#"200 {"status":"ok","endpoints":3,"commit":"c-1"}"#);
}

#[tokio::test]
async fn assets_are_selected_paged_and_refused() {
    let server = TestServer::new();
    let answers = [
        server.get("/api/v1/assets?select=days").await.line(),
        server.get("/api/v1/assets?limit=1").await.line(),
        server.get("/api/v1/assets?limit=1&after=days").await.line(),
        server.get("/api/v1/assets?select=dais").await.line(),
        server.get("/api/v1/assets?select=state:modified+").await.line(),
        server.get("/api/v1/assets?selected=days").await.line(),
    ];
    expect![[r#"
        200 {"assets":[{"name":"days","kind":"table","version":null,"rows":7,"owner":null,"description":null}],"unmatched":[],"next":null}
        200 {"assets":[{"name":"days","kind":"table","version":null,"rows":7,"owner":null,"description":null}],"unmatched":[],"next":"days"}
        200 {"assets":[{"name":"delay","kind":"endpoint","version":null,"rows":null,"owner":null,"description":null}],"unmatched":[],"next":null}
        400 {"type":"/errors/A0101","title":"the request cannot be understood","status":400,"detail":"there is no asset `dais`","code":"A0101","labels":[],"help":["did you mean `days`?"]}
        503 {"type":"/errors/A0106","title":"the server cannot answer now","status":503,"detail":"the project's files have mistakes","code":"A0106","labels":[],"help":["run `baton check`"]}
        400 {"type":"/errors/A0101","title":"the request cannot be understood","status":400,"detail":"there is no parameter `selected`; a list takes select, exclude, limit and after","code":"A0101","labels":[],"help":[]}
    "#]].assert_eq(&(answers.join("\n") + "\n"));
}

#[tokio::test]
async fn endpoints_are_selected_like_assets() {
    let server = TestServer::new();
    let names = |value: Value| -> Vec<String> {
        let endpoints = value["endpoints"].as_array().unwrap().clone();
        endpoints.iter().map(|endpoint| endpoint["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(server.get("/api/v1/endpoints").await.json()), ["amount", "broken", "delay"]);
    assert_eq!(names(server.get("/api/v1/endpoints?select=delay&select=days").await.json()), ["delay"]);
    assert_eq!(server.get("/api/v1/endpoints?select=nope").await.status.as_u16(), 400);
}
