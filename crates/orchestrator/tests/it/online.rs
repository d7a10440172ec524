//! Online values equal offline values at the same instant, for every view, with their time to live.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use baton_core::scalar::Scalar;
use baton_core::{Timestamp, Version};
use baton_engine::{PitOptions, PointInTimeJoin};
use baton_orchestrator::{FeaturePart, endpoint_parts};
use baton_serving::{FeatureStatus, read_features};

use crate::flights::{Flights, day};

/// What was found over all views.
#[derive(Debug, Default)]
struct Found {
    keys: BTreeMap<String, usize>,
    statuses: BTreeMap<&'static str, usize>,
    values: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_online_values_are_the_offline_values_of_the_instant() {
    let flights = Flights::small(&["2013-02", "2013-03"]).await;
    let prepared = flights.applied("prod", day("2013-03-05")).await;
    let clocks: Vec<Timestamp> =
        ["2013-03-06T15:30:00Z", "2013-03-08T03:07:00Z"].iter().map(|text| text.parse().unwrap()).collect();
    for clock in clocks {
        flights.ticks(&prepared, "prod", &[clock]).await;
        let commit = flights.services.ledger.head("prod").await.unwrap().unwrap();
        let parts = endpoint_parts(&flights.services, &prepared, &commit, "delay").await.unwrap();
        let mut found = Found::default();
        let views: BTreeSet<&str> = parts.features.iter().map(|part| part.view.as_str()).collect();
        for view in views {
            let mut of_view: Vec<&FeaturePart> = parts.features.iter().filter(|part| part.view == view).collect();
            of_view.sort_by_key(|part| part.index);
            compare_view(&flights, &prepared, &of_view, clock, &mut found).await;
        }
        println!("{clock} {found:?}");
        assert!(found.keys["flight_plan"] > 20_000 && found.keys["route_delays"] > 150, "{found:?}");
        assert_eq!((found.keys["congestion"], found.keys["origin_weather"]), (3, 3), "all origins");
        assert!(found.statuses["PRESENT"] > 20_000 && found.statuses["OUTSIDE_MAX_AGE"] > 1_000, "{found:?}");
    }
}

/// Compares every entity of the view's table with what the join finds at `clock`.
async fn compare_view(
    flights: &Flights,
    prepared: &baton_orchestrator::Prepared,
    parts: &[&FeaturePart],
    clock: Timestamp,
    found: &mut Found,
) {
    let view = parts[0].view.as_str();
    let baton_core::Definition::FeatureView(declared) = &prepared.project.assets.get(view).unwrap().definition else {
        panic!("{view} is no feature view");
    };
    let head = flights.services.ledger.head("prod").await.unwrap().unwrap();
    let Version::FeatureView { table: Some(table), online: Some(namespace) } = &head.assets[view].version else {
        panic!("{view} is not online");
    };
    assert_eq!(parts[0].namespace.as_ref(), Some(namespace));
    let session = flights.session([("rows", flights.files(table).await)]);
    let keys = declared.entity.join(", ");
    let asked = format!(
        "select {keys}, to_timestamp_micros({}) as asked_at from rows group by {keys}",
        clock.timestamp_micros()
    );
    let (schema, left) = session.query(&asked).await.unwrap();
    let left = concat_batches(&schema, &left).unwrap();
    let (_, right) = session.query("select * from system.rows").await.unwrap();
    let join = PointInTimeJoin {
        left_keys: declared.entity.clone(),
        right_keys: declared.entity.clone(),
        left_time: "asked_at".to_owned(),
        right_time: declared.time.clone(),
        ttl_micros: declared.ttl * 1_000_000,
        created: Some("_available_at".to_owned()),
        known_only: true,
    };
    let features: Vec<(String, String)> = parts.iter().map(|part| (part.column.clone(), part.name.clone())).collect();
    let options = PitOptions { memory_limit_bytes: 1 << 28, spill_dir: flights.path(".baton/spill") };
    let joined = join.join(std::slice::from_ref(&left), &right, &features, &options).unwrap();
    let joined = concat_batches(&joined[0].schema(), &joined).unwrap();

    let entity = |row: usize| -> Vec<Scalar> {
        declared.entity.iter().map(|key| scalar(joined.column_by_name(key).unwrap(), row)).collect()
    };
    let entities: Vec<Vec<Scalar>> = (0..joined.num_rows()).map(entity).collect();
    let store = flights.services.online.snapshot().unwrap();
    let reads = read_features(store.as_ref(), (view, namespace, declared.ttl), &entities, clock).unwrap();
    for (row, read) in reads.iter().enumerate() {
        *found.statuses.entry(read.status.as_str()).or_default() += 1;
        for part in parts {
            let (online, _) = read.feature(part.index);
            let offline = scalar(joined.column_by_name(&part.name).unwrap(), row);
            assert_eq!(online, offline, "{} of {:?} at {clock} ({:?})", part.name, entities[row], read.status);
            found.values += 1;
        }
        assert!(read.status != FeatureStatus::Present || read.event_at.unwrap() <= clock.timestamp_micros());
    }
    found.keys.insert(view.to_owned(), entities.len());
    assert_known(&joined, parts);
}

/// The comparison would mean nothing if the join found nothing.
fn assert_known(joined: &RecordBatch, parts: &[&FeaturePart]) {
    let known = parts.iter().any(|part| {
        let column = joined.column_by_name(&part.name).unwrap();
        column.null_count() < column.len()
    });
    assert!(known, "no value at all in {}", parts[0].view);
}

fn scalar(column: &ArrayRef, row: usize) -> Scalar {
    if column.is_null(row) {
        return Scalar::Null;
    }
    match column.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let text = arrow::compute::cast(&column.slice(row, 1), &DataType::Utf8).unwrap();
            Scalar::Text(text.as_string::<i32>().value(0).to_owned())
        }
        DataType::Float64 => Scalar::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => Scalar::Bool(column.as_boolean().value(row)),
        _ => {
            let whole = arrow::compute::cast(&column.slice(row, 1), &DataType::Int64).unwrap();
            Scalar::Int(whole.as_primitive::<Int64Type>().value(0))
        }
    }
}
