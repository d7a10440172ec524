//! Prediction ids: UUIDs of version 7 (RFC 9562), which sort by the time of the prediction.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use baton_core::Timestamp;
use baton_core::scalar::{Scalar, entity_key};
use uuid::{Builder, Uuid};

/// Where the ids of a request's predictions come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PredictionIds {
    /// New ones; within one process later ones sort later.
    #[default]
    Fresh,
    /// From endpoint, instant and keys: the same row scored at the same instant has the same id, so a repeated run can
    /// be told from a second prediction.
    FromKeys,
    /// The caller's, one for each row.
    Given(Vec<String>),
}

/// Counts the ids of this process, so that those of one millisecond sort in the order they were made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A new id.
pub(crate) fn fresh(at: Timestamp) -> String {
    let random = Uuid::new_v4().into_bytes();
    let count = MADE.fetch_add(1, Ordering::Relaxed);
    // The top 4 bits of byte 0 and the top 2 of byte 2 make room for version and variant.
    let counted = [(count >> 22) as u8 & 0x0f, (count >> 14) as u8, (count >> 8) as u8 & 0x3f, count as u8];
    let mut rest = [0; 10];
    rest[..4].copy_from_slice(&counted);
    rest[4..].copy_from_slice(&random[..6]);
    version_7(at, rest)
}

/// The id that follows from what is predicted.
pub(crate) fn from_keys(at: Timestamp, endpoint: &str, keys: &BTreeMap<String, Scalar>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&at.timestamp_micros().to_le_bytes());
    hasher.update(&entity_key(&[Scalar::Text(endpoint.to_owned())]));
    hasher.update(&keys_bytes(keys));
    let mut rest = [0; 10];
    rest.copy_from_slice(&hasher.finalize().as_bytes()[..10]);
    version_7(at, rest)
}

/// Names and values of a row's keys, framed so that no two sets of keys meet.
pub(crate) fn keys_bytes(keys: &BTreeMap<String, Scalar>) -> Vec<u8> {
    let framed = keys.iter().map(|(name, value)| entity_key(&[Scalar::Text(name.clone()), value.clone()]));
    framed.collect::<Vec<_>>().concat()
}

fn version_7(at: Timestamp, rest: [u8; 10]) -> String {
    let millis = at.timestamp_millis().max(0).cast_unsigned();
    Builder::from_unix_timestamp_millis(millis, &rest).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use baton_core::time::timestamp_from_micros;

    use super::*;

    #[test]
    fn fresh_ids_sort_by_time_then_by_order() {
        let ids: Vec<String> = [0, 0, 1000, 5_000_000].map(|at| fresh(timestamp_from_micros(at))).to_vec();
        assert!(ids.is_sorted(), "{ids:?}");
        assert!(ids.iter().all(|id| Uuid::parse_str(id).unwrap().get_version_num() == 7));
    }

    #[test]
    fn ids_from_keys_tell_rows_apart() {
        let at = timestamp_from_micros(1_372_636_800_000_000);
        let keys = |carrier: &str| BTreeMap::from([("carrier".to_owned(), Scalar::Text(carrier.to_owned()))]);
        assert_eq!(from_keys(at, "delay", &keys("UA")), from_keys(at, "delay", &keys("UA")));
        assert_ne!(from_keys(at, "delay", &keys("UA")), from_keys(at, "delay", &keys("AA")));
        assert_ne!(from_keys(at, "delay", &keys("UA")), from_keys(at, "delays", &keys("UA")));
        // 1_372_636_800_000 ms is 0x013f_9787_6400: the id begins with the time.
        assert!(from_keys(at, "delay", &keys("UA")).starts_with("013f9787-6400-7"));
    }
}
