//! Delivering what webhooks are to be told: signed, again and again until it is taken, each by one server at a time.

use std::pin::Pin;

use baton_ledger::database::Statement;
use baton_ledger::record;
use sha2::{Digest as _, Sha256};

use super::event::Happening;
use crate::{TrackingError, TrackingStore, base64};

/// Tries of a message; the last is about two days after the first.
const MOST_TRIES: i64 = 20;
/// Milliseconds before the second try; each later one waits twice as long, at most [`LONGEST_WAIT`].
const FIRST_WAIT: i64 = 5_000;
const LONGEST_WAIT: i64 = 4 * 3_600_000;
/// Milliseconds that a server has for a try before another takes it up.
const CLAIM: i64 = 60_000;
/// Bytes that SHA-256 works on at once.
const BLOCK: usize = 64;

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The number in the queue; none of a test.
    id: Option<i64>,
    attempts: i64,
    /// Where it goes.
    pub url: String,
    /// Headers by name.
    pub headers: Vec<(&'static str, String)>,
    /// The message, in JSON.
    pub body: String,
}

/// What came of sending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sent {
    /// The answer's status, if there was one.
    pub status: Option<u16>,
    /// The beginning of the answer's body.
    pub body: String,
    /// Why there was no answer.
    pub error: Option<String>,
}

impl Sent {
    /// Whether the message was taken.
    pub fn is_taken(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Sends messages; the binary brings it.
pub trait WebhookSender: Send + Sync {
    /// Sends one.
    fn send<'a>(&'a self, delivery: &'a Delivery) -> Pin<Box<dyn Future<Output = Sent> + Send + 'a>>;
}

record! {
    struct Row {
        id: i64,
        delivery_id: String,
        url: String,
        secret: Option<String>,
        body: String,
        attempts: i64,
    }
}

impl TrackingStore {
    /// Messages that may be tried now, oldest first; no other server tries them for a minute.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn due_deliveries(&self, most: i64) -> Result<Vec<Delivery>, TrackingError> {
        let now = self.now();
        let waiting = "SELECT id FROM webhook_deliveries WHERE not_before <= $1 LIMIT 1";
        if self.all::<(i64,)>(Statement::new(waiting).bind(now)).await?.is_empty() {
            return Ok(Vec::new());
        }
        self.write(move |transaction| {
            Box::pin(async move {
                let select = Statement::new(
                    "SELECT d.id, d.delivery_id, w.url, w.secret, d.body, d.attempts
                       FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook
                      WHERE d.not_before <= $1 ORDER BY d.id LIMIT $2",
                );
                let rows: Vec<Row> = transaction.all(select.bind(now).bind(most)).await?;
                for row in &rows {
                    let claim = "UPDATE webhook_deliveries SET not_before = $2, attempts = attempts + 1 WHERE id = $1";
                    transaction.execute(Statement::new(claim).bind(row.id).bind(now + CLAIM)).await?;
                }
                Ok(rows.into_iter().map(|row| delivery(row, now)).collect())
            })
        })
        .await
    }

    /// Says what came of a delivery: it is done, waits for its next try, or is given up.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn settle_delivery(&self, delivery: &Delivery, sent: &Sent) -> Result<(), TrackingError> {
        let Some(id) = delivery.id else { return Ok(()) };
        let statement = if sent.is_taken() {
            Statement::new("DELETE FROM webhook_deliveries WHERE id = $1").bind(id)
        } else {
            let wait = FIRST_WAIT.saturating_mul(1 << delivery.attempts.clamp(0, 20)).min(LONGEST_WAIT);
            let next = (delivery.attempts + 1 < MOST_TRIES).then(|| self.now() + wait);
            let status = || format!("it answered {}", sent.status.unwrap_or_default());
            let update = "UPDATE webhook_deliveries SET not_before = $2, reason = $3 WHERE id = $1";
            Statement::new(update).bind(id).bind(next).bind(sent.error.clone().unwrap_or_else(status))
        };
        self.write(move |transaction| {
            Box::pin(async move {
                transaction.execute(statement).await?;
                Ok(())
            })
        })
        .await
    }

    /// A message that only tries whether a webhook is there.
    ///
    /// # Errors
    /// When there is no such webhook.
    pub async fn test_delivery(&self, webhook_id: &str) -> Result<Delivery, TrackingError> {
        let webhook = self.webhook(webhook_id).await?;
        let select = "SELECT secret FROM webhooks WHERE webhook_id = $1";
        let secret: Option<(Option<String>,)> = self.one(Statement::new(select).bind(webhook_id)).await?;
        let now = self.now();
        let data = serde_json::json!({"name": "example_model", "tags": {"example_key": "example_value"}, "description": "An example registered model"});
        let happening = Happening { entity: "REGISTERED_MODEL", action: "CREATED", data };
        let (id, body) = (uuid::Uuid::new_v4().to_string(), happening.body(now));
        let secret = secret.and_then(|(secret,)| secret);
        let headers = headers(&id, secret.as_deref(), &body, now);
        Ok(Delivery { id: None, attempts: 0, url: webhook.url, headers, body })
    }
}

fn delivery(row: Row, now: i64) -> Delivery {
    let headers = headers(&row.delivery_id, row.secret.as_deref(), &row.body, now);
    Delivery { id: Some(row.id), attempts: row.attempts, url: row.url, headers, body: row.body }
}

/// The headers of the protocol. The signature is over id, time and body, so that none can be exchanged.
fn headers(id: &str, secret: Option<&str>, body: &str, now: i64) -> Vec<(&'static str, String)> {
    let at = (now / 1000).to_string();
    let mut headers = vec![("content-type", "application/json".to_owned()), ("x-mlflow-delivery-id", id.to_owned())];
    if let Some(secret) = secret.filter(|secret| !secret.is_empty()) {
        let signature = hmac(secret.as_bytes(), format!("{id}.{at}.{body}").as_bytes());
        headers.push(("x-mlflow-signature", format!("v1,{}", base64::encode(&signature))));
    }
    headers.push(("x-mlflow-timestamp", at));
    headers
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut padded = [0; BLOCK];
    if key.len() > BLOCK {
        padded[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        padded[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| padded.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, cases 1, 2 and 6.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let vectors: [(&[u8], &[u8], &str); 3] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, message, expected) in vectors {
            assert_eq!(hex::encode(hmac(key, message)), expected);
        }
    }
}
