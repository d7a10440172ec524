//! JSON lines: one object a line, typed by all lines of the file, then held to the contract.
//!
//! Both passes go through the file in blocks of lines, several at once. A line that is not an object, or not JSON at all,
//! is set aside alone.

mod blocks;
pub(crate) mod infer;
mod scan;

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use serde_json::{Map, Value};

use self::blocks::{Block, BlockReader};
use self::infer::{Columns, Shape};
use super::open;
use super::parallel::in_order;
use super::remembered::Remembered;
use crate::conform::{Found, Landing, RowNumbers};
use crate::report::shorten;
use crate::{ConnectorError, Contract, ReadReport, RejectedRow, Unit};

/// What files hold that were looked through.
static REMEMBERED: Remembered<Columns> = Remembered::new();

/// Reads the file into `sink`.
pub(super) fn read(
    unit: &Unit,
    contract: &Contract,
    sink: &mut dyn FnMut(RecordBatch) -> Result<(), ConnectorError>,
) -> Result<ReadReport, ConnectorError> {
    let mut columns = REMEMBERED.get_or(unit, "", || columns(unit))?;
    columns.retain(|name, _| contract.selects(name));
    let schema = Arc::new(Schema::new(Shape::fields(&columns)));
    let found: Vec<Found> = columns.iter().map(|(name, shape)| found(name, shape)).collect();
    let mut landing = Landing::start(&unit.path, &found, contract, sink)?;
    let mut reader = BlockReader::new(open::open_text(unit)?);
    in_order(
        || next(unit, &mut reader),
        |block| decode_block(unit, &schema, &block),
        |decoded| decoded?.land(&mut landing),
    )?;
    Ok(landing.finish())
}

/// Reads all lines for their columns.
fn columns(unit: &Unit) -> Result<Columns, ConnectorError> {
    let mut columns = Columns::new();
    let mut reader = BlockReader::new(open::open_text(unit)?);
    let mut has_object = false;
    in_order(
        || next(unit, &mut reader),
        |block| columns_of(&block),
        |of_block| {
            let Some(of_block) = of_block else {
                let hint = "write one object a line, as `jq -c '.[]'` does";
                return Err(ConnectorError::broken(&unit.path, "the file is a JSON list", hint).at(Some(1), None));
            };
            has_object |= of_block.has_object;
            Shape::columns_followed_by(&mut columns, of_block.columns);
            Ok(())
        },
    )?;
    if !has_object {
        let reason = "no line of the file is a JSON object";
        return Err(ConnectorError::broken(&unit.path, reason, "write one object a line"));
    }
    Ok(columns)
}

/// What a block shows.
#[derive(Default)]
struct BlockColumns {
    columns: Columns,
    has_object: bool,
}

/// The columns of a block's objects; `None` where the file begins with a list.
fn columns_of(block: &Block) -> Option<BlockColumns> {
    let mut shown = BlockColumns::default();
    let is_sound = str::from_utf8(block.bytes()).is_ok_and(|text| {
        let mut lines = text.split('\n').map(str::trim_ascii).filter(|line| !line.is_empty());
        lines.all(|line| {
            shown.has_object = true;
            scan::observe_line(&mut shown.columns, line).is_ok()
        })
    });
    // A line that breaks off has shown a part of itself, which must not count.
    if is_sound { Some(shown) } else { columns_of_sound_lines(block) }
}

fn columns_of_sound_lines(block: &Block) -> Option<BlockColumns> {
    let mut shown = BlockColumns::default();
    for (number, line) in block.lines() {
        match object(line) {
            Ok(object) => {
                shown.has_object = true;
                Shape::observe_object(&mut shown.columns, &object);
            }
            Err(_) if number == 1 && line.starts_with(b"[") => return None,
            Err(_) => {}
        }
    }
    Some(shown)
}

fn found(name: &str, shape: &Shape) -> Found {
    Found { is_untyped: shape.is_mixed(), ..Found::typed(name, &shape.data_type()) }
}

fn next(unit: &Unit, reader: &mut BlockReader) -> Result<Option<Block>, ConnectorError> {
    reader.next().map_err(|error| error.of(unit, reader.line()))
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

/// The rows of a block, and the lines that are none.
struct Decoded {
    batch: RecordBatch,
    numbers: Vec<u64>,
    rejected: Vec<RejectedRow>,
}

impl Decoded {
    fn land(self, landing: &mut Landing<'_>) -> Result<(), ConnectorError> {
        for row in self.rejected {
            landing.reject(|| row);
        }
        if self.numbers.is_empty() { Ok(()) } else { landing.land(&self.batch, &RowNumbers::Each(&self.numbers)) }
    }
}

fn decode_block(unit: &Unit, schema: &SchemaRef, block: &Block) -> Result<Decoded, ConnectorError> {
    let numbers: Vec<u64> = block.lines().map(|(number, _)| number).collect();
    match decode(schema, block.bytes(), numbers.len()) {
        // Without columns nothing is decoded, so nothing is known of the lines yet.
        Ok(batch) if batch.num_columns() > 0 => Ok(Decoded { batch, numbers, rejected: Vec::new() }),
        _ => decode_sound_lines(unit, schema, block),
    }
}

/// Sets aside each line that cannot be decoded alone and decodes the rest together.
fn decode_sound_lines(unit: &Unit, schema: &SchemaRef, block: &Block) -> Result<Decoded, ConnectorError> {
    let (mut sound, mut numbers, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
    for (number, line) in block.lines() {
        match check_line(schema, line) {
            Ok(()) => {
                sound.extend_from_slice(line);
                sound.push(b'\n');
                numbers.push(number);
            }
            Err(malformed) => rejected.push(malformed.describe(number, line)),
        }
    }
    let batch = decode(schema, &sound, numbers.len()).map_err(|error| {
        let hint = "check the lines from there on";
        ConnectorError::broken(&unit.path, error.to_string(), hint).at(numbers.first().copied(), None)
    })?;
    Ok(Decoded { batch, numbers, rejected })
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
