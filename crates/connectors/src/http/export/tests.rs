//! Deliveries to a local server that has its faults.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use baton_testkit::web::{Answer as Said, Asked, TestWeb};
use serde_json::json;

use super::*;
use crate::export::suite::{How, deliver, keys, rows, target};

fn options(url: &str, more: Value) -> Value {
    let mut options = json!({"url": url, "pause_seconds": 0.001, "retries": 3});
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

fn upsert(url: &str, more: Value) -> ExportTarget {
    target(DeliveryMode::Upsert, options(url, more))
}

#[tokio::test]
async fn a_request_says_what_it_holds_and_has_a_key_of_its_own() {
    let server = TestWeb::start(|_| Said::ok("{}"));
    let target = ExportTarget { batch: 2, ..upsert(&server.url, json!({"headers": {"x-team": "crm"}})) };
    let changes = [(Change::Upsert, rows(&[(1, Some("a")), (2, None), (3, Some("c"))])), (Change::Delete, keys(&[9]))];
    for _ in 0..2 {
        let sent = deliver(&HttpExporter, &target, How::changes("v1"), &changes).await.unwrap();
        assert_eq!((sent.rows, sent.rejected_total), (4, 0));
    }
    let asked = server.asked();
    let bodies: Vec<&str> = asked.iter().map(|asked| asked.body.as_str()).take(3).collect();
    let about = |operation: &str, records: &str| {
        format!(
            "{{\"export\":\"crm\",\"environment\":\"prod\",\"delivery\":\"v1\",\"operation\":\"{operation}\",\"records\":{records}}}"
        )
    };
    assert_eq!(
        bodies,
        [
            about("upsert", "[{\"id\":1,\"name\":\"a\"},{\"id\":2,\"name\":null}]"),
            about("upsert", "[{\"id\":3,\"name\":\"c\"}]"),
            about("delete", "[{\"id\":9}]")
        ]
    );
    let keys: Vec<&str> = asked.iter().map(|asked| asked.header("idempotency-key")).collect();
    assert_eq!(keys[..3], keys[3..], "the same requests have the same keys");
    assert!(keys[0] != keys[1] && keys[0].len() == 32);
    assert_eq!(asked[0].header("x-team"), "crm");
}

/// An API that refuses some rows, fails now and then, and asks to wait.
fn picky() -> (TestWeb, Arc<Mutex<BTreeMap<i64, Value>>>) {
    let held = Arc::new(Mutex::new(BTreeMap::new()));
    let (taken, number) = (Arc::clone(&held), Mutex::new(0));
    let answer = move |asked: &Asked| {
        let mut number = number.lock().unwrap();
        *number += 1;
        if *number % 4 == 0 {
            return Said::status(429, "slowly").with("Retry-After", "0");
        }
        let records: Vec<Value> = serde_json::from_str(&asked.body).unwrap();
        if records.iter().any(|record| record["name"] == "bad") {
            return Said::status(422, "name is bad");
        }
        let mut held = taken.lock().unwrap();
        held.extend(records.into_iter().map(|record| (record["id"].as_i64().unwrap(), record)));
        if *number % 5 == 0 { Said::status(503, "down") } else { Said::status(204, "") }
    };
    (TestWeb::start(answer), held)
}

#[tokio::test]
async fn rows_at_fault_are_found_and_set_aside_and_the_others_go_on() {
    let (server, held) = picky();
    let target = upsert(&server.url, json!({"form": "records"}));
    let mut all: Vec<(i64, Option<&str>)> = (1..=50).map(|id| (id, Some("good"))).collect();
    all[6].1 = Some("bad");
    all[33].1 = Some("bad");
    let sent = deliver(&HttpExporter, &target, How::whole("v1"), &[(Change::Upsert, rows(&all))]).await.unwrap();
    assert_eq!((sent.rows, sent.rejected_total), (48, 2));
    let told: Vec<String> = sent.rejected.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "row 7: {\"id\":7} is refused: 422 Unprocessable Entity: name is bad",
            "row 34: {\"id\":34} is refused: 422 Unprocessable Entity: name is bad"
        ]
    );
    assert_eq!(held.lock().unwrap().len(), 48);
}

#[tokio::test]
async fn an_api_that_refuses_everything_is_no_fault_of_the_rows() {
    let server = TestWeb::start(|_| Said::status(400, "what is this?"));
    let all: Vec<(i64, Option<&str>)> = (1..=100).map(|id| (id, None)).collect();
    let target = upsert(&server.url, json!({}));
    let error = deliver(&HttpExporter, &target, How::whole("v1"), &[(Change::Upsert, rows(&all))]).await.unwrap_err();
    assert!(error.to_string().contains("refuses every row so far"), "{error}");
    assert!(server.asked().len() < 200, "{}", server.asked().len());
}

#[tokio::test]
async fn one_record_a_request_goes_to_its_own_address() {
    let server = TestWeb::start(|asked| match asked.method.as_str() {
        "DELETE" => Said::status(404, "no such customer"),
        _ => Said::ok("{}"),
    });
    let url = format!("{}/customers/{{id}}/profile", server.url);
    let target = upsert(&url, json!({"form": "record", "method": "put"}));
    let changes = [(Change::Upsert, rows(&[(7, Some("a"))])), (Change::Delete, keys(&[8]))];
    deliver(&HttpExporter, &target, How::changes("v1"), &changes).await.unwrap();
    let asked: Vec<(String, String, String)> =
        server.asked().into_iter().map(|asked| (asked.method, asked.path, asked.body)).collect();
    let expected = [
        ("PUT", "/customers/7/profile", "{\"id\":7,\"name\":\"a\"}"),
        ("DELETE", "/customers/8/profile", "{\"id\":8}"),
    ];
    assert_eq!(asked, expected.map(|(method, path, body)| (method.to_owned(), path.to_owned(), body.to_owned())));
}

#[tokio::test]
async fn secrets_are_never_told_and_lasting_refusals_end_at_once() {
    let server = TestWeb::start(|asked| Said::status(403, format!("no: {}", asked.header("authorization"))));
    let auth = json!({"auth": {"type": "bearer", "token": "t0ken"}});
    let target = upsert(&server.url, auth);
    let error = deliver(&HttpExporter, &target, How::whole("v1"), &[(Change::Upsert, rows(&[(1, None)]))]).await;
    let told = error.unwrap_err().to_string();
    assert!(told.contains("answers 403") && !told.contains("t0ken"), "{told}");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn what_makes_no_sense_is_named() {
    let examined = |target: &ExportTarget| HttpExporter.examine(target).unwrap_err().to_string();
    let replace = target(DeliveryMode::Replace, json!({"url": "https://example.com"}));
    assert!(examined(&replace).contains("an API takes rows and does not forget others"));
    let place = upsert("https://example.com/{name}", json!({"form": "record"}));
    assert!(examined(&place).contains("`url` names `{name}`, which is not part of the key"));
    let list = upsert("https://example.com/{id}", json!({}));
    assert!(examined(&list).contains("set `form: record`"));
}
