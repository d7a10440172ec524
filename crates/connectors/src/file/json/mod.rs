//! JSON lines: one object a line, typed by all lines of the file, then held to the contract.
//!
//! A line that is not an object, or not JSON at all, is set aside alone.

pub(crate) mod infer;
mod lines;

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use indexmap::IndexMap;
use serde_json::{Map, Value};

use self::infer::Shape;
use self::lines::LineReader;
use super::{BATCH_BYTES, open};
use crate::conform::{Found, Landing, RowNumbers};
use crate::report::shorten;
use crate::{ConnectorError, Contract, ReadReport, RejectedRow, Unit};

/// Rows of one batch; fewer than in the other formats, as a row is wider before it is decoded.
const BATCH_LINES: usize = 8192;

/// Reads the file into `sink`.
pub(super) fn read(
    unit: &Unit,
    contract: &Contract,
    sink: &mut dyn FnMut(RecordBatch) -> Result<(), ConnectorError>,
) -> Result<ReadReport, ConnectorError> {
    let columns = columns(unit, contract)?;
    let schema = Arc::new(Schema::new(Shape::fields(&columns)));
    let found: Vec<Found> = columns.iter().map(|(name, shape)| found(name, shape)).collect();
    let mut landing = Landing::start(&unit.path, &found, contract, sink)?;
    let mut chunk = Chunk::default();
    let mut reader = LineReader::new(open::open_text(unit)?);
    while let Some((line, bytes)) = next(unit, &mut reader)? {
        chunk.push(line, bytes);
        if chunk.is_full() {
            chunk.land(unit, &schema, &mut landing)?;
        }
    }
    chunk.land(unit, &schema, &mut landing)?;
    Ok(landing.finish())
}

/// Reads all lines for the columns to land and their types.
fn columns(unit: &Unit, contract: &Contract) -> Result<IndexMap<String, Shape>, ConnectorError> {
    let mut columns = IndexMap::new();
    let mut reader = LineReader::new(open::open_text(unit)?);
    let mut has_object = false;
    while let Some((line, bytes)) = next(unit, &mut reader)? {
        match object(bytes) {
            Ok(object) => {
                has_object = true;
                Shape::observe_object(&mut columns, &object);
            }
            Err(_) if line == 1 && bytes.starts_with(b"[") => {
                let hint = "write one object a line, as `jq -c '.[]'` does";
                return Err(ConnectorError::broken(&unit.path, "the file is a JSON list", hint).at(Some(1), None));
            }
            Err(_) => {}
        }
    }
    if !has_object {
        let reason = "no line of the file is a JSON object";
        return Err(ConnectorError::broken(&unit.path, reason, "write one object a line"));
    }
    columns.retain(|name, _| contract.selects(name));
    Ok(columns)
}

fn found(name: &str, shape: &Shape) -> Found {
    Found { is_untyped: shape.is_mixed(), ..Found::typed(name, &shape.data_type()) }
}

fn next<'r>(unit: &Unit, reader: &'r mut LineReader) -> Result<Option<(u64, &'r [u8])>, ConnectorError> {
    let line = reader.line() + 1;
    reader.next().map_err(|error| error.of(unit, line))
}

/// The object that a line holds, or what is wrong with it.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let text = str::from_utf8(bytes).map_err(|_| "the text is not UTF-8; save the file as UTF-8".to_owned())?;
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("the line is not a JSON object".to_owned()),
        // The parser counts lines too, but it sees one only.
        Err(error) => Err(format!("the line is not JSON, see its character {}", error.column())),
    }
}

/// The lines of the batch in the making.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    lines: Vec<(u64, Range<usize>)>,
}

impl Chunk {
    fn push(&mut self, line: u64, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.lines.push((line, start..self.bytes.len()));
        self.bytes.push(b'\n');
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= BATCH_LINES || self.bytes.len() >= BATCH_BYTES
    }

    fn land(&mut self, unit: &Unit, schema: &SchemaRef, landing: &mut Landing<'_>) -> Result<(), ConnectorError> {
        let chunk = std::mem::take(self);
        if chunk.lines.is_empty() {
            return Ok(());
        }
        let (chunk, batch) = match decode(schema, &chunk.bytes, chunk.lines.len()) {
            // Without columns nothing is decoded, so nothing is known of the lines yet.
            Ok(batch) if batch.num_columns() > 0 => (chunk, batch),
            _ => chunk.without_malformed_lines(unit, schema, landing)?,
        };
        let numbers: Vec<u64> = chunk.lines.iter().map(|(line, _)| *line).collect();
        if numbers.is_empty() { Ok(()) } else { landing.land(&batch, &RowNumbers::Each(&numbers)) }
    }

    /// Sets aside each line that cannot be decoded alone and decodes the rest together.
    fn without_malformed_lines(
        self,
        unit: &Unit,
        schema: &SchemaRef,
        landing: &mut Landing<'_>,
    ) -> Result<(Self, RecordBatch), ConnectorError> {
        let mut sound = Self::default();
        for (line, range) in &self.lines {
            let bytes = &self.bytes[range.clone()];
            match check_line(schema, bytes) {
                Ok(()) => sound.push(*line, bytes),
                Err(malformed) => landing.reject(|| malformed.describe(*line, bytes)),
            }
        }
        let batch = decode(schema, &sound.bytes, sound.lines.len()).map_err(|error| {
            let line = sound.lines.first().map(|(line, _)| *line);
            ConnectorError::broken(&unit.path, error.to_string(), "check the lines from there on").at(line, None)
        })?;
        Ok((sound, batch))
    }
}

/// Decodes `n_lines` objects that stand one behind the other.
pub(crate) fn decode(schema: &SchemaRef, bytes: &[u8], n_lines: usize) -> Result<RecordBatch, ArrowError> {
    if n_lines == 0 {
        return Ok(RecordBatch::new_empty(schema.clone()));
    }
    if schema.fields().is_empty() {
        let options = RecordBatchOptions::new().with_row_count(Some(n_lines));
        return RecordBatch::try_new_with_options(schema.clone(), Vec::new(), &options);
    }
    let builder = ReaderBuilder::new(schema.clone()).with_coerce_primitive(true).with_batch_size(n_lines + 1);
    let mut decoder = builder.build_decoder()?;
    decoder.decode(bytes)?;
    let batch = decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(schema.clone()));
    // Two objects on one line are read as two rows, which would shift the numbers of all that follow.
    if batch.num_rows() == n_lines { Ok(batch) } else { Err(ArrowError::JsonError("not one object a line".to_owned())) }
}

/// What is wrong with a line.
pub(crate) enum Malformed {
    Line { reason: String },
    Value { object: Map<String, Value>, column: Option<String>, expected: String },
}

impl Malformed {
    pub(crate) fn describe(self, line: u64, bytes: &[u8]) -> RejectedRow {
        let text = String::from_utf8_lossy(bytes);
        match self {
            Self::Line { reason } => RejectedRow {
                row: line,
                column: None,
                value: shorten(&text),
                reason,
                raw: Value::from(text.into_owned()),
            },
            Self::Value { object, column, expected } => {
                let value = column.as_ref().and_then(|column| object.get(column));
                let shown = shorten(&value.map_or_else(|| text.into_owned(), ToString::to_string));
                let reason = format!("`{shown}` is not {expected}");
                RejectedRow { row: line, column, value: shown, reason, raw: Value::Object(object) }
            }
        }
    }
}

/// Decodes one object by itself.
pub(crate) fn check_line(schema: &SchemaRef, bytes: &[u8]) -> Result<(), Malformed> {
    let object = object(bytes).map_err(|reason| Malformed::Line { reason })?;
    if decode(schema, bytes, 1).is_ok() {
        return Ok(());
    }
    let is_at_fault = |index: &usize| {
        let alone = schema.project(&[*index]).map(Arc::new);
        alone.is_ok_and(|alone| decode(&alone, bytes, 1).is_err())
    };
    let field = (0..schema.fields().len()).find(is_at_fault).map(|index| schema.field(index));
    let expected = field.map_or_else(
        || "what the other lines hold".to_owned(),
        |field| format!("{}, which the first values of the column are", crate::type_name(field.data_type())),
    );
    Err(Malformed::Value { column: field.map(|field| field.name().clone()), object, expected })
}
