//! The protocol's rules, request by request.

use expect_test::expect;

use crate::testing::{TestServer, delay_score};

const JSON: &str = "content-type: application/json";
const CSV: &str = "content-type: text/csv";

async fn invoke(header: &str, body: &str) -> String {
    TestServer::of_amount().post("/invocations", &[header], body.to_owned()).await.line()
}

#[tokio::test]
async fn every_form_of_a_frame_is_read() {
    for body in [
        r#"{"dataframe_split": {"columns": ["b", "a", "more"], "index": [0, 1], "data": [[2, 1, "x"], [4, 3, "y"]]}}"#,
        r#"{"dataframe_split": {"data": [[1, 2], [3, 4]]}, "params": {}}"#,
        r#"{"dataframe_records": [{"a": 1, "b": 2}, {"b": 4, "a": 3}]}"#,
        r#"{"instances": [[1, 2], [3, 4]]}"#,
        r#"{"instances": [{"a": 1, "b": 2}, {"a": [3], "b": [4]}]}"#,
        r#"{"inputs": {"a": [1, 3], "b": [[2], [4]]}}"#,
        r#"{"inputs": [[1, 2], [3, 4]]}"#,
    ] {
        assert_eq!(invoke(JSON, body).await, r#"200 {"predictions":[21.0,43.0]}"#, "{body}");
    }
    let charset = "content-type: application/json; charset=utf-8";
    assert_eq!(invoke(charset, r#"{"instances": [[1, null]]}"#).await, r#"200 {"predictions":[1.0]}"#);
}

#[tokio::test]
async fn csv_is_read_as_the_model_takes_it() {
    assert_eq!(invoke(CSV, "a,b\n1,2\n3,\n").await, r#"200 {"predictions":[21.0,3.0]}"#);
    assert_eq!(invoke(CSV, "b,\"a\"\r\n2,\"1\"").await, r#"200 {"predictions":[21.0]}"#);
    let csv = "carrier,distance,note\n9E,2500,\"a, \"\"b\"\"\"\nUA,100,\n";
    let server = TestServer::new();
    let reply = server.post("/endpoints/delay/invocations", &[CSV], csv).await;
    let scores = [delay_score(2500.0, "9E", None), delay_score(100.0, "UA", Some(7.5))];
    assert_eq!(reply.json()["predictions"], serde_json::json!(scores));
    let logged = server.log.read_all("delay").unwrap();
    assert_eq!(serde_json::to_string(&logged[0].keys).unwrap(), r#"{"carrier":"9E","note":"a, \"b\""}"#);
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_and_says_why() {
    let mut text = String::new();
    for (header, body) in [
        (JSON, "{"),
        (JSON, "{}"),
        (JSON, r#"{"instances": [[1, 2]], "inputs": [[1, 2]]}"#),
        (JSON, r#"{"instances": []}"#),
        (JSON, r#"{"instances": [[1]]}"#),
        (JSON, r#"{"dataframe_records": [{"a": 1}]}"#),
        (JSON, r#"{"dataframe_records": [{"a": 1, "b": "two"}]}"#),
        (JSON, r#"{"dataframe_records": [{"a": 1, "b": {"c": 2}}]}"#),
        (JSON, r#"{"dataframe_split": {"column": ["a"], "data": []}}"#),
        (JSON, r#"{"inputs": {"a": [1, 2], "b": [1]}}"#),
        (CSV, ""),
        (CSV, "a,b\n1,x\n"),
        (CSV, "a,b\n1\n"),
        ("content-type: text/plain", "a"),
        ("content-type: application/json; charset=latin-1", "{}"),
    ] {
        text.push_str(&format!("{body:?}\n    {}\n", invoke(header, body).await));
    }
    expect![[r#"
        "{"
            400 {"error_code":"BAD_REQUEST","message":"the body is no JSON object with `dataframe_split`, `dataframe_records`, `instances` or `inputs`: EOF while parsing an object at line 1 column 1"}
        "{}"
            400 {"error_code":"BAD_REQUEST","message":"the body must hold exactly one of `dataframe_split`, `dataframe_records`, `instances` or `inputs`"}
        "{\"instances\": [[1, 2]], \"inputs\": [[1, 2]]}"
            400 {"error_code":"BAD_REQUEST","message":"the body must hold exactly one of `dataframe_split`, `dataframe_records`, `instances` or `inputs`"}
        "{\"instances\": []}"
            400 {"error_code":"BAD_REQUEST","message":"the request has no rows; send at least one"}
        "{\"instances\": [[1]]}"
            400 {"error_code":"BAD_REQUEST","message":"a row has 1 values but there are 2 columns: a, b"}
        "{\"dataframe_records\": [{\"a\": 1}]}"
            400 {"error_code":"INVALID_PARAMETER_VALUE","message":"Failed to enforce schema of data: row 0 gives no `b`; send it with the row, or send null if it is not known"}
        "{\"dataframe_records\": [{\"a\": 1, \"b\": \"two\"}]}"
            400 {"error_code":"INVALID_PARAMETER_VALUE","message":"Failed to enforce schema of data: model `amounts@3` cannot predict row 0: feature `b` takes a number, but got the text `two`"}
        "{\"dataframe_records\": [{\"a\": 1, \"b\": {\"c\": 2}}]}"
            400 {"error_code":"BAD_REQUEST","message":"column `b` holds an object; give text, a number, true, false or null"}
        "{\"dataframe_split\": {\"column\": [\"a\"], \"data\": []}}"
            400 {"error_code":"BAD_REQUEST","message":"the body is no JSON object with `dataframe_split`, `dataframe_records`, `instances` or `inputs`: unknown field `column`, expected one of `columns`, `index`, `data` at line 1 column 29"}
        "{\"inputs\": {\"a\": [1, 2], \"b\": [1]}}"
            400 {"error_code":"BAD_REQUEST","message":"column `b` has 1 values but the first column has 2"}
        ""
            400 {"error_code":"BAD_REQUEST","message":"the CSV is empty; its first line names the columns"}
        "a,b\n1,x\n"
            400 {"error_code":"BAD_REQUEST","message":"row 0 of the CSV gives `x` for `b`, which is a number"}
        "a,b\n1\n"
            400 {"error_code":"BAD_REQUEST","message":"row 0 of the CSV has 1 fields but the first line names 2 columns"}
        "a"
            415 {"error_code":"BAD_REQUEST","message":"This predictor only supports the following content types: Types: ['text/csv', 'application/json']. Got 'text/plain'."}
        "{}"
            415 {"error_code":"BAD_REQUEST","message":"The scoring server only supports UTF-8"}
    "#]].assert_eq(&text);
}

#[tokio::test]
async fn several_endpoints_are_asked_by_name() {
    let server = TestServer::new();
    let body = r#"{"instances": [[1, 2]]}"#;
    let line = async |path: &str| server.post(path, &[JSON], body).await.line();
    assert_eq!(line("/endpoints/amount/invocations").await, r#"200 {"predictions":[21.0]}"#);
    expect![[r#"400 {"error_code":"BAD_REQUEST","message":"3 endpoints are served (amount, broken, delay); post to /endpoints/{name}/invocations"}"#]].assert_eq(&line("/invocations").await);
    expect![[r#"404 {"error_code":"RESOURCE_DOES_NOT_EXIST","message":"there is no endpoint `none`; served are amount, broken, delay"}"#]].assert_eq(&line("/endpoints/none/invocations").await);
}

#[tokio::test]
async fn ping_says_whether_there_is_a_model() {
    let reply = TestServer::of_amount().get("/ping").await;
    assert_eq!((reply.line().as_str(), reply.header("content-type")), ("200 \n", "application/json"));
    assert_eq!(TestServer::serving(Vec::new()).get("/ping").await.status, 404);
    assert_eq!(TestServer::of_amount().get("/version").await.text(), env!("CARGO_PKG_VERSION"));
}
