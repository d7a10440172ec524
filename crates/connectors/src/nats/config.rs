//! The options of connector `nats`; its doc comments are the reference documentation.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::messages::{MalformedMessages, Payload, PayloadFormat};
use crate::relation::{parse_options, wrong};
use crate::{ConnectorError, PullSource};

/// A stream of NATS JetStream, from its first message on; each message lands once.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NatsOptions {
    /// The server, such as `nats://nats.example.com:4222`; `tls://` encrypts. Servers of a cluster are parted by commas.
    url: String,
    /// The stream to follow. It must keep messages by limits, not until they are acknowledged.
    stream: String,
    /// Takes only the messages of this subject; `*` stands for one part of it, `>` for all that follow.
    #[serde(default)]
    subject: Option<String>,
    /// The name of the durable consumer; made where it is missing. Default: a name of its own for each landing.
    #[serde(default)]
    consumer: Option<String>,
    /// The user, with `password`.
    #[serde(default)]
    username: Option<String>,
    /// The user's password.
    #[serde(default)]
    password: Option<String>,
    /// A token instead of a user.
    #[serde(default)]
    token: Option<String>,
    /// The text of a credentials file instead of a user, such as `${file:reader.creds}`: a signed name and its key.
    #[serde(default)]
    credentials: Option<String>,
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

/// Who asks.
#[derive(Clone)]
pub(super) enum Login {
    Nobody,
    User(String, String),
    Token(String),
    Credentials(String),
}

/// The options, and what follows from them.
pub(super) struct NatsSource {
    pub(super) url: String,
    pub(super) login: Login,
    pub(super) stream: String,
    pub(super) subject: Option<String>,
    pub(super) consumer: String,
    pub(super) payload: Payload,
}

impl NatsSource {
    pub(super) fn parse(source: &PullSource) -> Result<Self, ConnectorError> {
        let options: NatsOptions = parse_options("nats", source)?;
        let login = login(source, &options)?;
        if let Some(sign) = options.stream.chars().find(|sign| matches!(sign, '.' | '*' | '>' | ' ' | '/' | '\\')) {
            let reason = format!("stream `{}` has a `{sign}`, which no stream's name has", options.stream);
            return Err(wrong(source, &reason, "a subject goes into `subject`"));
        }
        let consumer = options.consumer.unwrap_or_else(|| format!("baton_{}_{}", source.name, source.lineage));
        Ok(Self {
            url: options.url,
            login,
            stream: options.stream,
            subject: options.subject,
            consumer,
            payload: Payload::new(source, options.format, options.fields, options.malformed)?,
        })
    }
}

fn login(source: &PullSource, options: &NatsOptions) -> Result<Login, ConnectorError> {
    match (&options.username, &options.password, &options.token, &options.credentials) {
        (None, None, None, None) => Ok(Login::Nobody),
        (Some(user), Some(password), None, None) => Ok(Login::User(user.clone(), password.clone())),
        (None, None, Some(token), None) => Ok(Login::Token(token.clone())),
        (None, None, None, Some(credentials)) => Ok(Login::Credentials(credentials.clone())),
        _ => {
            let reason =
                "`username` goes with `password`, and not with `token` or `credentials`, nor those with each other";
            Err(wrong(source, reason, "leave out what the server does not ask for"))
        }
    }
}
