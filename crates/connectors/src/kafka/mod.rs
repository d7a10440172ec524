//! Connector `kafka`: topics, each message once.
//!
//! The position is the offset of each partition, and alone decides what is asked for; what is committed to a consumer
//! group shows others how far Baton is. Only where a group shares its partitions out does what other members committed
//! count, too: those messages are theirs. Messages that brokers no longer have are named, and the rest goes on: nobody
//! could bring them back.

mod config;
mod position;
mod reader;
mod references;
mod registry;
mod session;

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use krafka::consumer::ConsumerRecord;
use krafka::dlq::record_for;
use serde_json::Value;

use crate::messages::{AvroSchemas, Fact, FactColumn, FactKind, Message, Messages, Payload, registered_id};
use crate::{ConnectorError, Limits, Position, PullRequest, PullSink, PullSource, Pulled, Puller, RejectedRow};
use config::{KafkaOptions, KafkaSource, Schemas};
use position::{KafkaPosition, Place};
use reader::{Reader, Taken};
use session::Session;

/// What is known of a message.
const FACTS: &[FactColumn] = &[
    ("kafka_topic", FactKind::Text),
    ("kafka_partition", FactKind::Number),
    ("kafka_offset", FactKind::Number),
    ("kafka_published_at", FactKind::Instant),
    ("kafka_key", FactKind::Text),
    ("kafka_headers", FactKind::Text),
    ("kafka_tombstone", FactKind::Truth),
];
/// Messages from the end of each partition that show which columns there are.
const SAMPLE: i64 = 100;
/// The bytes of a registry's frame before a message.
const FRAME: usize = 5;

/// The connector for topics of Kafka.
#[derive(Debug, Clone, Copy)]
pub struct KafkaPuller;

#[async_trait]
impl Puller for KafkaPuller {
    fn kind(&self) -> &'static str {
        "kafka"
    }

    fn options(&self) -> schemars::Schema {
        schemars::schema_for!(KafkaOptions)
    }

    fn incidental(&self) -> &'static [&'static str] {
        &[
            "username",
            "password",
            "sasl",
            "certificate_authority",
            "certificate",
            "certificate_key",
            "member",
            "session_seconds",
            "schema_registry",
            "malformed",
            "dead_letters",
        ]
    }

    fn examine(&self, source: &PullSource) -> Result<(), ConnectorError> {
        KafkaSource::parse(source).map(drop)
    }

    async fn check(&self, source: &PullSource) -> Result<String, ConnectorError> {
        let kafka = KafkaSource::parse(source)?;
        let session = Session::open(&kafka).await?;
        let (firsts, ends) = (session.firsts(&session.places()).await?, session.ends(&session.places()).await?);
        let topic = |topic: &session::Topic| {
            let places = topic.partitions.iter().map(|partition| (topic.name.clone(), *partition));
            let count = |place: Place| Some((ends.get(&place)? - firsts.get(&place)?).max(0));
            let messages: i64 = places.filter_map(count).sum();
            format!("{}: {} partitions, {messages} messages", topic.name, topic.partitions.len())
        };
        if let Schemas::Registry(registry) = &kafka.schemas {
            // Whoever answers knows this schema, or says that there is none.
            registry::schemas(registry, &BTreeSet::from([1])).await?;
        }
        let topics: Vec<String> = session.topics.iter().map(topic).collect();
        let brokers = if session.n_brokers == 1 { "broker" } else { "brokers" };
        Ok(format!("Kafka, {} {brokers}, {}", session.n_brokers, topics.join("; ")))
    }

    async fn describe(&self, source: &PullSource) -> Result<SchemaRef, ConnectorError> {
        let kafka = KafkaSource::parse(source)?;
        let session = Session::open(&kafka).await?;
        let places = session.places();
        let (firsts, ends) = (session.firsts(&places).await?, session.ends(&places).await?);
        let sample = |place: &Place| {
            let first = firsts.get(place).copied().unwrap_or_default();
            (place.clone(), ends.get(place).map_or(first, |end| (end - SAMPLE).max(first)))
        };
        let mut reader = Reader::at(session, places.iter().map(sample).collect()).await?;
        let mut taken = Taken::default();
        let limits = Limits { rows: SAMPLE.unsigned_abs(), ..Limits::default() };
        reader.take(limits, &mut taken).await?;
        reader.close().await;
        let payload = payload(&kafka, &taken.records).await?;
        Ok(messages(&kafka, &payload, &taken.records).schema().into())
    }

    async fn pull(&self, request: &PullRequest, sink: &mut PullSink) -> Result<Pulled, ConnectorError> {
        let source = &request.source;
        let kafka = KafkaSource::parse(source)?;
        let position = request.position.as_ref();
        let before: KafkaPosition = position.map(Position::read).transpose()?.unwrap_or_default();
        let mut reader = match Reader::waiting(&source.lineage, position).await {
            Some(reader) => reader,
            None => reader(&kafka, &before).await?,
        };
        let mut taken = Taken::default();
        let complete = reader.take(request.limits, &mut taken).await?;
        land(&kafka, &reader.session, &taken, sink).await?;
        let mut after = before;
        for topic in &reader.session.topics {
            after.know(&topic.name, &topic.id);
        }
        taken.next.iter().for_each(|(place, next)| after.go_on(place, *next));
        let position = Position::of(&after)?;
        reader.wait(&source.lineage, &position, !complete).await;
        Ok(Pulled { position, complete, replaces: false })
    }

    async fn confirm(&self, source: &PullSource, position: &Position) -> Result<(), ConnectorError> {
        let kafka = KafkaSource::parse(source)?;
        if kafka.membership.is_none() {
            let session = Session::open(&kafka).await?;
            return session.show(&kafka.shown_as, &position.read()?).await;
        }
        match Reader::waiting(&source.lineage, Some(position)).await {
            Some(reader) => reader.confirm(&source.lineage, position).await,
            // Its member has gone: the next pull begins where the ledger says, whatever the group has heard.
            None => Ok(()),
        }
    }
}

async fn reader(kafka: &KafkaSource, before: &KafkaPosition) -> Result<Reader, ConnectorError> {
    let session = Session::open(kafka).await?;
    session.check_topics(before)?;
    match &kafka.membership {
        None => Reader::alone(session, kafka, before).await,
        Some(membership) => Reader::member(session, kafka, membership, before.clone()).await,
    }
}

/// Hands on what was taken, and sends what could not be read to where such messages go.
async fn land(
    kafka: &KafkaSource,
    session: &Session,
    taken: &Taken,
    sink: &mut PullSink,
) -> Result<(), ConnectorError> {
    let payload = payload(kafka, &taken.records).await?;
    let unread = messages(kafka, &payload, &taken.records).land(sink).await?;
    for (place, first, last) in &taken.gaps {
        sink.reject(|| missing(place, *first, *last));
    }
    match &kafka.dead_letters {
        Some(topic) if !unread.is_empty() => bury(session, topic, &taken.records, &unread).await,
        _ => Ok(()),
    }
}

/// Sends messages that could not be read or do not fit to a topic, with the reason. They are there before the position moves on, so that
/// none is missing; after a kill some may be there twice.
async fn bury(
    session: &Session,
    topic: &str,
    records: &[ConsumerRecord],
    unread: &[(usize, String)],
) -> Result<(), ConnectorError> {
    let producer = session.kafka.producer().metrics_push(false).build().await;
    let producer = producer.map_err(|error| session.refused(&error))?;
    // A message of several rows goes there once.
    let unread: BTreeMap<usize, &String> = unread.iter().rev().map(|(place, reason)| (*place, reason)).collect();
    let mut sent = Vec::new();
    for (place, reason) in unread {
        if let Some(record) = records.get(place) {
            let handle = producer.enqueue(record_for(topic, record, reason)).await;
            sent.push(handle.map_err(|error| session.refused(&error))?);
        }
    }
    for handle in sent {
        drop(handle.await.map_err(|error| session.refused(&error))?);
    }
    producer.close().await.map_err(|error| session.refused(&error))
}

/// How messages are to be read: with the schemas that they were written with, where they have any.
async fn payload(kafka: &KafkaSource, records: &[ConsumerRecord]) -> Result<Payload, ConnectorError> {
    let schemas = match &kafka.schemas {
        Schemas::None => return Ok(kafka.payload.clone()),
        Schemas::One(schema) => AvroSchemas::One(schema.clone()),
        Schemas::Registry(registry) => {
            let values = records.iter().filter_map(|record| record.value.as_ref());
            let ids: BTreeSet<u32> = values.filter_map(|value| registered_id(value)).collect();
            AvroSchemas::Registered(registry::schemas(registry, &ids).await?)
        }
    };
    Ok(kafka.payload.clone().with_avro(schemas))
}

fn messages<'k>(kafka: &'k KafkaSource, payload: &'k Payload, records: &[ConsumerRecord]) -> Messages<'k> {
    let mut messages = Messages::new(&kafka.origin, payload, FACTS);
    records.iter().for_each(|record| messages.push(message(kafka, record)));
    messages
}

fn message(kafka: &KafkaSource, record: &ConsumerRecord) -> Message {
    let facts = vec![
        Fact::Text(Some(record.topic.to_string())),
        Fact::Number(i64::from(record.partition)),
        Fact::Number(record.offset),
        Fact::Instant(record.timestamp.saturating_mul(1_000)),
        Fact::Text(record.key.as_ref().map(|key| text(key))),
        Fact::Text(headers(&record.headers)),
        Fact::Truth(record.value.is_none()),
    ];
    let is_framed = |value: &Bytes| kafka.is_json && value.first() == Some(&0) && value.len() > FRAME;
    let payload =
        record.value.as_ref().map(|value| if is_framed(value) { value.slice(FRAME..) } else { value.clone() });
    Message { facts, payload }
}

/// Bytes as text, or as hexadecimal digits behind `0x` where they are none.
fn text(bytes: &[u8]) -> String {
    str::from_utf8(bytes).map_or_else(|_| format!("0x{}", hex::encode(bytes)), ToOwned::to_owned)
}

/// The headers as a JSON object; a list where one stands several times.
fn headers(headers: &krafka::Headers) -> Option<String> {
    let mut by_name: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (name, value) in headers {
        by_name.entry(name).or_default().push(value.as_ref().map(|value| text(value)).into());
    }
    let single = |mut values: Vec<Value>| match values.len() {
        1 => values.remove(0),
        _ => Value::Array(values),
    };
    let object: serde_json::Map<String, Value> =
        by_name.into_iter().map(|(name, values)| (name.to_owned(), single(values))).collect();
    (!object.is_empty()).then(|| Value::Object(object).to_string())
}

/// Messages that nobody can land any more.
fn missing((topic, partition): &Place, first: i64, last: i64) -> RejectedRow {
    let number = last - first + 1;
    RejectedRow {
        row: first.unsigned_abs(),
        column: None,
        value: format!("{topic}/{partition}: {first}..{last}"),
        reason: format!(
            "offsets {first} to {last} of partition {partition} of `{topic}`, at most {number} messages, left the topic \
             before they were landed; let it keep them longer, or run more often"
        ),
        raw: serde_json::json!({"topic": topic, "partition": partition, "first_offset": first, "last_offset": last}),
    }
}

#[cfg(test)]
mod tests;
