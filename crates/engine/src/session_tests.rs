//! Sessions end to end: files and their pruning, the clock, builds, what is refused, spilling, the same bits each time.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use arrow::util::pretty::pretty_format_batches;
use baton_core::time::timestamp_from_micros;
use baton_lake::{Change, CommitInfo, Lake, TableLocation, WriteOptions};
use expect_test::{Expect, expect};
use parquet::arrow::ArrowWriter;

use super::*;
use crate::table::{ColumnRange, DataFile, TableFiles};
use crate::{Engine, EngineOptions};

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(future)
}

fn engine(memory_limit_bytes: usize, spill_dir: &Path) -> Engine {
    Engine::new(EngineOptions { memory_limit_bytes, spill_dir: spill_dir.to_owned(), threads: 2 }).unwrap()
}

fn batch(first: i64, rows: i64) -> RecordBatch {
    let known =
        TimestampMicrosecondArray::from_iter_values((first..first + rows).map(|id| id * 10)).with_timezone("UTC");
    let at = TimestampMicrosecondArray::from_iter_values(first..first + rows);
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from_iter_values(first..first + rows)) as ArrayRef, false),
        ("at", Arc::new(at), false),
        ("amount", Arc::new(Float64Array::from_iter_values((0..rows).map(|row| 0.1 + row as f64))), true),
        ("city", Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("c{}", row % 3)))), true),
        ("_available_at", Arc::new(known), true),
    ])
    .unwrap()
}

/// Writes each batch to a file of its own and says what its `id`s lie between.
fn files(folder: &Path, batches: &[RecordBatch]) -> TableInput {
    let files = batches.iter().enumerate().map(|(index, batch)| {
        let path = folder.join(format!("part {index} é.parquet"));
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        let ids = batch.column(0);
        let range = ColumnRange {
            column: "id".to_owned(),
            min: Some(ids.slice(0, 1)),
            max: Some(ids.slice(ids.len() - 1, 1)),
            nulls: Some(0),
            ascending: false,
        };
        let size = path.metadata().unwrap().len();
        DataFile { path, size, rows: Some(batch.num_rows() as u64), columns: vec![range] }
    });
    TableInput::Files(TableFiles { schema: batches[0].schema(), files: files.collect() })
}

fn session(folder: &Path, as_of: Option<i64>) -> Session {
    let tables = BTreeMap::from([
        ("sales".to_owned(), files(folder, &[batch(0, 4), batch(4, 4), batch(8, 2)])),
        ("big".to_owned(), TableInput::View { sql: "select id, amount from doubled where amount > 3".to_owned() }),
        ("doubled".to_owned(), TableInput::View { sql: "select id, amount * 2 as amount from sales".to_owned() }),
    ]);
    let as_of = as_of.map(timestamp_from_micros);
    engine(64 << 20, folder).session(SessionInput { tables, as_of }).unwrap()
}

fn shows(session: &Session, sql: &str, expected: &Expect) {
    let (_, batches) = block(session.query(sql)).unwrap();
    expected.assert_eq(&pretty_format_batches(&batches).unwrap().to_string());
}

fn numbers(session: &Session, sql: &str) -> Vec<i64> {
    let (_, batches) = block(session.query(sql)).unwrap();
    batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

#[test]
fn reads_all_files_of_a_version_and_hides_system_columns() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), None);
    assert_eq!(numbers(&session, "select id from sales order by id"), (0..10).collect::<Vec<_>>());
    assert_eq!(numbers(&session, "select count(*) from sales"), [10]);
    shows(
        &session,
        "select * from sales where id = 5",
        &expect![[r#"
        +----+----------------------------+--------+------+
        | id | at                         | amount | city |
        +----+----------------------------+--------+------+
        | 5  | 1970-01-01T00:00:00.000005 | 1.1    | c1   |
        +----+----------------------------+--------+------+"#]],
    );
    shows(
        &session,
        "select id, _available_at from system.sales where id = 5",
        &expect![[r#"
        +----+-----------------------------+
        | id | _available_at               |
        +----+-----------------------------+
        | 5  | 1970-01-01T00:00:00.000050Z |
        +----+-----------------------------+"#]],
    );
}

#[test]
fn files_whose_range_rules_out_the_filter_are_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), None);
    std::fs::remove_file(folder.path().join("part 0 é.parquet")).unwrap();
    assert_eq!(numbers(&session, "select id from sales where id >= 6 order by id"), [6, 7, 8, 9]);
    let error = block(session.query("select id from sales")).unwrap_err().to_string();
    assert!(error.starts_with("could not read table data") && error.contains("part 0"), "{error}");
}

#[test]
fn a_filter_that_rules_out_every_file_finds_no_rows() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), None);
    assert_eq!(numbers(&session, "select count(*) from sales where id > 1000000000"), [0]);
    let grouped =
        "select count(*) from (select distinct id from sales where id > 1000000000) s join sales o on o.id = s.id";
    assert_eq!(numbers(&session, grouped), [0]);
    assert_eq!(numbers(&session, "select max(id) from sales where id > 1000000000 group by id"), Vec::<i64>::new());
}

#[test]
fn under_a_clock_later_rows_do_not_exist_and_now_is_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), Some(35));
    assert_eq!(numbers(&session, "select id from sales order by id"), [0, 1, 2, 3]);
    assert_eq!(numbers(&session, "select count(*) from system.sales"), [4]);
    assert_eq!(numbers(&session, "select extract(year from now())::bigint"), [1970]);
}

#[test]
fn views_read_views_in_any_order_and_circles_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), None);
    assert_eq!(numbers(&session, "select id from big order by id"), [2, 3, 6, 7]);
    let view = |sql: &str| TableInput::View { sql: sql.to_owned() };
    let tables = BTreeMap::from([
        ("a".to_owned(), view("select 1 as x from b")),
        ("b".to_owned(), view("select 1 as x from a")),
    ]);
    let error = engine(1 << 20, folder.path()).session(SessionInput { tables, as_of: None }).unwrap_err();
    assert_eq!(error.to_string(), "the views a, b refer to each other in a circle");
}

#[test]
fn users_can_only_read() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), None);
    for sql in [
        "drop table sales",
        "insert into sales select * from sales",
        "create table t as select 1 as x",
        "copy sales to 'out.parquet'",
        "set datafusion.execution.batch_size = 1",
        "create external table t stored as csv location '/etc/passwd'",
        "explain analyze insert into sales select * from sales",
        "delete from sales",
    ] {
        let error = block(session.query(sql)).unwrap_err();
        assert!(matches!(error, EngineError::NotReadOnly { .. }), "{sql}: {error}");
    }
    for sql in
        ["show tables", "describe sales", "explain select * from sales", "with x as (select 1 as y) select * from x"]
    {
        let (_, batches) = block(session.query(sql)).unwrap();
        assert!(batches.iter().map(RecordBatch::num_rows).sum::<usize>() > 0, "{sql}");
    }
    let error = block(session.query("select * from '/etc/passwd'")).unwrap_err().to_string();
    assert!(error.contains("there is no table"), "{error}");
}

#[test]
fn a_build_keeps_the_interval_and_stores_plain_types() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), None);
    let options = BuildOptions {
        time_column: Some("at".to_owned()),
        interval: Some(Interval { start: 2, end: 5 }),
        track_availability: true,
        ..BuildOptions::default()
    };
    let sql = "select at, row_number() over (order by id) as n, arrow_cast(city, 'Utf8View') as city, null as nothing from sales";
    let stream = block(session.execute(sql, &options)).unwrap();
    let kinds: Vec<DataType> = stream.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    assert_eq!(kinds[..3], [instant.clone(), DataType::Int64, DataType::Utf8]);
    assert_eq!(stream.schema().field(4).name(), "_available_at");
    assert_eq!(kinds[4], instant);
    let batches = block(stream.collect()).unwrap();
    let rows: Vec<i64> =
        batches.iter().flat_map(|batch| batch.column(1).as_primitive::<Int64Type>().values().to_vec()).collect();
    assert_eq!(rows, [3, 4, 5]);
    let missing = BuildOptions { time_column: Some("when".to_owned()), ..options };
    let error = block(session.execute("select id from sales", &missing)).err().unwrap();
    assert_eq!(error.to_string(), "the time column `when` is not among the output columns");
}

#[test]
fn a_build_refuses_functions_that_change_from_run_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), None);
    let error = block(session.execute("select id, random() as r from sales", &BuildOptions::default())).err().unwrap();
    assert!(error.to_string().contains("`random()` gives another value each time"), "{error}");
}

/// Far more groups and rows than fit the memory limit.
#[test]
fn sorts_joins_and_groups_beyond_the_memory_limit_spill_and_finish() {
    let folder = tempfile::tempdir().unwrap();
    let rows = 1_500_000;
    let tables = BTreeMap::from([("sales".to_owned(), files(folder.path(), &[batch(0, rows), batch(rows, rows)]))]);
    let session = engine(48 << 20, &folder.path().join("spill")).session(SessionInput { tables, as_of: None }).unwrap();
    let grouped =
        "select count(*) from (select id, min(city) as c, max(at) as m from sales group by id) where c is not null";
    assert_eq!(numbers(&session, grouped), [2 * rows]);
    let joined = "select count(*) from sales a join sales b on a.id = b.id + 1 and a.city <> b.city";
    assert_eq!(numbers(&session, joined), [2 * rows - 1]);
    let sorted = "select id, city, amount from sales order by amount desc, id";
    let (_, batches) = block(session.query(sorted)).unwrap();
    let ids = batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
    assert!(ids.eq((0..rows).rev().flat_map(|id| [id, id + rows])));
}

/// A hundred rows and 400,000.
fn few_and_many(folder: &Path) -> BTreeMap<String, TableInput> {
    let (small, large) = (folder.join("small"), folder.join("large"));
    for folder in [&small, &large] {
        std::fs::create_dir(folder).unwrap();
    }
    BTreeMap::from([
        ("few".to_owned(), files(&small, &[batch(0, 100)])),
        ("many".to_owned(), files(&large, &[batch(0, 400_000)])),
    ])
}

/// The physical plan as text.
fn plan_of(session: &Session, sql: &str) -> String {
    let (_, plan) = block(session.query(&format!("explain format indent {sql}"))).unwrap();
    pretty_format_batches(&plan).unwrap().to_string()
}

#[test]
fn joins_are_hashed_where_the_smaller_side_fits_and_merged_where_it_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let tables = few_and_many(folder.path());
    let joins = |limit: usize, threads: usize, sql: &str| {
        let options = EngineOptions { memory_limit_bytes: limit, spill_dir: folder.path().join("spill"), threads };
        let input = SessionInput { tables: tables.clone(), as_of: None };
        let plan = plan_of(&Engine::new(options).unwrap().session(input).unwrap(), sql);
        (plan.matches("HashJoinExec").count(), plan.matches("SortMergeJoin").count())
    };
    // Each row of `many` is estimated at 8 + 8 + 24 bytes: 16 MB of a hash join's side.
    let both = "select count(m.amount) from many m join many n on m.id = n.id join few f on f.id = n.id and f.amount < m.amount";
    for threads in [1, 2] {
        assert_eq!(joins(256 << 20, threads, both), (2, 0), "{threads} threads");
        assert_eq!(joins(16 << 20, threads, both).1, 1, "{threads} threads");
        let with_few = "select count(*) from many m join few f on f.id = m.id";
        assert_eq!(joins(4 << 20, threads, with_few), (1, 0), "the size of what is probed does not matter");
    }
}

#[test]
fn rows_that_a_join_further_up_will_not_match_are_dropped_where_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let input = SessionInput { tables: few_and_many(folder.path()), as_of: None };
    let session = engine(256 << 20, &folder.path().join("spill")).session(input).unwrap();
    let counted = "(select id, count(*) as n from many group by id) m";
    let inner = format!("select cast(sum(m.n) as bigint) from few f join {counted} on m.id = f.id where f.amount < 50");
    assert!(plan_of(&session, &inner).contains("SieveExec"), "{}", plan_of(&session, &inner));
    assert_eq!(numbers(&session, &inner), [50]);
    let outer = format!("select count(*) * 1000 + count(f.id) from {counted} left join few f on m.id = f.id");
    assert_eq!(numbers(&session, &outer), [400_000_100]);
    let without = format!("select count(*) from {counted} where id not in (select id from few where amount < 50)");
    assert_eq!(numbers(&session, &without), [399_950]);
    // A filter that lets all rows through is given up, and nothing is lost.
    let all = format!("select count(*) from many o join {counted} on m.id = o.id");
    assert_eq!(numbers(&session, &all), [400_000]);
}

/// A version that grew by a column, written and read back through the lake.
#[test]
fn reads_versions_of_the_lake() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(&folder.path().join("my lake")).unwrap();
    let location = TableLocation::new("sales", "f1").unwrap();
    let info =
        CommitInfo { operation: "WRITE".to_owned(), at: timestamp_from_micros(0), metadata: serde_json::Value::Null };
    let table = block(async {
        let mut base = None;
        for rows in [batch(0, 4).project(&[0, 4]).unwrap(), batch(4, 4)] {
            let options = WriteOptions { base, ..WriteOptions::default() };
            let mut writer = lake.writer(&location, &rows.schema(), options).await.unwrap();
            writer.write(&rows).await.unwrap();
            let change = Change::Append(writer.finish().await.unwrap());
            base = Some(lake.commit(&location, &rows.schema(), base, change, &info).await.unwrap().version);
        }
        lake.newest(&location).await.unwrap().unwrap()
    });
    let snapshot = block(lake.snapshot(&table)).unwrap();
    let session = |as_of: Option<i64>| {
        let tables = BTreeMap::from([("sales".to_owned(), TableInput::Files(TableFiles::from(snapshot.as_ref())))]);
        let as_of = as_of.map(timestamp_from_micros);
        engine(64 << 20, folder.path()).session(SessionInput { tables, as_of }).unwrap()
    };
    shows(
        &session(Some(50)),
        "select id, city from sales where id > 1 order by id",
        &expect![[r#"
        +----+------+
        | id | city |
        +----+------+
        | 2  |      |
        | 3  |      |
        | 4  | c0   |
        | 5  | c1   |
        +----+------+"#]],
    );
    assert_eq!(numbers(&session(None), "select count(*) from sales where amount is null"), [4]);
    // The first file alone was known by then, so the other one need not be there.
    std::fs::remove_file(&snapshot.files()[1].path).unwrap();
    assert_eq!(numbers(&session(Some(30)), "select max(id) from sales"), [3]);
}

#[test]
fn too_little_memory_is_said_with_the_setting_to_raise() {
    let folder = tempfile::tempdir().unwrap();
    let tables = BTreeMap::from([("sales".to_owned(), files(folder.path(), &[batch(0, 400_000)]))]);
    let session = engine(1 << 20, &folder.path().join("spill")).session(SessionInput { tables, as_of: None }).unwrap();
    let error = block(session.query("select a.id from sales a join sales b on a.id = b.id + 1 and a.city = b.city"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "out of memory: the query needs more than the limit of 1 MiB; raise `memory_limit` in baton.yml or make the query smaller"
    );
}

#[test]
fn floating_point_sums_have_the_same_bits_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let batches: Vec<RecordBatch> = (0..6).map(|part| batch(part * 20_000, 20_000)).collect();
    let tables = BTreeMap::from([("sales".to_owned(), files(folder.path(), &batches))]);
    let session = engine(256 << 20, folder.path()).session(SessionInput { tables, as_of: None }).unwrap();
    let sums = || {
        let (_, batches) =
            block(session.query("select sum(amount / 7), avg(amount), stddev(amount) from sales")).unwrap();
        batches[0].columns().iter().map(|sum| sum.as_primitive::<Float64Type>().value(0).to_bits()).collect::<Vec<_>>()
    };
    let first = sums();
    for _ in 0..20 {
        assert_eq!(sums(), first);
    }
}
