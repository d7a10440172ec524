//! Messages that carry CSV: each is one record or several, without a header.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::{DataType, Field};

use super::{Content, Fault, Message, Rows};
use crate::Contract;
use crate::file::csv::infer::Candidates;
use crate::file::csv::records::{Fields, Record, RecordReader};

/// A column under construction.
struct Column {
    /// Which field of a record it is.
    index: usize,
    name: String,
    values: StringBuilder,
    candidates: Candidates,
}

/// Reads all messages whose records have these fields.
pub(super) fn read(messages: &[Message], fields: &[String], contract: &Contract) -> Rows {
    let selected = fields.iter().enumerate().filter(|(_, name)| contract.selects(name));
    let mut columns: Vec<Column> = selected
        .map(|(index, name)| Column {
            index,
            name: name.clone(),
            values: StringBuilder::new(),
            candidates: Candidates::default(),
        })
        .collect();
    let (mut message_of, mut faults) = (Vec::new(), Vec::new());
    for (index, message) in messages.iter().enumerate() {
        let Some(payload) = &message.payload else {
            columns.iter_mut().for_each(|column| column.values.append_null());
            message_of.push(index);
            continue;
        };
        let mut reader = RecordReader::new(Box::new(Cursor::new(payload.clone())), b',');
        let mut is_empty = true;
        loop {
            match reader.next() {
                Ok(Some(record)) => match sound(&record, fields.len()) {
                    Ok(found) => {
                        columns.iter_mut().for_each(|column| column.push(found, contract));
                        message_of.push(index);
                    }
                    Err(reason) => faults.push(Fault::of(index, payload, reason)),
                },
                Ok(None) if is_empty => {
                    faults.push(Fault::of(index, payload, "the payload is empty"));
                    break;
                }
                Ok(None) => break,
                Err(_) => {
                    let reason = "the payload opens a quote that is never closed";
                    faults.push(Fault::of(index, payload, reason));
                    break;
                }
            }
            is_empty = false;
        }
    }
    let natural = columns.iter().map(|column| column.field(contract)).collect();
    let stored = columns.iter().map(|column| Field::new(&column.name, DataType::Utf8, true)).collect();
    let values = columns.iter_mut().map(|column| Arc::new(column.values.finish()) as ArrayRef).collect();
    Rows { natural, stored, message_of, content: Content::Columns(values), faults }
}

impl Column {
    fn push(&mut self, fields: Fields<'_>, contract: &Contract) {
        let value = fields.get(self.index);
        if contract.null_values.iter().any(|null| null == value) {
            self.values.append_null();
        } else {
            self.values.append_value(value);
            self.candidates.observe(value);
        }
    }

    fn field(&self, contract: &Contract) -> Field {
        let promised = contract.column(&self.name).map(|column| column.data_type.clone());
        Field::new(&self.name, promised.unwrap_or_else(|| self.candidates.data_type()), true)
    }
}

fn sound<'r>(record: &Record<'r>, n_fields: usize) -> Result<Fields<'r>, String> {
    if record.n_fields() != n_fields {
        return Err(format!("the record has {} fields, the source says {n_fields}", record.n_fields()));
    }
    record.fields().map_err(|_| "the text is not UTF-8".to_owned())
}
