//! Deliveries to a real store. Needs the Python of the tests.

use baton_testkit::moto::TestMoto;
use serde_json::json;

use super::*;
use crate::export::suite::{How, deliver, delivery, held, keys, rows, target};
use crate::export::{Change, DeliveryMode};

fn place(mode: DeliveryMode, path: &str) -> (ExportTarget, String) {
    let store = TestMoto::shared();
    let bucket = store.bucket();
    let options = json!({
        "path": format!("s3://{bucket}/{path}"),
        "endpoint": store.url(),
        "access_key_id": "test",
        "secret_access_key": "test",
    });
    (target(mode, options), bucket)
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_put_and_the_manifest_last() {
    let (target, bucket) = place(DeliveryMode::Upsert, "out/customers/");
    let store = TestMoto::shared();
    let all = [(Change::Upsert, rows(&[(1, Some("a")), (2, None)]))];
    deliver(&S3Exporter, &target, How::whole("aa"), &all).await.unwrap();
    let more = rows(&[(2, Some("b"))]);
    let mut killed = S3Exporter.open(&target).await.unwrap();
    let before = killed.mark().await.unwrap();
    killed.begin(&delivery(How::changes("bb"), before, &more)).await.unwrap();
    killed.send(Change::Upsert, &more).await.unwrap();
    killed.seal().await.unwrap();
    drop(killed);
    assert_eq!(held(&S3Exporter, &target).await.as_deref(), Some("aa"));
    let changes = [(Change::Upsert, more), (Change::Delete, keys(&[1]))];
    deliver(&S3Exporter, &target, How::changes("cc"), &changes).await.unwrap();
    assert_eq!(
        store.keys(&bucket, "out/"),
        [
            "out/customers/_delivery.json",
            "out/customers/delivery-00000001-aa-00000.parquet",
            "out/customers/delivery-00000002-cc-00000.parquet"
        ]
    );
    let answer = S3Exporter.check(&target).await.unwrap();
    assert!(answer.ends_with("folder out/customers: 3 objects are there"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_object_is_replaced() {
    let (target, bucket) = place(DeliveryMode::Replace, "customers.csv");
    deliver(&S3Exporter, &target, How::whole("aa"), &[(Change::Upsert, rows(&[(1, Some("a"))]))]).await.unwrap();
    deliver(&S3Exporter, &target, How::whole("bb"), &[(Change::Upsert, rows(&[(2, None)]))]).await.unwrap();
    let content = TestMoto::shared().get(&bucket, "customers.csv").unwrap();
    assert_eq!(String::from_utf8(content).unwrap(), "id,name\n2,\n");
    assert_eq!(held(&S3Exporter, &target).await.as_deref(), Some("bb"));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_go_in_parts() {
    let (target, bucket) = place(DeliveryMode::Replace, "large.csv");
    let name = "x".repeat(1_000);
    let many: Vec<(i64, Option<&str>)> = (0..20_000).map(|id| (id, Some(name.as_str()))).collect();
    deliver(&S3Exporter, &target, How::whole("aa"), &[(Change::Upsert, rows(&many))]).await.unwrap();
    let content = String::from_utf8(TestMoto::shared().get(&bucket, "large.csv").unwrap()).unwrap();
    assert_eq!(content.lines().count(), 20_001);
    assert!(content.len() > 2 * PART_BYTES);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bucket_is_named() {
    let store = TestMoto::shared();
    let options =
        json!({"path": "s3://nowhere/out/", "endpoint": store.url(), "access_key_id": "t", "secret_access_key": "t"});
    let error = S3Exporter.check(&target(DeliveryMode::Append, options)).await.unwrap_err();
    assert!(error.to_string().contains("has no such bucket"), "{error}");
}
