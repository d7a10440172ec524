//! Folders of MLflow brought in: where files and what names them are afterwards.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use baton_core::time::{FixedClock, timestamp_from_micros};
use baton_tracking::artifact::ArtifactStore;
use baton_tracking::{Lifecycle, StoreOptions, TrackingStore};

use crate::{Counts, Destination, ImportReport, Origin, import};

async fn destination(folder: &Path) -> Destination {
    let clock = Arc::new(FixedClock(timestamp_from_micros(1_000_000_000)));
    let options = StoreOptions { clock, artifact_root: "mlflow-artifacts:/".to_owned() };
    let store = TrackingStore::open(&folder.join("tracking.db"), options).await.unwrap();
    Destination { store, artifacts: ArtifactStore::open(folder.join("artifacts")) }
}

fn write(root: &Path, files: &[(&str, String)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn experiment(id: i64, name: &str, stage: &str) -> String {
    format!(
        "artifact_location: file:///gone/{id}\ncreation_time: 5\nexperiment_id: '{id}'\nlifecycle_stage: {stage}\nname: {name}\n"
    )
}

fn run(id: &str, place: &str) -> String {
    format!(
        "artifact_uri: {place}\nlifecycle_stage: active\nrun_id: {id}\nrun_name: {id}\nstart_time: 1\nstatus: 3\nuser_id: a\n"
    )
}

async fn brought_in(root: &Path, destination: &Destination) -> ImportReport {
    let address = root.display().to_string();
    import(destination.clone(), Origin::Mlflow { address, artifacts: None }).await.unwrap()
}

#[tokio::test]
async fn files_come_along_and_what_names_them_follows() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("mlruns");
    let version = "creation_timestamp: 1\ncurrent_stage: None\nname: m\nsource: file:///gone/7/aaaa/artifacts/model\nversion: 1\n";
    write(
        &root,
        &[
            ("7/meta.yaml", experiment(7, "moved", "active")),
            ("7/aaaa/meta.yaml", run("aaaa", "file:///gone/7/aaaa/artifacts")),
            ("7/aaaa/artifacts/model/MLmodel", "flavors: {}".to_owned()),
            ("7/bbbb/meta.yaml", run("bbbb", "s3://bucket/7/bbbb/artifacts")),
            ("7/cccc/meta.yaml", run("cccc", "mlflow-artifacts:/7/cccc/artifacts")),
            (".trash/8/meta.yaml", experiment(8, "deleted", "deleted")),
            (".trash/8/dddd/meta.yaml", run("dddd", "file:///gone/8/dddd/artifacts")),
            (".trash/8/dddd/artifacts/a.txt", "hello".to_owned()),
            ("models/m/meta.yaml", "creation_timestamp: 1\nlast_updated_timestamp: 1\nname: m\n".to_owned()),
            ("models/m/version-1/meta.yaml", version.to_owned()),
        ],
    );
    let own = destination(folder.path()).await;
    let report = brought_in(&root, &own).await;
    assert_eq!(report.set_aside, []);
    assert_eq!(report.runs, Counts { new: 4, ..Counts::default() });
    assert_eq!((report.files.copied, report.files.elsewhere), (2, 1));
    assert!(report.notes[0].contains("files of 1 runs and models went through a server"), "{:?}", report.notes);
    let model = own.store.whole_registered_models().await.unwrap().remove(0);
    assert_eq!(model.versions[0].version.source, "mlflow-artifacts:/7/aaaa/artifacts/model");
    assert_eq!(model.versions[0].storage_location, "mlflow-artifacts:/7/aaaa/artifacts/model");
    for kept in ["7/aaaa/artifacts/model/MLmodel", "8/dddd/artifacts/a.txt"] {
        assert!(folder.path().join("artifacts/files").join(kept).exists(), "{kept}");
    }
    assert_eq!(own.store.run("bbbb").await.unwrap().info.artifact_uri, "s3://bucket/7/bbbb/artifacts");
    assert_eq!(own.store.experiment(8).await.unwrap().lifecycle, Lifecycle::Deleted);
}

#[tokio::test]
async fn what_was_added_and_changed_since_comes_in_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("mlruns");
    let running = run("aaaa", "file:///gone/7/aaaa/artifacts").replace("status: 3", "status: 1");
    let first = [
        ("7/meta.yaml", experiment(7, "going on", "active")),
        ("7/aaaa/meta.yaml", running),
        ("7/aaaa/metrics/loss", "1 0.5 0\n".to_owned()),
        ("7/aaaa/params/p", "1".to_owned()),
        ("7/bbbb/meta.yaml", run("bbbb", "file:///gone/7/bbbb/artifacts")),
    ];
    write(&root, &first);
    let own = destination(folder.path()).await;
    assert_eq!(brought_in(&root, &own).await.runs.new, 2);
    let second = [
        ("7/aaaa/meta.yaml", run("aaaa", "file:///gone/7/aaaa/artifacts")),
        ("7/aaaa/metrics/loss", "1 0.5 0\n2 0.25 1\n".to_owned()),
        ("7/aaaa/tags/t", "x".to_owned()),
        ("7/aaaa/artifacts/a.txt", "hello".to_owned()),
        ("7/cccc/meta.yaml", run("cccc", "file:///gone/7/cccc/artifacts")),
    ];
    write(&root, &second);
    let report = brought_in(&root, &own).await;
    assert_eq!((report.runs.new, report.runs.changed, report.runs.unchanged), (1, 1, 1));
    assert_eq!(report.files.copied, 1);
    let whole = own.store.whole_run("aaaa").await.unwrap();
    assert_eq!((whole.info.status.as_str(), whole.points.len(), whole.tags.len()), ("FINISHED", 2, 1));
    // A parameter is written once; another value is told, and nothing of the run changes.
    write(&root, &[("7/aaaa/params/p", "2".to_owned()), ("7/aaaa/tags/t", "y".to_owned())]);
    let report = brought_in(&root, &own).await;
    assert_eq!(report.set_aside[0].place, "run `aaaa`");
    assert!(report.set_aside[0].reason.contains("parameter `p` of run `aaaa` has another value here"));
    assert_eq!(own.store.whole_run("aaaa").await.unwrap().tags[0].value, "x");
    let last = brought_in(&root, &own).await;
    assert_eq!((last.runs.new, last.runs.changed, last.runs.unchanged), (0, 0, 2));
}

#[tokio::test]
async fn an_experiment_whose_number_is_taken_gets_another() {
    let folder = tempfile::tempdir().unwrap();
    let own = destination(folder.path()).await;
    let taken = own.store.create_experiment("here".to_owned(), None, Vec::new()).await.unwrap();
    let root = folder.path().join("mlruns");
    let (meta, id) = (format!("{taken}/meta.yaml"), format!("{taken}/aaaa/meta.yaml"));
    write(&root, &[(&meta, experiment(taken, "there", "active")), (&id, run("aaaa", "file:///gone/1/aaaa/artifacts"))]);
    brought_in(&root, &own).await;
    let there = own.store.experiment_by_name("there").await.unwrap();
    assert_ne!(there.id, taken);
    let info = own.store.run("aaaa").await.unwrap().info;
    assert_eq!(info.artifact_uri, format!("mlflow-artifacts:/{}/aaaa/artifacts", there.id));
}
