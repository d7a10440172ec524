//! One entity's row read from the online store: in the process, and over HTTP as Feast's clients ask for it.

use std::hint::black_box;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use baton_core::ports::{OnlineRow, OnlineSnapshot, OnlineStore as _};
use baton_core::scalar::{Scalar, entity_key};
use baton_core::time::{FixedClock, timestamp_from_micros};
use baton_serving::{EndpointRouter, OnlineView, PredictionLog, PredictionService, RedbOnlineStore, Served};
use serde_json::json;

use crate::http::Connection;
use crate::{Outcome, Places};

const ENTITIES: i64 = 200_000;
const READS: i64 = 100_000;
const REQUESTS: usize = 5_000;
const WARM_UP: usize = 500;
const VIEW: &str = "congestion";
const NAMESPACE: &str = "bench/congestion";

/// In the process, as an endpoint reads: from the snapshot of a commit.
pub(crate) fn run(places: &Places) -> Outcome<f64> {
    let features = filled(places)?;
    let start = Instant::now();
    for read in 0..READS {
        let entity = nth(read);
        let found = black_box(features.read(NAMESPACE, &[key(entity)])?);
        if !matches!(found.first(), Some(Some(_))) {
            return Err(format!("entity {entity} was not found").into());
        }
    }
    Ok(start.elapsed().as_secs_f64() / READS as f64)
}

/// The median of `POST /get-online-features`, one row a request, over one connection.
pub(crate) fn over_http(places: &Places) -> Outcome<f64> {
    let mut connection = Connection::open(&serve(places)?)?;
    let mut seconds = Vec::with_capacity(REQUESTS);
    for number in 0..WARM_UP + REQUESTS {
        let entity = nth(number as i64);
        let features: Vec<String> = (0..5).map(|feature| format!("{VIEW}:f{feature}")).collect();
        let body = json!({"entities": {"entity": [name(entity)]}, "features": features}).to_string();
        let start = Instant::now();
        let answer = black_box(connection.send("POST", "/get-online-features", &body)?);
        if number >= WARM_UP {
            seconds.push(start.elapsed().as_secs_f64());
        }
        if !answer.contains(&format!("{entity}.0")) {
            return Err(format!("entity {entity} was answered by {answer}").into());
        }
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[REQUESTS / 2])
}

/// Serves the store on a free port until the process ends; answers where.
fn serve(places: &Places) -> Outcome<String> {
    let view = OnlineView {
        name: VIEW.to_owned(),
        namespace: NAMESPACE.to_owned(),
        entity: vec!["entity".to_owned()],
        features: (0..5).map(|feature| format!("f{feature}")).collect(),
        ttl: 0,
    };
    let served = Served::new(None, filled(places)?).with_view(view);
    let log = Arc::new(PredictionLog::open(places.get("data")?.join("online-log"))?);
    let service = Arc::new(PredictionService::new(Arc::new(EndpointRouter::new(served)), log)?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?.to_string();
    let runtime = tokio::runtime::Runtime::new()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let clock = Arc::new(FixedClock(timestamp_from_micros(ENTITIES)));
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let parts = baton_server::Parts::new(service, clock);
            baton_server::serve(listener, parts, tokio::time::sleep(Duration::MAX)).await
        })
    });
    Ok(address)
}

/// A snapshot of the store with all its entities.
fn filled(places: &Places) -> Outcome<Arc<dyn OnlineSnapshot>> {
    let store = RedbOnlineStore::at(places.get("data")?.join("online.redb"));
    if store.count(NAMESPACE)? != ENTITIES.unsigned_abs() {
        let rows: Vec<_> = (0..ENTITIES).map(row).collect();
        store.upsert(NAMESPACE, &rows)?;
    }
    Ok(store.snapshot()?)
}

/// A step that shares no factor with the number of entities: neighbours in time are no neighbours on disk.
fn nth(read: i64) -> i64 {
    read * 7919 % ENTITIES
}

fn name(entity: i64) -> String {
    format!("entity-{entity}")
}

fn key(entity: i64) -> Vec<u8> {
    entity_key(&[Scalar::Text(name(entity))])
}

fn row(entity: i64) -> OnlineRow {
    let values = (0..5).map(|value| Scalar::Float(entity as f64 + f64::from(value))).collect();
    OnlineRow { key: key(entity), event_at: entity, created_at: entity, values }
}
