//! What a sender posts: JSON lines or an Arrow IPC stream, looked through before it is taken.

use std::io::Cursor;

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::inbox::InboxError;
use crate::file::json::object;

/// Broken lines that a receipt names; all are counted.
const MAX_NAMED: usize = 20;

/// How the rows of a delivery are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryFormat {
    /// One JSON object a line.
    JsonLines,
    /// A stream of Arrow's IPC format.
    ArrowStream,
}

impl DeliveryFormat {
    /// The format of a media type; JSON lines where none is named, `None` for one that is not known.
    pub fn of_media_type(media_type: Option<&str>) -> Option<Self> {
        let Some(media_type) = media_type else { return Some(Self::JsonLines) };
        match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/vnd.apache.arrow.stream" => Some(Self::ArrowStream),
            "application/x-ndjson"
            | "application/jsonl"
            | "application/jsonlines"
            | "application/x-jsonlines"
            | "application/json"
            | "text/plain"
            | "application/octet-stream"
            | "application/x-www-form-urlencoded" => Some(Self::JsonLines),
            _ => None,
        }
    }

    /// The ending of its files.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::ArrowStream => "arrows",
        }
    }
}

/// A line that cannot land.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenLine {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// What looking through a delivery found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Contents {
    pub(super) rows: u64,
    pub(super) broken: u64,
    pub(super) broken_lines: Vec<BrokenLine>,
}

/// Looks through a delivery.
///
/// # Errors
/// There is nothing in it that could land.
pub(super) fn look_through(format: DeliveryFormat, body: &[u8]) -> Result<Contents, InboxError> {
    match format {
        DeliveryFormat::ArrowStream => {
            let broken = |error: ArrowError| InboxError::NotArrow { reason: error.to_string() };
            let mut contents = Contents::default();
            for batch in arrow_batches(body).map_err(broken)?.1 {
                contents.rows += batch.map_err(broken)?.num_rows() as u64;
            }
            Ok(contents)
        }
        DeliveryFormat::JsonLines => {
            let mut contents = Contents::default();
            for (line, parsed) in json_lines(body) {
                match parsed {
                    Ok(_) => contents.rows += 1,
                    Err(reason) => {
                        contents.broken += 1;
                        if contents.broken_lines.len() < MAX_NAMED {
                            contents.broken_lines.push(BrokenLine { line, reason });
                        }
                    }
                }
            }
            match contents.rows {
                0 => Err(InboxError::NoObject { first: contents.broken_lines.into_iter().next() }),
                _ => Ok(contents),
            }
        }
    }
}

/// The lines that are not blank, with their numbers: the object, or what is wrong.
pub(super) fn json_lines(body: &[u8]) -> impl Iterator<Item = (u64, Result<Map<String, Value>, String>)> {
    let lines = body.split(|byte| *byte == b'\n').zip(1..);
    let lines = lines.map(|(line, number)| (number, line.trim_ascii())).filter(|(_, line)| !line.is_empty());
    lines.map(|(number, line)| (number, object(line)))
}

/// A stream of batches in memory.
type Batches<'b> = StreamReader<Cursor<&'b [u8]>>;

/// The schema and the batches of a stream.
pub(super) fn arrow_batches(body: &[u8]) -> Result<(SchemaRef, Batches<'_>), ArrowError> {
    let reader = StreamReader::try_new(Cursor::new(body), None)?;
    Ok((reader.schema(), reader))
}
