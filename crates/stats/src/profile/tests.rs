//! Golden values come from numpy 2 over the same formulas (`np.mean`, `np.std(ddof=1)`, `np.quantile`,
//! `np.histogram(bins=20)`, `collections.Counter`).

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int32Array, ListArray,
    RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{Int32Type, Int64Type};
use baton_core::scalar::Scalar;
use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::error::StatsError;

const NAMES: [&str; 5] = ["UA", "AA", "B6", "DL", "é-9E"];
const START_OF_2013: i64 = 1_356_998_400_000_000;
const HOUR: i64 = 3_600_000_000;

/// Rows `range` of an endless table: whole numbers, floats with null and NaN, text, hours of 2013, truth values.
fn batch(range: std::ops::Range<i64>) -> RecordBatch {
    let float = |row: i64| match row {
        row if row % 11 == 0 => None,
        row if row % 97 == 0 => Some(f64::NAN),
        row => Some(((row * 104_729) % 100_003) as f64 / 7.0),
    };
    let name = |row: i64| NAMES[if row % 3 == 0 { 0 } else { (row % 5) as usize }];
    let whole = Int32Array::from_iter_values(range.clone().map(|row| ((row * 7919) % 400 - 300) as i32));
    let times = range.clone().map(|row| START_OF_2013 + row * HOUR);
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    RecordBatch::try_from_iter([
        ("whole", Arc::new(whole) as ArrayRef),
        ("float", Arc::new(Float64Array::from_iter(range.clone().map(float)))),
        ("text", Arc::new(StringArray::from_iter_values(range.clone().map(name)))),
        ("time", Arc::new(times)),
        ("even", Arc::new(BooleanArray::from_iter(range.map(|row| Some(row % 2 == 0))))),
    ])
    .unwrap()
}

fn profiled(batches: &[RecordBatch]) -> TableProfile {
    let mut profiler = Profiler::new(&batches[0].schema());
    batches.iter().for_each(|batch| profiler.update(batch).unwrap());
    profiler.finish()
}

fn one_column(array: ArrayRef) -> ColumnProfile {
    let batch = RecordBatch::try_from_iter_with_nullable([("c", array, true)]).unwrap();
    profiled(&[batch]).columns.remove(0)
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{found} is not {expected}");
}

#[test]
fn whole_numbers_agree_with_numpy() {
    let profile = profiled(&[batch(0..5000)]);
    let column = profile.column("whole").unwrap();
    assert_eq!((column.min(), column.max()), (Some(Scalar::Int(-300)), Some(Scalar::Int(99))));
    assert_eq!((column.distinct(), column.is_exact()), (Some(400), true));
    close(column.mean().unwrap(), -100.38);
    close(column.standard_deviation().unwrap(), 115.499_019_929_698_73);
    let golden = [-297.0, -280.0, -200.0, -100.0, 0.0, 80.0, 95.010_000_000_000_22];
    for (q, golden) in [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99].into_iter().zip(golden) {
        close(column.quantile(q).unwrap(), golden);
    }
    let histogram = column.summary().histogram.unwrap();
    assert_eq!(
        histogram.counts,
        [249, 248, 252, 252, 248, 248, 252, 252, 248, 248, 251, 252, 248, 248, 252, 252, 248, 248, 252, 252]
    );
    close(histogram.edges[1], -280.05);
}

#[test]
fn floats_agree_with_numpy_and_keep_nan_apart() {
    let profile = profiled(&[batch(0..5000)]);
    let column = profile.column("float").unwrap();
    assert_eq!((column.nulls(), column.nans(), column.infinites()), (455, 47, 0));
    close(column.null_fraction(), 0.091);
    close(column.mean().unwrap(), 7_142.302_642_444_26);
    close(column.standard_deviation().unwrap(), 4_125.569_366_424_16);
    let distinct = column.distinct().unwrap() as f64;
    assert!((distinct - 4498.0).abs() < 0.05 * 4498.0, "{distinct}");
    let golden = [145.62, 718.26, 3_563.29, 7_132.21, 10_707.68, 13_579.16, 14_145.80];
    // The values are spread evenly, so an error of rank is an error of value by the range.
    let allowed = RANK_ERROR * 14_286.0;
    for (q, golden) in [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99].into_iter().zip(golden) {
        assert!((column.quantile(q).unwrap() - golden).abs() <= allowed, "{q}");
    }
    assert_eq!(column.top_values(10), []);
    let shares = column.cdf(&[0.0, 7_132.21, 20_000.0]);
    assert!(shares[0] == 0.0 && (shares[1] - 0.5).abs() <= RANK_ERROR && shares[2] == 1.0, "{shares:?}");
}

#[test]
fn texts_agree_with_a_counter() {
    let profile = profiled(&[batch(0..5000)]);
    let column = profile.column("text").unwrap();
    let top: Vec<(Scalar, u64)> = column.top_values(10).into_iter().map(|top| (top.value, top.count)).collect();
    let text = |text: &str| Scalar::Text(text.to_owned());
    assert_eq!(top, [(text("UA"), 2333), (text("AA"), 667), (text("B6"), 667), (text("é-9E"), 667), (text("DL"), 666)]);
    assert_eq!((column.min(), column.max()), (Some(text("AA")), Some(text("é-9E"))));
    let lengths = column.summary().lengths.unwrap();
    assert_eq!((lengths.min, lengths.max), (2, 4));
    close(lengths.mean, 2.2668);
    assert_eq!((column.mean(), column.quantile(0.5), column.cdf(&[1.0])), (None, None, Vec::new()));
}

#[test]
fn times_and_dates_are_readable() {
    let profile = profiled(&[batch(0..5000)]);
    let summary = profile.column("time").unwrap().summary();
    let text = |text: &str| Some(Scalar::Text(text.to_owned()));
    assert_eq!((summary.min, summary.max), (text("2013-01-01T00:00:00Z"), text("2013-07-28T07:00:00Z")));
    assert_eq!(summary.mean, text("2013-04-15T03:30:00Z"));
    let days = one_column(Arc::new(Date32Array::from(vec![Some(15_706), None, Some(15_708)]))).summary();
    assert_eq!((days.min, days.max, days.nulls), (text("2013-01-01"), text("2013-01-03"), 1));
    assert_eq!(days.quantiles.unwrap().p50, Scalar::Text("2013-01-02".to_owned()));
}

#[test]
fn every_type_has_its_kind() {
    let decimal = Decimal128Array::from(vec![150, 250, -100]).with_precision_and_scale(15, 2).unwrap();
    let decimal = one_column(Arc::new(decimal));
    assert_eq!((decimal.min(), decimal.max()), (Some(Scalar::Float(-1.0)), Some(Scalar::Float(2.5))));
    close(decimal.mean().unwrap(), 1.0);
    let dictionary: DictionaryArray<Int32Type> = [Some("a"), None, Some("b"), Some("a")].into_iter().collect();
    let dictionary = one_column(Arc::new(dictionary));
    assert_eq!((dictionary.kind(), dictionary.distinct(), dictionary.nulls()), (ValueKind::Text, Some(2), 1));
    let view = one_column(Arc::new(StringViewArray::from(vec![Some("a text of more than twelve bytes"), None])));
    assert_eq!((view.distinct(), view.nulls()), (Some(1), 1));
    let unsigned = one_column(Arc::new(UInt64Array::from(vec![u64::MAX, 0])));
    assert_eq!(unsigned.max(), Some(Scalar::Float(u64::MAX as f64)));
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1)]), None]);
    let lists = one_column(Arc::new(lists));
    assert_eq!((lists.rows(), lists.nulls(), lists.distinct(), lists.min()), (2, 1, None, None));
    let infinite = one_column(Arc::new(Float64Array::from(vec![f64::INFINITY, 1.0, -0.0, 0.0])));
    assert_eq!((infinite.infinites(), infinite.distinct(), infinite.max()), (1, Some(2), Some(Scalar::Float(1.0))));
}

#[test]
fn batch_boundaries_do_not_matter() {
    let whole = profiled(&[batch(0..20_000)]);
    let pieces: Vec<RecordBatch> = (0..20_000).step_by(777).map(|row| batch(row..(row + 777).min(20_000))).collect();
    assert_eq!(whole.to_bytes(), profiled(&pieces).to_bytes());
}

#[test]
fn bytes_round_trip_and_damage_is_an_error() {
    let profile = profiled(&[batch(0..30_000)]);
    let bytes = profile.to_bytes();
    let read = TableProfile::from_bytes(&bytes).unwrap();
    assert_eq!(read.summary(), profile.summary());
    assert_eq!(read.to_bytes(), bytes);
    for length in (0..bytes.len()).step_by(101) {
        assert!(TableProfile::from_bytes(&bytes[..length]).is_err(), "{length}");
    }
    let other_format = [&[9], &bytes[1..]].concat();
    assert!(matches!(TableProfile::from_bytes(&other_format), Err(StatsError::ProfileBytes { at: 1, .. })));
}

#[test]
fn changed_bytes_never_panic() {
    let bytes = profiled(&[batch(0..3_000)]).to_bytes();
    for position in (0..bytes.len()).step_by(41) {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x55;
        if let Ok(profile) = TableProfile::from_bytes(&damaged) {
            let merged = profile.merge(&profile).map(|merged| merged.summary());
            assert!(merged.is_ok(), "{position}");
        }
    }
}

#[test]
fn extreme_numbers_have_a_histogram() {
    let extreme = one_column(Arc::new(Float64Array::from(vec![f64::MIN, 0.0, f64::MAX])));
    let histogram = extreme.summary().histogram.unwrap();
    assert_eq!((histogram.counts[0], histogram.counts[19], histogram.counts.iter().sum::<u64>()), (1, 1, 3));
    let constant = one_column(Arc::new(Int32Array::from(vec![7, 7]))).summary();
    assert_eq!(constant.histogram.unwrap(), Histogram { edges: vec![7.0, 7.0], counts: vec![2] });
}

#[test]
fn a_column_that_came_later_is_null_before() {
    let narrow = profiled(&[batch(0..10).project(&[0]).unwrap()]);
    let wide = profiled(&[batch(10..30).project(&[0, 2]).unwrap()]);
    for merged in [narrow.merge(&wide).unwrap(), wide.merge(&narrow).unwrap()] {
        let text = merged.column("text").unwrap();
        assert_eq!((merged.rows, text.rows(), text.nulls()), (30, 30, 10));
    }
}

#[test]
fn different_kinds_do_not_merge() {
    let number = profiled(&[RecordBatch::try_from_iter([("c", batch(0..9).column(0).clone())]).unwrap()]);
    let text = profiled(&[RecordBatch::try_from_iter([("c", batch(0..9).column(2).clone())]).unwrap()]);
    let error = number.merge(&text).unwrap_err();
    expect!["profiles of column `c` cannot be merged: `Int32` against `Utf8`; profile both sides with one type"]
        .assert_eq(&error.to_string());
}

#[test]
fn empty_and_all_null_columns_have_no_values() {
    let empty = profiled(&[batch(0..0)]);
    assert_eq!((empty.rows, empty.column("whole").unwrap().distinct()), (0, Some(0)));
    assert_eq!(empty.column("whole").unwrap().summary().histogram, None);
    let nulls = one_column(Arc::new(Int32Array::from(vec![None, None])));
    assert_eq!((nulls.null_fraction(), nulls.min(), nulls.mean(), nulls.quantile(0.5)), (1.0, None, None, None));
    assert_eq!(empty.merge(&empty).unwrap().rows, 0);
}

#[test]
fn text_rendering_lines_up() {
    let rendered = render_text(&profiled(&[batch(0..5000)]));
    expect![[r#"
        5,000 rows, 5 columns
        column  type                  nulls  distinct  min                   p50                   max                   mean                  histogram
        whole   Int32                 0%     400       -300                  -100                  99                    -100.38               ████████████████████
        float   Float64               9.1%   ~4,445    2.2857                7143.9                14285.4               7142.3                ████████████████████
        text    Utf8                  0%     5         AA                                          é-9E                                        █▃▃▃▃
        time    Timestamp(µs, "UTC")  0%     ~5,000    2013-01-01T00:00:00Z  2013-04-15T05:00:00Z  2013-07-28T07:00:00Z  2013-04-15T03:30:00Z  ████████████████████
        even    Boolean               0%     2         false                 0.5                   true                  0.5                   ██
    "#]].assert_eq(&rendered);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn merge_equals_whole(rows in 1_i64..12_000, cut in 0.0_f64..1.0) {
        let middle = (rows as f64 * cut) as i64;
        let whole = profiled(&[batch(0..rows)]);
        let merged = profiled(&[batch(0..middle)]).merge(&profiled(&[batch(middle..rows)])).unwrap();
        prop_assert_eq!(merged.rows, whole.rows);
        for (merged, whole) in merged.columns.iter().zip(&whole.columns) {
            prop_assert_eq!((merged.rows(), merged.nulls(), merged.nans()), (whole.rows(), whole.nulls(), whole.nans()));
            prop_assert_eq!((merged.min(), merged.max()), (whole.min(), whole.max()));
            prop_assert_eq!(merged.distinct(), whole.distinct());
            if let (Some(left), Some(right)) = (merged.mean(), whole.mean()) {
                prop_assert!((left - right).abs() <= 1e-9 * right.abs().max(1.0));
            }
            if let (Some(left), Some(right)) = (merged.standard_deviation(), whole.standard_deviation()) {
                prop_assert!((left - right).abs() <= 1e-9 * right.abs().max(1.0));
            }
            for q in [0.05, 0.5, 0.95].into_iter().filter(|_| whole.is_numeric() && whole.values() > 0) {
                let share = whole.cdf(&[merged.quantile(q).unwrap()])[0];
                // A quantile lies between two values, and the upper one does not count.
                let between = 1.0 / whole.values() as f64;
                prop_assert!(share >= q - 2.0 * RANK_ERROR - 0.01 - between, "{share} against {q}");
            }
            if whole.is_exact() {
                prop_assert_eq!(merged.top_values(10), whole.top_values(10));
            }
        }
    }
}
