//! Messages that are taken as they are: text or bytes, in one column.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, StringBuilder};
use arrow::datatypes::{DataType, Field};

use super::{Content, Fault, Message, Rows};
use crate::Contract;

/// The column that a message is taken into.
const PAYLOAD: &str = "payload";

/// Reads messages as text.
pub(super) fn read_text(messages: &[Message], contract: &Contract) -> Rows {
    let (mut values, mut message_of, mut faults) = (StringBuilder::new(), Vec::new(), Vec::new());
    for (index, message) in messages.iter().enumerate() {
        match message.payload.as_deref().map(str::from_utf8).transpose() {
            Ok(text) => {
                values.append_option(text);
                message_of.push(index);
            }
            Err(_) => {
                let payload = message.payload.as_deref().unwrap_or_default();
                faults.push(Fault::of(index, payload, "the payload is not UTF-8; set `format: raw`"));
            }
        }
    }
    rows(DataType::Utf8, Arc::new(values.finish()), message_of, faults, contract)
}

/// Reads messages as bytes.
pub(super) fn read_bytes(messages: &[Message], contract: &Contract) -> Rows {
    let values: BinaryArray = messages.iter().map(|message| message.payload.as_deref()).collect();
    rows(DataType::Binary, Arc::new(values), (0..messages.len()).collect(), Vec::new(), contract)
}

fn rows(
    data_type: DataType,
    values: ArrayRef,
    message_of: Vec<usize>,
    faults: Vec<Fault>,
    contract: &Contract,
) -> Rows {
    let is_selected = contract.selects(PAYLOAD);
    let natural: Vec<Field> = is_selected.then(|| Field::new(PAYLOAD, data_type, true)).into_iter().collect();
    let columns = is_selected.then_some(values).into_iter().collect();
    Rows { stored: natural.clone(), natural, message_of, content: Content::Columns(columns), faults }
}
