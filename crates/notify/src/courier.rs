//! Delivery: a notice to a channel, and what the channel answered.

use std::time::Duration;

use baton_core::channel::{Channel, SecretText, Way};
use reqwest::{Client, StatusCode};
use serde_json::Value;

use crate::notice::Notice;
use crate::{form, lineage, mail};

/// How long a channel may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a channel answered. Reasons hold no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has the notice.
    Taken,
    /// It may take it later.
    Later {
        /// How long it asks to wait.
        after: Option<Duration>,
        /// Why.
        reason: String,
    },
    /// It will never take it.
    Refused {
        /// Why.
        reason: String,
    },
}

/// Delivers notices.
#[derive(Debug, Clone, Default)]
pub struct Courier {
    client: Client,
}

impl Courier {
    /// Delivers `notice` to `channel`; `secret` gives the value of a reference (its kind and name).
    pub async fn deliver(
        &self,
        channel: &Channel,
        notice: &Notice,
        secret: &(dyn Fn(&str, &str) -> Option<String> + Sync),
    ) -> Answer {
        let reveal = |text: &SecretText| {
            text.reveal(secret).map_err(|reference| Answer::Later {
                after: None,
                reason: format!("secret `{reference}` of channel `{}` has no value", channel.name),
            })
        };
        match self.try_to(channel, notice, &reveal).await {
            Ok(answer) | Err(answer) => answer,
        }
    }

    /// Delivers an OpenLineage event to `channel`; `secret` as with [`Self::deliver`].
    pub async fn deliver_event(
        &self,
        channel: &Channel,
        event: &Value,
        secret: &(dyn Fn(&str, &str) -> Option<String> + Sync),
    ) -> Answer {
        let Way::OpenLineage { url, token } = &channel.way else {
            return Answer::Refused { reason: "it does not hear of lineage".to_owned() };
        };
        let reveal = |text: &SecretText| {
            text.reveal(secret).map_err(|reference| Answer::Later {
                after: None,
                reason: format!("secret `{reference}` of channel `{}` has no value", channel.name),
            })
        };
        let revealed = reveal(url).and_then(|url| Ok((url, token.as_ref().map(reveal).transpose()?)));
        match revealed {
            Err(answer) => answer,
            Ok((url, token)) => match url.strip_prefix("file://") {
                Some(path) => lineage::append(path, event),
                None => self.post(&lineage::address(&url), token.as_deref(), event).await,
            },
        }
    }

    async fn try_to(
        &self,
        channel: &Channel,
        notice: &Notice,
        reveal: &(dyn Fn(&SecretText) -> Result<String, Answer> + Sync),
    ) -> Result<Answer, Answer> {
        Ok(match &channel.way {
            Way::Webhook { url, token } => {
                let token = token.as_ref().map(reveal).transpose()?;
                self.post(&reveal(url)?, token.as_deref(), &form::webhook(notice, &channel.name)).await
            }
            Way::Slack { url } => self.post(&reveal(url)?, None, &form::slack(notice)).await,
            Way::Pagerduty { url, routing_key } => {
                self.post(&reveal(url)?, None, &form::pagerduty(notice, &reveal(routing_key)?)).await
            }
            Way::Alertmanager { url } => {
                let url = format!("{}/api/v2/alerts", reveal(url)?.trim_end_matches('/'));
                self.post(&url, None, &form::alertmanager(notice)).await
            }
            Way::Email { url, from, to } => mail::send(&reveal(url)?, from, to, notice).await,
            Way::OpenLineage { .. } => Answer::Refused { reason: "it hears of lineage only".to_owned() },
        })
    }

    async fn post(&self, url: &str, token: Option<&str>, body: &Value) -> Answer {
        let mut request = self.client.post(url).timeout(PATIENCE).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        match request.body(body.to_string()).send().await {
            Ok(response) => {
                let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
                answer_of(response.status(), wait.map(Duration::from_secs))
            }
            // The address may hold a secret.
            Err(error) if error.is_builder() => Answer::Refused { reason: error.without_url().to_string() },
            Err(error) => Answer::Later { after: None, reason: error.without_url().to_string() },
        }
    }
}

/// What a status means: with 429 and 5xx the same may be taken later, with other codes it never will.
fn answer_of(status: StatusCode, after: Option<Duration>) -> Answer {
    let reason = format!("it answered {status}");
    match status {
        status if status.is_success() => Answer::Taken,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Answer::Later { after, reason },
        status if status.is_server_error() => Answer::Later { after, reason },
        _ => Answer::Refused { reason },
    }
}
