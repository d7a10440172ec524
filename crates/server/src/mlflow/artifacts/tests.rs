//! Artifacts over HTTP.

use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_RANGE, ETAG};
use axum::http::{HeaderMap, Request};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::mlflow::testing::Client;
use baton_tracking::base64;

const BASE: &str = "/api/2.0/mlflow-artifacts/artifacts";

struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: impl axum::http::header::AsHeaderName) -> String {
        self.headers.get(name).unwrap().to_str().unwrap().to_owned()
    }
}

async fn ask(client: &Client, method: &str, uri: &str, headers: &[(&str, &str)], body: &[u8]) -> Answered {
    let mut request = Request::builder().method(method).uri(uri).header("host", "localhost:5000");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_vec())).unwrap();
    let response = client.router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Answered { status: parts.status.as_u16(), headers: parts.headers, body }
}

async fn put(client: &Client, path: &str, body: &[u8]) -> Answered {
    ask(client, "PUT", &format!("{BASE}/{path}"), &[], body).await
}

async fn get(client: &Client, path: &str, headers: &[(&str, &str)]) -> Answered {
    ask(client, "GET", &format!("{BASE}/{path}"), headers, b"").await
}

#[tokio::test]
async fn files_go_in_and_out_under_any_name() {
    let client = Client::new().await;
    for (path, content) in
        [("1/r/artifacts/dir/a%20b.txt", &b"hello"[..]), ("1/r/artifacts/x+y.txt", b""), ("1/%C3%BC", b"1")]
    {
        assert_eq!(put(&client, path, content).await.status, 200, "{path}");
        let got = get(&client, path, &[]).await;
        assert_eq!((got.status, &got.body[..]), (200, content), "{path}");
    }
    let listed = ask(&client, "GET", &format!("{BASE}?path=1%2Fr%2Fartifacts"), &[], b"").await;
    let expected = json!({"files": [
        {"path": "dir", "is_dir": true},
        {"path": "x+y.txt", "is_dir": false},
    ]});
    assert_eq!(listed.json(), expected);
    for nothing in ["1/r/artifacts/x%2By.txt", "absent"] {
        let listed = ask(&client, "GET", &format!("{BASE}?path={nothing}"), &[], b"").await;
        assert_eq!((listed.status, listed.json()), (200, json!({})), "{nothing}");
    }
}

#[tokio::test]
async fn ranges_and_tags_are_those_of_http() {
    let client = Client::new().await;
    put(&client, "f", b"0123456789").await;
    let range = get(&client, "f", &[("range", "bytes=2-4")]).await;
    assert_eq!((range.status, &range.body[..]), (206, &b"234"[..]));
    assert_eq!(range.header(CONTENT_RANGE), "bytes 2-4/10");
    let tag = range.header(ETAG);
    assert_eq!(get(&client, "f", &[("if-none-match", &tag)]).await.status, 304);
    assert_eq!(get(&client, "f", &[("range", "bytes=2-4"), ("if-range", &tag)]).await.status, 206);
    assert_eq!(get(&client, "f", &[("range", "bytes=2-4"), ("if-range", "\"other\"")]).await.status, 200);
    let past = get(&client, "f", &[("range", "bytes=10-")]).await;
    assert_eq!((past.status, past.header(CONTENT_RANGE)), (416, "bytes */10".to_owned()));
    assert_eq!(get(&client, "f", &[]).await.header("content-length"), "10");
}

#[tokio::test]
async fn what_is_announced_is_what_must_come() {
    let client = Client::new().await;
    // echo -n hello | sha256sum
    let digest = [
        0x2c, 0xf2, 0x4d, 0xba, 0x5f, 0xb0, 0xa3, 0x0e, 0x26, 0xe8, 0x3b, 0x2a, 0xc5, 0xb9, 0xe2, 0x9e, 0x1b, 0x16,
        0x1e, 0x5c, 0x1f, 0xa7, 0x42, 0x5e, 0x73, 0x04, 0x33, 0x62, 0x93, 0x8b, 0x98, 0x24,
    ];
    let announced = format!("sha-256=:{}:", base64::encode(&digest));
    let uri = format!("{BASE}/f");
    let good = ask(&client, "PUT", &uri, &[("content-digest", &announced)], b"hello").await;
    assert_eq!((good.status, good.header("repr-digest")), (200, announced.clone()));
    let bad = ask(&client, "PUT", &uri, &[("content-digest", &announced)], b"hullo").await;
    assert_eq!((bad.status, bad.json()["error_code"].as_str()), (400, Some("INVALID_PARAMETER_VALUE")));
    assert_eq!(get(&client, "f", &[]).await.body, b"hello");
}

#[tokio::test]
async fn paths_that_lead_elsewhere_are_refused() {
    let client = Client::new().await;
    for path in [
        "..",
        "%2e%2e/x",
        "%252e%252e%252fx",
        "a/%2E%2E/%2E%2E/x",
        "%2Fetc%2Fpasswd",
        "a%23b",
        "a%5C..%5Cb",
        "c%3A%2Fx",
        "a%00b",
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = ask(&client, method, &format!("{BASE}/{path}"), &[], b"").await;
            let told = json!({"error_code": "INVALID_PARAMETER_VALUE", "message": "Invalid path"});
            assert_eq!((answer.status, answer.json()), (400, told), "{method} {path}");
        }
    }
    let listed = ask(&client, "GET", &format!("{BASE}?path=..%2F..%2Fetc"), &[], b"").await;
    assert_eq!(listed.status, 400);
}

#[tokio::test]
async fn missing_files_folders_and_repeated_deletes() {
    let client = Client::new().await;
    let missing = get(&client, "p/q", &[]).await;
    let told = json!({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No such artifact: 'p/q'"});
    assert_eq!((missing.status, missing.json()), (404, told));
    put(&client, "d/f", b"1").await;
    let folder = get(&client, "d", &[]).await;
    let told = json!({"detail": "Artifact path refers to a directory, not a file: 'd'"});
    assert_eq!((folder.status, folder.json()), (400, told));
    for _ in 0..2 {
        let deleted = ask(&client, "DELETE", &format!("{BASE}/d/f"), &[], b"").await;
        assert_eq!((deleted.status, deleted.json()), (200, json!({})));
    }
    assert_eq!(get(&client, "d/f", &[]).await.status, 404);
}

#[tokio::test]
async fn files_of_runs_and_models_are_found_by_their_owner() {
    let client = Client::new().await;
    let run = client.new_run().await;
    put(&client, &format!("0/{run}/artifacts/dir/a.txt"), b"hello").await;
    let (_, listed) = client.get(&format!("artifacts/list?run_id={run}&path=dir")).await;
    let expected = json!({
        "root_uri": format!("mlflow-artifacts:/0/{run}/artifacts"),
        "files": [{"path": "dir/a.txt", "is_dir": false, "file_size": 5}],
    });
    assert_eq!(listed, expected);
    let got = ask(&client, "GET", &format!("/get-artifact?run_id={run}&path=dir%2Fa.txt"), &[], b"").await;
    assert_eq!((got.status, got.body), (200, b"hello".to_vec()));
    let uploaded =
        ask(&client, "POST", &format!("/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=up.txt"), &[], b"up")
            .await;
    assert_eq!(uploaded.status, 200);
    assert_eq!(get(&client, &format!("0/{run}/artifacts/up.txt"), &[]).await.body, b"up");
    let big = vec![0; (10 << 20) + 1];
    let uri = format!("/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=big");
    assert_eq!(ask(&client, "POST", &uri, &[], &big).await.status, 400);

    let (_, model) = client.post("logged-models", json!({"experiment_id": "0", "name": "m"})).await;
    let id = model["model"]["info"]["model_id"].as_str().unwrap();
    put(&client, &format!("0/models/{id}/artifacts/MLmodel"), b"flavors:").await;
    let (_, listed) = client.get(&format!("logged-models/{id}/artifacts/directories")).await;
    assert_eq!(listed["files"], json!([{"path": "MLmodel", "is_dir": false, "file_size": 8}]));
    let uri = format!("/ajax-api/2.0/mlflow/logged-models/{id}/artifacts/files?artifact_file_path=MLmodel");
    assert_eq!(ask(&client, "GET", &uri, &[], b"").await.body, b"flavors:");
    client.post("registered-models/create", json!({"name": "N"})).await;
    let body = json!({"name": "N", "source": format!("models:/{id}"), "model_id": id});
    client.post("model-versions/create", body).await;
    // Clients ask this with two slashes.
    let got = ask(&client, "GET", "//model-versions/get-artifact?name=N&version=1&path=MLmodel", &[], b"").await;
    assert_eq!((got.status, got.body), (200, b"flavors:".to_vec()));
    let outside = ask(&client, "GET", &format!("/get-artifact?run_id={run}&path=..%2F..%2Fx"), &[], b"").await;
    assert_eq!(outside.status, 400);
}

#[tokio::test]
async fn an_upload_in_parts_goes_on_where_it_broke_off() {
    let client = Client::new().await;
    let post = async |path: &str, body: Value| {
        let headers = [("content-type", "application/json")];
        let uri = format!("/api/2.0/mlflow-artifacts/mpu/{path}");
        ask(&client, "POST", &uri, &headers, body.to_string().as_bytes()).await
    };
    let created = post("create/1/r/artifacts", json!({"path": "/home/me/big.bin", "num_parts": 2})).await.json();
    let upload = created["upload_id"].clone();
    let mut parts = Vec::new();
    for (credential, content) in created["credentials"].as_array().unwrap().iter().zip([b"hello ", b"world!"]) {
        let url = credential["url"].as_str().unwrap().strip_prefix("http://localhost:5000").unwrap();
        // Sent twice, as after a broken connection.
        ask(&client, "PUT", url, &[], b"half").await;
        let stored = ask(&client, "PUT", url, &[], content).await;
        assert_eq!(stored.status, 200);
        parts.push(json!({"part_number": credential["part_number"], "etag": stored.header(ETAG)}));
    }
    let complete = json!({"path": "big.bin", "upload_id": upload, "parts": parts});
    assert_eq!(post("complete/1/r/artifacts", complete.clone()).await.status, 200);
    assert_eq!(get(&client, "1/r/artifacts/big.bin", &[]).await.body, b"hello world!");
    assert_eq!(post("complete/1/r/artifacts", complete).await.status, 400);
    assert_eq!(post("abort/1/r/artifacts", json!({"path": "big.bin", "upload_id": upload})).await.status, 200);
    let address =
        ask(&client, "GET", "/api/2.0/mlflow-artifacts/presigned/1/r/artifacts/big.bin", &[], b"").await.json();
    assert_eq!(address["url"], "http://localhost:5000/api/2.0/mlflow-artifacts/artifacts/1/r/artifacts/big.bin");
    assert_eq!(address["file_size"], 12);
}
