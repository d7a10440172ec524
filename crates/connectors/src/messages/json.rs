//! Messages that carry JSON: an object is a row, a list of objects is a row each. Types come from all messages of a pull,
//! as they do from all lines of a file.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::{Chunk, Content, Fault, Message, Rows};
use crate::Contract;
use crate::conform::{can_convert, type_name};
use crate::file::json::infer::Shape;
use crate::file::json::{check_line, decode};

/// Reads all messages for their columns.
pub(super) fn read(messages: &[Message], contract: &Contract, is_fact: impl Fn(&str) -> bool) -> Rows {
    let mut reading = Reading::default();
    for (index, message) in messages.iter().enumerate() {
        match &message.payload {
            Some(payload) => reading.take(index, payload),
            None => reading.push(index, &Map::new(), Bytes::from_static(b"{}")),
        }
    }
    let Reading { mut columns, message_of, objects, faults } = reading;
    columns.retain(|name, _| contract.selects(name) && !is_fact(name));
    let (natural, stored) = columns.iter().map(|(name, shape)| field(name, shape, contract)).unzip();
    Rows { natural, stored, message_of, content: Content::Objects(objects), faults }
}

#[derive(Default)]
struct Reading {
    columns: IndexMap<String, Shape>,
    message_of: Vec<usize>,
    objects: Vec<Bytes>,
    faults: Vec<Fault>,
}

impl Reading {
    fn take(&mut self, message: usize, payload: &Bytes) {
        match serde_json::from_slice(payload) {
            Ok(Value::Object(object)) => self.push(message, &object, payload.clone()),
            Ok(Value::Array(items)) => items.into_iter().for_each(|item| self.take_item(message, item)),
            Ok(_) => self.faults.push(Fault::of(message, payload, "the payload is not a JSON object")),
            Err(error) => {
                let reason = format!("the payload is not JSON, see its character {}", error.column());
                self.faults.push(Fault::of(message, payload, reason));
            }
        }
    }

    fn take_item(&mut self, message: usize, item: Value) {
        let text = item.to_string();
        match item {
            Value::Object(object) => self.push(message, &object, text.into()),
            _ => self.faults.push(Fault::of(message, text.as_bytes(), "an item of the list is not a JSON object")),
        }
    }

    fn push(&mut self, message: usize, object: &Map<String, Value>, text: Bytes) {
        Shape::observe_object(&mut self.columns, object);
        self.message_of.push(message);
        self.objects.push(text);
    }
}

/// A column in its own type, and in the one that it is decoded to. Where the two differ, values are taken as text, so that
/// only the rows at fault are set aside, whatever a sender begins to send.
fn field(name: &str, shape: &Shape, contract: &Contract) -> (Field, Field) {
    let found = shape.data_type();
    let (natural, stored) = match contract.column(name).map(|column| &column.data_type) {
        Some(promised) if promised.is_nested() => (promised.clone(), promised.clone()),
        Some(promised) if found.is_nested() || shape.is_mixed() || !can_convert(&found, promised) => {
            (promised.clone(), DataType::Utf8)
        }
        _ => (found.clone(), found),
    };
    (Field::new(name, natural, true), Field::new(name, stored, true))
}

/// Decodes the objects of one batch; those that are not what their column holds are faults.
pub(super) fn decode_rows(stored: &[Field], objects: &[Bytes], message_of: &[usize]) -> Result<Chunk, ArrowError> {
    let schema = Arc::new(Schema::new(stored.to_vec()));
    let together = |objects: &mut dyn Iterator<Item = &Bytes>| {
        objects.fold(Vec::new(), |mut text, object| {
            text.extend_from_slice(object);
            text.push(b'\n');
            text
        })
    };
    if let Ok(batch) = decode(&schema, &together(&mut objects.iter()), objects.len()) {
        return Ok((message_of.to_vec(), columns(&batch), Vec::new()));
    }
    let (mut sound, mut kept, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for (object, message) in objects.iter().zip(message_of) {
        match check_line(&schema, object) {
            Ok(()) => {
                sound.push(object);
                kept.push(*message);
            }
            Err(malformed) => {
                let row = malformed.describe(0, object);
                let field = row.column.as_ref().and_then(|name| schema.field_with_name(name).ok());
                let reason = match field.map(Field::data_type) {
                    Some(DataType::Utf8) => format!("`{}` is not a single value", row.value),
                    Some(held) => format!("`{}` is not {}, as the column is", row.value, type_name(held)),
                    None => row.reason,
                };
                faults.push(Fault { message: *message, column: row.column, value: row.value, reason });
            }
        }
    }
    let batch = decode(&schema, &together(&mut sound.iter().copied()), sound.len())?;
    Ok((kept, columns(&batch), faults))
}

fn columns(batch: &RecordBatch) -> Vec<arrow::array::ArrayRef> {
    batch.columns().to_vec()
}
