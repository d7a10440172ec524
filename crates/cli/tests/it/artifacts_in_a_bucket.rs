//! Artifacts of clients of MLflow in a store of objects, which is played by moto.
//!
//! Needs `BATON_TEST_MLFLOW`, as [`crate::tracked_models`] does.

use baton_testkit::moto::TestMoto;
use baton_testkit::project::TestProject;

use crate::serve::Server;
use crate::shop::empty;
use crate::tracked_models::client;

/// The most that a server may hold while files of 130 MB go through it, in MiB.
const MOST_MIB: u64 = 160;

#[test]
fn files_go_to_a_bucket_and_come_back_without_being_held_in_memory() {
    let (project, store) = (empty(), TestMoto::shared());
    let bucket = store.bucket();
    let destination = format!("s3://{bucket}/deep/mlflow/");
    let mut serve = project.command(&["tracking", "--port", "0", "--quiet", "--artifacts-destination", &destination]);
    serve.env("AWS_ENDPOINT_URL", store.url()).env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret");
    let server = Server::start_by(serve);
    goes_through(&project, &server, &bucket, "deep/mlflow");
    let peak = server.peak_memory();
    assert!(peak < MOST_MIB << 20, "{} MiB", peak >> 20);
}

#[test]
fn a_project_says_where_its_artifacts_are() {
    let (project, store) = (empty(), TestMoto::shared());
    let bucket = store.bucket();
    let settings = format!(
        "project: kept\ntracking:\n  artifacts: s3://{bucket}\n  endpoint: ${{env:STORE}}\n  access_key_id: key\n  secret_access_key: ${{file:key}}\n"
    );
    project.write("baton.yml", &settings);
    project.write("key", "secret\n");
    let mut serve = project.command(&["serve", "--port", "0", "--no-scheduler"]);
    serve.env("STORE", store.url());
    let server = Server::start_by(serve);
    goes_through(&project, &server, &bucket, "");
    // Who has no secret learns which one.
    let refused = project.output(&["export", "mlflow", "handed"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("`${env:STORE}`"), "{}", refused.stderr);
}

/// Lets a client work, and looks at what is in the bucket.
fn goes_through(project: &TestProject, server: &Server, bucket: &str, prefix: &str) {
    let folder = project.path("client");
    let uri = format!("http://{}", server.address);
    let printed = client(include_str!("bucket_client.py"), &[&uri, &folder.to_string_lossy()]);
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines.contains(
        &"listed [('empty', False, None), ('files', True, None), ('notes', True, None)] \
          [('files/large.bin', False, 104857600), ('files/other b+c.bin', False, 31457297)] [('notes/deep/d.json', False, 29)]"
    ), "{printed}");
    assert!(lines.contains(&"downloaded ['a b.txt', 'deep/d.json']"), "{printed}");
    let run = lines.iter().find_map(|line| line.strip_prefix("run ")).unwrap();
    let root = format!("{prefix}/{run}/artifacts");
    let keys: Vec<String> = ["empty", "files/large.bin", "files/other b+c.bin", "notes/a b.txt", "notes/deep/d.json"]
        .map(|name| format!("{}/{name}", root.trim_start_matches('/')))
        .into();
    assert_eq!(TestMoto::shared().keys(bucket, ""), keys);
    assert!(!project.path(".baton/artifacts/files").exists());
}
