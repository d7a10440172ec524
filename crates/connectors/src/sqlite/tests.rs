//! What connector `sqlite` reads, of files made here.

use std::path::Path;

use arrow::util::pretty::pretty_format_batches;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use super::*;
use crate::pull_suite::{pull_all, source_of};
use crate::{Contract, Limits};

async fn execute(folder: &Path, statements: &[&str]) {
    let options = SqliteConnectOptions::new().filename(folder.join("shop.db")).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    for statement in statements {
        sqlx::query(AssertSqlSafe((*statement).to_owned())).execute(&mut connection).await.unwrap();
    }
}

fn source(folder: &Path, mode: Mode, options: serde_json::Value) -> PullSource {
    let mut options = options;
    options["path"] = "shop.db".into();
    PullSource { root: folder.to_owned(), ..source_of("orders", mode, &options) }
}

const TABLE: &str = "create table orders (id integer primary key, name text, price decimal(8,2), paid boolean, \
                     updated_at datetime, day date, raw blob)";

#[tokio::test]
async fn a_whole_table_in_its_types_with_rows_at_fault_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    execute(
        folder.path(),
        &[
            TABLE,
            "insert into orders values (1, 'a', 1.5, 1, '2024-01-01 10:00:00', '2024-01-01', x'00ff'), \
         (2, null, null, 0, null, null, null), (3, 'c', 'free', 1, '2024-01-02T10:00:00Z', '2024-01-02', null)",
        ],
    )
    .await;
    let source = source(folder.path(), Mode::Full, json!({"table": "orders"}));
    let pulls = pull_all(&SqlitePuller, &source, None, Limits::default(), Contract::default()).await.unwrap();
    assert!(pulls.last.replaces && pulls.last.complete);
    assert_eq!(pulls.report.rejected[0].to_string(), "row 3, column `price`: `free` cannot be read as decimal(8, 2)");
    let expected = expect_test::expect![[r#"
        +----+------+-------+-------+----------------------+------------+------+
        | id | name | price | paid  | updated_at           | day        | raw  |
        +----+------+-------+-------+----------------------+------------+------+
        | 1  | a    | 1.50  | true  | 2024-01-01T10:00:00Z | 2024-01-01 | 00ff |
        | 2  |      |       | false |                      |            |      |
        +----+------+-------+-------+----------------------+------------+------+"#]];
    expected.assert_eq(&pretty_format_batches(&pulls.batches).unwrap().to_string());
}

#[tokio::test]
async fn rows_from_a_cursor_on_come_once() {
    let folder = tempfile::tempdir().unwrap();
    execute(
        folder.path(),
        &[TABLE, "insert into orders (id, updated_at) values (1, '2024-01-01'), (2, '2024-01-02'), (3, null)"],
    )
    .await;
    let source = source(folder.path(), Mode::Incremental, json!({"query": "select id, updated_at from orders"}));
    let first = pull_all(&SqlitePuller, &source, None, Limits::default(), Contract::default()).await.unwrap();
    assert_eq!((first.ids(), first.report.rejected_total), (vec![1, 2], 1));
    execute(folder.path(), &["insert into orders (id, updated_at) values (4, '2024-01-02'), (5, '2024-01-03')"]).await;
    let limits = Limits { rows: 1, ..Limits::default() };
    let second =
        pull_all(&SqlitePuller, &source, Some(first.last.position), limits, Contract::default()).await.unwrap();
    assert_eq!((second.ids(), second.n_pulls), (vec![4, 5], 2));
    let third =
        pull_all(&SqlitePuller, &source, Some(second.last.position), limits, Contract::default()).await.unwrap();
    assert_eq!(third.ids(), [] as [i64; 0]);
}

#[tokio::test]
async fn numbers_are_cursors_too_and_lag_asks_again() {
    let folder = tempfile::tempdir().unwrap();
    execute(
        folder.path(),
        &[
            "create table orders (id integer, updated_at integer)",
            "insert into orders values (1, 9), (2, 10), (3, 100)",
        ],
    )
    .await;
    let mut source = source(folder.path(), Mode::Incremental, json!({"table": "orders"}));
    source.lag = 91;
    let first = pull_all(&SqlitePuller, &source, None, Limits::default(), Contract::default()).await.unwrap();
    assert_eq!(first.ids(), [1, 2, 3]);
    execute(folder.path(), &["insert into orders values (4, 10), (5, 5)"]).await;
    let second = pull_all(&SqlitePuller, &source, Some(first.last.position), Limits::default(), Contract::default())
        .await
        .unwrap();
    assert_eq!(second.ids(), [4]);
}

#[tokio::test]
async fn mistakes_are_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    execute(folder.path(), &[TABLE]).await;
    let wrong = [
        (Mode::Full, json!({})),
        (Mode::Full, json!({"table": "orders", "tabel": "x"})),
        (Mode::Cdc, json!({"table": "orders"})),
    ];
    let told = wrong
        .map(|(mode, options)| SqlitePuller.examine(&source(folder.path(), mode, options)).unwrap_err().to_string());
    let expected = expect_test::expect![[r#"
        options of source `orders` are wrong: one of `table` and `query` is needed, not both; write `table: public.orders`
        options of source `orders` are wrong: unknown field `tabel`, expected one of `path`, `table`, `query`; see connector `sqlite` in the reference of connectors
        options of source `orders` are wrong: connector `sqlite` has no mode `cdc`; use `full`, or `incremental` with a `cursor` and a `key`"#]];
    expected.assert_eq(&told.join("\n"));
    let missing = SqlitePuller.check(&source(folder.path(), Mode::Full, json!({"table": "gone"}))).await.unwrap_err();
    assert!(missing.to_string().contains("no such table: gone"), "{missing}");
}
