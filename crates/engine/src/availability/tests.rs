//! The law of availability, checked by running each query twice: what a result says was known at an instant must be
//! among the rows of the same query over what was known then.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use baton_core::time::timestamp_from_micros;
use proptest::prelude::*;

use crate::{BuildOptions, Engine, EngineError, EngineOptions, Session, SessionInput, TableInput};

type Row = (i64, Option<i64>, &'static str, Option<i64>);

/// A table with the columns `k`, `v`, `name` and `_available_at`.
fn table(rows: &[Row]) -> TableInput {
    let known = TimestampMicrosecondArray::from_iter(rows.iter().map(|row| row.3)).with_timezone("UTC");
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("k", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))), false),
        ("v", Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.1))), true),
        ("name", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.2))), false),
        ("_available_at", Arc::new(known), true),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    TableInput::Batches { schema: batch.schema(), batches: vec![batch] }
}

fn engine() -> Engine {
    let spill_dir = std::env::temp_dir().join("baton-engine-tests");
    Engine::new(EngineOptions { memory_limit_bytes: 256 << 20, spill_dir, threads: 2 }).unwrap()
}

fn session(tables: &[(&str, &[Row])], as_of: Option<i64>) -> Session {
    let tables = tables.iter().map(|(name, rows)| ((*name).to_owned(), table(rows))).collect();
    engine().session(SessionInput { tables, as_of: as_of.map(timestamp_from_micros) }).unwrap()
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(future)
}

/// The rows of `sql` as text, each with when it became known.
fn tracked(session: &Session, sql: &str) -> Result<Vec<(String, Option<i64>)>, EngineError> {
    block(async {
        let options = BuildOptions { track_availability: true, ..BuildOptions::default() };
        let stream = session.execute(sql, &options).await?;
        let batches = stream.collect().await?;
        Ok(batches.iter().flat_map(rows_of).collect())
    })
}

fn rows_of(batch: &RecordBatch) -> Vec<(String, Option<i64>)> {
    let last = batch.num_columns() - 1;
    let known = batch.column(last).as_any().downcast_ref::<TimestampMicrosecondArray>().unwrap();
    assert_eq!(batch.schema().field(last).name(), "_available_at");
    let text =
        |row: usize, column: usize| arrow::util::display::array_value_to_string(batch.column(column), row).unwrap();
    let row = |row: usize| (0..last).map(|column| text(row, column)).collect::<Vec<_>>().join("|");
    (0..batch.num_rows()).map(|index| (row(index), known.is_valid(index).then(|| known.value(index)))).collect()
}

/// Every kind of node that a query may hold.
const QUERIES: &[&str] = &[
    "select k, v, name from a",
    "select k + 1 as k1, upper(name) as n from a where v > 1",
    "select a.k, a.v, b.v as w from a join b on a.k = b.k",
    "select a.k, a.v, b.v as w from a left join b on a.k = b.k",
    "select a.k, b.v as w from a right join b on a.k = b.k and a.v > b.v",
    "select a.k, b.k as j from a full join b on a.k = b.k",
    "select a.k, b.v as w from a, b where a.v < b.v",
    "select l.k, r.v as w from a l join a r on l.k = r.k and l.v < r.v",
    "select k, count(*) as n, sum(v) as total, max(v) as top from a group by k",
    "select count(*) as n from a",
    "select k, count(*) filter (where v > 1) as n from a group by k having count(*) > 1",
    "select name, k, sum(v) as s from a group by rollup (name, k)",
    "select distinct k, name from a",
    "select count(distinct v) as n from a",
    "select k, v from a where k in (select k from b)",
    "select k, v from a where k in (select k from b where b.v > 1)",
    "select k, v from a where k not in (select k from b)",
    "select k, v from a where exists (select 1 from b where b.k = a.k and b.v > a.v)",
    "select k, v from a where not exists (select 1 from b where b.k = a.k and b.v > a.v)",
    "select k, v from a where exists (select 1 from b where b.v > 2)",
    "select k, v from a where k in (select k from b) or v > 2",
    "select k, v from a where v > (select max(v) from b)",
    "select k, (select max(v) from b) as m from a",
    "select k, v from a where v >= (select max(v) from b where b.k = a.k)",
    "select k, v, sum(v) over (partition by k) as s from a",
    "select k, v, sum(v) over (partition by k order by v, name range between unbounded preceding and current row) as s from a where v is not null",
    "select k, v, sum(v) over (partition by k order by v range between 1 preceding and current row) as s from a where v is not null",
    "select k, v, count(*) over (order by v range between 1 preceding and 1 following) as s from a where v is not null",
    "select k, v, name, rank() over (partition by k order by v) as r from a",
    "select k, v, name, dense_rank() over (order by v, k) as r, sum(v) over () as s from a",
    "select distinct k, v, lag(v) over (order by v, k, name) as p from (select distinct k, v, name from a)",
    "select distinct k, v, lead(v) over (order by v, k, name) as p from (select distinct k, v, name from a)",
    "select distinct k, v, ntile(2) over (order by v, k, name) as p from (select distinct k, v, name from a)",
    "select k, v, name from (select k, v, name, rank() over (partition by k order by v desc) as r from a) where r = 1",
    "select k, v from a union all select k, v from b",
    "select k from a union select k from b",
    "select k from a intersect select k from b",
    "select k from a except select k from b",
    "select k, v, name from (select distinct k, v, name from a) order by v, k, name limit 2",
    "select k, v, name from (select distinct k, v, name from a) order by v, k, name limit 2 offset 1",
    "with s as (select k, sum(v) as t from a group by k) select a.k, a.v, s.t from a join s on a.k = s.k where a.v <= s.t",
    "select k, unnest(make_array(k, v)) as e from a",
    "select 1 as one, 'x' as two",
    "select a.k, x.one from a cross join (values (1), (2)) as x(one)",
    "select k, case when v > 1 then 'big' else name end as size from a where name like 'x%' order by k",
    "select a.k, l.top from a join lateral (select max(b.v) as top from b where b.k = a.k) l on true",
];

fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0i64..3, prop::option::weighted(0.8, 0i64..4), prop::sample::select(vec!["x", "y", "xz"]));
    prop::collection::vec((row, prop::option::weighted(0.85, 0i64..6)), 0..7)
        .prop_map(|rows| rows.into_iter().map(|((k, v, name), known)| (k, v, name, known)).collect())
}

/// Rows with how often each occurs.
fn counted(rows: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row).or_default() += 1;
    }
    counts
}

fn law_holds(sql: &str, a: &[Row], b: &[Row], instant: i64) -> Result<(), TestCaseError> {
    let tables: [(&str, &[Row]); 2] = [("a", a), ("b", b)];
    let everything =
        tracked(&session(&tables, None), sql).map_err(|error| TestCaseError::fail(format!("{sql}: {error}")))?;
    let back_then =
        tracked(&session(&tables, Some(instant)), sql).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let claimed = everything.iter().filter(|(_, known)| known.is_none_or(|known| known <= instant));
    let possible = counted(back_then.iter().map(|(row, _)| row.clone()));
    for (row, count) in counted(claimed.map(|(row, _)| row.clone())) {
        let found = possible.get(&row).copied().unwrap_or(0);
        prop_assert!(
            count <= found,
            "{sql}\nat {instant}: `{row}` claimed {count} times, found {found} times\na: {a:?}\nb: {b:?}"
        );
    }
    for (row, known) in back_then {
        prop_assert!(known.is_none_or(|known| known <= instant), "{sql}: `{row}` known at {known:?}, after {instant}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn no_row_is_known_before_what_it_was_computed_from(a in any_rows(), b in any_rows(), instant in 0i64..6) {
        for sql in QUERIES {
            law_holds(sql, &a, &b, instant)?;
        }
    }
}

fn known_of(sql: &str, a: &[Row], b: &[Row]) -> Vec<(String, Option<i64>)> {
    let mut rows = tracked(&session(&[("a", a), ("b", b)], None), sql).unwrap();
    rows.sort();
    rows
}

fn row(text: &str, known: Option<i64>) -> (String, Option<i64>) {
    (text.to_owned(), known)
}

#[test]
fn a_join_row_is_known_with_the_later_side_and_an_outer_row_with_its_own() {
    let a = [(1, Some(1), "x", Some(10)), (2, Some(2), "x", Some(20))];
    let b = [(1, Some(7), "x", Some(15))];
    let rows = known_of("select a.k, b.v as w from a left join b on a.k = b.k", &a, &b);
    assert_eq!(rows, vec![row("1|7", Some(15)), row("2|", Some(20))]);
}

#[test]
fn a_group_is_known_with_its_last_row_and_a_distinct_value_with_its_first() {
    let a = [(1, Some(1), "x", Some(10)), (1, Some(2), "x", Some(30)), (2, Some(3), "x", None)];
    assert_eq!(
        known_of("select k, sum(v) as s from a group by k", &a, &[]),
        vec![row("1|3", Some(30)), row("2|3", None)]
    );
    assert_eq!(known_of("select distinct k from a", &a, &[]), vec![row("1", Some(10)), row("2", None)]);
}

#[test]
fn a_match_of_in_is_known_with_the_first_match() {
    let a = [(1, Some(1), "x", Some(10))];
    let b = [(1, Some(1), "x", Some(40)), (1, Some(2), "x", Some(30))];
    assert_eq!(known_of("select k from a where k in (select k from b)", &a, &b), vec![row("1", Some(30))]);
}

#[test]
fn a_running_sum_is_known_with_the_last_row_of_its_frame() {
    let a = [(1, Some(1), "x", Some(50)), (1, Some(2), "x", Some(20)), (1, Some(3), "x", Some(60))];
    let rows = known_of("select v, sum(v) over (order by v) as s from a", &a, &[]);
    assert_eq!(rows, vec![row("1|1", Some(50)), row("2|3", Some(50)), row("3|6", Some(60))]);
}

#[test]
fn what_cannot_be_tracked_is_named() {
    let session = session(&[("a", &[])], None);
    let message = |sql: &str| tracked(&session, sql).unwrap_err().to_string();
    let recursive = "with recursive n as (select 1 as i union all select i + 1 from n where i < 3) select i from n";
    assert!(message(recursive).contains("a recursive query (`with recursive`)"), "{}", message(recursive));
    let loose = "select k, (select v from a) as v from a";
    assert!(message(loose).contains("more than one row"), "{}", message(loose));
}

#[test]
fn under_a_clock_what_is_not_yet_known_does_not_exist() {
    let a = [(1, Some(1), "x", Some(10)), (2, Some(2), "x", Some(20)), (3, Some(3), "x", None)];
    let session = session(&[("a", &a)], Some(10));
    let (schema, batches): (SchemaRef, Vec<RecordBatch>) = block(session.query("select * from a order by k")).unwrap();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["k", "v", "name"]);
    let shown = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
    expect_test::expect![[r#"
        +---+---+------+
        | k | v | name |
        +---+---+------+
        | 1 | 1 | x    |
        | 3 | 3 | x    |
        +---+---+------+"#]]
    .assert_eq(&shown);
}
