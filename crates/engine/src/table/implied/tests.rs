//! Filters on expressions of a time column: which files are read, and that no row is lost.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use arrow::util::pretty::pretty_format_batches;
use baton_core::Interval;
use baton_core::time::timestamp_from_micros;
use baton_lake::{Change, CommitInfo, Lake, TableLocation, WriteOptions};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;

use crate::table::{ColumnRange, DataFile, TableFiles, TableInput};
use crate::{BuildOptions, Engine, EngineOptions, Session, SessionInput};

const DAY: i64 = 86_400_000_000;
const HOUR: i64 = DAY / 24;

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(future)
}

fn session(table: TableInput, folder: &Path, as_of: Option<i64>) -> Session {
    let options = EngineOptions { memory_limit_bytes: 64 << 20, spill_dir: folder.join("spill"), threads: 2 };
    let tables = BTreeMap::from([("landed".to_owned(), table)]);
    let input = SessionInput { tables, as_of: as_of.map(timestamp_from_micros) };
    Engine::new(options).unwrap().session(input).unwrap()
}

/// Rows `id`, `at`, `_available_at` (an hour after `at`).
fn batch(first_id: i64, times: &[i64], time_type: &DataType) -> RecordBatch {
    let instants = |shift: i64| -> ArrayRef {
        let values = times.iter().map(|micros| micros + shift);
        Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
    };
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from_iter_values(first_id..first_id + times.len() as i64)) as ArrayRef, true),
        ("at", cast(&instants(0), time_type).unwrap(), true),
        ("_available_at", instants(HOUR), true),
    ])
    .unwrap()
}

fn write(path: std::path::PathBuf, batch: &RecordBatch) -> DataFile {
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    let size = path.metadata().unwrap().len();
    let at = batch.column(1);
    // The oracle of order is arrow's sort.
    let order = arrow::compute::sort_to_indices(at, None, None).unwrap();
    let value = |position: usize| Some(at.slice(order.value(position) as usize, 1));
    let range = ColumnRange {
        column: "at".to_owned(),
        min: value(0),
        max: value(batch.num_rows() - 1),
        nulls: Some(0),
        ascending: false,
    };
    DataFile { path, size, rows: Some(batch.num_rows() as u64), columns: vec![range] }
}

fn instant(unit: TimeUnit, zone: Option<&str>) -> DataType {
    DataType::Timestamp(unit, zone.map(Into::into))
}

/// A file a day: 48 rows, every half hour.
fn days(folder: &Path, days: i64) -> TableFiles {
    let day = |day: i64| {
        let times: Vec<i64> = (0..48).map(|row| day * DAY + row * HOUR / 2).collect();
        let batch = batch(day * 48, &times, &instant(TimeUnit::Microsecond, Some("UTC")));
        (batch.schema(), write(folder.join(format!("day {day:03}.parquet")), &batch))
    };
    let (schemas, files): (Vec<_>, Vec<_>) = (0..days).map(day).unzip();
    TableFiles { schema: schemas[0].clone(), files }
}

/// Reads from a table of which only the files of `kept` days are there: any other file would be an error.
fn build_with_days(sql: &str, kept: std::ops::Range<i64>, interval: Interval, as_of: Option<i64>) -> Vec<RecordBatch> {
    let folder = tempfile::tempdir().unwrap();
    let table = days(folder.path(), 200);
    for (day, file) in (0..).zip(&table.files) {
        if !kept.contains(&day) {
            std::fs::remove_file(&file.path).unwrap();
        }
    }
    let session = session(TableInput::Files(table), folder.path(), as_of);
    let options = BuildOptions {
        time_column: Some("day_end".to_owned()),
        interval: Some(interval),
        track_availability: true,
        ..BuildOptions::default()
    };
    block(async { session.execute(sql, &options).await.unwrap().collect().await }).unwrap()
}

fn counts(batches: &[RecordBatch]) -> Vec<i64> {
    let mut counts: Vec<i64> =
        batches.iter().flat_map(|batch| batch.column(1).as_primitive::<Int64Type>().values().to_vec()).collect();
    counts.sort_unstable();
    counts
}

const GROUPED: &str = "select date_trunc('day', at) + interval '1 day' as day_end, count(*) as n from landed \
                       group by date_trunc('day', at)";

#[test]
fn a_day_of_a_daily_table_opens_the_files_around_the_day_only() {
    // The day that ends at 150: rows of day 149. One file more at the end, because a truncated instant may be up to
    // a day before its row.
    let interval = Interval { start: 150 * DAY, end: 151 * DAY };
    let nested = "select day_end, sum(n) as n from (select s.day_end, s.one as n from \
                  (select date_trunc('day', at) + interval '1 day' as day_end, 1 as one from landed where id >= 0) s) t \
                  group by day_end";
    let view = "with daily as (select date_trunc('day', at) as day, count(*) as n from landed group by 1) \
                select day + interval '1 day' as day_end, n from daily";
    for sql in [GROUPED, nested, view] {
        for as_of in [None, Some(199 * DAY)] {
            let batches = build_with_days(sql, 149..151, interval, as_of);
            assert_eq!(counts(&batches), [48], "{sql}");
            assert_eq!(batches[0].num_columns(), 3, "tracked");
        }
    }
}

#[test]
fn a_month_opens_the_files_around_it_only() {
    let sql = "select cast(date_trunc('month', at) as date) as day_end, count(*) as n from landed group by 1";
    // March 1970.
    let interval = Interval { start: 59 * DAY, end: 90 * DAY };
    assert_eq!(counts(&build_with_days(sql, 57..123, interval, None)), [31 * 48]);
}

/// 100,000 rows by time in one file of the lake: pages of it are read, not all.
#[test]
fn pages_of_a_file_of_the_lake_are_ruled_out_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(&folder.path().join("lake")).unwrap();
    let location = TableLocation::new("landed", "f1").unwrap();
    let times: Vec<i64> = (0..100_000).map(|row| row * HOUR).collect();
    let rows = batch(0, &times, &instant(TimeUnit::Microsecond, Some("UTC")));
    let at = timestamp_from_micros(0);
    let info = CommitInfo { operation: "WRITE".to_owned(), at, metadata: serde_json::Value::Null };
    let snapshot = block(async {
        let mut writer = lake.writer(&location, &rows.schema(), WriteOptions::default()).await.unwrap();
        writer.write(&rows).await.unwrap();
        let change = Change::Replace(writer.finish().await.unwrap());
        let table = lake.commit(&location, &rows.schema(), None, change, &info).await.unwrap();
        lake.snapshot(&table).await.unwrap()
    });
    let session = session(TableInput::Files(TableFiles::from(snapshot.as_ref())), folder.path(), None);
    let bound = format!("to_timestamp_micros({}) at time zone 'UTC'", 95_000 * HOUR);
    for filter in [format!("at >= {bound}"), format!("date_trunc('day', at) + interval '1 day' >= {bound}")] {
        let (_, plan) =
            block(session.query(&format!("explain analyze select count(id) from landed where {filter}"))).unwrap();
        let text = pretty_format_batches(&plan).unwrap().to_string();
        let pruned = text.split("page_index_rows_pruned=").nth(1).unwrap().split(',').next().unwrap();
        assert_eq!(pruned, "100.0 K total → 20.00 K matched", "{text}");
    }
}

/// The planner's estimate follows the cast to the start of the first row's day, which is before the first row.
#[test]
fn a_date_before_a_far_instant_holds_for_all_rows() {
    let folder = tempfile::tempdir().unwrap();
    let rows = batch(0, &[HOUR, 24 * HOUR], &instant(TimeUnit::Second, None));
    let files = TableFiles { schema: rows.schema(), files: vec![write(folder.path().join("0"), &rows)] };
    let session = session(TableInput::Files(files), folder.path(), None);
    let sql = "select id from landed where cast(at as date) < timestamp '1999-01-01 00:00:00'";
    let (_, batches) = block(session.query(sql)).unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
}

fn types() -> impl Strategy<Value = DataType> {
    let units = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
    let instants = (prop::sample::select(units.to_vec()), any::<bool>())
        .prop_map(|(unit, zoned)| instant(unit, zoned.then_some("UTC")));
    prop_oneof![4 => instants, 1 => Just(DataType::Date32)]
}

/// An expression of `at`: any nesting of truncations, shifts and casts.
fn expressions() -> impl Strategy<Value = String> {
    let units = ["microsecond", "millisecond", "second", "MINUTE", "hour", "day", "week", "month", "quarter", "year"];
    let intervals = (-14..15_i64, -40..40_i64, -100_000..100_000_i64)
        .prop_map(|(months, days, seconds)| format!("interval '{months} months {days} days {seconds} seconds'"));
    let casts = ["date", "timestamp", "timestamp(0)", "timestamptz"];
    Just("at".to_owned()).prop_recursive(3, 6, 1, move |inner| {
        prop_oneof![
            (prop::sample::select(units.to_vec()), inner.clone())
                .prop_map(|(unit, inner)| format!("date_trunc('{unit}', {inner})")),
            (inner.clone(), prop::bool::ANY, intervals.clone())
                .prop_map(|(inner, plus, interval)| format!("({inner} {} {interval})", if plus { '+' } else { '-' })),
            (inner, prop::sample::select(casts.to_vec())).prop_map(|(inner, to)| format!("cast({inner} as {to})")),
        ]
    })
}

/// Instants from 1880 to 2060, some of them on the edge of a day.
fn times() -> impl Strategy<Value = i64> {
    let span = 33_000_i64;
    prop_oneof![
        (-span..span).prop_map(|day| day * DAY),
        (-span..span).prop_map(|day| day * DAY - 1),
        -span * DAY..span * DAY,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// The same query over rows in memory, where nothing is ruled out, is the oracle.
    #[test]
    fn ruling_out_files_loses_no_row(
        time_type in types(),
        parts in prop::collection::vec((times(), prop::collection::vec(0..90 * DAY, 1..4)), 1..6),
        expression in expressions(),
        operator in prop::sample::select(vec![">=", ">", "<", "<=", "="]),
        flipped in any::<bool>(),
        nearest in any::<prop::sample::Index>(),
        nudge in -1..2_i64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let batches: Vec<RecordBatch> = (0..).zip(&parts).map(|(number, (start, offsets))| {
            let times: Vec<i64> = offsets.iter().map(|offset| start + offset).collect();
            batch(number * 10, &times, &time_type)
        }).collect();
        let schema = batches[0].schema();
        let files = (0..).zip(&batches).map(|(number, batch)| write(folder.path().join(format!("{number}")), batch));
        let files = TableInput::Files(TableFiles { schema: schema.clone(), files: files.collect() });
        let (memory, files) = (
            session(TableInput::Batches { schema, batches: batches.clone() }, folder.path(), None),
            session(files, folder.path(), None),
        );
        let ids = |session: &Session, sql: &str| -> Vec<i64> {
            let (_, batches) = block(session.query(sql)).unwrap();
            batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
        };
        // A bound at, just before or just after the value of one of the rows.
        let all: Vec<i64> = batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
        let row = all[nearest.index(all.len())];
        let micros = ids(&memory, &format!(
            "select cast(cast(cast({expression} as timestamp(6)) as timestamptz(6)) as bigint) from landed where id = {row}"
        ))[0] + nudge;
        let bound = format!("arrow_cast({micros}, 'Timestamp(Microsecond, Some(\"UTC\"))')");
        let filter = if flipped { format!("{bound} {operator} {expression}") } else { format!("{expression} {operator} {bound}") };
        let sql = format!("select id from landed where {filter} order by id");
        prop_assert_eq!(ids(&files, &sql), ids(&memory, &sql), "{}", sql);
    }
}
