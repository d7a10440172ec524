//! The protocol's rules, request by request.

use axum::http::HeaderMap;
use baton_core::scalar::Scalar;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::request::{HEADER_LENGTH, InferRequest};

use crate::encoding::Coding;
use crate::testing::{Reply, TestServer, delay_score};

const AMOUNT: &str = "/v2/models/amount/infer";
const DELAY: &str = "/v2/models/delay/infer";

async fn scores(path: &str, body: Value) -> Vec<f64> {
    let reply = TestServer::new().post_json(path, &body.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    floats(&reply.json()["outputs"][0]["data"])
}

fn floats(data: &Value) -> Vec<f64> {
    data.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// A request for two rows, `a` and `b`, in binary: its JSON part and its binary part.
fn binary_request(parameters: Value) -> (String, Vec<u8>) {
    let input = |name: &str, datatype: &str, bytes: usize| json!({"name": name, "shape": [2, 1], "datatype": datatype, "parameters": {"binary_data_size": bytes}});
    let head = json!({"inputs": [input("a", "FP32", 8), input("b", "INT16", 4)], "parameters": parameters});
    let mut bytes = Vec::new();
    [1.5_f32, -2.0].iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    [3_i16, -4].iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    (head.to_string(), bytes)
}

async fn post_binary(headers: &[&str], length: usize, body: Vec<u8>) -> Reply {
    let length = format!("inference-header-content-length: {length}");
    let headers: Vec<&str> = headers.iter().copied().chain([length.as_str()]).collect();
    TestServer::new().post(AMOUNT, &headers, body).await
}

async fn check(server: &TestServer, calls: &[(&str, &str)], expected: Expect) {
    let mut text = String::new();
    for (path, body) in calls {
        let reply = if body.is_empty() { server.get(path).await } else { server.post_json(path, body).await };
        text.push_str(&format!("{path} {body}\n    {}\n", reply.line()));
    }
    expected.assert_eq(&text);
}

#[tokio::test]
async fn server_and_models_describe_themselves() {
    let calls = [
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models",
        "/v2/models/delay",
        "/v2/models/amount/versions/4",
        "/v2/models/amount/versions/4/ready",
        "/v2/models/delay/ready",
    ]
    .map(|path| (path, ""));
    let expected = expect![[r#"
        /v2 
            200 {"name":"baton","version":"0.1.0","extensions":["binary_tensor_data"]}
        /v2/health/live 
            200 {"live":true,"ready":true}
        /v2/health/ready 
            200 {"live":true,"ready":true}
        /v2/models 
            200 {"models":["amount","broken","delay"]}
        /v2/models/delay 
            200 {"name":"delay","versions":["3"],"platform":"baton","inputs":[{"name":"distance","datatype":"FP64","shape":[-1]},{"name":"carrier","datatype":"BYTES","shape":[-1]},{"name":"mean_delay","datatype":"FP64","shape":[-1]}],"outputs":[{"name":"score","datatype":"FP64","shape":[-1]},{"name":"predicted","datatype":"BOOL","shape":[-1]},{"name":"prediction_id","datatype":"BYTES","shape":[-1]},{"name":"model_version","datatype":"UINT32","shape":[-1]}],"parameters":{"entity_keys":"carrier"}}
        /v2/models/amount/versions/4 
            200 {"name":"amount","versions":["3","4"],"platform":"baton","inputs":[{"name":"a","datatype":"FP64","shape":[-1]},{"name":"b","datatype":"FP64","shape":[-1]}],"outputs":[{"name":"score","datatype":"FP64","shape":[-1]},{"name":"prediction_id","datatype":"BYTES","shape":[-1]},{"name":"model_version","datatype":"UINT32","shape":[-1]}],"parameters":{"entity_keys":""}}
        /v2/models/amount/versions/4/ready 
            200 {"name":"amount","ready":true}
        /v2/models/delay/ready 
            200 {"name":"delay","ready":true}
    "#]];
    check(&TestServer::new(), &calls, expected).await;
}

#[tokio::test]
async fn unknown_names_are_not_found_and_said() {
    let calls = [
        ("/v2/models/dely", ""),
        ("/v2/models/dely/ready", ""),
        ("/v2/models/dely/infer", "{}"),
        ("/v2/models/amount/versions/2", ""),
        ("/v2/models/amount/versions/latest/ready", ""),
        (
            "/v2/models/amount/versions/2/infer",
            r#"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","data":[1,2]}]}"#,
        ),
        ("/v2/model", ""),
        ("/v2/models/delay/infer", ""),
    ];
    let expected = expect![[r#"
        /v2/models/dely 
            404 {"error":"there is no endpoint `dely`; served are amount, broken, delay"}
        /v2/models/dely/ready 
            404 {"error":"there is no endpoint `dely`; served are amount, broken, delay"}
        /v2/models/dely/infer {}
            404 {"error":"there is no endpoint `dely`; served are amount, broken, delay"}
        /v2/models/amount/versions/2 
            404 {"error":"endpoint `amount` does not serve version 2; it serves 3, 4"}
        /v2/models/amount/versions/latest/ready 
            404 {"error":"endpoint `amount` has no version `latest`; versions are whole numbers"}
        /v2/models/amount/versions/2/infer {"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","data":[1,2]}]}
            404 {"error":"endpoint `amount` does not serve version 2; it serves 3, 4"}
        /v2/model 
            404 {"error":"there is nothing at `/v2/model`"}
        /v2/models/delay/infer 
            405 {"error":"`/v2/models/delay/infer` does not take GET"}
    "#]];
    check(&TestServer::new(), &calls, expected).await;
}

#[tokio::test]
async fn repository_index_lists_every_version() {
    let index = "/v2/repository/index";
    let expected = expect![[r#"
        /v2/repository/index {"ready": true}
            200 [{"name":"amount","version":"3","state":"READY","reason":""},{"name":"amount","version":"4","state":"READY","reason":""}]
        /v2/repository/index {"ready": 1}
            400 {"error":"the body is not `{\"ready\": true}`: invalid type: integer `1`, expected a boolean at line 1 column 11"}
    "#]];
    let server = TestServer::of_amount();
    check(&server, &[(index, r#"{"ready": true}"#), (index, r#"{"ready": 1}"#)], expected).await;
    assert_eq!(server.post(index, &[], "").await.status, 200);
}

#[tokio::test]
async fn row_is_looked_up_by_key_answered_and_in_the_log() {
    let server = TestServer::new();
    let body = json!({"id": "call-1", "inputs": [
        {"name": "flight_id", "shape": [1], "datatype": "BYTES", "data": ["UA-1"]},
        {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["UA"]},
        {"name": "distance", "shape": [1], "datatype": "INT32", "data": [1400]},
    ]});
    let answer = server.post_json(DELAY, &body.to_string()).await.json();
    let score = delay_score(1400.0, "UA", Some(7.5));
    assert_eq!((answer["model_name"].as_str(), answer["model_version"].as_str()), (Some("delay"), Some("3")));
    assert_eq!(answer["id"], "call-1");
    assert_eq!(
        answer["outputs"],
        json!([
            {"name": "score", "datatype": "FP64", "shape": [1], "data": [score]},
            {"name": "predicted", "datatype": "BOOL", "shape": [1], "data": [score >= 0.5]},
        ])
    );
    let id = answer["parameters"]["prediction_ids"].as_str().unwrap();
    let logged = server.log.find(id).unwrap().unwrap();
    assert_eq!((logged.score, logged.revision, logged.request_id.as_deref()), (score, 7, Some("call-1")));
    assert_eq!(logged.features["mean_delay"], Scalar::Float(7.5));
    assert_eq!(logged.keys["flight_id"], Scalar::Text("UA-1".to_owned()));
}

#[tokio::test]
async fn tensors_may_be_named_or_one_matrix_flat_or_nested() {
    let tensor =
        |name: &str, shape: Value, data: Value| json!({"name": name, "shape": shape, "datatype": "FP64", "data": data});
    let flat = json!({"inputs": [tensor("input-0", json!([2, 2]), json!([1, 2, 3, 4]))]});
    let nested = json!({"inputs": [tensor("input-0", json!([2, 2]), json!([[1, 2], [3, 4]]))]});
    let named =
        json!({"inputs": [tensor("b", json!([2, 1]), json!([[2], [4]])), tensor("a", json!([2]), json!([1, 3]))]});
    for body in [flat, nested, named] {
        assert_eq!(scores(AMOUNT, body).await, [21.0, 43.0]);
    }
    let missing =
        json!({"inputs": [tensor("a", json!([2]), json!([null, 1])), tensor("b", json!([2]), json!([5, null]))]});
    assert_eq!(scores(AMOUNT, missing).await, [50.0, 1.0]);
    let texts = json!({"inputs": [
        {"name": "carrier", "shape": [2, 1], "datatype": "BYTES", "data": [["AA"], ["9E"]]},
        tensor("distance", json!([2, 1]), json!([[100], [2500]])),
        tensor("mean_delay", json!([2]), json!([1.0, null])),
    ]});
    assert_eq!(scores(DELAY, texts).await, [delay_score(100.0, "AA", Some(1.0)), delay_score(2500.0, "9E", None)]);
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_and_says_why() {
    let input = |text: &str| format!(r#"{{"inputs":[{text}]}}"#);
    let a = r#"{"name":"a","shape":[1],"datatype":"FP64","data":[1]}"#;
    let bodies = [
        "{".to_owned(),
        r#"{"rows":[]}"#.to_owned(),
        input(""),
        input(a),
        input(&format!("{a},{a}")),
        input(&format!(r#"{a},{{"name":"b","shape":[2],"datatype":"FP64","data":[1,2]}}"#)),
        input(&format!(r#"{a},{{"name":"b","shape":[1,2],"datatype":"FP64","data":[1,2]}}"#)),
        input(r#"{"name":"m","shape":[1,3],"datatype":"FP64","data":[1,2,3]}"#),
        input(r#"{"name":"m","shape":[2,2],"datatype":"FP64","data":[1,2,3]}"#),
        input(r#"{"name":"m","shape":[0,2],"datatype":"FP64","data":[]}"#),
        input(r#"{"name":"m","shape":[1,2],"datatype":"INT64","data":[1,2]}"#),
        input(r#"{"name":"m","shape":[4294967296,4294967296],"datatype":"FP64","data":[1]}"#),
        input(r#"{"name":"m","shape":[1,2],"datatype":"FLOAT","data":[1,2]}"#),
        input(r#"{"name":"m","shape":[1,2],"datatype":"FP16","data":[1,2]}"#),
        input(r#"{"name":"m","shape":[1,2],"datatype":"FP64","data":["1",2]}"#),
        input(r#"{"name":"m","shape":[1,2],"datatype":"FP64"}"#),
        input(r#"{"name":"m","shape":[1,2],"datatype":"FP64","data":[1,2],"parameters":{"binary_data_size":16}}"#),
        input(r#"{"name":"m","shape":[1,2],"datatype":"FP64","parameters":{"binary_data_size":16}}"#),
        input(r#"{"name":"m","shape":[1,2],"datatype":"FP64","parameters":{"binary_data_size":-1}}"#),
        input(r#"{"name":"a","shape":[1],"datatype":"UINT8","data":[256]}"#),
        input(
            r#"{"name":"a","shape":[1],"datatype":"BYTES","data":["x"]},{"name":"b","shape":[1],"datatype":"BOOL","data":[true]}"#,
        ),
        r#"{"inputs":[{"name":"m","shape":[1,2],"datatype":"FP64","data":[1,2]}],"outputs":[{"name":"predicted"}]}"#
            .to_owned(),
        r#"{"inputs":[],"parameters":{"binary_data_output":"yes"}}"#.to_owned(),
        r#"{"inputs":[],"outputs":[{"name":"score","parameters":{"classification":3}}]}"#.to_owned(),
    ];
    let calls: Vec<(&str, &str)> = bodies.iter().map(|body| (AMOUNT, body.as_str())).collect();
    check(&TestServer::new(), &calls, expect![[r#"
        /v2/models/amount/infer {
            400 {"error":"the request is not one of the Open Inference Protocol: EOF while parsing an object at line 1 column 1"}
        /v2/models/amount/infer {"rows":[]}
            400 {"error":"the request is not one of the Open Inference Protocol: missing field `inputs` at line 1 column 11"}
        /v2/models/amount/infer {"inputs":[]}
            400 {"error":"the request has no inputs; send one tensor for each feature or key"}
        /v2/models/amount/infer {"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":[1]}]}
            400 {"error":"row 0 gives no `b`; send it with the row, or send null if it is not known"}
        /v2/models/amount/infer {"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":[1]},{"name":"a","shape":[1],"datatype":"FP64","data":[1]}]}
            400 {"error":"input `a` is given twice"}
        /v2/models/amount/infer {"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":[1]},{"name":"b","shape":[2],"datatype":"FP64","data":[1,2]}]}
            400 {"error":"input `b` has 2 rows but `a` has 1; all must have as many"}
        /v2/models/amount/infer {"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":[1]},{"name":"b","shape":[1,2],"datatype":"FP64","data":[1,2]}]}
            400 {"error":"input `b` has the shape [1, 2]; a feature or key has [rows] or [rows, 1]"}
        /v2/models/amount/infer {"inputs":[{"name":"m","shape":[1,3],"datatype":"FP64","data":[1,2,3]}]}
            400 {"error":"input `m` has 3 columns; the model reads 2: a, b"}
        /v2/models/amount/infer {"inputs":[{"name":"m","shape":[2,2],"datatype":"FP64","data":[1,2,3]}]}
            400 {"error":"input `m` has a shape of 4 elements but 3 in `data`"}
        /v2/models/amount/infer {"inputs":[{"name":"m","shape":[0,2],"datatype":"FP64","data":[]}]}
            400 {"error":"the request has no rows; send at least one"}
        /v2/models/amount/infer {"inputs":[{"name":"m","shape":[1,2],"datatype":"INT64","data":[1,2]}]}
            400 {"error":"input `m` is a matrix of INT64; a matrix of all features is FP32 or FP64"}
        /v2/models/amount/infer {"inputs":[{"name":"m","shape":[4294967296,4294967296],"datatype":"FP64","data":[1]}]}
            400 {"error":"input `m` has the shape [4294967296, 4294967296], which is too large"}
        /v2/models/amount/infer {"inputs":[{"name":"m","shape":[1,2],"datatype":"FLOAT","data":[1,2]}]}
            400 {"error":"input `m` has the unknown datatype `FLOAT`; known are BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64, BYTES"}
        /v2/models/amount/infer {"inputs":[{"name":"m","shape":[1,2],"datatype":"FP16","data":[1,2]}]}
            400 {"error":"input `m` is FP16, which has no form in JSON; send FP32, or binary data"}
        /v2/models/amount/infer {"inputs":[{"name":"m","shape":[1,2],"datatype":"FP64","data":["1",2]}]}
            400 {"error":"input `m` is FP64 but has \"1\" in `data`"}
        /v2/models/amount/infer {"inputs":[{"name":"m","shape":[1,2],"datatype":"FP64"}]}
            400 {"error":"input `m` has neither `data` nor the parameter `binary_data_size`"}
        /v2/models/amount/infer {"inputs":[{"name":"m","shape":[1,2],"datatype":"FP64","data":[1,2],"parameters":{"binary_data_size":16}}]}
            400 {"error":"input `m` has both `data` and `binary_data_size`; give one of them"}
        /v2/models/amount/infer {"inputs":[{"name":"m","shape":[1,2],"datatype":"FP64","parameters":{"binary_data_size":16}}]}
            400 {"error":"input `m` has a `binary_data_size` of 16 but only 0 bytes follow: the body is cut short"}
        /v2/models/amount/infer {"inputs":[{"name":"m","shape":[1,2],"datatype":"FP64","parameters":{"binary_data_size":-1}}]}
            400 {"error":"input `m` has the `binary_data_size` -1, which is no number of bytes"}
        /v2/models/amount/infer {"inputs":[{"name":"a","shape":[1],"datatype":"UINT8","data":[256]}]}
            400 {"error":"input `a` is UINT8 but has 256 in `data`"}
        /v2/models/amount/infer {"inputs":[{"name":"a","shape":[1],"datatype":"BYTES","data":["x"]},{"name":"b","shape":[1],"datatype":"BOOL","data":[true]}]}
            400 {"error":"model `amounts@3` cannot predict row 0: feature `a` takes a number, but got the text `x`"}
        /v2/models/amount/infer {"inputs":[{"name":"m","shape":[1,2],"datatype":"FP64","data":[1,2]}],"outputs":[{"name":"predicted"}]}
            400 {"error":"there is no output `predicted`; endpoint `amount` has score, prediction_id, model_version"}
        /v2/models/amount/infer {"inputs":[],"parameters":{"binary_data_output":"yes"}}
            400 {"error":"parameter `binary_data_output` is \"yes\"; it must be true or false"}
        /v2/models/amount/infer {"inputs":[],"outputs":[{"name":"score","parameters":{"classification":3}}]}
            400 {"error":"output `score` asks for classification, which is not offered; ask without"}
    "#]]).await;
}

#[tokio::test]
async fn numbers_alone_cannot_give_text_features() {
    let body = r#"{"inputs":[{"name":"input","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}"#;
    let number = r#"{"inputs":[{"name":"carrier","shape":[1],"datatype":"INT64","data":[1]},{"name":"distance","shape":[1],"datatype":"FP64","data":[1]}]}"#;
    let expected = expect![[r#"
        /v2/models/delay/infer {"inputs":[{"name":"input","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}
            400 {"error":"input `input` is a matrix of numbers, but feature `carrier` is text; send one tensor for each feature"}
        /v2/models/delay/infer {"inputs":[{"name":"carrier","shape":[1],"datatype":"INT64","data":[1]},{"name":"distance","shape":[1],"datatype":"FP64","data":[1]}]}
            400 {"error":"model `arrival_delay@3` cannot predict row 0: feature `carrier` takes text, but got the number 1"}
    "#]];
    check(&TestServer::new(), &[(DELAY, body), (DELAY, number)], expected).await;
}

#[tokio::test]
async fn binary_tensors_go_both_ways() {
    let (head, binary) = binary_request(json!({"binary_data_output": true}));
    let reply = post_binary(&[], head.len(), [head.as_bytes(), &binary].concat()).await;
    assert_eq!(reply.header("content-type"), "application/octet-stream");
    let length: usize = reply.header("inference-header-content-length").parse().unwrap();
    let answer: Value = serde_json::from_slice(&reply.body[..length]).unwrap();
    let output = json!([{"name": "score", "datatype": "FP64", "shape": [2], "parameters": {"binary_data_size": 16}}]);
    assert_eq!(answer["outputs"], output);
    // 1.5 + 10 * 3 and -2 + 10 * -4, little-endian.
    assert_eq!(reply.body[length..], [31.5_f64.to_le_bytes(), (-42.0_f64).to_le_bytes()].concat());
}

#[tokio::test]
async fn each_output_says_whether_it_is_binary() {
    let body = json!({
        "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}],
        "parameters": {"binary_data_output": true},
        "outputs": [
            {"name": "model_version"},
            {"name": "score", "parameters": {"binary_data": false}},
            {"name": "prediction_id"},
        ],
    });
    let reply = TestServer::new().post_json(AMOUNT, &body.to_string()).await;
    let length: usize = reply.header("inference-header-content-length").parse().unwrap();
    let answer: Value = serde_json::from_slice(&reply.body[..length]).unwrap();
    let size = |place: usize| answer["outputs"][place]["parameters"]["binary_data_size"].as_u64();
    assert_eq!((size(0), size(1), size(2)), (Some(4), None, Some(40)));
    assert_eq!(answer["outputs"][1]["data"], json!([21.0]));
    let id = answer["parameters"]["prediction_ids"].as_str().unwrap();
    let expected = [&3_u32.to_le_bytes(), &36_u32.to_le_bytes(), id.as_bytes()].concat();
    assert_eq!(reply.body[length..], expected);
}

#[tokio::test]
async fn torn_binary_requests_are_refused() {
    let (head, binary) = binary_request(json!({}));
    let whole = [head.as_bytes(), &binary].concat();
    let cut = |bytes: usize| whole[..bytes].to_vec();
    let mut text = String::new();
    for (length, body) in [
        (head.len(), cut(whole.len() - 1)),
        (head.len(), cut(head.len())),
        (head.len(), [whole.as_slice(), b"more"].concat()),
        (head.len() - 1, cut(whole.len())),
        (whole.len() + 1, cut(whole.len())),
        (0, cut(whole.len())),
    ] {
        text.push_str(&post_binary(&[], length, body).await.line());
        text.push('\n');
    }
    expect![[r#"
        400 {"error":"input `b` has a `binary_data_size` of 4 but only 3 bytes follow: the body is cut short"}
        400 {"error":"input `a` has a `binary_data_size` of 8 but only 0 bytes follow: the body is cut short"}
        400 {"error":"4 bytes follow the last tensor; no input claims them"}
        400 {"error":"the request is not one of the Open Inference Protocol: EOF while parsing an object at line 1 column 190"}
        400 {"error":"inference-header-content-length is 204, but the body has only 203 bytes: it is cut short"}
        400 {"error":"inference-header-content-length is 0, but raw tensors without a JSON header are not taken; describe the inputs in one"}
    "#]].assert_eq(&text);
}

#[tokio::test]
async fn packed_requests_and_answers_are_understood() {
    let (head, binary) = binary_request(json!({"binary_data_output": true}));
    let plain = [head.as_bytes(), &binary].concat();
    for (name, coding) in [("gzip", Coding::Gzip), ("deflate", Coding::Deflate)] {
        let headers = [format!("content-encoding: {name}"), format!("accept-encoding: {name}")];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let reply = post_binary(&headers, head.len(), coding.encode(plain.clone()).unwrap()).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-encoding")), (200, name));
        let length: usize = reply.header("inference-header-content-length").parse().unwrap();
        let body = coding.decode(reply.body, 1 << 20).unwrap();
        assert_eq!(body[length..], [31.5_f64.to_le_bytes(), (-42.0_f64).to_le_bytes()].concat());
    }
    let unknown = post_binary(&["content-encoding: br"], head.len(), plain).await;
    let expected = r#"415 {"error":"content encoding `br` is not known; send gzip, deflate, or the plain body"}"#;
    assert_eq!(unknown.line(), expected);
    let bomb = Coding::Gzip.encode(vec![b' '; (64 << 20) + 1]).unwrap();
    let refused = TestServer::new().post(AMOUNT, &["content-encoding: gzip"], bomb).await;
    assert_eq!(refused.line(), r#"413 {"error":"the request has more than 64 MiB; send fewer rows at a time"}"#);
}

#[tokio::test]
async fn version_in_the_path_answers() {
    let body = json!({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}]});
    let answer = |version: u32| {
        let (path, body) = (format!("/v2/models/amount/versions/{version}/infer"), body.to_string());
        async move {
            let answer = TestServer::new().post_json(&path, &body).await.json();
            (answer["model_version"].as_str().map(str::to_owned), floats(&answer["outputs"][0]["data"]))
        }
    };
    assert_eq!(answer(3).await, (Some("3".to_owned()), vec![21.0]));
    assert_eq!(answer(4).await, (Some("4".to_owned()), vec![210.0]));
}

#[tokio::test]
async fn panic_is_an_error_of_the_protocol() {
    let body = r#"{"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":[1]}]}"#;
    let reply = TestServer::new().post_json("/v2/models/broken/infer", body).await;
    assert_eq!(reply.line(), r#"500 {"error":"the server failed on this request; its log says where"}"#);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn damaged_requests_are_answered_or_refused_but_never_fail(
        length in 0_usize..260,
        cut in 0_usize..260,
        place in 0_usize..260,
        byte in any::<u8>(),
    ) {
        let (head, binary) = binary_request(json!({"binary_data_output": true}));
        let mut body = [head.as_bytes(), &binary].concat();
        let (place, cut) = (place % body.len(), cut % (body.len() + 1));
        body[place] = byte;
        body.truncate(cut);
        let length = if length % 2 == 0 { head.len() } else { length };
        let mut headers = HeaderMap::new();
        headers.insert(HEADER_LENGTH, length.into());
        if let Ok(request) = InferRequest::read(&headers, &body) {
            for tensor in request.inputs {
                prop_assert_eq!(tensor.shape.iter().product::<usize>(), tensor.values.len());
            }
        }
    }
}
