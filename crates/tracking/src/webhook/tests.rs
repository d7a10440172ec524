//! What webhooks are told, and that it waits until it is taken.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use baton_core::time::timestamp_from_micros;
use baton_core::{Clock, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::registry::{NewModelVersion, NewRegisteredModel};
use crate::{StoreOptions, Tag, TrackingStore};

/// A clock that the test moves, in milliseconds.
#[derive(Default)]
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        timestamp_from_micros(self.0.load(Ordering::Relaxed) * 1000)
    }
}

async fn open(folder: &Path) -> (TrackingStore, Arc<Moved>) {
    let clock = Arc::new(Moved::default());
    let options =
        StoreOptions { clock: Arc::clone(&clock) as Arc<dyn Clock>, artifact_root: "mlflow-artifacts:/".to_owned() };
    (TrackingStore::open(&folder.join("tracking.db"), options).await.unwrap(), clock)
}

fn wanted(events: &[(&str, &str)]) -> WebhookChange {
    let event =
        |(entity, action): &(&str, &str)| WebhookEvent::new((*entity).to_owned(), (*action).to_owned()).unwrap();
    WebhookChange {
        name: Some("hook".to_owned()),
        url: Some("https://example.com/hook".to_owned()),
        events: events.iter().map(event).collect(),
        secret: Some("key".to_owned()),
        ..WebhookChange::default()
    }
}

async fn register(store: &TrackingStore, name: &str, tags: Vec<Tag>) {
    let new = NewRegisteredModel { name: name.to_owned(), tags, ..NewRegisteredModel::default() };
    store.create_registered_model(new).await.unwrap();
}

fn told(delivery: &Delivery) -> (String, Value) {
    let body: Value = serde_json::from_str(&delivery.body).unwrap();
    (format!("{}.{}", body["entity"].as_str().unwrap(), body["action"].as_str().unwrap()), body["data"].clone())
}

#[tokio::test]
async fn each_change_is_told_once_to_who_asked_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _clock) = open(folder.path()).await;
    register(&store, "early", Vec::new()).await;
    let hook = store
        .create_webhook(wanted(&[
            ("REGISTERED_MODEL", "CREATED"),
            ("MODEL_VERSION", "CREATED"),
            ("MODEL_VERSION_ALIAS", "CREATED"),
        ]))
        .await
        .unwrap();
    register(&store, "m", vec![Tag { key: "k".to_owned(), value: "v".to_owned() }]).await;
    register(&store, "prompt", vec![Tag { key: "mlflow.prompt.is_prompt".to_owned(), value: "true".to_owned() }]).await;
    let version = NewModelVersion { name: "m".to_owned(), source: "s3://b/k".to_owned(), ..NewModelVersion::default() };
    store.create_model_version(version.clone()).await.unwrap();
    store.set_model_alias("m".to_owned(), "a".to_owned(), "1").await.unwrap();
    store.delete_model_alias("m".to_owned(), "a".to_owned()).await.unwrap();
    let due = store.due_deliveries(10).await.unwrap();
    let model = json!({"name": "m", "tags": {"k": "v"}, "description": null});
    let made = json!({"name": "m", "version": "1", "description": "", "source": "s3://b/k", "run_id": "", "tags": {}});
    assert_eq!(
        due.iter().map(told).collect::<Vec<_>>(),
        [
            ("registered_model.created".to_owned(), model),
            ("model_version.created".to_owned(), made),
            ("model_version_alias.created".to_owned(), json!({"name": "m", "alias": "a", "version": "1"})),
        ]
    );
    // Another server finds nothing to do.
    assert!(store.due_deliveries(10).await.unwrap().is_empty());
    let off = WebhookChange { is_active: Some(false), ..WebhookChange::default() };
    assert!(!store.update_webhook(hook.webhook_id.clone(), off).await.unwrap().is_active);
    store.create_model_version(version).await.unwrap();
    for delivery in &due {
        store.settle_delivery(delivery, &Sent { status: Some(200), ..Sent::default() }).await.unwrap();
    }
    store.delete_webhook(hook.webhook_id.clone()).await.unwrap();
    assert!(store.webhook(&hook.webhook_id).await.is_err());
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_later_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _clock) = open(folder.path()).await;
    store.create_webhook(wanted(&[("REGISTERED_MODEL", "CREATED")])).await.unwrap();
    register(&store, "m", Vec::new()).await;
    let first = store.due_deliveries(10).await.unwrap().pop().unwrap();
    // This server dies: another takes it up after a minute, the same message under the same id.
    drop(store);
    let (store, clock) = open(folder.path()).await;
    clock.0.store(61_000, Ordering::Relaxed);
    let second = store.due_deliveries(10).await.unwrap().pop().unwrap();
    let id = |delivery: &Delivery| {
        delivery.headers.iter().find(|(name, _)| *name == "x-mlflow-delivery-id").cloned().unwrap()
    };
    assert_eq!((id(&first), &first.body), (id(&second), &second.body));
    store.settle_delivery(&second, &Sent { status: Some(503), ..Sent::default() }).await.unwrap();
    clock.0.store(61_000 + 9_000, Ordering::Relaxed);
    assert!(store.due_deliveries(10).await.unwrap().is_empty());
    clock.0.store(61_000 + 10_000, Ordering::Relaxed);
    let mut next = store.due_deliveries(10).await.unwrap().pop().unwrap();
    for try_number in 0..20 {
        store.settle_delivery(&next, &Sent { error: Some("refused".to_owned()), ..Sent::default() }).await.unwrap();
        clock.0.fetch_add(5 * 3_600_000, Ordering::Relaxed);
        match store.due_deliveries(10).await.unwrap().pop() {
            Some(again) => next = again,
            None => {
                // The first three tries were above.
                assert_eq!(try_number, 17);
                return;
            }
        }
    }
    panic!("it is tried for ever");
}

#[tokio::test]
async fn what_cannot_be_told_or_reached_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _clock) = open(folder.path()).await;
    assert!(WebhookEvent::new("REGISTERED_MODEL".to_owned(), "DELETED".to_owned()).is_err());
    assert!(WebhookEvent::new("RUN".to_owned(), "CREATED".to_owned()).is_err());
    for change in [
        WebhookChange { name: Some("a b".to_owned()), ..wanted(&[("PROMPT", "CREATED")]) },
        WebhookChange { url: Some("file:///etc/passwd".to_owned()), ..wanted(&[("PROMPT", "CREATED")]) },
        WebhookChange { url: Some(" ".to_owned()), ..wanted(&[("PROMPT", "CREATED")]) },
        wanted(&[]),
    ] {
        assert!(store.create_webhook(change).await.is_err());
    }
}
