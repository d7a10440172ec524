//! Statistics through a real Parquet file and back.

use arrow::array::{Date32Array, Decimal128Array, Float64Array, Int32Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use expect_test::expect;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::*;

fn rows() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("number", Arc::new(Int32Array::from(vec![Some(5), None, Some(-2), Some(9)]))),
        ("text", Arc::new(StringArray::from(vec![Some("b"), None, Some("a"), Some("c")]))),
        ("float", Arc::new(Float64Array::from(vec![1.5, -0.25, 3.0, 2.0]))),
        ("nan", Arc::new(Float64Array::from(vec![1.5, f64::NAN, 3.0, 2.0]))),
        ("day", Arc::new(Date32Array::from(vec![15706, 15707, 15708, 15709]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![1_372_636_800_000_001, 0, 5, 6]).with_timezone("UTC"))),
        ("price", Arc::new(Decimal128Array::from(vec![1250, 99, 100, 101]).with_precision_and_scale(10, 2).unwrap())),
        ("empty", Arc::new(Int32Array::from(vec![None::<i32>; 4]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

/// Statistics of a file whose row groups have two rows.
fn stats_of(batch: &RecordBatch, unordered: &[&str]) -> (String, SchemaRef) {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(2)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    let metadata = writer.close().unwrap();
    let unordered = unordered.iter().map(|name| (*name).to_owned()).collect();
    (stats_json(&metadata, &batch.schema(), &unordered), batch.schema())
}

#[test]
fn bounds_span_the_row_groups() {
    let (text, _) = stats_of(&rows(), &["nan"]);
    let document: Value = serde_json::from_str(&text).unwrap();
    expect![[r#"
        {
          "numRecords": 4,
          "minValues": {
            "number": -2,
            "text": "a",
            "float": -0.25,
            "day": "2013-01-01",
            "at": "1970-01-01T00:00:00.000000Z",
            "price": 0.99
          },
          "maxValues": {
            "number": 9,
            "text": "c",
            "float": 3.0,
            "day": "2013-01-04",
            "at": "2013-07-01T00:00:00.000001Z",
            "price": 12.5
          },
          "nullCount": {
            "number": 1,
            "text": 1,
            "float": 0,
            "nan": 0,
            "day": 0,
            "at": 0,
            "price": 0,
            "empty": 4
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&document).unwrap());
}

#[test]
fn statistics_are_read_back_with_their_types() {
    let (text, schema) = stats_of(&rows(), &["nan"]);
    let stats = FileStats::parse(&text, &schema, &BTreeSet::new()).unwrap();
    let shown: Vec<String> = stats
        .columns
        .iter()
        .map(|(name, column)| {
            let bound = |array: &Option<ArrayRef>| match array {
                Some(array) => format!("{}: {}", array_value_to_string(array, 0).unwrap(), array.data_type()),
                None => "-".to_owned(),
            };
            format!("{name} [{} .. {}] nulls {:?}", bound(&column.min), bound(&column.max), column.nulls)
        })
        .collect();
    assert_eq!(stats.rows, 4);
    expect![[r#"
        at [1970-01-01T00:00:00Z: Timestamp(µs, "UTC") .. 2013-07-01T00:00:00.000001Z: Timestamp(µs, "UTC")] nulls Some(0)
        day [2013-01-01: Date32 .. 2013-01-04: Date32] nulls Some(0)
        empty [- .. -] nulls Some(4)
        float [-0.25: Float64 .. 3.0: Float64] nulls Some(0)
        nan [- .. -] nulls Some(0)
        number [-2: Int32 .. 9: Int32] nulls Some(1)
        price [0.99: Decimal128(10, 2) .. 12.50: Decimal128(10, 2)] nulls Some(0)
        text [a: Utf8 .. c: Utf8] nulls Some(1)"#]].assert_eq(&shown.join("\n"));
}

#[test]
fn text_that_is_not_statistics_is_nothing() {
    let schema = rows().schema();
    assert!(FileStats::parse("", &schema, &BTreeSet::new()).is_none());
    assert!(FileStats::parse("{\"minValues\": {}}", &schema, &BTreeSet::new()).is_none());
    assert_eq!(parse_rows("{\"numRecords\": 3}"), Some(3));
}

#[test]
fn nan_is_found_in_floats_only() {
    let batch = rows();
    let found: Vec<bool> = batch.columns().iter().map(|column| has_nan(column)).collect();
    assert_eq!(found, [false, false, false, true, false, false, false, false]);
}
