//! Webhooks.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use baton_tracking::webhook::{Sent, Webhook, WebhookChange, WebhookEvent, WebhookSender};
use baton_tracking::{Page, TrackingError};
use serde::Serialize;

use super::error::{Answer, WireError};
use super::fields::Fields;
use super::state::{Shared, Tracking};
use super::wire::Empty;

/// Paths below `/api/2.0/mlflow`.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/webhooks", get(list).post(create))
        .route("/webhooks/{webhook_id}", get(show).patch(update).delete(remove))
        .route("/webhooks/{webhook_id}/test", post(test))
}

impl Tracking {
    /// With what sends messages to webhooks.
    #[must_use]
    pub fn with_webhooks(mut self, sender: Arc<dyn WebhookSender>) -> Self {
        self.sender = Some(sender);
        self
    }
}

#[derive(Serialize)]
struct One {
    webhook: Hook,
}

#[derive(Serialize)]
struct Many {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    webhooks: Vec<Hook>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

#[derive(Serialize)]
struct Hook {
    webhook_id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    url: String,
    events: Vec<Event>,
    status: &'static str,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
}

#[derive(Serialize)]
struct Event {
    entity: String,
    action: String,
}

impl From<Webhook> for Hook {
    fn from(webhook: Webhook) -> Self {
        let event = |WebhookEvent { entity, action }: WebhookEvent| Event { entity, action };
        Self {
            webhook_id: webhook.webhook_id,
            name: webhook.name,
            description: webhook.description.filter(|text| !text.is_empty()),
            url: webhook.url,
            events: webhook.events.into_iter().map(event).collect(),
            status: if webhook.is_active { "ACTIVE" } else { "DISABLED" },
            creation_timestamp: webhook.creation_time,
            last_updated_timestamp: webhook.last_update_time,
        }
    }
}

#[derive(Serialize)]
struct Tried {
    result: Outcome,
}

#[derive(Serialize)]
struct Outcome {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
}

impl From<Sent> for Outcome {
    fn from(sent: Sent) -> Self {
        let success = sent.is_taken();
        let response_body = sent.status.is_some().then_some(sent.body);
        Self { success, response_status: sent.status, response_body, error_message: sent.error }
    }
}

fn one(webhook: Webhook) -> Json<One> {
    Json(One { webhook: webhook.into() })
}

fn change(fields: &Fields) -> Result<WebhookChange, WireError> {
    let mut events = Vec::new();
    for event in fields.list("events")? {
        events.push(WebhookEvent::new(event.required_text("entity")?, event.required_text("action")?)?);
    }
    Ok(WebhookChange {
        name: fields.text("name")?.filter(|name| !name.is_empty()),
        url: fields.text("url")?.filter(|url| !url.is_empty()),
        events,
        description: fields.text("description")?,
        secret: fields.text("secret")?,
        is_active: fields.choice("status", &["ACTIVE", "DISABLED"])?.map(|status| status == "ACTIVE"),
    })
}

async fn create(State(tracking): State<Shared>, fields: Fields) -> Answer<One> {
    let (_name, _url) = (fields.required_text("name")?, fields.required_text("url")?);
    if fields.list("events")?.is_empty() {
        return Err(fields.missing("events"));
    }
    Ok(one(tracking.store.create_webhook(change(&fields)?).await?))
}

async fn list(State(tracking): State<Shared>, fields: Fields) -> Answer<Many> {
    let token = fields.text("page_token")?;
    let Page { rows, next } = tracking.store.webhooks(fields.int("max_results")?, token.as_deref()).await?;
    Ok(Json(Many { webhooks: rows.into_iter().map(Hook::from).collect(), next_page_token: next }))
}

async fn show(State(tracking): State<Shared>, Path(webhook_id): Path<String>) -> Answer<One> {
    Ok(one(tracking.store.webhook(&webhook_id).await?))
}

async fn update(State(tracking): State<Shared>, Path(webhook_id): Path<String>, fields: Fields) -> Answer<One> {
    Ok(one(tracking.store.update_webhook(webhook_id, change(&fields)?).await?))
}

async fn remove(State(tracking): State<Shared>, Path(webhook_id): Path<String>) -> Answer<Empty> {
    tracking.store.delete_webhook(webhook_id).await?;
    Ok(Json(Empty {}))
}

async fn test(State(tracking): State<Shared>, Path(webhook_id): Path<String>) -> Answer<Tried> {
    let absent = || TrackingError::NotImplemented("this server sends nothing to webhooks".to_owned());
    let sender = tracking.sender.clone().ok_or_else(absent)?;
    let delivery = tracking.store.test_delivery(&webhook_id).await?;
    Ok(Json(Tried { result: sender.send(&delivery).await.into() }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::mlflow::testing::Client;

    #[tokio::test]
    async fn webhooks_are_made_changed_and_listed_without_their_secret() {
        let client = Client::new().await;
        let events = json!([{"entity": "MODEL_VERSION", "action": "CREATED"}]);
        let body = json!({"name": "hook", "url": "https://example.com/x", "events": events, "secret": "s"});
        let (status, answer) = client.post("webhooks", body).await;
        assert_eq!(status, 200, "{answer}");
        let id = answer["webhook"]["webhook_id"].as_str().unwrap();
        let expected = json!({"webhook": {
            "webhook_id": id, "name": "hook", "url": "https://example.com/x", "events": events, "status": "ACTIVE",
            "creation_timestamp": 1_000_000, "last_updated_timestamp": 1_000_000,
        }});
        assert_eq!(answer, expected);
        let change = json!({"status": "DISABLED", "description": "d"});
        let (_, changed) = client.patch(&format!("webhooks/{id}"), change).await;
        assert_eq!(
            (&changed["webhook"]["status"], &changed["webhook"]["description"]),
            (&json!("DISABLED"), &json!("d"))
        );
        assert_eq!(client.get("webhooks").await.1["webhooks"].as_array().unwrap().len(), 1);
        assert_eq!(client.post(&format!("webhooks/{id}/test"), json!({})).await.0, 501);
        assert_eq!(client.delete(&format!("webhooks/{id}"), json!({})).await, (200, json!({})));
        let (status, answer) = client.get(&format!("webhooks/{id}")).await;
        assert_eq!((status, answer["message"].as_str()), (404, Some(&*format!("Webhook with ID {id} not found."))));
        let odd =
            json!({"name": "h", "url": "https://x", "events": [{"entity": "MODEL_VERSION", "action": "DELETED"}]});
        for body in [json!({"name": "h"}), odd, json!({"name": "h", "url": "https://x", "events": []})] {
            assert_eq!(client.post("webhooks", body.clone()).await.0, 400, "{body}");
        }
    }
}
