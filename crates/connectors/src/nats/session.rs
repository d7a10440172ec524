//! A connection to a stream: its state, its durable consumer, and errors in words.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{Info, RetentionPolicy, Stream};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, ServerAddr};

use super::config::{Login, NatsSource};
use crate::ConnectorError;

/// How long an answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long the server waits for an acknowledgement before it sends messages again, which nobody waits for.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(3600);

/// A session, and what messages call the stream.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) stream: Stream,
    pub(super) origin: String,
}

impl Session {
    /// Connects, and looks at the stream.
    pub(super) async fn open(nats: &NatsSource) -> Result<Self, ConnectorError> {
        let (client, origin) = connect(nats).await?;
        let context = async_nats::jetstream::new(client.clone());
        let stream = context.get_stream(&nats.stream).await.map_err(|error| {
            let (reason, hint, is_transient) = match error.kind() {
                GetStreamErrorKind::JetStream(answer) => {
                    (answer.to_string(), "mend `stream`, or the user's rights", false)
                }
                _ => (error.to_string(), "look whether the server runs JetStream (`nats-server -js`)", true),
            };
            origin_error(&origin, format!("does not answer for the stream: {reason}"), hint, is_transient)
        })?;
        let session = Self { client, stream, origin };
        if session.info().config.retention != RetentionPolicy::Limits {
            let reason = "forgets messages once they are acknowledged, so none could be read again";
            let hint = "give the stream retention `limits`, or mirror it into one that has";
            return Err(origin_error(&session.origin, reason.to_owned(), hint, false));
        }
        Ok(session)
    }

    /// The stream when the session was opened.
    pub(super) fn info(&self) -> &Info {
        self.stream.cached_info()
    }

    /// What tells this stream from others that had its name.
    pub(super) fn identity(&self) -> String {
        self.info().created.unix_timestamp_nanos().to_string()
    }

    /// The durable consumer, set to hand out what follows sequence `last`, and how many messages wait for it.
    /// `delivered` is what it handed out last, as far as is known.
    pub(super) async fn consumer(
        &self,
        nats: &NatsSource,
        last: u64,
        delivered: Option<u64>,
    ) -> Result<(PullConsumer, u64), ConnectorError> {
        let config = pull::Config {
            durable_name: Some(nats.consumer.clone()),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: last + 1 },
            ack_policy: AckPolicy::All,
            ack_wait: ACKNOWLEDGE_WITHIN,
            max_ack_pending: -1,
            filter_subject: nats.subject.clone().unwrap_or_default(),
            ..pull::Config::default()
        };
        if let Ok(consumer) = self.stream.get_consumer::<pull::Config>(&nats.consumer).await {
            let (info, before) = (consumer.cached_info(), consumer.cached_info().config.clone());
            let is_ours = before.ack_policy == AckPolicy::All && before.filter_subject == config.filter_subject;
            if is_ours && Some(info.delivered.stream_sequence) == delivered {
                let pending = info.num_pending;
                return Ok((consumer, pending));
            }
            // What it remembers is not what is landed, which alone counts.
            self.stream.delete_consumer(&nats.consumer).await.map_err(|error| self.refused(&error))?;
        }
        let consumer = self.stream.create_consumer(config).await.map_err(|error| self.refused(&error))?;
        let pending = consumer.get_info().await.map_err(|error| self.refused(&error))?.num_pending;
        Ok((consumer, pending))
    }

    /// The server's refusal in words.
    pub(super) fn refused(&self, error: &dyn std::fmt::Display) -> ConnectorError {
        origin_error(&self.origin, format!("refuses: {error}"), "mend the source or the user's rights", true)
    }

    /// The connection broke.
    pub(super) fn silent(&self) -> ConnectorError {
        let reason = format!("has not answered for {} seconds", PATIENCE.as_secs());
        origin_error(&self.origin, reason, "look whether it runs", true)
    }

    /// The stream is not the one that was followed.
    pub(super) fn lost(&self, reason: String) -> ConnectorError {
        let hint = "set another `consumer` in `options` to land what it holds now into a new table";
        ConnectorError::PositionLost { origin: self.origin.clone(), reason, hint: hint.to_owned() }
    }
}

async fn connect(nats: &NatsSource) -> Result<(Client, String), ConnectorError> {
    let servers: Result<Vec<ServerAddr>, _> = nats.url.split(',').map(|url| url.trim().parse()).collect();
    let servers = servers.map_err(|error: std::io::Error| {
        // The URL may hold the password, so it is not shown.
        let hint = "write `nats://host:4222`, or `tls://host:4222`";
        origin_error("the `url` of a nats source", format!("cannot be read: {error}"), hint, false)
    })?;
    let place = servers.first().map_or(String::new(), |server| format!("{}:{}", server.host(), server.port()));
    let origin = format!("nats at {place}, stream {}", nats.stream);
    let mut options = ConnectOptions::new()
        .name("baton")
        .connection_timeout(PATIENCE)
        .request_timeout(Some(PATIENCE))
        .require_tls(servers.iter().any(ServerAddr::tls_required));
    options = match &nats.login {
        Login::Nobody => options,
        Login::User(user, password) => options.user_and_password(user.clone(), password.clone()),
        Login::Token(token) => options.token(token.clone()),
        // Its last line must end, which a reference to a file cuts off.
        Login::Credentials(text) => options.credentials(&format!("{text}\n")).map_err(|_| {
            // The text holds the key, so it is not shown.
            let reason = "cannot be spoken to: `credentials` is not the text of a credentials file".to_owned();
            origin_error(&origin, reason, "write `credentials: ${file:reader.creds}`", false)
        })?,
    };
    let client = options.connect(servers).await.map_err(|error| {
        let (hint, is_transient) = match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                ("mend `username` and `password`, `token` or `credentials`", false)
            }
            _ => ("look whether it runs and `url` leads there", true),
        };
        origin_error(&origin, format!("cannot be reached: {error}"), hint, is_transient)
    })?;
    Ok((client, origin))
}

fn origin_error(origin: &str, reason: String, hint: &str, is_transient: bool) -> ConnectorError {
    ConnectorError::Origin { origin: origin.to_owned(), reason, hint: hint.to_owned(), is_transient }
}
