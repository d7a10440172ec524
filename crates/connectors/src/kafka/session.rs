//! A connection to brokers: which topics and partitions there are, where they begin and end, and errors in words.

use std::collections::BTreeMap;
use std::time::Duration;

use krafka::admin::{AlterConsumerGroupOffsetsOptions, ListConsumerGroupOffsetsOptions};
use krafka::auth::{AuthConfig, TlsConfig};
use krafka::consumer::{Consumer, TopicPartition};
use krafka::error::ErrorCode;
use krafka::{Kafka, KrafkaError};

use super::config::{Begin, KafkaSource, Membership, Sasl};
use super::position::{KafkaPosition, Place};
use crate::ConnectorError;

/// How long an answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// What brokers call the first message that they still have, and the end.
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// A topic as it is now.
pub(super) struct Topic {
    pub(super) name: String,
    /// What tells it from others that had its name; empty where brokers are too old to say it.
    pub(super) id: String,
    pub(super) partitions: Vec<i32>,
}

/// A connection.
pub(super) struct Session {
    pub(super) kafka: Kafka,
    /// Asks for places, not for messages.
    asker: Consumer,
    pub(super) origin: String,
    pub(super) n_brokers: usize,
    pub(super) topics: Vec<Topic>,
}

impl Session {
    /// Connects, and looks at the topics.
    pub(super) async fn open(source: &KafkaSource) -> Result<Self, ConnectorError> {
        let mut builder = Kafka::builder(&source.brokers).client_id("baton").connect_timeout(PATIENCE);
        if let Some(security) = security(source) {
            builder = builder.security(security);
        }
        let origin = &source.origin;
        let connected = tokio::time::timeout(2 * PATIENCE, builder.connect()).await;
        let kafka = connected.map_err(|_| silent(origin, 2 * PATIENCE))?.map_err(|error| refused(origin, &error))?;
        let asker = kafka.consumer_without_group().metrics_push(false).build().await;
        let asker = asker.map_err(|error| refused(origin, &error))?;
        let mut session = Self { kafka, asker, origin: origin.clone(), n_brokers: 0, topics: Vec::new() };
        for topic in &source.topics {
            let found = session.topic(topic).await?;
            session.topics.push(found);
        }
        Ok(session)
    }

    async fn topic(&mut self, name: &str) -> Result<Topic, ConnectorError> {
        let known = self.asker.fetch_metadata(Some(name)).await.map_err(|error| self.refused(&error))?;
        self.n_brokers = known.brokers.len();
        let Some(topic) = known.topics.into_iter().find(|topic| topic.name == name) else {
            let reason = format!("has no topic `{name}`");
            return Err(origin_error(&self.origin, reason, "mend `topics`, or the user's rights", false));
        };
        let mut partitions: Vec<i32> = topic.partitions.keys().copied().collect();
        partitions.sort_unstable();
        let id = if topic.topic_id == [0; 16] { String::new() } else { hex::encode(topic.topic_id) };
        Ok(Topic { name: name.to_owned(), id, partitions })
    }

    /// All partitions of all topics.
    pub(super) fn places(&self) -> Vec<Place> {
        let places = |topic: &Topic| -> Vec<Place> {
            topic.partitions.iter().map(|partition| (topic.name.clone(), *partition)).collect()
        };
        self.topics.iter().flat_map(places).collect()
    }

    /// Looks whether the topics are those that were landed.
    pub(super) fn check_topics(&self, before: &KafkaPosition) -> Result<(), ConnectorError> {
        let is_other = |topic: &&Topic| before.id(&topic.name).is_some_and(|id| !topic.id.is_empty() && id != topic.id);
        match self.topics.iter().find(is_other) {
            Some(topic) => Err(self.lost(format!("topic `{}` was removed and made anew", topic.name))),
            None => Ok(()),
        }
    }

    /// The first offsets that brokers still have.
    pub(super) async fn firsts(&self, places: &[Place]) -> Result<BTreeMap<Place, i64>, ConnectorError> {
        self.offsets(places, EARLIEST).await
    }

    /// The offsets of the next messages to come.
    pub(super) async fn ends(&self, places: &[Place]) -> Result<BTreeMap<Place, i64>, ConnectorError> {
        self.offsets(places, LATEST).await
    }

    /// Where partitions begin that were never landed.
    async fn begins(&self, places: &[Place], begin: Begin) -> Result<BTreeMap<Place, i64>, ConnectorError> {
        let time = match begin {
            Begin::Earliest => return self.firsts(places).await,
            Begin::Latest => return self.ends(places).await,
            Begin::At(time) => time,
        };
        let mut found = self.offsets(places, time).await?;
        // Where all messages are older, what comes next is the first.
        let older: Vec<Place> =
            found.iter().filter(|(_, offset)| **offset < 0).map(|(place, _)| place.clone()).collect();
        found.extend(self.ends(&older).await?);
        Ok(found)
    }

    async fn offsets(&self, places: &[Place], time: i64) -> Result<BTreeMap<Place, i64>, ConnectorError> {
        let asked: Vec<(&str, i32)> = places.iter().map(|(topic, partition)| (topic.as_str(), *partition)).collect();
        let answers = tokio::time::timeout(2 * PATIENCE, self.asker.offsets_for_times(&asked, time)).await;
        let answers = answers.map_err(|_| self.silent_for(2 * PATIENCE))?;
        answers.into_iter().map(|(place, offset)| Ok((place, offset.map_err(|error| self.refused(&error))?))).collect()
    }

    /// Where to go on: at what was landed, else at what other members of the group have committed, else where the source
    /// says. A partition that came later to a topic begins at its first message.
    pub(super) async fn starts(
        &self,
        places: &[Place],
        before: &KafkaPosition,
        begin: Begin,
        others: &BTreeMap<Place, i64>,
    ) -> Result<BTreeMap<Place, i64>, ConnectorError> {
        let mut starts = BTreeMap::new();
        let (mut later, mut first) = (Vec::new(), Vec::new());
        for place in places {
            match before.next(place).max(others.get(place).copied()) {
                Some(next) => drop(starts.insert(place.clone(), next)),
                None if before.all().any(|((topic, _), _)| topic == place.0) => later.push(place.clone()),
                None => first.push(place.clone()),
            }
        }
        starts.extend(self.firsts(&later).await?);
        starts.extend(self.begins(&first, begin).await?);
        Ok(starts)
    }

    /// What other members of a group have committed: commits of ours say nothing that the ledger does not.
    pub(super) async fn committed_by_others(
        &self,
        membership: &Membership,
        places: &[Place],
    ) -> Result<BTreeMap<Place, i64>, ConnectorError> {
        let admin = self.kafka.admin();
        let places = places.iter().map(|(topic, partition)| TopicPartition::new(topic.clone(), *partition));
        let options = ListConsumerGroupOffsetsOptions::default().timeout(PATIENCE).partitions(places.collect());
        let committed = admin.list_consumer_group_offsets(&membership.group, options).await;
        let committed = committed.map_err(|error| self.refused(&error))?;
        let mut others = BTreeMap::new();
        for (place, offset) in committed {
            let offset = offset.map_err(|error| self.refused(&error))?;
            if let Some(next) = offset.offset.filter(|next| *next >= 0)
                && offset.metadata.as_deref() != Some(&signature(membership))
            {
                others.insert((place.topic, place.partition), next);
            }
        }
        Ok(others)
    }

    /// Tells brokers how far a landing is that shares its partitions with nobody.
    pub(super) async fn show(&self, group: &str, position: &KafkaPosition) -> Result<(), ConnectorError> {
        let admin = self.kafka.admin();
        let offsets = position.all().map(|((topic, partition), next)| (TopicPartition::new(topic, partition), next));
        let options = AlterConsumerGroupOffsetsOptions::default().timeout(PATIENCE);
        let told = admin.alter_consumer_group_offsets(group, offsets, options).await;
        let answers = told.map_err(|error| self.refused(&error))?;
        answers.into_values().try_for_each(|answer| answer.map_err(|error| self.refused(&error)))
    }

    /// Brokers' refusal in words.
    pub(super) fn refused(&self, error: &KrafkaError) -> ConnectorError {
        refused(&self.origin, error)
    }

    /// Nobody has answered for so long.
    pub(super) fn silent_for(&self, patience: Duration) -> ConnectorError {
        silent(&self.origin, patience)
    }

    /// What follows is not what was landed before.
    pub(super) fn lost(&self, reason: String) -> ConnectorError {
        let hint = "what the topic holds now belongs into a new table: give the source another `name`, or set it back";
        ConnectorError::PositionLost { origin: self.origin.clone(), reason, hint: hint.to_owned() }
    }
}

/// What a commit of ours is known by.
pub(super) fn signature(membership: &Membership) -> String {
    format!("baton {}", membership.member)
}

fn security(source: &KafkaSource) -> Option<AuthConfig> {
    let auth = match &source.login {
        None if !source.is_encrypted => return None,
        None => AuthConfig::plaintext(),
        Some((Sasl::Plain, user, password)) => AuthConfig::sasl_plain(user, password),
        Some((Sasl::Scram256, user, password)) => AuthConfig::sasl_scram_sha256(user, password),
        Some((Sasl::Scram512, user, password)) => AuthConfig::sasl_scram_sha512(user, password),
    };
    if !source.is_encrypted {
        return Some(auth);
    }
    let mut tls = match &source.certificate_authority {
        Some(authority) => TlsConfig::new().with_ca_cert_pem(authority.as_bytes()),
        None => TlsConfig::new().with_native_roots(),
    };
    if let Some((certificate, key)) = &source.identity {
        tls = tls.with_client_cert_pem(certificate.as_bytes(), key.clone().into_bytes());
    }
    Some(auth.with_tls(tls))
}

fn refused(origin: &str, error: &KrafkaError) -> ConnectorError {
    let (reason, hint) = match error {
        KrafkaError::Auth { .. } => (
            format!("does not let us in: {}", with_cause(error)),
            "mend `username`, `password`, `sasl` or the certificates",
        ),
        KrafkaError::Broker { code, .. } => (format!("refuses: {error}"), hint_for(*code)),
        KrafkaError::Network(_) | KrafkaError::Timeout { .. } => {
            (format!("cannot be reached: {}", with_cause(error)), "look whether it runs and `url` leads there")
        }
        _ => (format!("refuses: {}", with_cause(error)), "mend the source or the user's rights"),
    };
    origin_error(origin, reason, hint, error.is_retriable())
}

fn hint_for(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::UnknownTopicOrPartition => "mend `topics`",
        ErrorCode::TopicAuthorizationFailed => "give the user the right to read the topics",
        ErrorCode::GroupAuthorizationFailed => "give the user the right to read in the group",
        ErrorCode::FencedInstanceId => "another Baton goes by the same `member`: give one of them another",
        _ => "mend the source or the user's rights",
    }
}

fn with_cause(error: &KrafkaError) -> String {
    match std::error::Error::source(error) {
        Some(cause) if !error.to_string().contains(&cause.to_string()) => format!("{error} ({cause})"),
        _ => error.to_string(),
    }
}

fn silent(origin: &str, patience: Duration) -> ConnectorError {
    let reason = format!("has not answered for {} seconds", patience.as_secs());
    origin_error(origin, reason, "look whether it runs", true)
}

pub(super) fn origin_error(origin: &str, reason: String, hint: &str, is_transient: bool) -> ConnectorError {
    ConnectorError::Origin { origin: origin.to_owned(), reason, hint: hint.to_owned(), is_transient }
}
