//! Channels: whom to tell when a run fails, is late, or is well again.

use serde::{Deserialize, Serialize};

use crate::asset::Origin;
use crate::name::AssetName;

/// Whom to tell, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Channel {
    /// Unique among channels.
    pub name: AssetName,
    /// The way.
    pub way: Way,
    /// What it hears of; empty means everything.
    pub hears: Vec<Occasion>,
    /// Where it is declared.
    pub origin: Origin,
}

/// A text of which parts are secrets by reference: `${env:NAME}` or `${file:PATH}` stand for values that are read when
/// a message is sent, and are never stored or shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(pub String);

/// How a channel is spoken to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Way {
    /// JSON in Alertmanager's webhook form (version 4) to any address.
    Webhook {
        /// Where to.
        url: SecretText,
        /// A bearer token to send along.
        token: Option<SecretText>,
    },
    /// A Slack incoming webhook.
    Slack {
        /// The hook.
        url: SecretText,
    },
    /// PagerDuty's Events API, version 2.
    Pagerduty {
        /// Where to; PagerDuty's own address by default.
        url: SecretText,
        /// The integration's key.
        routing_key: SecretText,
    },
    /// An Alertmanager, which groups and routes by itself.
    Alertmanager {
        /// Its address, without `/api/v2/alerts`.
        url: SecretText,
    },
    /// A mail by SMTP.
    Email {
        /// `smtp://host:port` of a relay; encrypted, with a login: `smtps://user:password@host`.
        url: SecretText,
        /// The sender.
        from: String,
        /// The receivers.
        to: Vec<String>,
    },
    /// A receiver of OpenLineage events, which hears of every step of every run and of nothing else.
    #[serde(rename = "openlineage")]
    OpenLineage {
        /// Its address, with or without `/api/v1/lineage`; or `file:///path`, to which events are added line by line.
        url: SecretText,
        /// A bearer token to send along.
        token: Option<SecretText>,
    },
}

impl Way {
    /// Whether it hears of failures and their ends; otherwise of the lineage of steps.
    pub fn hears_notices(&self) -> bool {
        !matches!(self, Self::OpenLineage { .. })
    }

    /// The word that users see.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Slack { .. } => "slack",
            Self::Pagerduty { .. } => "pagerduty",
            Self::Alertmanager { .. } => "alertmanager",
            Self::Email { .. } => "email",
            Self::OpenLineage { .. } => "openlineage",
        }
    }
}

/// What there is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// Steps of a run failed, or the run could not be begun.
    Failure,
    /// A run has not ended in time.
    Late,
    /// A run waits for somebody's word.
    Approval,
    /// What had failed or was late is well again.
    Recovery,
}

impl SecretText {
    /// The references in the text, as `(kind, name)` with kind `env` or `file`.
    ///
    /// # Errors
    /// The part of the text that begins like a reference and is none.
    pub fn references(&self) -> Result<Vec<(&str, &str)>, String> {
        let mut found = Vec::new();
        let mut rest = self.0.as_str();
        while let Some(start) = rest.find("${") {
            let tail = &rest[start..];
            let end = tail.find('}').ok_or_else(|| tail.to_owned())?;
            let reference =
                tail[2..end].split_once(':').filter(|(kind, name)| ["env", "file"].contains(kind) && !name.is_empty());
            found.push(reference.ok_or_else(|| tail[..=end].to_owned())?);
            rest = &tail[end + 1..];
        }
        Ok(found)
    }

    /// The text with its references replaced by what `lookup` (kind, name) answers.
    ///
    /// # Errors
    /// The reference that has no value, as written: a name, never a value.
    pub fn reveal(&self, lookup: impl Fn(&str, &str) -> Option<String>) -> Result<String, String> {
        let mut text = self.0.clone();
        for (kind, name) in self.references()? {
            let reference = format!("${{{kind}:{name}}}");
            let value = lookup(kind, name).ok_or_else(|| reference.clone())?;
            text = text.replace(&reference, &value);
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_looked_up_only_when_they_are_used() {
        let url = SecretText("https://hooks/${env:TEAM}/${file:/run/secrets/key}".to_owned());
        assert_eq!(url.references().unwrap(), [("env", "TEAM"), ("file", "/run/secrets/key")]);
        let lookup = |kind: &str, name: &str| (kind == "env" || name.ends_with("key")).then(|| name.to_lowercase());
        assert_eq!(url.reveal(lookup).unwrap(), "https://hooks/team//run/secrets/key");
        assert_eq!(url.reveal(|_, _| None), Err("${env:TEAM}".to_owned()));
        for (text, wrong) in
            [("a ${env:X", "${env:X"), ("${X}", "${X}"), ("${vault:x}", "${vault:x}"), ("${env:}", "${env:}")]
        {
            assert_eq!(SecretText(text.to_owned()).references(), Err(wrong.to_owned()));
        }
    }
}
