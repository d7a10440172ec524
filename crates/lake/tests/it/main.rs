//! Other tools read what the lake wrote: the `deltalake` Python package opens every version and agrees on the rows.
//!
//! Needs `BATON_TEST_PYTHON`, a Python with the packages `deltalake` and `pyarrow`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int64Array, LargeStringArray,
    RecordBatch, TimestampNanosecondArray, UInt32Array,
};
use arrow::datatypes::Int32Type;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use baton_core::time::timestamp_from_micros;
use baton_lake::{Change, CommitInfo, Lake, StagedFile, TableLocation, TableVersion, WriteOptions};
use baton_testkit::python::printed;

const HOUR_NANOS: i64 = 3_600_000_000_000;

/// Prints the rows of each given version as sorted lines, `|` between values, after a line with the version's number.
const READER: &str = r#"
import sys, datetime
from deltalake import DeltaTable
def text(value):
    if value is None: return "-"
    if isinstance(value, datetime.datetime): return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, bool): return str(value).lower()
    return str(value)
for version in sys.argv[2:]:
    rows = DeltaTable(sys.argv[1], version=int(version)).to_pyarrow_table()
    names = sorted(rows.column_names)
    print("version", version)
    print(",".join(names))
    for line in sorted("|".join(text(row[name]) for name in names) for row in rows.to_pylist()): print(line)
assert DeltaTable(sys.argv[1]).vacuum(dry_run=True) == [], "a cleaning with default settings would delete files"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_deltalake_package_reads_every_version_and_agrees() {
    let folder = tempfile::TempDir::with_prefix("lake with spaces ").unwrap();
    let lake = Lake::open(folder.path()).unwrap();
    let location = TableLocation::new("flights", "f00d").unwrap();
    let versions = versions(&lake, &location).await;
    let mut shown = Vec::new();
    for version in &versions {
        shown.push(format!("version {}\n{}", version.version, rows_of(&lake, version).await));
    }
    let read = rows_in_python(&lake.warehouse().join(location.to_string()), &versions);
    assert_eq!(read, shown.join("\n"));
    let last = versions.last().unwrap();
    assert_eq!(last.version, 57, "versions before and after a checkpoint were read");
}

/// Versions of every kind of change, some of them around a checkpoint.
async fn versions(lake: &Lake, location: &TableLocation) -> Vec<TableVersion> {
    let mut versions = Vec::new();
    for (number, ids) in [0..4, 4..9, 9..9].into_iter().enumerate() {
        let base = number.checked_sub(1).map(|base| base as u64);
        let files = stage(lake, location, base, &batch(ids)).await;
        versions.push(commit(lake, location, base, Change::Append(files)).await);
    }
    let files = stage(lake, location, Some(2), &batch(5..6)).await;
    let start_micros = 4 * HOUR_NANOS / 1000;
    let range = Change::ReplaceRange { column: "at".to_owned(), start_micros, end_micros: 2 * start_micros, files };
    versions.push(commit(lake, location, Some(2), range).await);
    let files = stage(lake, location, Some(3), &batch(1..3)).await;
    versions.push(commit(lake, location, Some(3), Change::Merge { keys: vec!["id".to_owned()], files }).await);
    let wider = with_price(&batch(20..22));
    let files = stage(lake, location, Some(4), &wider).await;
    versions.push(lake.commit(location, &wider.schema(), Some(4), Change::Append(files), &info()).await.unwrap());
    versions.push(lake.restore(location, 1, &info()).await.unwrap());
    for base in 6..56 {
        let files = stage(lake, location, Some(base), &batch(base as i64 * 10..base as i64 * 10 + 1)).await;
        let version = commit(lake, location, Some(base), Change::Append(files)).await;
        if version.version > 47 {
            versions.push(version);
        }
    }
    let files = stage(lake, location, Some(56), &batch(1..2)).await;
    versions.push(commit(lake, location, Some(56), Change::Replace(files)).await);
    versions
}

async fn stage(lake: &Lake, location: &TableLocation, base: Option<u64>, batch: &RecordBatch) -> Vec<StagedFile> {
    let options = WriteOptions { base, target_file_rows: 3, ..WriteOptions::default() };
    let mut writer = lake.writer(location, &batch.schema(), options).await.unwrap();
    writer.write(batch).await.unwrap();
    writer.finish().await.unwrap()
}

async fn commit(lake: &Lake, location: &TableLocation, base: Option<u64>, change: Change) -> TableVersion {
    lake.commit(location, &batch(0..0).schema(), base, change, &info()).await.unwrap()
}

fn info() -> CommitInfo {
    let at = timestamp_from_micros(1_372_636_800_000_000);
    CommitInfo { operation: "WRITE".to_owned(), at, metadata: serde_json::json!({"run": "r1"}) }
}

/// Rows of types that must be normalised, with nulls in every third.
fn batch(ids: std::ops::Range<i64>) -> RecordBatch {
    let nullable = |id: i64| (id % 3 != 0).then_some(id);
    let ids: Vec<i64> = ids.collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(ids.clone()))),
        (
            "at",
            Arc::new(TimestampNanosecondArray::from_iter(ids.iter().map(|id| nullable(*id).map(|id| id * HOUR_NANOS)))),
        ),
        ("day", Arc::new(Date32Array::from_iter_values(ids.iter().map(|id| 15706 + *id as i32)))),
        ("count", Arc::new(UInt32Array::from_iter(ids.iter().map(|id| nullable(*id).map(|id| id as u32))))),
        ("late", Arc::new(BooleanArray::from_iter(ids.iter().map(|id| nullable(*id).map(|id| id % 2 == 0))))),
        ("origin", Arc::new(ids.iter().map(|id| nullable(*id).map(|_| "JFK")).collect::<DictionaryArray<Int32Type>>())),
        (
            "note",
            Arc::new(LargeStringArray::from_iter(ids.iter().map(|id| nullable(*id).map(|id| format!("nöte {id}"))))),
        ),
        ("ratio", Arc::new(Float64Array::from_iter(ids.iter().map(|id| nullable(*id).map(|id| id as f64 + 0.5))))),
        ("fare", Arc::new(decimals(&ids))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn decimals(ids: &[i64]) -> Decimal128Array {
    Decimal128Array::from_iter_values(ids.iter().map(|id| i128::from(*id) * 100 + 25))
        .with_precision_and_scale(12, 2)
        .unwrap()
}

fn with_price(batch: &RecordBatch) -> RecordBatch {
    let schema = batch.schema();
    let price: ArrayRef = Arc::new(Int64Array::from_iter_values(0..batch.num_rows() as i64));
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let columns = names.zip(batch.columns().iter().cloned()).chain([("price", price)]);
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

/// The rows as the reader prints them, from our own files.
async fn rows_of(lake: &Lake, version: &TableVersion) -> String {
    let schema = lake.snapshot(version).await.unwrap().schema().clone();
    let mut names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    names.sort_unstable();
    let options = FormatOptions::default().with_null("-").with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%SZ"));
    let mut lines = Vec::new();
    for batch in lake.read_all(version).await.unwrap() {
        let columns: Vec<ArrayFormatter<'_>> = names
            .iter()
            .map(|name| ArrayFormatter::try_new(batch.column_by_name(name).unwrap(), &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            lines.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"));
        }
    }
    lines.sort_unstable();
    [names.join(",")].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

fn rows_in_python(table: &Path, versions: &[TableVersion]) -> String {
    let numbers = versions.iter().map(|version| version.version.to_string());
    let arguments: Vec<String> = [table.display().to_string()].into_iter().chain(numbers).collect();
    printed(READER, &arguments).trim_end().to_owned()
}
