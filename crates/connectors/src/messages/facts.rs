//! What is known of a message besides what it carries: columns of one value a message.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit};
use serde_json::Value;

use super::Message;

/// Name and kind of such a column.
pub(crate) type FactColumn = (&'static str, FactKind);

/// The kinds of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FactKind {
    Text,
    Number,
    Truth,
    /// Microseconds since 1970-01-01 UTC.
    Instant,
}

impl FactKind {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Number => DataType::Int64,
            Self::Truth => DataType::Boolean,
            Self::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

/// A value of such a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    Text(Option<String>),
    Number(i64),
    Truth(bool),
    Instant(i64),
}

impl Fact {
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Text(text) => Value::from(text.clone()),
            Self::Number(number) => Value::from(*number),
            Self::Truth(truth) => Value::from(*truth),
            Self::Instant(micros) => {
                let instant = chrono::DateTime::from_timestamp_micros(*micros);
                Value::from(instant.map(|instant| instant.to_rfc3339()))
            }
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => text.as_deref(),
            Self::Number(_) | Self::Truth(_) | Self::Instant(_) => None,
        }
    }

    fn truth(&self) -> Option<bool> {
        match self {
            Self::Truth(truth) => Some(*truth),
            Self::Text(_) | Self::Number(_) | Self::Instant(_) => None,
        }
    }

    fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) | Self::Instant(number) => Some(*number),
            Self::Text(_) | Self::Truth(_) => None,
        }
    }
}

/// The columns of rows that came with the messages `message_of`.
pub(super) fn columns(facts: &[FactColumn], messages: &[Message], message_of: &[usize]) -> Vec<ArrayRef> {
    let column = |(place, (_, kind)): (usize, &FactColumn)| -> ArrayRef {
        let facts = message_of.iter().map(|message| messages.get(*message)?.facts.get(place));
        match kind {
            FactKind::Text => Arc::new(facts.map(|fact| fact?.text()).collect::<StringArray>()),
            FactKind::Number => Arc::new(facts.map(|fact| fact?.number()).collect::<Int64Array>()),
            FactKind::Truth => Arc::new(facts.map(|fact| fact?.truth()).collect::<BooleanArray>()),
            FactKind::Instant => {
                Arc::new(facts.map(|fact| fact?.number()).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
            }
        }
    };
    facts.iter().enumerate().map(column).collect()
}
