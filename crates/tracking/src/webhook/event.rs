//! What webhooks can be told of.

use baton_core::time::timestamp_from_micros;
use baton_ledger::database::{Statement, Transaction};
use serde_json::{Value, json};

use crate::TrackingError;

/// Kinds of things and what can happen to each, as the protocol names them.
const KNOWN: [(&str, &[&str]); 9] = [
    ("REGISTERED_MODEL", &["CREATED"]),
    ("MODEL_VERSION", &["CREATED"]),
    ("MODEL_VERSION_TAG", &["SET", "DELETED"]),
    ("MODEL_VERSION_ALIAS", &["CREATED", "DELETED"]),
    ("PROMPT", &["CREATED"]),
    ("PROMPT_VERSION", &["CREATED"]),
    ("PROMPT_TAG", &["SET", "DELETED"]),
    ("PROMPT_VERSION_TAG", &["SET", "DELETED"]),
    ("PROMPT_ALIAS", &["CREATED", "DELETED"]),
];

/// A kind of thing, and what happens to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEvent {
    /// Such as `MODEL_VERSION`.
    pub entity: String,
    /// Such as `CREATED`.
    pub action: String,
}

impl WebhookEvent {
    /// Refuses what never happens.
    ///
    /// # Errors
    /// [`TrackingError::Invalid`].
    pub fn new(entity: String, action: String) -> Result<Self, TrackingError> {
        let Some((_, actions)) = KNOWN.iter().find(|(known, _)| *known == entity) else {
            return Err(TrackingError::invalid(format!("Unknown proto entity: {entity}")));
        };
        if actions.contains(&action.as_str()) {
            return Ok(Self { entity, action });
        }
        let valid: Vec<String> = actions.iter().map(|action| format!("'{}'", action.to_lowercase())).collect();
        Err(TrackingError::invalid(format!(
            "Invalid action '{}' for entity '{}'. Valid actions are: [{}]",
            action.to_lowercase(),
            entity.to_lowercase(),
            valid.join(", ")
        )))
    }
}

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) struct Happening {
    pub(crate) entity: &'static str,
    pub(crate) action: &'static str,
    pub(crate) data: Value,
}

impl Happening {
    /// To a model or something of it, or to a prompt or something of it.
    pub(crate) fn new(
        is_prompt: bool,
        (model, prompt): (&'static str, &'static str),
        action: &'static str,
        data: Value,
    ) -> Self {
        Self { entity: if is_prompt { prompt } else { model }, action, data }
    }

    /// The message at an instant in milliseconds.
    pub(super) fn body(&self, now: i64) -> String {
        let at = timestamp_from_micros(now.saturating_mul(1000)).format("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string();
        let (entity, action) = (self.entity.to_lowercase(), self.action.to_lowercase());
        json!({"entity": entity, "action": action, "timestamp": at, "data": self.data}).to_string()
    }
}

/// Writes down that webhooks are to be told of `happening`.
pub(crate) async fn announce(
    transaction: &mut Transaction,
    happening: Happening,
    now: i64,
) -> Result<(), TrackingError> {
    let select = Statement::new(
        "SELECT w.id FROM webhook_events e JOIN webhooks w ON w.id = e.webhook
          WHERE e.entity = $1 AND e.action = $2 AND w.status = 'ACTIVE' ORDER BY w.id",
    );
    let told: Vec<(i64,)> = transaction.all(select.bind(happening.entity).bind(happening.action)).await?;
    let body = happening.body(now);
    for (webhook,) in told {
        let insert = Statement::new(
            "INSERT INTO webhook_deliveries (delivery_id, webhook, body, attempts, not_before) VALUES ($1, $2, $3, 0, $4)",
        );
        let id = uuid::Uuid::new_v4().to_string();
        transaction.execute(insert.bind(id).bind(webhook).bind(&body).bind(now)).await?;
    }
    Ok(())
}
