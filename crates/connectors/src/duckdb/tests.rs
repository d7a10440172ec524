//! What connector `duckdb` reads, of files made by DuckDB's Python package.

use std::path::Path;

use arrow::util::pretty::pretty_format_batches;
use baton_testkit::duckdb::{execute, library};
use baton_testkit::python::interpreter;
use expect_test::expect;
use serde_json::Value;

use super::*;
use crate::pull_suite::{Pulls, pull_all, source_of};
use crate::{Contract, Limits};

fn source(folder: &Path, mode: Mode, options: Value) -> PullSource {
    let mut options = options;
    options["path"] = "shop.duckdb".into();
    options["library"] = library().to_str().into();
    PullSource { root: folder.to_owned(), ..source_of("orders", mode, &options) }
}

fn shop(statements: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    execute(&folder.path().join("shop.duckdb"), statements);
    folder
}

async fn pulls(source: &PullSource, position: Option<Position>, limits: Limits) -> Pulls {
    pull_all(&DuckdbPuller, source, position, limits, Contract::default()).await.unwrap()
}

#[tokio::test]
async fn a_whole_table_in_its_types() {
    let folder = shop(&["create table orders as select 1::bigint as id, 'a' as name, 1.5::decimal(8, 2) as price, \
         true as paid, timestamp '2024-01-01 10:00:00' as at, timestamptz '2024-01-01 10:00:00+02' as zoned, \
         date '2024-01-01' as day, time '10:00:00' as hour, uuid 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6' as known_by, \
         7::hugeint as huge, [1, 2] as numbers, {'city': 'Oslo'} as place, 'x'::enum('x', 'y') as kind, \
         interval '1 day' as pause, '\\x01'::blob as bytes union all select 2, null, null, false, null, null, null, null, \
         null, null, null, null, null, null, null order by id"]);
    let pulls = pulls(&source(folder.path(), Mode::Full, json!({"table": "orders"})), None, Limits::default()).await;
    assert!(pulls.last.replaces && pulls.last.complete);
    expect![[r#"
        +----+------+-------+-------+---------------------+----------------------+------------+----------+--------------------------------------+------+---------+--------------+------+-------+-------+
        | id | name | price | paid  | at                  | zoned                | day        | hour     | known_by                             | huge | numbers | place        | kind | pause | bytes |
        +----+------+-------+-------+---------------------+----------------------+------------+----------+--------------------------------------+------+---------+--------------+------+-------+-------+
        | 1  | a    | 1.50  | true  | 2024-01-01T10:00:00 | 2024-01-01T08:00:00Z | 2024-01-01 | 10:00:00 | f81d4fae-7dec-11d0-a765-00a0c91e6bf6 | 7    | [1, 2]  | {city: Oslo} | x    | 1 day | 01    |
        | 2  |      |       | false |                     |                      |            |          |                                      |      |         |              |      |       |       |
        +----+------+-------+-------+---------------------+----------------------+------------+----------+--------------------------------------+------+---------+--------------+------+-------+-------+"#]].assert_eq(&pretty_format_batches(&pulls.batches).unwrap().to_string());
}

#[tokio::test]
async fn many_rows_and_queries_of_other_schemas() {
    let folder = shop(&[
        "create schema sales",
        "create table sales.orders as select range as id, repeat('x', 100) as note from range(300000)",
    ]);
    let table = source(folder.path(), Mode::Full, json!({"table": "sales.orders"}));
    let ids = pulls(&table, None, Limits::default()).await.ids();
    assert_eq!((ids.len(), ids.iter().sum::<i64>()), (300_000, 299_999 * 150_000));
    let query = source(folder.path(), Mode::Full, json!({"query": "select id from sales.orders where id % 2 = 1;"}));
    assert_eq!(pulls(&query, None, Limits::default()).await.ids().len(), 150_000);
}

#[tokio::test]
async fn rows_from_a_cursor_on_come_once() {
    let folder = shop(&[
        "create table orders (id bigint, updated_at timestamp)",
        "insert into orders values (1, '2024-01-01'), (2, '2024-01-02'), (3, null)",
    ]);
    let file = folder.path().join("shop.duckdb");
    let source = source(folder.path(), Mode::Incremental, json!({"table": "orders"}));
    let first = pulls(&source, None, Limits::default()).await;
    assert_eq!((first.ids(), first.report.rejected_total), (vec![1, 2], 1));
    execute(&file, &["insert into orders values (4, '2024-01-02'), (5, '2024-01-03')"]);
    let limits = Limits { rows: 1, ..Limits::default() };
    let second = pulls(&source, Some(first.last.position), limits).await;
    assert_eq!((second.ids(), second.n_pulls), (vec![4, 5], 2));
    let third = pulls(&source, Some(second.last.position), limits).await;
    assert_eq!(third.ids(), [] as [i64; 0]);
    let lagging = PullSource { lag: 86_400, ..source };
    execute(&file, &["insert into orders values (6, '2024-01-02 12:00:00'), (7, '2024-01-01')"]);
    assert_eq!(pulls(&lagging, Some(third.last.position), Limits::default()).await.ids(), [2, 4, 6]);
}

#[tokio::test]
async fn each_kind_of_cursor_goes_on_where_it_was() {
    let cases = [
        ("hugeint", ["9", "10", "10"]),
        ("decimal(20, 3)", ["9.001", "10.002", "10.002"]),
        ("double", ["0.1", "0.30000000000000004", "0.30000000000000004"]),
        ("date", ["'2024-01-01'", "'2024-01-02'", "'2024-01-02'"]),
        ("timestamptz", ["'2024-01-01 00:00:00+02'", "'2024-01-02 00:00:00+00'", "'2024-01-02 02:00:00+02'"]),
        ("varchar", ["'A'", "'it''s'", "'it''s'"]),
    ];
    for (kind, [old, newest, again]) in cases {
        let folder = shop(&[
            &format!("create table orders (id bigint, updated_at {kind})"),
            &format!("insert into orders values (1, {old}), (2, {newest})"),
        ]);
        let source = source(folder.path(), Mode::Incremental, json!({"query": "select id, updated_at from orders"}));
        let first = pulls(&source, None, Limits::default()).await;
        assert_eq!(first.ids(), [1, 2], "{kind}");
        execute(&folder.path().join("shop.duckdb"), &[&format!("insert into orders values (3, {again})")]);
        let second = pulls(&source, Some(first.last.position), Limits::default()).await;
        assert_eq!(second.ids(), [3], "{kind}");
    }
}

#[tokio::test]
async fn mistakes_are_told_with_what_to_do() {
    let folder = shop(&["create table orders (id bigint, state varchar)"]);
    let examined = |mode, options| DuckdbPuller.examine(&source(folder.path(), mode, options)).unwrap_err().to_string();
    let checked = async |options| DuckdbPuller.check(&source(folder.path(), Mode::Full, options)).await;
    let answer = checked(json!({"table": "orders"})).await.unwrap();
    assert!(answer.starts_with("DuckDB v1.") && answer.ends_with("orders: 2 columns"), "{answer}");
    let mut told = vec![
        examined(Mode::Full, json!({})),
        examined(Mode::Cdc, json!({"table": "orders"})),
        checked(json!({"table": "gone"})).await.unwrap_err().to_string(),
        checked(json!({"query": "selec 1"})).await.unwrap_err().to_string(),
    ];
    let mut cursor = source(folder.path(), Mode::Incremental, json!({"table": "orders"}));
    for (name, lag) in [("gone", 0), ("state", 5)] {
        (cursor.cursor, cursor.lag) = (Some(name.to_owned()), lag);
        let position = Some(Position(json!({"cursor": "x", "seen": []})));
        let pulled = pull_all(&DuckdbPuller, &cursor, position, Limits::default(), Contract::default()).await;
        told.push(pulled.unwrap_err().to_string());
    }
    expect![[r#"
        options of source `orders` are wrong: one of `table` and `query` is needed, not both; write `table: public.orders`
        options of source `orders` are wrong: connector `duckdb` has no mode `cdc`; use `full`, or `incremental` with a `cursor` and a `key`
        duckdb file `shop.duckdb` refuses: Table with name gone does not exist; mend `path`, `table` or `query`
        duckdb file `shop.duckdb` refuses: syntax error at or near "1"; mend `path`, `table` or `query`
        duckdb file `shop.duckdb` has no column `gone` in orders; mend `cursor`
        options of source `orders` are wrong: `lag` needs a cursor that is a time or a number, and `state` is none; take `lag` out, or choose another cursor"#]].assert_eq(&told.join("\n"));
    let mut missing = source(folder.path(), Mode::Full, json!({"table": "orders"}));
    missing.options.insert("library".to_owned(), "gone.so".into());
    let error = DuckdbPuller.check(&missing).await.unwrap_err().to_string();
    assert!(error.contains("needs DuckDB's library, which cannot be loaded") && error.contains("libduckdb"), "{error}");
}

#[tokio::test]
async fn a_file_that_somebody_writes_to_is_named() {
    let folder = shop(&["create table orders (id bigint)"]);
    let file = folder.path().join("shop.duckdb");
    let mut writer = std::process::Command::new(interpreter());
    let script =
        "import duckdb, sys\nconnection = duckdb.connect(sys.argv[1])\nprint('open', flush=True)\nsys.stdin.read()";
    writer.arg("-c").arg(script).arg(&file);
    let mut writer = writer.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(writer.stdout.take().unwrap()), &mut line).unwrap();
    let source = source(folder.path(), Mode::Full, json!({"table": "orders"}));
    let error = DuckdbPuller.check(&source).await.unwrap_err();
    let told = error.to_string();
    assert!(error.is_transient() && told.contains("`shop.duckdb` is open for writing in "), "{told}");
    assert!(told.contains(&format!("PID {}", writer.id())), "{told}");
    drop(writer.stdin.take());
    writer.wait().unwrap();
    DuckdbPuller.check(&source).await.unwrap();
}
