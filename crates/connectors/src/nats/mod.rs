//! Connector `nats`: a stream of JetStream, each message once.
//!
//! The position is the sequence of the last message that was landed, and alone decides what is asked for: a durable
//! consumer that remembers anything else is made anew. It is there so that the server shows how far Baton is, and hears of
//! what is landed by one acknowledgement, which stands for all messages before. Messages that left the stream before they
//! were landed are named, and the rest goes on: nobody could bring them back.

mod config;
mod session;

use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::message::Message as NatsMessage;
use async_trait::async_trait;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::messages::{Fact, FactColumn, FactKind, Message, Messages};
use crate::{ConnectorError, Limits, Position, PullRequest, PullSink, PullSource, Pulled, Puller, RejectedRow};
use config::{NatsOptions, NatsSource};
use session::{PATIENCE, Session};

/// What is known of a message.
const FACTS: &[FactColumn] = &[
    ("nats_subject", FactKind::Text),
    ("nats_sequence", FactKind::Number),
    ("nats_published_at", FactKind::Instant),
    ("nats_headers", FactKind::Text),
];
/// Messages that are asked for at once.
const BATCH: u64 = 5_000;
/// Messages from the end of the stream that show which columns there are.
const SAMPLE: u64 = 100;

/// The connector for streams of NATS JetStream.
#[derive(Debug, Clone, Copy)]
pub struct NatsPuller;

/// Where a pull goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct NatsPosition {
    /// When the stream was made: a stream of the same name is another one.
    stream: String,
    /// The sequence up to which all is landed.
    last: u64,
    /// What the consumer handed out last.
    delivered: u64,
    /// Where the last message is acknowledged.
    acknowledge: Option<String>,
}

/// Messages of one pull.
struct Taken<'a> {
    messages: Messages<'a>,
    last: u64,
    delivered: u64,
    acknowledge: Option<String>,
}

#[async_trait]
impl Puller for NatsPuller {
    fn kind(&self) -> &'static str {
        "nats"
    }

    fn options(&self) -> schemars::Schema {
        schemars::schema_for!(NatsOptions)
    }

    fn incidental(&self) -> &'static [&'static str] {
        &["username", "password", "token", "credentials", "malformed"]
    }

    fn examine(&self, source: &PullSource) -> Result<(), ConnectorError> {
        NatsSource::parse(source).map(drop)
    }

    async fn check(&self, source: &PullSource) -> Result<String, ConnectorError> {
        let nats = NatsSource::parse(source)?;
        let session = Session::open(&nats).await?;
        let (version, state) = (session.client.server_info().version, &session.info().state);
        Ok(format!(
            "NATS {version}, stream {}: {} messages, up to sequence {}",
            nats.stream, state.messages, state.last_sequence
        ))
    }

    async fn describe(&self, source: &PullSource) -> Result<SchemaRef, ConnectorError> {
        let nats = NatsSource::parse(source)?;
        let session = Session::open(&nats).await?;
        let state = &session.info().state;
        let mut next = state.first_sequence.max((state.last_sequence + 1).saturating_sub(SAMPLE));
        let mut messages = Messages::new(&session.origin, &nats.payload, FACTS);
        let subject = nats.subject.as_deref().unwrap_or(">");
        while state.messages > 0 && next <= state.last_sequence {
            // What is behind the last message of the subject is an error of the server's, and the end.
            let asked = session.stream.raw_message_builder().sequence(next).next_by_subject(subject);
            let Ok(found) = asked.send().await else { break };
            next = found.sequence + 1;
            messages.push(Message { facts: Vec::new(), payload: Some(found.payload) });
        }
        Ok(messages.schema().into())
    }

    async fn pull(&self, request: &PullRequest, sink: &mut PullSink) -> Result<Pulled, ConnectorError> {
        let nats = NatsSource::parse(&request.source)?;
        let session = Session::open(&nats).await?;
        let before: Option<NatsPosition> = request.position.as_ref().map(Position::read).transpose()?;
        let state = &session.info().state;
        let last = match &before {
            Some(position) => {
                check_stream(&session, position)?;
                position.last
            }
            None => state.first_sequence.saturating_sub(1),
        };
        let gap = before.is_some().then(|| (last + 1, state.first_sequence.saturating_sub(1)));
        let gap = gap.filter(|(first, end)| first <= end);
        let mut taken = Taken {
            messages: Messages::new(&session.origin, &nats.payload, FACTS),
            last: gap.map_or(last, |(_, end)| end),
            delivered: before.as_ref().map_or(last, |position| position.delivered),
            acknowledge: before.as_ref().and_then(|position| position.acknowledge.clone()),
        };
        let target = state.last_sequence;
        let complete = taken.last >= target || take(&session, &nats, target, request.limits, &mut taken).await?;
        let Taken { messages, last, delivered, acknowledge } = taken;
        messages.land(sink).await?;
        if let Some((first, end)) = gap {
            sink.reject(|| missing(first, end));
        }
        let position = NatsPosition { stream: session.identity(), last, delivered, acknowledge };
        Ok(Pulled { position: Position::of(&position)?, complete, replaces: false })
    }

    async fn confirm(&self, source: &PullSource, position: &Position) -> Result<(), ConnectorError> {
        let position: NatsPosition = position.read()?;
        let Some(acknowledge) = position.acknowledge else { return Ok(()) };
        let nats = NatsSource::parse(source)?;
        let session = Session::open(&nats).await?;
        let answer = session.client.request(acknowledge, "+ACK".into());
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(session.refused(&error)),
            Err(_) => Err(session.silent()),
        }
    }
}

/// Takes messages up to sequence `target`; whether it was reached.
async fn take(
    session: &Session,
    nats: &NatsSource,
    target: u64,
    limits: Limits,
    taken: &mut Taken<'_>,
) -> Result<bool, ConnectorError> {
    let (consumer, mut pending) = session.consumer(nats, taken.last, Some(taken.delivered)).await?;
    taken.delivered = taken.delivered.max(taken.last);
    let began = Instant::now();
    while pending > 0 && taken.last < target {
        let room = limits.rows.saturating_sub(taken.messages.len() as u64);
        let is_overdue = taken.messages.len() > 0 && limits.is_overdue(began.elapsed());
        if room == 0 || taken.messages.n_bytes() >= limits.bytes || is_overdue {
            return Ok(false);
        }
        pending = match take_batch(session, &consumer, pending.min(room).min(BATCH), taken).await? {
            Some(pending) => pending,
            // Messages that were there have left the stream meanwhile, or the server is slow.
            None => match consumer.get_info().await.map_err(|error| session.refused(&error))?.num_pending {
                0 => 0,
                _ => return Err(session.silent()),
            },
        };
    }
    // Nothing up to the target is left, or all that is left is of other subjects.
    taken.last = taken.last.max(target);
    Ok(true)
}

/// Takes `wanted` messages, which are there; how many are still waiting behind them, or `None` when none came.
async fn take_batch(
    session: &Session,
    consumer: &PullConsumer,
    wanted: u64,
    taken: &mut Taken<'_>,
) -> Result<Option<u64>, ConnectorError> {
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let fetch = consumer.batch().max_messages(wanted).expires(Duration::from_secs(5));
    let mut batch = fetch.messages().await.map_err(|error| session.refused(&error))?;
    let mut pending = None;
    while let Some(next) = tokio::time::timeout(PATIENCE, batch.next()).await.map_err(|_| session.silent())? {
        let found = next.map_err(|error| session.refused(&error))?;
        let (sequence, message) = message(&found).map_err(|error| session.refused(&error))?;
        pending = found.info().ok().map(|info| info.pending);
        // What the server sends again is landed already.
        if sequence > taken.last {
            (taken.last, taken.delivered) = (sequence, sequence);
            taken.acknowledge = found.message.reply.as_ref().map(ToString::to_string);
            taken.messages.push(message);
        }
        if pending == Some(0) {
            break;
        }
    }
    Ok(pending)
}

fn message(found: &NatsMessage) -> Result<(u64, Message), async_nats::Error> {
    let info = found.info()?;
    let micros = i64::try_from(info.published.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX);
    let facts = vec![
        Fact::Text(Some(found.message.subject.to_string())),
        Fact::Number(i64::try_from(info.stream_sequence).unwrap_or(i64::MAX)),
        Fact::Instant(micros),
        Fact::Text(found.message.headers.as_ref().and_then(headers)),
    ];
    Ok((info.stream_sequence, Message { facts, payload: Some(found.message.payload.clone()) }))
}

/// The headers as a JSON object; a list where one stands several times.
fn headers(headers: &async_nats::HeaderMap) -> Option<String> {
    let texts = |values: &Vec<async_nats::HeaderValue>| -> Value {
        match values.as_slice() {
            [one] => Value::from(one.to_string()),
            several => several.iter().map(ToString::to_string).collect::<Vec<_>>().into(),
        }
    };
    let mut pairs: Vec<(String, Value)> =
        headers.iter().map(|(name, values)| (name.to_string(), texts(values))).collect();
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    (!pairs.is_empty()).then(|| Value::Object(pairs.into_iter().collect()).to_string())
}

fn check_stream(session: &Session, position: &NatsPosition) -> Result<(), ConnectorError> {
    let last = session.info().state.last_sequence;
    if session.identity() != position.stream {
        return Err(session.lost("the stream was removed and made anew".to_owned()));
    }
    if last < position.last {
        return Err(session.lost(format!("it ends at sequence {last}, but {} was landed", position.last)));
    }
    Ok(())
}

/// Messages that nobody can land any more.
fn missing(first: u64, end: u64) -> RejectedRow {
    let number = end - first + 1;
    RejectedRow {
        row: first,
        column: None,
        value: format!("{first}..{end}"),
        reason: format!(
            "{number} messages, sequences {first} to {end}, left the stream before they were landed; give it more room, \
             or run more often"
        ),
        raw: serde_json::json!({"first_sequence": first, "last_sequence": end}),
    }
}

#[cfg(test)]
mod tests;
