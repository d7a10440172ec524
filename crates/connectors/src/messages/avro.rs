//! Messages that carry Avro: each was written with a schema, which a registry knows by the number before the message, or
//! which is the same for all.
//!
//! Messages are read in groups of one schema and brought together again in the order in which they came: columns have the
//! names of all schemas, and a type that holds what each of them says.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, FixedSizeBinaryArray, RecordBatch, UInt32Array, new_null_array,
};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options, concat, take};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::FormatOptions;
use arrow_avro::reader::{Decoder, ReaderBuilder};
use arrow_avro::schema::{AvroSchema, Fingerprint, FingerprintAlgorithm, SchemaStore};

use super::{Content, Fault, Message, Rows};
use crate::Contract;
use crate::conform::can_convert;

/// The bytes before a message of a registry: a zero and the schema's number.
const FRAME: usize = 5;

/// The schemas that messages were written with.
#[derive(Debug, Clone)]
pub(crate) enum AvroSchemas {
    /// One for all messages, which stand for themselves.
    One(String),
    /// By their number in a registry, or why the registry does not tell one; the number stands before each message.
    Registered(BTreeMap<u32, Result<String, String>>),
}

/// The number of the schema before a message of a registry.
pub(crate) fn registered_id(payload: &[u8]) -> Option<u32> {
    match payload {
        [0, one, two, three, four, ..] => Some(u32::from_be_bytes([*one, *two, *three, *four])),
        _ => None,
    }
}

/// Messages of one schema, read.
struct Part {
    /// Which messages the rows came with.
    messages: Vec<usize>,
    batch: RecordBatch,
}

/// Reads all messages.
pub(super) fn read(
    messages: &[Message],
    schemas: &AvroSchemas,
    contract: &Contract,
    is_fact: impl Fn(&str) -> bool,
) -> Rows {
    let mut faults = Vec::new();
    let (groups, gone) = grouped(messages, schemas, &mut faults);
    let mut parts = Vec::new();
    for (id, group) in groups.into_iter().rev() {
        parts.extend(read_group(messages, schemas, id, group, &mut faults));
    }
    together(&parts, gone, contract, is_fact, faults, messages)
}

/// Messages by their schema, and those that say that something is gone.
fn grouped(
    messages: &[Message],
    schemas: &AvroSchemas,
    faults: &mut Vec<Fault>,
) -> (BTreeMap<u32, Vec<usize>>, Vec<usize>) {
    let (mut groups, mut gone): (BTreeMap<u32, Vec<usize>>, _) = (BTreeMap::new(), Vec::new());
    for (index, message) in messages.iter().enumerate() {
        let Some(payload) = &message.payload else {
            gone.push(index);
            continue;
        };
        let id = match schemas {
            AvroSchemas::One(_) => Some(0),
            AvroSchemas::Registered(_) => registered_id(payload),
        };
        match id {
            Some(id) => groups.entry(id).or_default().push(index),
            None => faults.push(Fault::of(index, payload, "the payload does not begin with the number of a schema")),
        }
    }
    (groups, gone)
}

/// The rows of messages of one schema; what cannot be read is a fault.
fn read_group(
    messages: &[Message],
    schemas: &AvroSchemas,
    id: u32,
    group: Vec<usize>,
    faults: &mut Vec<Fault>,
) -> Option<Part> {
    let payload = |index: usize| messages.get(index).and_then(|message| message.payload.as_deref()).unwrap_or_default();
    let schema = match schemas {
        AvroSchemas::One(schema) => Ok(schema),
        AvroSchemas::Registered(known) => match known.get(&id) {
            Some(known) => known.as_ref().map_err(Clone::clone),
            None => Err(format!("nobody knows schema {id}")),
        },
    };
    let writer = schema.and_then(|schema| Writer::new(schema, id, matches!(schemas, AvroSchemas::One(_))));
    let writer = match writer {
        Ok(writer) => writer,
        Err(reason) => {
            faults.extend(group.iter().map(|index| Fault::of(*index, payload(*index), reason.clone())));
            return None;
        }
    };
    let mut sound = Vec::new();
    writer.sort_out(&group, &payload, &mut sound, &mut |index, reason| {
        faults.push(Fault::of(index, payload(index), reason));
    });
    let batch = writer.decode(&sound, &payload).ok()?;
    Some(Part { messages: sound, batch })
}

/// Reads what was written with one schema.
struct Writer {
    store: SchemaStore,
    id: u32,
    /// The bytes that are put before each message, where it has none.
    frame: Option<[u8; FRAME]>,
}

impl Writer {
    fn new(schema: &str, id: u32, is_bare: bool) -> Result<Self, String> {
        let mut store = SchemaStore::new_with_type(FingerprintAlgorithm::Id);
        let unusable = |error: ArrowError| format!("its schema cannot be used: {error}");
        store.set(Fingerprint::Id(id), AvroSchema::new(schema.to_owned())).map_err(unusable)?;
        let [one, two, three, four] = id.to_be_bytes();
        let writer = Self { store, id, frame: is_bare.then_some([0, one, two, three, four]) };
        writer.decoder(1).map_err(unusable)?;
        Ok(writer)
    }

    fn decoder(&self, rows: usize) -> Result<Decoder, ArrowError> {
        ReaderBuilder::new()
            .with_batch_size(rows)
            .with_writer_schema_store(self.store.clone())
            .with_active_fingerprint(Fingerprint::Id(self.id))
            .build_decoder()
    }

    /// Tells sound messages from others, by halves: where all are sound, they are read once.
    fn sort_out<'m>(
        &self,
        group: &[usize],
        payload: &dyn Fn(usize) -> &'m [u8],
        sound: &mut Vec<usize>,
        set_aside: &mut dyn FnMut(usize, String),
    ) {
        match (self.decode(group, payload), group) {
            (Ok(_), _) => sound.extend(group),
            (Err(reason), [one]) => set_aside(*one, format!("the payload is not what its schema says: {reason}")),
            (Err(_), _) => {
                let (front, back) = group.split_at(group.len() / 2);
                self.sort_out(front, payload, sound, set_aside);
                self.sort_out(back, payload, sound, set_aside);
            }
        }
    }

    /// The rows of messages, all of which are sound.
    fn decode<'m>(&self, group: &[usize], payload: &dyn Fn(usize) -> &'m [u8]) -> Result<RecordBatch, String> {
        let mut decoder = self.decoder(group.len().max(1)).map_err(|error| error.to_string())?;
        for (taken, index) in group.iter().enumerate() {
            let bytes = payload(*index);
            if let Some(frame) = &self.frame {
                decoder.decode(frame).map_err(|error| error.to_string())?;
            }
            let read = decoder.decode(bytes).map_err(|error| error.to_string())?;
            let is_one = decoder.capacity() == group.len() - taken - 1;
            match (is_one, read.cmp(&bytes.len())) {
                (false, _) => return Err("it ends too early".to_owned()),
                (true, std::cmp::Ordering::Less) => return Err("it goes on behind its end".to_owned()),
                (true, _) => {}
            }
        }
        match decoder.flush().map_err(|error| error.to_string())? {
            Some(batch) => Ok(batch),
            None => Ok(RecordBatch::new_empty(decoder.schema())),
        }
    }
}

/// Brings parts together in the order of the messages; those in `gone` are rows of nulls.
fn together(
    parts: &[Part],
    gone: Vec<usize>,
    contract: &Contract,
    is_fact: impl Fn(&str) -> bool,
    mut faults: Vec<Fault>,
    messages: &[Message],
) -> Rows {
    let mut names: Vec<&str> = Vec::new();
    for field in parts.iter().flat_map(|part| part.batch.schema_ref().fields()) {
        let name = field.name().as_str();
        if !names.contains(&name) && contract.selects(name) && !is_fact(name) {
            names.push(name);
        }
    }
    let mut message_of: Vec<usize> = parts.iter().flat_map(|part| part.messages.iter().copied()).collect();
    message_of.extend(&gone);
    let mut order: Vec<u32> = (0_u32..).take(message_of.len()).collect();
    order.sort_by_key(|place| message_of.get(*place as usize));
    message_of.sort_unstable();
    let order = UInt32Array::from(order);
    let (mut natural, mut stored, mut columns) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        match column(name, parts, gone.len(), contract, &order) {
            Ok((natural_type, values)) => {
                natural.push(Field::new(name, natural_type, true));
                stored.push(Field::new(name, values.data_type().clone(), true));
                columns.push(values);
            }
            Err(error) => {
                let reason = format!("column `{name}` cannot be landed: {error}");
                let payload = |index: usize| messages.get(index).and_then(|message| message.payload.as_deref());
                let fault = |index: &usize| Fault::of(*index, payload(*index).unwrap_or_default(), reason.clone());
                faults.extend(message_of.iter().map(fault));
                return Rows {
                    natural: Vec::new(),
                    stored: Vec::new(),
                    message_of: Vec::new(),
                    content: Content::Columns(Vec::new()),
                    faults,
                };
            }
        }
    }
    Rows { natural, stored, message_of, content: Content::Columns(columns), faults }
}

/// One column of all parts, in the order of the messages, and its type at the origin.
fn column(
    name: &str,
    parts: &[Part],
    n_gone: usize,
    contract: &Contract,
    order: &UInt32Array,
) -> Result<(DataType, ArrayRef), ArrowError> {
    let found: Vec<DataType> = parts.iter().filter_map(|part| field(part, name)).map(landed_type).collect();
    let natural = found.iter().cloned().reduce(|one, other| common_type(&one, &other)).unwrap_or(DataType::Utf8);
    let (natural, stored) = match contract.column(name).map(|column| &column.data_type) {
        Some(promised) if !can_convert(&natural, promised) && can_cast_types(&natural, &DataType::Utf8) => {
            (promised.clone(), DataType::Utf8)
        }
        _ => (natural.clone(), natural),
    };
    let mut pieces: Vec<ArrayRef> = Vec::new();
    for part in parts {
        pieces.push(match field(part, name) {
            Some(field) => cast(part.batch.column_by_name(name), field, &stored)?,
            None => new_null_array(&stored, part.batch.num_rows()),
        });
    }
    pieces.push(new_null_array(&stored, n_gone));
    let pieces: Vec<&dyn arrow::array::Array> = pieces.iter().map(AsRef::as_ref).collect();
    Ok((natural, take(concat(&pieces)?.as_ref(), order, None)?))
}

fn field<'p>(part: &'p Part, name: &str) -> Option<&'p Field> {
    part.batch.schema_ref().field_with_name(name).ok()
}

fn cast(values: Option<&ArrayRef>, field: &Field, stored: &DataType) -> Result<ArrayRef, ArrowError> {
    let Some(values) = values else { return Ok(new_null_array(stored, 0)) };
    let values = match values.as_fixed_size_binary_opt() {
        Some(bytes) if is_uuid(field) => Arc::new(uuids(bytes)) as ArrayRef,
        _ => Arc::clone(values),
    };
    let options = CastOptions { safe: false, format_options: FormatOptions::default() };
    cast_with_options(&values, stored, &options)
}

/// The type that a column lands in: without forms that tables do not have.
fn landed_type(field: &Field) -> DataType {
    if is_uuid(field) {
        return DataType::Utf8;
    }
    plain_type(field.data_type())
}

fn plain_type(found: &DataType) -> DataType {
    let plain_field =
        |field: &FieldRef| Arc::new(Field::new(field.name(), plain_type(field.data_type()), field.is_nullable()));
    match found {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::Timestamp(_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Decimal256(..)
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Duration(_)
        | DataType::Interval(_)
        | DataType::Union(..)
        | DataType::Null => DataType::Utf8,
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect()),
        DataType::List(item) => DataType::List(plain_field(item)),
        other => other.clone(),
    }
}

/// A type that holds the values of both.
fn common_type(one: &DataType, other: &DataType) -> DataType {
    match (one, other) {
        (one, other) if one == other => one.clone(),
        (one, other) if one.is_integer() && other.is_integer() => DataType::Int64,
        (one, other) if one.is_numeric() && other.is_numeric() => DataType::Float64,
        _ => DataType::Utf8,
    }
}

fn is_uuid(field: &Field) -> bool {
    let says = |key: &str, word: &str| field.metadata().get(key).is_some_and(|value| value.trim_matches('"') == word);
    *field.data_type() == DataType::FixedSizeBinary(16)
        && (says("logicalType", "uuid") || says("ARROW:extension:name", "arrow.uuid"))
}

/// UUIDs as they are written (RFC 9562, section 4).
fn uuids(bytes: &FixedSizeBinaryArray) -> arrow::array::StringArray {
    let written = |value: &[u8]| {
        let digits = hex::encode(value);
        [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)]
            .map(|(from, to)| digits.get(from..to).unwrap_or_default())
            .join("-")
    };
    bytes.iter().map(|value| value.map(written)).collect()
}

#[cfg(test)]
mod tests;
