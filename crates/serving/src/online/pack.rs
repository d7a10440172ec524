//! How a row is packed: event time and created time (i64 LE), number of values (u16 LE), a bitmap of nulls, then the
//! values that are not null, each a type tag and its bytes.

use baton_core::ports::OnlineRow;
use baton_core::scalar::Scalar;

const BOOL: u8 = 1;
const INT: u8 = 2;
const FLOAT: u8 = 3;
const TEXT: u8 = 4;

/// The row's instants and values; its key is kept elsewhere.
pub(super) fn pack(row: &OnlineRow) -> Vec<u8> {
    let bitmap_at = 18;
    let mut bytes = Vec::with_capacity(bitmap_at + row.values.len() * 10);
    bytes.extend_from_slice(&row.event_at.to_le_bytes());
    bytes.extend_from_slice(&row.created_at.to_le_bytes());
    bytes.extend_from_slice(&(row.values.len() as u16).to_le_bytes());
    bytes.resize(bitmap_at + row.values.len().div_ceil(8), 0);
    for (position, value) in row.values.iter().enumerate() {
        match value {
            Scalar::Null => bytes[bitmap_at + position / 8] |= 1 << (position % 8),
            Scalar::Bool(value) => bytes.extend_from_slice(&[BOOL, u8::from(*value)]),
            Scalar::Int(value) => tagged(&mut bytes, INT, &value.to_le_bytes()),
            Scalar::Float(value) => tagged(&mut bytes, FLOAT, &value.to_le_bytes()),
            Scalar::Text(value) => {
                tagged(&mut bytes, TEXT, &(value.len() as u32).to_le_bytes());
                bytes.extend_from_slice(value.as_bytes());
            }
        }
    }
    bytes
}

fn tagged(bytes: &mut Vec<u8>, tag: u8, payload: &[u8]) {
    bytes.push(tag);
    bytes.extend_from_slice(payload);
}

/// Event time and created time; `None` when the bytes are no row.
pub(super) fn instants(packed: &[u8]) -> Option<(i64, i64)> {
    let mut reader = Reader(packed);
    Some((reader.i64()?, reader.i64()?))
}

/// The row with its key; `None` when the bytes are no row.
pub(super) fn unpack(key: &[u8], packed: &[u8]) -> Option<OnlineRow> {
    let mut reader = Reader(packed);
    let (event_at, created_at) = (reader.i64()?, reader.i64()?);
    let count = usize::from(u16::from_le_bytes(reader.array()?));
    let nulls = reader.take(count.div_ceil(8))?;
    let is_null = |position: usize| nulls[position / 8] >> (position % 8) & 1 == 1;
    let values: Option<Vec<Scalar>> =
        (0..count).map(|position| if is_null(position) { Some(Scalar::Null) } else { reader.value() }).collect();
    Some(OnlineRow { key: key.to_vec(), event_at, created_at, values: values? })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn value(&mut self) -> Option<Scalar> {
        match self.array::<1>()?[0] {
            BOOL => Some(Scalar::Bool(self.array::<1>()?[0] != 0)),
            INT => self.i64().map(Scalar::Int),
            FLOAT => self.array().map(|bytes| Scalar::Float(f64::from_le_bytes(bytes))),
            TEXT => {
                let length = u32::from_le_bytes(self.array()?);
                let text = std::str::from_utf8(self.take(length as usize)?).ok()?;
                Some(Scalar::Text(text.to_owned()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scalar() -> impl Strategy<Value = Scalar> {
        prop_oneof![
            Just(Scalar::Null),
            any::<bool>().prop_map(Scalar::Bool),
            any::<i64>().prop_map(Scalar::Int),
            any::<f64>().prop_filter("NaN is not equal to itself", |value| !value.is_nan()).prop_map(Scalar::Float),
            ".{0,20}".prop_map(Scalar::Text),
        ]
    }

    proptest! {
        #[test]
        fn rows_survive_and_cut_ones_are_seen(
            values in proptest::collection::vec(scalar(), 0..20),
            event_at in any::<i64>(),
            cut in 0_usize..1000,
        ) {
            let row = OnlineRow { key: vec![7], event_at, created_at: 3, values };
            let packed = pack(&row);
            prop_assert_eq!(unpack(&row.key, &packed), Some(row.clone()));
            prop_assert_eq!(instants(&packed), Some((event_at, 3)));
            prop_assert_eq!(unpack(&row.key, &packed[..cut % packed.len()]), None);
        }
    }
}
