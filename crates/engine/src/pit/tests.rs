//! The golden table of the Feast feature server, a naive join as the oracle, and hashes made to collide.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Float64Type, Int64Type};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000_000;

fn clock(text: &str) -> i64 {
    let (hour, minute) = text.split_once(':').unwrap();
    (hour.parse::<i64>().unwrap() * 60 + minute.parse::<i64>().unwrap()) * MINUTE
}

fn instants(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter(values).with_timezone("UTC"))
}

fn options(memory_limit_bytes: usize) -> PitOptions {
    PitOptions { memory_limit_bytes, spill_dir: std::env::temp_dir().join("baton-pit-tests") }
}

fn rule(ttl_micros: i64, known_only: bool) -> PointInTimeJoin {
    PointInTimeJoin {
        left_keys: vec!["driver".to_owned()],
        right_keys: vec!["driver".to_owned()],
        left_time: "at".to_owned(),
        right_time: "event".to_owned(),
        ttl_micros,
        created: Some("created".to_owned()),
        known_only,
    }
}

/// Feature rows and entity rows of the golden table, `contracts/feature-server.md` section 3.2 (run with Feast 0.67).
fn golden_sides() -> (RecordBatch, RecordBatch) {
    let features = [
        (1, "08:00", "08:00", 1.0),
        (1, "10:00", "10:00", 2.0),
        (1, "10:00", "11:00", 2.5),
        (1, "12:00", "12:00", 3.0),
        (2, "09:00", "09:00", 9.0),
        (2, "09:30", "13:00", 9.5),
    ];
    let right = RecordBatch::try_from_iter([
        ("driver", Arc::new(Int64Array::from_iter_values(features.iter().map(|row| row.0))) as ArrayRef),
        ("event", instants(features.iter().map(|row| Some(clock(row.1))))),
        ("created", instants(features.iter().map(|row| Some(clock(row.2))))),
        ("conv", Arc::new(Float64Array::from_iter_values(features.iter().map(|row| row.3)))),
    ]);
    let rows = GOLDEN.map(|(entity, at, _)| (entity, clock(at)));
    let left = RecordBatch::try_from_iter([
        ("driver", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.0))) as ArrayRef),
        ("at", instants(rows.iter().map(|row| Some(row.1)))),
    ]);
    (left.unwrap(), right.unwrap())
}

/// Entity, time, and the value with: no limit of age; one second; 7200 seconds; 7200 seconds and known only.
const GOLDEN: [(i32, &str, [Option<f64>; 4]); 10] = [
    (1, "07:00", [None, None, None, None]),
    (1, "08:00", [Some(1.0), Some(1.0), Some(1.0), Some(1.0)]),
    (1, "09:59", [Some(1.0), None, Some(1.0), Some(1.0)]),
    (1, "10:00", [Some(2.5), Some(2.5), Some(2.5), Some(2.0)]),
    (1, "11:59", [Some(2.5), None, Some(2.5), Some(2.5)]),
    (1, "12:00", [Some(3.0), Some(3.0), Some(3.0), Some(3.0)]),
    (1, "23:00", [Some(3.0), None, None, None]),
    (2, "09:15", [Some(9.0), None, Some(9.0), Some(9.0)]),
    (2, "10:00", [Some(9.5), None, Some(9.5), Some(9.0)]),
    (3, "10:00", [None, None, None, None]),
];

#[test]
fn agrees_with_the_golden_table_in_all_columns() {
    let (left, right) = golden_sides();
    let rules = [rule(0, false), rule(1_000_000, false), rule(7_200_000_000, false), rule(7_200_000_000, true)];
    for (index, rule) in rules.iter().enumerate() {
        let feature = [("conv".to_owned(), "conv".to_owned())];
        let joined =
            rule.join(std::slice::from_ref(&left), std::slice::from_ref(&right), &feature, &options(1 << 20)).unwrap();
        assert_eq!(joined.len(), 1);
        assert_eq!(joined[0].column(0), left.column(0));
        let values: Vec<Option<f64>> = joined[0].column(2).as_primitive::<Float64Type>().iter().collect();
        assert_eq!(values, GOLDEN.map(|row| row.2[index]), "column {index}");
    }
}

/// A row of either side: two entity parts, a time, when known.
type Row = (Option<i64>, &'static str, Option<i64>, Option<i64>);

fn any_side(rows: usize) -> impl Strategy<Value = Vec<Row>> {
    let entity = prop::option::weighted(0.9, 0i64..4);
    let text = prop::sample::select(vec!["", "a", "ab", "b"]);
    let time = || prop::option::weighted(0.9, 0i64..12);
    prop::collection::vec((entity, text, time(), time()), 0..rows)
}

fn batches(rows: &[Row], sizes: usize) -> Vec<RecordBatch> {
    let batch = |rows: &[Row]| {
        RecordBatch::try_from_iter_with_nullable([
            ("id", Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.0))) as ArrayRef, true),
            ("text", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1))), true),
            ("time", instants(rows.iter().map(|row| row.2)), true),
            ("known", instants(rows.iter().map(|row| row.3)), true),
        ])
        .unwrap()
    };
    let mut all: Vec<RecordBatch> = rows.chunks(sizes).map(batch).collect();
    all.push(batch(&[]));
    all
}

#[derive(Debug, Clone, Copy)]
struct Case {
    both_keys: bool,
    ttl: i64,
    created: bool,
    known_only: bool,
    mask: u64,
    memory: usize,
}

fn any_case() -> impl Strategy<Value = Case> {
    let mask = prop::sample::select(vec![u64::MAX, 1 << 63, 0]);
    let memory = prop::sample::select(vec![1usize << 20, 64]);
    (any::<bool>(), 0i64..5, any::<bool>(), any::<bool>(), mask, memory).prop_map(
        |(both_keys, ttl, created, known_only, mask, memory)| Case {
            both_keys,
            ttl,
            created: created || known_only,
            known_only,
            mask,
            memory,
        },
    )
}

/// The definition, word for word: every left row looks at every right row.
fn naive(case: Case, left: &[Row], right: &[Row]) -> Vec<Option<usize>> {
    let same = |one: &Row, other: &Row| one.0.is_some() && one.0 == other.0 && (!case.both_keys || one.1 == other.1);
    left.iter()
        .map(|asks| {
            let at = asks.2?;
            let fits = |row: &Row| {
                let Some(event) = row.2 else { return false };
                let known = !case.known_only || row.3.is_none_or(|known| known <= at);
                same(asks, row) && event <= at && (case.ttl == 0 || at - event <= case.ttl) && known
            };
            let candidates = (0..right.len()).filter(|index| fits(&right[*index]));
            candidates.max_by_key(|index| {
                let created = if case.created { right[*index].3.unwrap_or(i64::MIN) } else { i64::MIN };
                (right[*index].2, created, *index)
            })
        })
        .collect()
}

fn joined(case: Case, left: &[Row], right: &[Row]) -> Vec<Option<usize>> {
    let keys: Vec<String> = if case.both_keys { vec!["id".into(), "text".into()] } else { vec!["id".into()] };
    let rule = PointInTimeJoin {
        left_keys: keys.clone(),
        right_keys: keys,
        left_time: "time".into(),
        right_time: "time".into(),
        ttl_micros: case.ttl,
        created: case.created.then(|| "known".into()),
        known_only: case.known_only,
    };
    let matches =
        rule.matches_hashing(&batches(left, 3), &batches(right, 2), &options(case.memory), case.mask).unwrap();
    assert_eq!(matches.len(), left.len());
    (0..left.len()).map(|index| matches.get(index).map(|(batch, row)| batch * 2 + row)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_looking_at_every_pair(case in any_case(), left in any_side(14), right in any_side(20)) {
        prop_assert_eq!(joined(case, &left, &right), naive(case, &left, &right));
    }

    /// What lies after a label's time, or was not known by then, may change at will: nothing that was found changes.
    #[test]
    fn never_sees_the_future(case in any_case(), left in any_side(8), right in any_side(20), at in 0i64..12, other in any_side(20)) {
        let case = Case { known_only: true, created: true, ..case };
        let left: Vec<Row> = left.into_iter().filter(|row| row.2.is_none_or(|time| time <= at)).collect();
        let past = |row: &Row| row.2.is_none_or(|time| time <= at) && row.3.is_none_or(|known| known <= at);
        let known: Vec<Row> = right.iter().filter(|row| past(row)).copied().collect();
        let changed: Vec<Row> = known.iter().copied().chain(other.into_iter().filter(|row| !past(row))).collect();
        prop_assert_eq!(joined(case, &left, &known), joined(case, &left, &changed));
    }
}

#[test]
fn a_join_beyond_its_memory_limit_gives_the_same() {
    let rows = 200_000i64;
    let side = |seed: i64| {
        let ids = Int64Array::from_iter_values((0..rows).map(|row| (row * seed) % 5_003));
        let times = instants((0..rows).map(|row| Some((row * 7_919 * seed) % 1_000_003)));
        RecordBatch::try_from_iter([("driver", Arc::new(ids) as ArrayRef), ("at", times.clone()), ("event", times)])
            .unwrap()
    };
    let (left, right) = (side(3), side(11));
    let rule = PointInTimeJoin { created: None, ..rule(50_000, false) };
    let within = rule.matches(std::slice::from_ref(&left), std::slice::from_ref(&right), &options(1 << 30)).unwrap();
    let beyond = rule.matches(std::slice::from_ref(&left), std::slice::from_ref(&right), &options(1 << 20)).unwrap();
    assert_eq!(within, beyond);
    assert!((0..within.len()).filter(|index| within.get(*index).is_some()).count() > 50_000);
}

#[test]
fn columns_that_do_not_fit_are_named() {
    let (left, right) = golden_sides();
    let message = |rule: PointInTimeJoin| {
        rule.matches(std::slice::from_ref(&left), std::slice::from_ref(&right), &options(1 << 20))
            .unwrap_err()
            .to_string()
    };
    let missing = PointInTimeJoin { right_time: "evnt".to_owned(), ..rule(0, false) };
    assert_eq!(message(missing), "point-in-time join: there is no column `evnt`");
    let types = PointInTimeJoin { right_keys: vec!["conv".to_owned()], ..rule(0, false) };
    assert!(message(types).contains("have different types"));
    let not_a_time = PointInTimeJoin { left_time: "driver".to_owned(), ..rule(0, false) };
    assert!(message(not_a_time).contains("must be a timestamp or a date"));
}

#[test]
fn features_come_in_the_order_of_the_labels() {
    let (left, right) = golden_sides();
    let matches = rule(0, false)
        .matches(&[left.slice(3, 2), left.slice(8, 2)], std::slice::from_ref(&right), &options(1 << 20))
        .unwrap();
    let taken =
        take_features(&[left.slice(3, 2), left.slice(8, 2)], &[right], &["driver".to_owned()], &matches).unwrap();
    let values: Vec<Option<i64>> =
        taken[0].iter().flat_map(|array| array.as_primitive::<Int64Type>().iter().collect::<Vec<_>>()).collect();
    assert_eq!(values, [Some(1), Some(1), Some(2), None]);
    assert_eq!(taken[0][0].len(), 2);
}
