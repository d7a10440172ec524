//! JSON records on their way to the sink: written aside to disk until all have come, as only all of them say which types
//! their columns have, and then read batch by batch. Shared by connectors whose answers are JSON.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Seek as _, Write as _};
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::conform::Found;
use crate::file::json::infer::Shape;
use crate::file::json::{check_line, decode};
use crate::report::MAX_KEPT_REJECTED_ROWS;
use crate::{ConnectorError, PullSink, RejectedRow};

/// Rows of one batch, at most.
const BATCH_ROWS: usize = 8192;
/// Text of one batch, about.
const BATCH_BYTES: usize = 16 << 20;

/// Records of one pull, aside.
pub(crate) struct SpooledRecords {
    file: BufWriter<File>,
    columns: IndexMap<String, Shape>,
    rejected: Vec<RejectedRow>,
    rejected_total: u64,
    /// Records taken or set aside.
    number: u64,
    records: u64,
}

impl SpooledRecords {
    /// None yet.
    pub(crate) fn new() -> Result<Self, ConnectorError> {
        let file = tempfile::tempfile().map_err(failed)?;
        Ok(Self {
            file: BufWriter::with_capacity(256 << 10, file),
            columns: IndexMap::new(),
            rejected: Vec::new(),
            rejected_total: 0,
            number: 0,
            records: 0,
        })
    }

    /// Takes a record.
    pub(crate) fn push(&mut self, record: &Map<String, Value>) -> Result<(), ConnectorError> {
        self.number += 1;
        self.records += 1;
        Shape::observe_object(&mut self.columns, record);
        write!(self.file, "{} ", self.number).map_err(failed)?;
        serde_json::to_writer(&mut self.file, record).map_err(|error| failed(error.into()))?;
        self.file.write_all(b"\n").map_err(failed)
    }

    /// Sets a record aside; its number is filled in.
    pub(crate) fn reject(&mut self, row: impl FnOnce() -> RejectedRow) {
        self.number += 1;
        self.rejected_total += 1;
        if self.rejected.len() < MAX_KEPT_REJECTED_ROWS {
            self.rejected.push(RejectedRow { row: self.number, ..row() });
        }
    }

    /// Drops columns of nothing but nulls where other records have an object, whose columns begin with the name and
    /// `separator`.
    pub(crate) fn without_null_objects(mut self, separator: &str) -> Self {
        let names: Vec<String> = self.columns.keys().cloned().collect();
        let is_opened = |name: &str| {
            let prefix = format!("{name}{separator}");
            names.iter().any(|other| other.starts_with(&prefix))
        };
        self.columns.retain(|name, shape| !shape.is_null() || !is_opened(name));
        self
    }

    /// Records taken, without those set aside.
    pub(crate) fn n_records(&self) -> u64 {
        self.records
    }

    /// The columns of the records so far.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(Shape::fields(&self.columns)))
    }

    /// Hands all records to `sink`. Without any, `sink` is told nothing but what was promised.
    pub(crate) async fn land(self, sink: &mut PullSink) -> Result<(), ConnectorError> {
        let schema = self.schema();
        if self.records == 0 {
            sink.begin_as_promised()?;
        } else {
            let found = |(name, shape): (&String, &Shape)| Found {
                is_untyped: shape.is_mixed(),
                ..Found::typed(name, &shape.data_type())
            };
            sink.begin_found(&self.columns.iter().map(found).collect::<Vec<_>>())?;
        }
        let mut kept = self.rejected.into_iter();
        for _ in 0..self.rejected_total {
            let row = kept.next();
            sink.reject(|| row.unwrap_or_else(nameless));
        }
        let mut file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        let mut lines = BufReader::with_capacity(256 << 10, file);
        let mut chunk = Chunk::default();
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            chunk.push(&line);
            line.clear();
            if chunk.is_full() {
                std::mem::take(&mut chunk).land(&schema, sink).await?;
            }
        }
        chunk.land(&schema, sink).await
    }
}

/// A row that is counted beyond those that are kept.
fn nameless() -> RejectedRow {
    RejectedRow { row: 0, column: None, value: String::new(), reason: String::new(), raw: Value::Null }
}

fn failed(error: std::io::Error) -> ConnectorError {
    ConnectorError::sink(error)
}

/// The records of one batch.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    numbers: Vec<u64>,
    ranges: Vec<Range<usize>>,
}

impl Chunk {
    /// Takes a line of the spool: a number, a space, an object, a line break.
    fn push(&mut self, line: &[u8]) {
        let space = line.iter().position(|byte| *byte == b' ').unwrap_or(0);
        let number = str::from_utf8(&line[..space]).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        self.push_object(number, line[space..].trim_ascii());
    }

    fn push_object(&mut self, number: u64, object: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(object);
        self.ranges.push(start..self.bytes.len());
        self.numbers.push(number);
        self.bytes.push(b'\n');
    }

    fn is_full(&self) -> bool {
        self.numbers.len() >= BATCH_ROWS || self.bytes.len() >= BATCH_BYTES
    }

    async fn land(self, schema: &SchemaRef, sink: &mut PullSink) -> Result<(), ConnectorError> {
        if self.numbers.is_empty() {
            return Ok(());
        }
        if let Ok(batch) = decode(schema, &self.bytes, self.numbers.len()) {
            return sink.numbered_rows(&batch, &self.numbers).await;
        }
        // One of them is not what the others are: it is set aside alone.
        let mut sound = Self::default();
        for (number, range) in self.numbers.iter().zip(&self.ranges) {
            let object = &self.bytes[range.clone()];
            match check_line(schema, object) {
                Ok(()) => sound.push_object(*number, object),
                Err(malformed) => sink.reject(|| malformed.describe(*number, object)),
            }
        }
        if sound.numbers.is_empty() {
            return Ok(());
        }
        let batch = decode(schema, &sound.bytes, sound.numbers.len());
        let batch = batch.map_err(|error| ConnectorError::sink(error.to_string()))?;
        sink.numbered_rows(&batch, &sound.numbers).await
    }
}
