//! Connector `mqtt`: topics of a broker, each message landed once.
//!
//! A message is acknowledged only when its row is recorded, over the connection that brought it: between a pull and its
//! confirmation the session waits. If it is lost, the broker sends again what was not acknowledged, under the same number
//! and marked as a repetition; the position knows numbers and hashes of the messages that were not acknowledged when it
//! was recorded, so those that are recorded already are acknowledged and passed over. Equal messages that were published
//! twice have two numbers and are two rows.

mod config;
mod session;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use rumqttc::v5::mqttbytes::v5::Publish;
use serde::{Deserialize, Serialize};

use crate::messages::{Fact, FactColumn, FactKind, Message, Messages};
use crate::{ConnectorError, Limits, Position, PullRequest, PullSink, PullSource, Pulled, Puller, RejectedRow};
use config::{MqttSource, MqttSourceOptions};
use session::{MOST_UNACKNOWLEDGED, Session};

/// What is known of a message.
const FACTS: &[FactColumn] = &[("mqtt_topic", FactKind::Text), ("mqtt_received_at", FactKind::Instant)];
/// No message for this long is the end of what the broker has kept: it sends without being asked.
const QUIET: Duration = Duration::from_millis(250);
/// How long a look at the columns waits for messages, and how many it takes.
const LOOK: (Duration, usize) = (Duration::from_secs(1), 100);

/// The connector for topics of an MQTT broker.
#[derive(Debug, Clone, Copy)]
pub struct MqttPuller;

/// Where a pull goes on: the broker knows, but for the messages that it has not heard to be recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct MqttPosition {
    /// Numbers and hashes of recorded messages that may come again: six bytes each, in hexadecimal digits.
    unacknowledged: String,
    /// Whether the next pull follows at once.
    more: bool,
}

/// A message as it is known again: its number in the session, and a hash of topic and payload.
type Known = (u16, [u8; 4]);

/// Messages of one pull.
struct Taken<'a> {
    messages: Messages<'a>,
    known: Vec<Known>,
    /// Recorded messages that came again.
    again: Vec<Known>,
}

#[async_trait]
impl Puller for MqttPuller {
    fn kind(&self) -> &'static str {
        "mqtt"
    }

    fn options(&self) -> schemars::Schema {
        schemars::schema_for!(MqttSourceOptions)
    }

    fn incidental(&self) -> &'static [&'static str] {
        &["username", "password", "certificate_authority", "malformed"]
    }

    fn examine(&self, source: &PullSource) -> Result<(), ConnectorError> {
        MqttSource::parse(source).map(drop)
    }

    async fn check(&self, source: &PullSource) -> Result<String, ConnectorError> {
        let mqtt = MqttSource::parse(source)?;
        Session::open_briefly(&mqtt).await?.close().await;
        Ok(format!("MQTT broker at {}:{}, {}", mqtt.host, mqtt.port, mqtt.topics.join(", ")))
    }

    /// Nobody knows what will be published: the columns are those of messages that the broker retains, or that come now.
    async fn describe(&self, source: &PullSource) -> Result<SchemaRef, ConnectorError> {
        let mqtt = MqttSource::parse(source)?;
        let mut session = Session::open_briefly(&mqtt).await?;
        let mut messages = Messages::new(&mqtt.origin, &mqtt.payload, FACTS);
        let (began, (wait, enough)) = (Instant::now(), LOOK);
        while messages.len() < enough
            && let Some(rest) = wait.checked_sub(began.elapsed())
            && let Some(publish) = session.next(rest).await?
        {
            messages.push(message(&publish));
        }
        session.close().await;
        Ok(messages.schema().into())
    }

    async fn pull(&self, request: &PullRequest, sink: &mut PullSink) -> Result<Pulled, ConnectorError> {
        let (source, position) = (&request.source, request.position.as_ref());
        let mqtt = MqttSource::parse(source)?;
        let before: Option<MqttPosition> = position.map(Position::read).transpose()?;
        let (mut session, repeated) = match Session::settled_at(&source.lineage, position) {
            Some(mut session) => {
                session.is_known = true;
                (session, HashMap::new())
            }
            None => {
                let session = Session::open(&mqtt).await?;
                let repeated = before.as_ref().filter(|_| session.is_known).map(MqttPosition::known).transpose()?;
                (session, repeated.unwrap_or_default())
            }
        };
        let is_forgotten = before.is_some() && !session.is_known;
        let messages = Messages::new(&mqtt.origin, &mqtt.payload, FACTS);
        let mut taken = Taken { messages, known: Vec::new(), again: Vec::new() };
        let complete = take(&mut session, &repeated, request.limits, &mut taken).await?;
        let Taken { messages, known, again } = taken;
        messages.land(sink).await?;
        if is_forgotten {
            sink.reject(|| forgotten(&mqtt));
        }
        if known.is_empty() {
            session.settle().await?;
            session.close().await;
            let position = Position::of(&MqttPosition::default())?;
            return Ok(Pulled { position, complete, replaces: false });
        }
        let numbers = known.iter().map(|(number, _)| *number).collect();
        let position = Position::of(&MqttPosition::of(again.iter().chain(&known), !complete))?;
        session.wait(&source.lineage, numbers, &position);
        Ok(Pulled { position, complete, replaces: false })
    }

    async fn confirm(&self, source: &PullSource, position: &Position) -> Result<(), ConnectorError> {
        let Some(mut session) = Session::waiting_for(&source.lineage, position) else { return Ok(()) };
        session.confirm().await?;
        let MqttPosition { more, .. } = position.read()?;
        if more {
            session.wait(&source.lineage, Vec::new(), position);
        } else {
            session.close().await;
        }
        Ok(())
    }
}

/// Takes messages until a limit, or until none come; whether that was the end.
async fn take(
    session: &mut Session,
    repeated: &HashMap<u16, [u8; 4]>,
    limits: Limits,
    taken: &mut Taken<'_>,
) -> Result<bool, ConnectorError> {
    let began = Instant::now();
    let most = limits.rows.min(u64::from(MOST_UNACKNOWLEDGED));
    loop {
        let n_taken = taken.messages.len() as u64;
        if n_taken >= most || taken.messages.n_bytes() >= limits.bytes {
            return Ok(false);
        }
        // A broker that is never quiet is followed for a while, and then again by the next run.
        if began.elapsed() >= Duration::from_millis(limits.wait_ms) || limits.is_overdue(began.elapsed()) {
            return Ok(true);
        }
        let Some(publish) = session.next(QUIET).await? else {
            // A broker may send fewer messages than it has until it hears that some are safe.
            return Ok(n_taken == 0);
        };
        let known = (publish.pkid, hash(&publish));
        if publish.dup && repeated.get(&known.0) == Some(&known.1) {
            session.acknowledge(publish.pkid)?;
            taken.again.push(known);
            continue;
        }
        // What was published with QoS 0 has no number and comes once or never.
        if publish.pkid != 0 {
            taken.known.push(known);
        }
        taken.messages.push(message(&publish));
    }
}

fn message(publish: &Publish) -> Message {
    let topic = String::from_utf8_lossy(&publish.topic).into_owned();
    #[expect(clippy::disallowed_methods, reason = "when a message came in is a fact of the wire; it is never replayed")]
    let received_at = chrono::Utc::now().timestamp_micros();
    Message { facts: vec![Fact::Text(Some(topic)), Fact::Instant(received_at)], payload: Some(publish.payload.clone()) }
}

fn hash(publish: &Publish) -> [u8; 4] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&publish.topic).update(&[0]).update(&publish.payload);
    let [one, two, three, four, ..] = *hasher.finalize().as_bytes();
    [one, two, three, four]
}

impl MqttPosition {
    fn of<'k>(known: impl Iterator<Item = &'k Known>, more: bool) -> Self {
        let bytes: Vec<u8> = known.flat_map(|(number, hash)| number.to_be_bytes().into_iter().chain(*hash)).collect();
        Self { unacknowledged: hex::encode(bytes), more }
    }

    fn known(&self) -> Result<HashMap<u16, [u8; 4]>, ConnectorError> {
        let bytes = hex::decode(&self.unacknowledged).map_err(|error| ConnectorError::position(error.to_string()))?;
        let known = bytes.chunks_exact(6).filter_map(|entry| match entry {
            [high, low, hash @ ..] => Some((u16::from_be_bytes([*high, *low]), hash.try_into().ok()?)),
            _ => None,
        });
        Ok(known.collect())
    }
}

/// Messages may be missing, and nobody knows how many.
fn forgotten(mqtt: &MqttSource) -> RejectedRow {
    RejectedRow {
        row: 0,
        column: None,
        value: mqtt.client_id.clone(),
        reason: format!(
            "the broker no longer knew client `{}`: what was published since the last landing may be missing; let its \
             sessions last longer, or run more often",
            mqtt.client_id
        ),
        raw: serde_json::json!({"client_id": mqtt.client_id}),
    }
}

#[cfg(test)]
mod tests;
