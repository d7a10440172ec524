//! Connector `push`: deliveries that others send, landed from the inbox that keeps them.
//!
//! Who takes deliveries over the network is not known here: a server hands them to the [`Inbox`].

mod config;
mod delivery;
mod inbox;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use delivery::{BrokenLine, DeliveryFormat};
pub use inbox::{Inbox, InboxError, Receipt};

use crate::report::shorten;
use crate::spooled::SpooledRecords;
use crate::{ConnectorError, Position, PullRequest, PullSink, PullSource, Pulled, Puller, RejectedRow};
use config::PushOptions;
use delivery::{arrow_batches, json_lines};
use inbox::Entry;

/// The connector for deliveries.
#[derive(Debug, Clone, Copy)]
pub struct PushPuller;

/// Where a pull goes on.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct PushPosition {
    /// The last delivery that was landed.
    sequence: u64,
}

/// The inbox of a source, and the token that its senders must show; secrets are resolved.
///
/// # Errors
/// The options are wrong.
pub fn push_inbox(source: &PullSource) -> Result<(Inbox, Option<String>), ConnectorError> {
    let options = PushOptions::parse(source)?;
    Ok((Inbox::new(options.folder(source)), options.token.filter(|token| !token.is_empty())))
}

#[async_trait]
impl Puller for PushPuller {
    fn kind(&self) -> &'static str {
        "push"
    }

    fn options(&self) -> schemars::Schema {
        schemars::schema_for!(PushOptions)
    }

    fn incidental(&self) -> &'static [&'static str] {
        &["token", "keep_mib", "begin_at"]
    }

    fn examine(&self, source: &PullSource) -> Result<(), ConnectorError> {
        PushOptions::parse(source).map(drop)
    }

    async fn check(&self, source: &PullSource) -> Result<String, ConnectorError> {
        let (inbox, token) = push_inbox(source)?;
        if token.is_none() {
            let hint = "write `options: {token: \"${env:INGEST_TOKEN}\"}`".to_owned();
            return Err(told(source, "has no token, so nobody may send", hint));
        }
        let waiting = inbox.entries().map_err(|error| unreadable(source, &error))?;
        let kept = waiting.iter().filter(|entry| entry.format.is_some()).count();
        Ok(format!(
            "inbox, {kept} deliveries kept, the last is number {}",
            waiting.last().map_or(0, |last| last.sequence)
        ))
    }

    async fn describe(&self, source: &PullSource) -> Result<SchemaRef, ConnectorError> {
        let (inbox, _) = push_inbox(source)?;
        let entries = inbox.entries().map_err(|error| unreadable(source, &error))?;
        let Some(first) = entries.into_iter().find(|entry| entry.format.is_some()) else {
            return Err(nothing_yet(source));
        };
        match Batch::read(source, first).await? {
            Batch::Arrow(schema, _) => Ok(schema),
            Batch::Json(sequence, body) => {
                let mut records = SpooledRecords::new()?;
                take_lines(&mut records, sequence, &body)?;
                Ok(records.schema())
            }
        }
    }

    async fn pull(&self, request: &PullRequest, sink: &mut PullSink) -> Result<Pulled, ConnectorError> {
        let source = &request.source;
        let options = PushOptions::parse(source)?;
        let inbox = Inbox::new(options.folder(source));
        let position: Option<PushPosition> =
            request.position.as_ref().filter(|position| !position.0.is_null()).map(Position::read).transpose()?;
        let landed = position.map_or(0, |position| position.sequence);
        let landed = landed.max(options.begin_at.map_or(0, |first| first.saturating_sub(1)));
        let dropped = inbox.dropped().map_err(|error| unreadable(source, &error))?;
        if landed < dropped {
            return Err(ConnectorError::PositionLost {
                origin: origin(source),
                reason: format!("deliveries up to {dropped} were landed before and are no longer kept"),
                hint: format!(
                    "their rows are in the earlier versions of the table only; to land what came since: `options: {{begin_at: {}}}`",
                    dropped + 1
                ),
            });
        }
        let entries = inbox.entries().map_err(|error| unreadable(source, &error))?;
        let waiting: Vec<Entry> =
            entries.into_iter().filter(|entry| entry.format.is_some() && entry.sequence > landed).collect();
        if waiting.is_empty() {
            if position.is_none() && sink.contract().columns.is_empty() {
                return Err(nothing_yet(source));
            }
            sink.begin_as_promised()?;
            let position = Position::of(&PushPosition { sequence: landed })?;
            return Ok(Pulled { position, complete: true, replaces: false });
        }
        land(request, waiting, sink).await
    }

    async fn confirm(&self, source: &PullSource, position: &Position) -> Result<(), ConnectorError> {
        let options = PushOptions::parse(source)?;
        let inbox = Inbox::new(options.folder(source));
        let landed: PushPosition = position.read()?;
        let keep = options.keep_mib.saturating_mul(1 << 20);
        let gone = tokio::task::spawn_blocking(move || inbox.let_go(landed.sequence, keep)).await;
        gone.map_err(|error| ConnectorError::sink(error.to_string()))?.map_err(|error| unreadable(source, &error))
    }
}

/// Lands deliveries in order, as many as are of one kind and fit the limits, at least one.
async fn land(request: &PullRequest, waiting: Vec<Entry>, sink: &mut PullSink) -> Result<Pulled, ConnectorError> {
    let source = &request.source;
    let (mut last, mut complete) = (0, true);
    let mut records = SpooledRecords::new()?;
    let (mut common, mut bytes) = (None::<SchemaRef>, 0);
    for entry in waiting {
        let sequence = entry.sequence;
        let is_full = records.n_records().max(sink.n_rows()) >= request.limits.rows || bytes >= request.limits.bytes;
        if last > 0 && is_full {
            complete = false;
            break;
        }
        let since = entry.since();
        let batch = Batch::read(source, entry).await?;
        since.into_iter().for_each(|micros| sink.waited_since(micros));
        bytes += batch.n_bytes();
        match batch {
            Batch::Json(_, body) if common.is_none() => take_lines(&mut records, sequence, &body)?,
            Batch::Arrow(schema, batches)
                if records.n_records() == 0 && common.as_ref().is_none_or(|common| *common == schema) =>
            {
                for batch in &batches {
                    sink.rows(batch).await?;
                }
                if batches.is_empty() && common.is_none() {
                    sink.begin(&schema, &schema)?;
                }
                common = Some(schema);
            }
            // Rows of other columns begin a landing of their own.
            _ => {
                complete = false;
                break;
            }
        }
        last = sequence;
    }
    if common.is_none() {
        records.land(sink).await?;
    }
    Ok(Pulled { position: Position::of(&PushPosition { sequence: last })?, complete, replaces: false })
}

/// A delivery, read.
enum Batch {
    Json(u64, Vec<u8>),
    Arrow(SchemaRef, Vec<RecordBatch>),
}

impl Batch {
    async fn read(source: &PullSource, entry: Entry) -> Result<Self, ConnectorError> {
        let read = tokio::task::spawn_blocking(move || {
            let body = entry.body()?;
            if entry.format == Some(DeliveryFormat::JsonLines) {
                return Ok(Self::Json(entry.sequence, body));
            }
            let batches =
                arrow_batches(&body).and_then(|(schema, batches)| Ok((schema, batches.collect::<Result<_, _>>()?)));
            let (schema, batches) = batches.map_err(std::io::Error::other)?;
            Ok(Self::Arrow(plain(&schema), batches))
        });
        let read: std::io::Result<Self> = read.await.map_err(|error| ConnectorError::sink(error.to_string()))?;
        read.map_err(|error| unreadable(source, &error))
    }

    fn n_bytes(&self) -> u64 {
        match self {
            Self::Json(_, body) => body.len() as u64,
            Self::Arrow(_, batches) => batches.iter().map(|batch| batch.get_array_memory_size() as u64).sum(),
        }
    }
}

/// The schema without what its sender wrote beside it.
fn plain(schema: &Schema) -> SchemaRef {
    Schema::new(schema.fields().clone()).into()
}

fn take_lines(records: &mut SpooledRecords, sequence: u64, body: &[u8]) -> Result<(), ConnectorError> {
    for (line, parsed) in json_lines(body) {
        match parsed {
            Ok(object) => records.push(&object)?,
            Err(reason) => records.reject(|| {
                let text = body.split(|byte| *byte == b'\n').nth(usize::try_from(line - 1).unwrap_or(usize::MAX));
                let text = String::from_utf8_lossy(text.unwrap_or_default());
                RejectedRow {
                    row: 0,
                    column: None,
                    value: shorten(text.trim()),
                    reason: format!("{reason} (delivery {sequence}, line {line})"),
                    raw: Value::from(text.trim()),
                }
            }),
        }
    }
    Ok(())
}

fn origin(source: &PullSource) -> String {
    format!("the inbox of `{}`", source.name)
}

fn told(source: &PullSource, reason: &str, hint: String) -> ConnectorError {
    ConnectorError::Origin { origin: origin(source), reason: reason.to_owned(), hint, is_transient: false }
}

fn nothing_yet(source: &PullSource) -> ConnectorError {
    let hint = format!("declare its `columns`, or send something first: `POST /ingest/{}`", source.name);
    told(source, "has received nothing yet that says its columns", hint)
}

fn unreadable(source: &PullSource, error: &std::io::Error) -> ConnectorError {
    told(source, &format!("cannot be read: {error}"), "look at the folder and its permissions".to_owned())
}

#[cfg(test)]
mod tests;
