//! The registry as its callers see it.

use std::path::Path;
use std::sync::Arc;

use baton_core::Clock;
use baton_core::time::{FixedClock, timestamp_from_micros};

use super::*;
use crate::{StoreOptions, TrackingStore};

async fn open(folder: &Path) -> TrackingStore {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock(timestamp_from_micros(1_000_000_000)));
    let options = StoreOptions { clock, artifact_root: "mlflow-artifacts:/".to_owned() };
    TrackingStore::open(&folder.join("tracking.db"), options).await.unwrap()
}

fn version(name: &str) -> NewModelVersion {
    NewModelVersion { name: name.to_owned(), source: "s3://bucket/model".to_owned(), ..NewModelVersion::default() }
}

async fn register(store: &TrackingStore, name: &str) {
    let new = NewRegisteredModel { name: name.to_owned(), ..NewRegisteredModel::default() };
    store.create_registered_model(new).await.unwrap();
}

fn trained(versions: i64, champion: i64) -> TrainedModel {
    let version = |number| TrainedVersion {
        number,
        registered_at: 1000 * number,
        location: format!("mlflow-artifacts:/models/delay/{number}"),
        description: String::new(),
        tags: vec![Tag { key: "roc_auc".to_owned(), value: "0.7".to_owned() }],
    };
    TrainedModel {
        name: "delay".to_owned(),
        description: "predicts delays".to_owned(),
        versions: (1..=versions).map(version).collect(),
        aliases: vec![("champion".to_owned(), champion)],
    }
}

#[tokio::test]
async fn versions_that_are_made_at_once_have_numbers_without_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    register(&store, "m").await;
    let making = (0..50).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.create_model_version(version("m")).await.unwrap().version })
    });
    let mut numbers: Vec<i64> = futures::future::join_all(making).await.into_iter().map(Result::unwrap).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
}

#[tokio::test]
async fn trained_models_are_in_the_registry_and_changed_by_training_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    assert!(store.import_trained(vec![trained(2, 1)]).await.unwrap().is_empty());
    // Later there is one version more, and the champion has moved.
    store.import_trained(vec![trained(3, 3)]).await.unwrap();
    let model = store.registered_model("delay").await.unwrap();
    assert_eq!(model.aliases, [("champion".to_owned(), 3)]);
    assert_eq!((model.creation_time, model.last_update_time), (1000, 3000));
    let champion = store.model_version_by_alias("delay", "champion").await.unwrap();
    assert_eq!((champion.version, champion.tags.len()), (3, 1));
    assert_eq!(store.download_uri("delay", "2").await.unwrap(), "mlflow-artifacts:/models/delay/2");

    let refusals = [
        store.create_model_version(version("delay")).await.map(drop),
        store.delete_model_version("delay".to_owned(), "1").await,
        store.delete_registered_model("delay".to_owned()).await,
        store.rename_registered_model("delay".to_owned(), "other".to_owned()).await.map(drop),
        store.set_model_alias("delay".to_owned(), "champion".to_owned(), "1").await,
    ];
    for refusal in refusals {
        assert!(refusal.unwrap_err().to_string().contains("is trained by the project"));
    }
    store.set_model_alias("delay".to_owned(), "mine".to_owned(), "1").await.unwrap();
    store.import_trained(vec![trained(3, 2)]).await.unwrap();
    let aliases = store.registered_model("delay").await.unwrap().aliases;
    assert_eq!(aliases, [("champion".to_owned(), 2), ("mine".to_owned(), 1)]);
}

#[tokio::test]
async fn a_name_that_a_client_took_first_stays_the_clients() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    register(&store, "delay").await;
    assert_eq!(store.import_trained(vec![trained(1, 1)]).await.unwrap(), ["delay"]);
    assert!(store.registered_model("delay").await.unwrap().latest_versions.is_empty());
    store.create_model_version(version("delay")).await.unwrap();
}

#[tokio::test]
async fn no_row_comes_twice_while_others_are_registered() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for name in ["b", "d", "f"] {
        register(&store, name).await;
        for _ in 0..2 {
            store.create_model_version(version(name)).await.unwrap();
        }
    }
    let mut models = RegistrySearch { max_results: Some(2), ..RegistrySearch::default() };
    let first = store.search_registered_models(&models).await.unwrap();
    for name in ["a", "c"] {
        register(&store, name).await;
    }
    models.page_token = first.next;
    let second = store.search_registered_models(&models).await.unwrap();
    let names = |page: &crate::Page<RegisteredModel>| page.rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
    assert_eq!((names(&second), second.next), (vec!["f".to_owned()], None));
    // Versions of one moment are ordered by name and number; those that come meanwhile come first or behind, never between.
    let mut versions = RegistrySearch { max_results: Some(3), ..RegistrySearch::default() };
    let mut seen = Vec::new();
    loop {
        let page = store.search_model_versions(&versions).await.unwrap();
        seen.extend(page.rows.iter().map(|row| format!("{}{}", row.name, row.version)));
        store.create_model_version(version("a")).await.unwrap();
        let Some(next) = page.next else { break };
        versions.page_token = Some(next);
    }
    assert_eq!(seen, ["b2", "b1", "d2", "d1", "f2", "f1"]);
    versions.page_token = Some("nonsense".to_owned());
    assert!(store.search_model_versions(&versions).await.is_err());
}
