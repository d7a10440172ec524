//! Encoding tests: what each Arrow type becomes, and that one request encodes as the same row of a batch does.

use super::*;
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use expect_test::expect;
use proptest::prelude::*;
use std::sync::Arc;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn flights() -> RecordBatch {
    batch(vec![
        ("carrier", Arc::new(StringArray::from(vec![Some("B6"), Some("UA"), Some("UA"), None, Some("AA")]))),
        ("distance", Arc::new(Int64Array::from(vec![Some(1), None, Some(3), Some(4), Some(5)]))),
        ("wet", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, None, None]))),
        ("wind", Arc::new(Float64Array::from(vec![0.5, f64::INFINITY, f64::NAN, 1.0, 2.0]))),
    ])
}

fn names(features: &[&str]) -> Vec<String> {
    features.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn columns_become_numbers() {
    let frame = FeatureFrame::learn(&[flights()], &names(&["carrier", "distance", "wet", "wind"])).unwrap();
    let rows: Vec<_> = frame.values.chunks(4).map(|row| format!("{row:?}")).collect();
    expect![[r#"
        [1: AA is 1 and B6 is 2, because UA comes twice]
        [2.0, 1.0, 1.0, 0.5]
        [0.0, NaN, 0.0, NaN]
        [0.0, 3.0, NaN, NaN]
        [NaN, 4.0, NaN, 1.0]
        [1.0, 5.0, NaN, 2.0]"#]]
    .assert_eq(&format!("[1: AA is 1 and B6 is 2, because UA comes twice]\n{}", rows.join("\n")));
}

#[test]
fn unknown_categories_and_nulls_are_missing() {
    let encoder = FeatureEncoder::learn(&[flights()], &names(&["carrier", "wet"])).unwrap();
    let later = batch(vec![
        ("wet", Arc::new(BooleanArray::from(vec![true, true]))),
        ("carrier", Arc::new(StringArray::from(vec!["ZZ", "AA"]))),
    ]);
    let rows = encoder.encode(&later).unwrap();
    assert!(rows[0].is_nan());
    assert_eq!(&rows[1..], &[1.0, 1.0, 1.0]);
}

#[test]
fn bad_features_are_named() {
    let rows = batch(vec![
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![1, 2]))),
        ("x", Arc::new(Int64Array::from(vec![1, 2]))),
    ]);
    let message = |features: &[&str]| {
        FeatureEncoder::learn(std::slice::from_ref(&rows), &names(features)).unwrap_err().to_string()
    };
    expect!["feature `y` is not a column of the rows; the columns are at, x"].assert_eq(&message(&["y"]));
    assert!(message(&["at"]).contains("derive a number in SQL"), "{}", message(&["at"]));
    let encoder = FeatureEncoder::numeric(&names(&["x"]));
    let text = batch(vec![("x", Arc::new(StringArray::from(vec!["a"])))]);
    assert!(encoder.encode(&text).unwrap_err().to_string().contains("learnt it as a number"));
    assert!(encoder.encode_row(&[Scalar::Text("a".to_owned())]).is_err());
    assert!(encoder.encode_row(&[]).is_err());
}

#[test]
fn the_encoding_survives_json() {
    let encoder = FeatureEncoder::learn(&[flights()], &names(&["carrier", "wind"])).unwrap();
    let json = serde_json::to_string(&encoder).unwrap();
    expect![[r#"[{"name":"carrier","kind":{"categorical":{"categories":["UA","AA","B6"]}}},{"name":"wind","kind":"numeric"}]"#]]
        .assert_eq(&json);
    let read: FeatureEncoder = serde_json::from_str(&json).unwrap();
    assert_eq!(read, encoder);
    assert_eq!(read.encode_row(&[Scalar::Text("B6".to_owned()), Scalar::Int(7)]).unwrap(), [2.0, 7.0]);
}

#[test]
fn labels_groups_and_times_are_read() {
    let rows = batch(vec![
        ("late", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        ("carrier", Arc::new(StringArray::from(vec![Some("UA"), None, Some("AA")]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![5, 6, 7]).with_timezone("UTC"))),
        ("day", Arc::new(Date32Array::from(vec![Some(0), Some(2), None]))),
    ]);
    let rows = [rows];
    let labels = numbers_of(&rows, "late").unwrap();
    assert_eq!(labels[..2], [1.0, 0.0]);
    assert!(labels[2].is_nan());
    assert_eq!(texts_of(&rows, "carrier").unwrap(), ["UA", "", "AA"]);
    assert_eq!(texts_of(&rows, "late").unwrap(), ["true", "false", ""]);
    assert_eq!(instants_of(&rows, "at").unwrap(), [5, 6, 7]);
    assert!(matches!(instants_of(&rows, "day"), Err(MlError::NotEnoughData { .. })));
    let first = [rows[0].slice(0, 2)];
    assert_eq!(instants_of(&first, "day").unwrap(), [0, 2 * 86_400_000_000]);
    assert!(matches!(instants_of(&rows, "late"), Err(MlError::FeatureType { .. })));
    assert!(matches!(numbers_of(&rows, "carrier"), Err(MlError::FeatureType { .. })));
    assert!(matches!(numbers_of(&rows, "lat"), Err(MlError::FeatureMissing { .. })));
}

proptest! {
    #[test]
    fn a_request_encodes_as_its_row_in_a_batch(
        rows in prop::collection::vec((prop::option::of("[a-d]"), prop::option::of(-1e6f64..1e6)), 1..40)
    ) {
        let texts: StringArray = rows.iter().map(|(text, _)| text.clone()).collect();
        let numbers: Float64Array = rows.iter().map(|(_, number)| *number).collect();
        let batch = batch(vec![("t", Arc::new(texts)), ("n", Arc::new(numbers))]);
        let frame = FeatureFrame::learn(&[batch], &names(&["t", "n"])).unwrap();
        for (position, (text, number)) in rows.into_iter().enumerate() {
            let request = [
                text.map_or(Scalar::Null, Scalar::Text),
                number.map_or(Scalar::Null, Scalar::Float),
            ];
            let row = frame.encoder.encode_row(&request).unwrap();
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&row), bits(&frame.values[position * 2..position * 2 + 2]));
        }
    }
}
