//! Where a landing of topics goes on: the offset of each partition.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A partition of a topic.
pub(super) type Place = (String, i32);

/// The offset of the next message of each partition that was ever landed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KafkaPosition {
    topics: BTreeMap<String, TopicPosition>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct TopicPosition {
    /// What tells this topic from others that had its name; empty where brokers are too old to say it.
    id: String,
    next: BTreeMap<i32, i64>,
}

impl KafkaPosition {
    /// The offset of the next message; `None` when the partition was never landed.
    pub(super) fn next(&self, place: &Place) -> Option<i64> {
        self.topics.get(&place.0)?.next.get(&place.1).copied()
    }

    /// What the topic was known by; `None` when that is not known.
    pub(super) fn id(&self, topic: &str) -> Option<&str> {
        self.topics.get(topic).map(|known| known.id.as_str()).filter(|id| !id.is_empty())
    }

    pub(super) fn know(&mut self, topic: &str, id: &str) {
        id.clone_into(&mut self.topics.entry(topic.to_owned()).or_default().id);
    }

    pub(super) fn go_on(&mut self, place: &Place, offset: i64) {
        self.topics.entry(place.0.clone()).or_default().next.insert(place.1, offset);
    }

    /// All partitions with their offsets.
    pub(super) fn all(&self) -> impl Iterator<Item = (Place, i64)> {
        self.topics
            .iter()
            .flat_map(|(topic, known)| known.next.iter().map(|(partition, next)| ((topic.clone(), *partition), *next)))
    }
}
