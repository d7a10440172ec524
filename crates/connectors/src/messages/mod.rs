//! Messages of queues and streams as rows: what they carry is read as JSON, Avro, CSV, text or bytes, and beside it stands
//! what is known of the message itself, such as its topic.
//!
//! All messages of one pull are read together, so that a column has one type. A message that cannot be read is set aside
//! alone, with all that is known of it. It knows nothing of brokers and of positions.

mod avro;
mod csv;
mod facts;
mod json;
mod plain;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::relation::wrong;
use crate::report::shorten;
use crate::{ConnectorError, Contract, PullSink, PullSource, RejectedRow};
pub(crate) use avro::{AvroSchemas, registered_id};
pub(crate) use facts::{Fact, FactColumn, FactKind};

/// Rows of one batch, at most.
const BATCH_ROWS: usize = 8192;

/// What messages carry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PayloadFormat {
    /// A JSON object, or a list of them: a row each.
    #[default]
    Json,
    /// Records of CSV without a header.
    Csv,
    /// Text, as column `payload`.
    Text,
    /// Bytes, as column `payload`.
    Raw,
}

/// What becomes of a message that is not what its source says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MalformedMessages {
    /// It is kept under `quarantine/`, counted and named; the others land.
    #[default]
    Quarantine,
    /// Nothing lands until somebody has looked.
    Stop,
}

/// How messages of a source are to be read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Payload {
    format: PayloadFormat,
    /// The names of the fields of a CSV record.
    fields: Vec<String>,
    malformed: MalformedMessages,
    /// What messages were written with, where they carry Avro, whatever `format` says.
    avro: Option<AvroSchemas>,
}

impl Payload {
    /// The options of a source, held against each other.
    pub(crate) fn new(
        source: &PullSource,
        format: PayloadFormat,
        fields: Vec<String>,
        malformed: MalformedMessages,
    ) -> Result<Self, ConnectorError> {
        match (format, fields.is_empty()) {
            (PayloadFormat::Csv, true) => {
                let hint = "name them in order: `fields: [device, at, value]`";
                Err(wrong(source, "format `csv` needs `fields`, as messages have no header", hint))
            }
            (PayloadFormat::Json | PayloadFormat::Text | PayloadFormat::Raw, false) => {
                Err(wrong(source, "`fields` are those of format `csv`", "leave them out, or set `format: csv`"))
            }
            _ => Ok(Self { format, fields, malformed, avro: None }),
        }
    }

    /// The same for messages that carry Avro.
    pub(crate) fn with_avro(mut self, schemas: AvroSchemas) -> Self {
        self.avro = Some(schemas);
        self
    }
}

/// One message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// What is known of it, in the order of the source's [`FactColumn`]s.
    pub(crate) facts: Vec<Fact>,
    /// `None` says that what its key stands for is gone: a row of nulls.
    pub(crate) payload: Option<Bytes>,
}

impl Message {
    /// When it was sent, or came, in microseconds since the epoch.
    fn since(&self) -> Option<i64> {
        let instant = |fact: &Fact| match fact {
            Fact::Instant(micros) => Some(*micros),
            Fact::Text(_) | Fact::Number(_) | Fact::Truth(_) => None,
        };
        self.facts.iter().find_map(instant)
    }
}

/// The messages of one pull.
pub(crate) struct Messages<'a> {
    /// What errors call the origin.
    origin: &'a str,
    payload: &'a Payload,
    facts: &'static [FactColumn],
    messages: Vec<Message>,
    n_bytes: u64,
}

/// What messages came to, before types are held to the contract.
struct Rows {
    /// The columns of payloads, in their own types.
    natural: Vec<Field>,
    /// The same columns as batches hold them.
    stored: Vec<Field>,
    /// The message that each row came with.
    message_of: Vec<usize>,
    content: Content,
    faults: Vec<Fault>,
}

enum Content {
    /// A JSON object a row.
    Objects(Vec<Bytes>),
    /// Whole columns.
    Columns(Vec<ArrayRef>),
}

/// What is wrong with a message, or a part of it.
struct Fault {
    message: usize,
    column: Option<String>,
    value: String,
    reason: String,
}

impl Fault {
    fn of(message: usize, payload: &[u8], reason: impl Into<String>) -> Self {
        Self { message, column: None, value: shorten(&String::from_utf8_lossy(payload)), reason: reason.into() }
    }
}

/// Rows of one batch: the message of each, their columns, and what could not be read.
type Chunk = (Vec<usize>, Vec<ArrayRef>, Vec<Fault>);

impl<'a> Messages<'a> {
    pub(crate) fn new(origin: &'a str, payload: &'a Payload, facts: &'static [FactColumn]) -> Self {
        Self { origin, payload, facts, messages: Vec::new(), n_bytes: 0 }
    }

    pub(crate) fn push(&mut self, message: Message) {
        self.n_bytes += message.payload.as_ref().map_or(0, Bytes::len) as u64 + 64;
        self.messages.push(message);
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Bytes of all payloads and about what is known of each message.
    pub(crate) fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// The columns that these messages would make.
    pub(crate) fn schema(&self) -> Schema {
        let rows = self.read(&Contract::default());
        Schema::new(rows.natural.into_iter().chain(self.fact_fields()).collect::<Vec<_>>())
    }

    /// Hands all messages on as rows. Answers with those that could not be read, or with a row that does not fit, by their
    /// place, and why.
    pub(crate) async fn land(self, sink: &mut PullSink) -> Result<Vec<(usize, String)>, ConnectorError> {
        let mut rows = self.read(sink.contract());
        let with_facts = |fields: &[Field]| {
            Arc::new(Schema::new(fields.iter().cloned().chain(self.fact_fields()).collect::<Vec<_>>()))
        };
        let (natural, stored) = (with_facts(&rows.natural), with_facts(&rows.stored));
        sink.begin(&natural, &stored)?;
        self.messages.iter().filter_map(Message::since).for_each(|micros| sink.waited_since(micros));
        let mut unread = self.set_aside(std::mem::take(&mut rows.faults), sink)?;
        for start in (0..rows.message_of.len()).step_by(BATCH_ROWS) {
            let end = (start + BATCH_ROWS).min(rows.message_of.len());
            let (message_of, mut columns, faults) = self.chunk(&rows, start, end)?;
            unread.extend(self.set_aside(faults, sink)?);
            columns.extend(facts::columns(self.facts, &self.messages, &message_of));
            let options = RecordBatchOptions::new().with_row_count(Some(message_of.len()));
            let batch = RecordBatch::try_new_with_options(stored.clone(), columns, &options);
            sink.rows(&batch.map_err(|error| self.broken(&error.to_string()))?).await?;
            let refused = sink.refused().iter();
            unread.extend(refused.map(|(row, reason)| (message_of[*row], reason.clone())));
        }
        Ok(unread)
    }

    fn read(&self, contract: &Contract) -> Rows {
        let is_fact = |name: &str| self.facts.iter().any(|(fact, _)| *fact == name);
        if let Some(schemas) = &self.payload.avro {
            return avro::read(&self.messages, schemas, contract, is_fact);
        }
        match self.payload.format {
            PayloadFormat::Json => json::read(&self.messages, contract, is_fact),
            PayloadFormat::Csv => csv::read(&self.messages, &self.payload.fields, contract),
            PayloadFormat::Text => plain::read_text(&self.messages, contract),
            PayloadFormat::Raw => plain::read_bytes(&self.messages, contract),
        }
    }

    fn chunk(&self, rows: &Rows, start: usize, end: usize) -> Result<Chunk, ConnectorError> {
        let message_of = &rows.message_of[start..end];
        match &rows.content {
            Content::Columns(columns) => {
                let columns = columns.iter().map(|column| column.slice(start, end - start)).collect();
                Ok((message_of.to_vec(), columns, Vec::new()))
            }
            Content::Objects(objects) => json::decode_rows(&rows.stored, &objects[start..end], message_of)
                .map_err(|error| self.broken(&error.to_string())),
        }
    }

    fn fact_fields(&self) -> impl Iterator<Item = Field> {
        self.facts.iter().map(|(name, kind)| Field::new(*name, kind.data_type(), true))
    }

    fn set_aside(&self, faults: Vec<Fault>, sink: &mut PullSink) -> Result<Vec<(usize, String)>, ConnectorError> {
        let told = faults.iter().map(|fault| (fault.message, fault.reason.clone())).collect();
        for fault in faults {
            if self.payload.malformed == MalformedMessages::Stop {
                let reason = format!("{} (`{}`)", fault.reason, fault.value);
                let hint = "mend its sender, or set `malformed: quarantine` to land the others";
                return Err(ConnectorError::broken(self.origin, reason, hint));
            }
            let row = sink.n_rows() + 1;
            sink.reject(|| {
                let Fault { message, column, value, reason } = fault;
                RejectedRow { row, column, value, reason, raw: self.raw(message) }
            });
        }
        Ok(told)
    }

    /// All that is known of a message, so that it can be mended and sent again.
    fn raw(&self, index: usize) -> Value {
        let Some(message) = self.messages.get(index) else { return Value::Null };
        let payload = message.payload.as_ref().map(|payload| String::from_utf8_lossy(payload).into_owned());
        let facts = self.facts.iter().zip(&message.facts).map(|((name, _), fact)| ((*name).to_owned(), fact.json()));
        let payload = std::iter::once(("payload".to_owned(), Value::from(payload)));
        Value::Object(payload.chain(facts).collect())
    }

    fn broken(&self, reason: &str) -> ConnectorError {
        ConnectorError::broken(self.origin, reason, "check what its senders write")
    }
}

#[cfg(test)]
mod tests;
