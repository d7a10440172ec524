//! The options of connector `mqtt`; its doc comments are the reference documentation.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::messages::{MalformedMessages, Payload, PayloadFormat};
use crate::relation::{parse_options, wrong};
use crate::{ConnectorError, PullSource};

/// Topics of an MQTT 5 broker. It keeps what is published while nobody asks; publish with QoS 1, or it keeps nothing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MqttSourceOptions {
    /// The broker: `mqtt://broker.example.com:1883`, or encrypted `mqtts://broker.example.com:8883`.
    url: String,
    /// The topics; `+` stands for one part of a topic, `#` for all that follow.
    topics: Vec<String>,
    /// The name under which the broker keeps messages for this source. Default: a name of its own for each landing.
    #[serde(default)]
    client_id: Option<String>,
    /// The user.
    #[serde(default)]
    username: Option<String>,
    /// The user's password.
    #[serde(default)]
    password: Option<String>,
    /// For `mqtts`: who must have signed the broker's certificate, as text in PEM, such as `${file:ca.pem}`. Default: those
    /// whom the system trusts.
    #[serde(default)]
    certificate_authority: Option<String>,
    /// What messages carry: `json` (default; an object, or a list of objects), `csv`, `text`, `raw`.
    #[serde(default)]
    format: PayloadFormat,
    /// For `csv`: the names of the fields, in order.
    #[serde(default)]
    fields: Vec<String>,
    /// What becomes of messages that cannot be read: `quarantine` (default) sets them aside, `stop` lands nothing.
    #[serde(default)]
    malformed: MalformedMessages,
}

/// The options, and what follows from them.
pub(super) struct MqttSource {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_encrypted: bool,
    pub(super) topics: Vec<String>,
    pub(super) client_id: String,
    pub(super) login: Option<(String, String)>,
    pub(super) certificate_authority: Option<String>,
    pub(super) payload: Payload,
    /// What messages call it.
    pub(super) origin: String,
}

impl MqttSource {
    pub(super) fn parse(source: &PullSource) -> Result<Self, ConnectorError> {
        let options: MqttSourceOptions = parse_options("mqtt", source)?;
        let (host, port, is_encrypted) = place(source, &options.url)?;
        if options.topics.is_empty() {
            return Err(wrong(source, "`topics` is empty", "name topics, such as `[sensors/+/temperature]`"));
        }
        if let Some(topic) = options.topics.iter().find(|topic| !rumqttc::valid_filter(topic)) {
            let reason = format!("topic `{topic}` is none: `+` stands for a whole part, `#` at the end only");
            return Err(wrong(source, &reason, "mend `topics`"));
        }
        let login = match (options.username, options.password) {
            (None, None) => None,
            (Some(user), password) => Some((user, password.unwrap_or_default())),
            (None, Some(_)) => return Err(wrong(source, "`password` without `username`", "add `username`")),
        };
        Ok(Self {
            origin: format!("mqtt at {host}:{port}"),
            host,
            port,
            is_encrypted,
            topics: options.topics,
            client_id: options.client_id.unwrap_or_else(|| format!("baton-{}-{}", source.name, source.lineage)),
            login,
            certificate_authority: options.certificate_authority,
            payload: Payload::new(source, options.format, options.fields, options.malformed)?,
        })
    }
}

/// Host, port and whether to encrypt.
fn place(source: &PullSource, url: &str) -> Result<(String, u16, bool), ConnectorError> {
    // The URL is not shown: somebody may have written a password into it.
    let hint = "write `mqtt://host:1883` or `mqtts://host:8883`; who asks goes into `username` and `password`";
    let (is_encrypted, rest) = match url.split_once("://") {
        Some(("mqtt" | "tcp", rest)) => (false, rest),
        Some(("mqtts" | "ssl", rest)) => (true, rest),
        // References to secrets are resolved later.
        _ if url.starts_with("${") => (false, url),
        _ => return Err(wrong(source, "`url` does not begin with `mqtt://` or `mqtts://`", hint)),
    };
    let rest = rest.trim_end_matches('/');
    if rest.is_empty() || (!rest.contains("${") && rest.contains(['@', '/'])) {
        return Err(wrong(source, "`url` is not a host with a port", hint));
    }
    let usual = if is_encrypted { 8883 } else { 1883 };
    match rest.rsplit_once(':') {
        Some((host, port)) if !rest.contains("${") => {
            let port = port.parse().map_err(|_| wrong(source, "the port in `url` is no number", hint))?;
            Ok((host.to_owned(), port, is_encrypted))
        }
        _ => Ok((rest.to_owned(), usual, is_encrypted)),
    }
}
