//! No order is claimed that the rows do not have, and what is computed by an order is what is computed without.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{
    ArrayRef, AsArray as _, Date32Array, Decimal128Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
};
use arrow::row::{RowConverter, SortField};
use arrow::util::display::array_value_to_string;
use baton_core::time::timestamp_from_micros;
use baton_lake::{Change, CommitInfo, Lake, TableLocation, WriteOptions};
use datafusion::catalog::TableProvider as _;
use datafusion::physical_plan::{ExecutionPlanProperties as _, collect_partitioned};
use futures::TryStreamExt as _;
use proptest::prelude::*;

use super::*;
use crate::engine::new_state;
use crate::table::{FilesTable, TableFiles, TableInput};
use crate::{BuildOptions, Engine, EngineOptions, Session, SessionInput};

/// `id`, `at`, `day`, `price`.
type Row = (Option<i64>, Option<i64>, i32, i128);

/// How rows come to the table.
#[derive(Debug, Clone)]
struct Delivery {
    rows: Vec<Row>,
    /// Sorted by all columns before they are written.
    sorted: bool,
    /// Put in the place of the rows with the same `id`.
    merged: bool,
    file_rows: usize,
}

fn batch(rows: &[Row]) -> RecordBatch {
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
        ("at", Arc::new(rows.iter().map(|row| row.1).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))),
        ("day", Arc::new(rows.iter().map(|row| Some(row.2)).collect::<Date32Array>())),
        (
            "price",
            Arc::new(
                rows.iter()
                    .map(|row| Some(row.3))
                    .collect::<Decimal128Array>()
                    .with_precision_and_scale(15, 2)
                    .unwrap(),
            ),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

/// The table after all deliveries.
async fn table(folder: &Path, deliveries: &[Delivery]) -> TableFiles {
    let lake = Lake::open(folder).unwrap();
    let location = TableLocation::new("sales", "f1").unwrap();
    let at = timestamp_from_micros(0);
    let info = CommitInfo { operation: "WRITE".to_owned(), at, metadata: serde_json::Value::Null };
    let mut version = None;
    for delivery in deliveries {
        let base = version.as_ref().map(|version: &baton_lake::TableVersion| version.version);
        let mut rows = delivery.rows.clone();
        if delivery.sorted {
            rows.sort_unstable();
        }
        let rows = batch(&rows);
        let options = WriteOptions { base, target_file_rows: delivery.file_rows, ..WriteOptions::default() };
        let mut writer = lake.writer(&location, &rows.schema(), options).await.unwrap();
        writer.write(&rows).await.unwrap();
        let files = writer.finish().await.unwrap();
        let change = match delivery.merged {
            true => Change::Merge { keys: vec!["id".to_owned()], files },
            false => Change::Append(files),
        };
        version = Some(lake.commit(&location, &rows.schema(), base, change, &info).await.unwrap());
    }
    TableFiles::from(lake.snapshot(&version.unwrap()).await.unwrap().as_ref())
}

/// The same table of which nobody noticed an order.
fn without_orders(table: &TableFiles) -> TableFiles {
    let mut table = table.clone();
    table.files.iter_mut().flat_map(|file| &mut file.columns).for_each(|column| column.ascending = false);
    table
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(future)
}

fn session(folder: &Path, table: TableFiles, threads: usize) -> Session {
    let options = EngineOptions { memory_limit_bytes: 64 << 20, spill_dir: folder.join("spill"), threads };
    let tables = BTreeMap::from([("sales".to_owned(), TableInput::Files(table))]);
    Engine::new(options).unwrap().session(SessionInput { tables, as_of: None }).unwrap()
}

/// The names of the columns by which a scan of `table` claims to be in order; fails when it is not.
async fn claimed(table: &TableFiles, threads: usize) -> Vec<String> {
    let state = new_state(threads, None, None);
    let scan = FilesTable::new(table.clone()).scan(&state, None, &[], None).await.unwrap();
    let orders: Vec<LexOrdering> = scan.equivalence_properties().oeq_class().iter().cloned().collect();
    for rows in collect_partitioned(Arc::clone(&scan), state.task_ctx()).await.unwrap() {
        let rows = arrow::compute::concat_batches(&scan.schema(), &rows).unwrap();
        for order in &orders {
            assert!(is_in_order(&rows, order), "{order} of {rows:?}");
        }
    }
    orders.iter().map(ToString::to_string).collect()
}

fn is_in_order(rows: &RecordBatch, order: &LexOrdering) -> bool {
    let fields = order
        .iter()
        .map(|part| SortField::new_with_options(part.expr.data_type(rows.schema_ref()).unwrap(), part.options));
    let columns: Vec<ArrayRef> =
        order.iter().map(|part| part.expr.evaluate(rows).unwrap().into_array(rows.num_rows()).unwrap()).collect();
    let keys = RowConverter::new(fields.collect()).unwrap().convert_columns(&columns).unwrap();
    let keys: Vec<_> = keys.iter().collect();
    keys.is_sorted()
}

/// Rows as lines, in their order.
async fn lines(session: &Session, sql: &str, options: &BuildOptions) -> Vec<String> {
    let batches: Vec<RecordBatch> = session.execute(sql, options).await.unwrap().try_collect().await.unwrap();
    let line = |batch: &RecordBatch, row| {
        let cells = batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap());
        cells.collect::<Vec<_>>().join(" ")
    };
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| line(batch, row)).collect::<Vec<_>>()).collect()
}

/// Queries that may use an order, and whether they say in which order their rows come.
const QUERIES: [(&str, bool); 14] = [
    ("select id, count(*) as n, sum(price) as total from sales group by id", false),
    ("select at, id, max(day) as last from sales group by at, id", false),
    ("select distinct day from sales", false),
    ("select distinct id, price from sales where day > date '1970-01-02'", false),
    ("select id from sales order by id", true),
    ("select id from sales order by id nulls first", true),
    ("select at from sales order by at desc", true),
    ("select at, id, price from sales order by at limit 3", true),
    ("select at, id, price from sales order by at desc limit 3", true),
    (
        "select id, sum(price) over (order by at range between unbounded preceding and current row) as so_far from sales",
        false,
    ),
    (
        "select id, count(*) over (partition by id order by day range between interval '1 day' preceding and current row) as n from sales",
        false,
    ),
    ("select l.id, r.at, l.price from sales l join sales r on l.id = r.id where r.price > 0.01", false),
    ("select l.at, count(r.id) as n from sales l left join sales r on l.at = r.at group by l.at", false),
    ("select id from sales where id in (select id from sales group by id having sum(price) > 0.03)", false),
];

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let id = prop::option::weighted(0.95, -2_i64..4);
    let at = prop::option::weighted(0.95, (-2_i64..6).prop_map(|hours| hours * 7_200_000_000));
    prop::collection::vec((id, at, 0_i32..4, 0_i128..4), 1..8)
}

fn deliveries() -> impl Strategy<Value = Vec<Delivery>> {
    let rows = (rows(), -1_i64..4).prop_map(|(mut rows, later)| {
        for row in &mut rows {
            row.0 = row.0.map(|id| id + 5 * later);
            row.1 = row.1.map(|at| at + later * 90_000_000_000);
            row.2 += later as i32 * 4;
        }
        rows
    });
    let delivery = (rows, prop::bool::weighted(0.8), prop::bool::weighted(0.2), 1_usize..5)
        .prop_map(|(rows, sorted, merged, file_rows)| Delivery { rows, sorted, merged, file_rows });
    prop::collection::vec(delivery, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_order_is_claimed_that_rows_do_not_have(deliveries in deliveries(), threads in 1_usize..4) {
        let folder = tempfile::tempdir().unwrap();
        block(async {
            let table = table(folder.path(), &deliveries).await;
            claimed(&table, threads).await;
        });
    }

    #[test]
    fn rows_are_those_that_come_without_an_order(deliveries in deliveries(), threads in 1_usize..3, spill_joins in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        block(async {
            let table = table(folder.path(), &deliveries).await;
            let plain = session(folder.path(), without_orders(&table), threads);
            let ordered = session(folder.path(), table, threads);
            let options = BuildOptions { spill_joins, ..BuildOptions::default() };
            for (sql, in_order) in QUERIES {
                let (mut found, mut expected) = (lines(&ordered, sql, &options).await, lines(&plain, sql, &options).await);
                if !in_order {
                    found.sort_unstable();
                    expected.sort_unstable();
                }
                assert_eq!(found, expected, "{sql}");
            }
        });
    }
}

/// Rows that go up, in two deliveries of several files.
fn going_up() -> Vec<Delivery> {
    let rows = |from: i64| {
        (from..from + 6).map(|row| (Some(row / 2), Some(row * 3_600_000_000), 3, i128::from(row % 4))).collect()
    };
    [0, 6].map(|from| Delivery { rows: rows(from), sorted: false, merged: false, file_rows: 4 }).into()
}

#[test]
fn files_that_follow_each_other_are_in_order() {
    let claimed = |deliveries: &[Delivery]| {
        let folder = tempfile::tempdir().unwrap();
        block(async {
            let table = table(folder.path(), deliveries).await;
            assert!(claimed(&without_orders(&table), 1).await.is_empty());
            claimed(&table, 1).await
        })
    };
    // Neither the day, which is the same everywhere, nor the price, which goes down.
    assert_eq!(claimed(&going_up()), ["id@0 ASC NULLS LAST", "at@1 ASC NULLS LAST"]);
    let mut turned = going_up();
    turned.reverse();
    assert_eq!(claimed(&turned), Vec::<String>::new());
    let mut with_null = going_up();
    with_null[1].rows[5].0 = None;
    assert_eq!(claimed(&with_null), ["at@1 ASC NULLS LAST"]);
}

/// What a plan says of the orders that it uses.
fn plan(threads: usize, sql: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    block(async {
        let table = table(folder.path(), &going_up()).await;
        let session = session(folder.path(), table, threads);
        let (_, rows) = session.query(&format!("explain {sql}")).await.unwrap();
        rows.iter().map(|rows| rows.column(1).as_string::<i32>().iter().flatten().collect::<String>()).collect()
    })
}

#[test]
fn an_order_saves_the_sort_and_the_table_of_groups() {
    let grouped = plan(1, "select id, count(*) from sales group by id");
    assert!(grouped.contains("ordering_mode=Sorted"), "{grouped}");
    let grouped = plan(1, "select at, price, count(*) from sales group by at, price");
    assert!(grouped.contains("ordering_mode=PartiallySorted"), "{grouped}");
    let sorted = plan(1, "select id, price from sales where price > 0.01 order by at");
    assert!(!sorted.contains("SortExec"), "{sorted}");
    let window = plan(1, "select sum(price) over (order by at) from sales");
    assert!(!window.contains("SortExec"), "{window}");
    let merged = plan(2, "select id, price from sales order by id");
    assert!(!merged.contains("SortExec") && merged.contains("SortPreservingMergeExec"), "{merged}");
}
