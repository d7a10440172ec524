//! One entity's row read from the online store, in the process.

use std::hint::black_box;
use std::time::Instant;

use baton_core::ports::{OnlineRow, OnlineStore as _};
use baton_core::scalar::{Scalar, entity_key};
use baton_serving::RedbOnlineStore;

use crate::{Outcome, Places};

const ENTITIES: i64 = 200_000;
const READS: i64 = 100_000;
const NAMESPACE: &str = "bench/congestion";

pub(crate) fn run(places: &Places) -> Outcome<f64> {
    let store = RedbOnlineStore::at(places.get("data")?.join("online.redb"));
    if store.count(NAMESPACE)? != ENTITIES.unsigned_abs() {
        let rows: Vec<_> = (0..ENTITIES).map(row).collect();
        store.upsert(NAMESPACE, &rows)?;
    }
    let start = Instant::now();
    for read in 0..READS {
        // A step that shares no factor with the number of entities: neighbours in time are no neighbours on disk.
        let entity = read * 7919 % ENTITIES;
        let found = black_box(store.read(NAMESPACE, &[key(entity)])?);
        if !matches!(found.first(), Some(Some(_))) {
            return Err(format!("entity {entity} was not found").into());
        }
    }
    Ok(start.elapsed().as_secs_f64() / READS as f64)
}

fn key(entity: i64) -> Vec<u8> {
    entity_key(&[Scalar::Text(format!("entity-{entity}"))])
}

fn row(entity: i64) -> OnlineRow {
    let values = (0..5).map(|value| Scalar::Float(entity as f64 + f64::from(value))).collect();
    OnlineRow { key: key(entity), event_at: entity, created_at: entity, values }
}
