//! What connector `postgres` reads, of a real server. Needs PostgreSQL's programs.

use std::collections::BTreeMap;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::pretty::pretty_format_batches;
use baton_testkit::certificate::self_signed;
use baton_testkit::postgres::TestPostgres;
use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::pull_suite::{Pulls, pull_all, pull_once, source_of};
use crate::{Contract, Limits, OPERATION, UNCHANGED};

fn source(url: &str, mode: Mode, key: &[&str]) -> PullSource {
    let options = json!({"url": url, "table": "public.orders"});
    PullSource {
        // Slots are the server's, not the database's.
        lineage: url.rsplit('/').next().unwrap().to_owned(),
        key: key.iter().map(|name| (*name).to_owned()).collect(),
        ..source_of("orders", mode, &options)
    }
}

async fn pulls(source: &PullSource, position: Option<Position>, limits: Limits) -> Result<Pulls, ConnectorError> {
    pull_all(&PostgresPuller, source, position, limits, Contract::default()).await
}

fn shown(pulls: &Pulls) -> String {
    pretty_format_batches(&pulls.batches).unwrap().to_string()
}

#[tokio::test]
async fn every_type_keeps_its_value() {
    let server = TestPostgres::shared();
    let url = server.database();
    server.sql(&url, "create table orders (id bigint, small smallint, price numeric(10,2), wide numeric, ratio real, \
        paid boolean, at timestamptz, local timestamp, day date, who uuid, doc jsonb, tags text[], marks int[], raw bytea, note text, span interval)");
    server.sql(&url, r#"insert into orders values
        (1, -3, 12.50, 0.1, 0.1, true, '2024-03-31 03:30:00.123456+02', '2024-03-31 03:30:00', '2024-02-29',
         '0e37df36-f698-11e6-8dd4-cb9ced3df976', '{"a": [1, "b\tc"]}', '{"x y",NULL,"q\"\\"}', '{1,NULL,3}', '\x00ff5c', E'tab\tback\\slash\nline', '1 day 2 hours'),
        (2, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null),
        (3, 1, 'NaN', 1, 'NaN', false, 'infinity', null, null, null, null, null, null, '', '', null)"#);
    let pulls = pulls(&source(&url, Mode::Full, &[]), None, Limits::default()).await.unwrap();
    expect![[r#"
        +----+-------+-------+----------------------+-------+------+-----------------------------+----------------------+------------+--------------------------------------+--------------------+----------------------+------------+--------+----------------+--------+
        | id | small | price | wide                 | ratio | paid | at                          | local                | day        | who                                  | doc                | tags                 | marks      | raw    | note           | span   |
        +----+-------+-------+----------------------+-------+------+-----------------------------+----------------------+------------+--------------------------------------+--------------------+----------------------+------------+--------+----------------+--------+
        | 1  | -3    | 12.50 | 0.100000000000000000 | 0.1   | true | 2024-03-31T01:30:00.123456Z | 2024-03-31T03:30:00Z | 2024-02-29 | 0e37df36-f698-11e6-8dd4-cb9ced3df976 | {"a": [1, "b\tc"]} | ["x y",null,"q\"\\"] | [1,null,3] | 00ff5c | tab	back\slash | P1DT2H |
        |    |       |       |                      |       |      |                             |                      |            |                                      |                    |                      |            |        | line           |        |
        | 2  |       |       |                      |       |      |                             |                      |            |                                      |                    |                      |            |        |                |        |
        +----+-------+-------+----------------------+-------+------+-----------------------------+----------------------+------------+--------------------------------------+--------------------+----------------------+------------+--------+----------------+--------+"#]].assert_eq(&shown(&pulls));
    assert_eq!(pulls.report.rejected[0].to_string(), "row 3, column `price`: `NaN` cannot be read as decimal(10, 2)");
}

#[tokio::test]
async fn connections_are_encrypted_and_certificates_asked_for() {
    let (certificate, key) = self_signed();
    let server = TestPostgres::encrypted(&certificate, &key);
    let url = server.database();
    server.sql(&url, "create table orders (id bigint); insert into orders values (1), (2)");
    // Where a server can, it is asked to, whoever its certificate is for.
    assert_eq!(pulls(&source(&url, Mode::Full, &[]), None, Limits::default()).await.unwrap().ids(), [1, 2]);
    let named = url.replace("127.0.0.1", "localhost");
    let trusting = |url: &str| {
        let mut source = source(url, Mode::Full, &[]);
        source.options.insert("certificate_authority".to_owned(), certificate.clone().into());
        source
    };
    assert_eq!(pulls(&trusting(&named), None, Limits::default()).await.unwrap().ids(), [1, 2]);
    for refused in [trusting(&url), source(&format!("{named}?sslmode=verify-full"), Mode::Full, &[])] {
        let error = PostgresPuller.check(&refused).await.unwrap_err().to_string();
        assert!(error.contains("certificate"), "{error}");
    }
    let without = source(&format!("{url}?sslmode=disable"), Mode::Full, &[]);
    let error = PostgresPuller.check(&without).await.unwrap_err().to_string();
    assert!(error.contains("no encryption"), "{error}");
}

#[tokio::test]
async fn rows_from_a_cursor_on_with_lag() {
    let server = TestPostgres::shared();
    let url = server.database();
    server.sql(&url, "create table orders (id bigint, updated_at timestamptz); \
        insert into orders select n, timestamptz '2024-01-01' + n * interval '1 minute' from generate_series(1, 1000) n");
    let mut source = source(&url, Mode::Incremental, &["id"]);
    source.lag = 120;
    let limits = Limits { rows: 300, ..Limits::default() };
    let first = pulls(&source, None, limits).await.unwrap();
    assert_eq!((first.ids(), first.n_pulls), ((1..=1000).collect::<Vec<i64>>(), 4));
    // A transaction that was open becomes visible with an older time; another is too late for the lag.
    server.sql(
        &url,
        "insert into orders values (2001, timestamptz '2024-01-01' + interval '998 minutes 30 seconds'), \
        (2002, timestamptz '2024-01-01' + interval '990 minutes'), (2003, timestamptz '2024-01-03')",
    );
    let second = pulls(&source, Some(first.last.position), limits).await.unwrap();
    assert_eq!(second.ids(), [2001, 2003]);
}

/// What a follower would have: the rows of all pulls, applied as their caller does.
#[derive(Default)]
struct Follower {
    rows: BTreeMap<i64, (Option<String>, Option<String>)>,
    position: Option<Position>,
}

impl Follower {
    async fn follow(&mut self, source: &PullSource, limits: Limits) -> Result<(), ConnectorError> {
        let pulls = pulls(source, self.position.clone(), limits).await?;
        for batch in &pulls.batches {
            self.apply(batch);
        }
        self.position = Some(pulls.last.position);
        Ok(())
    }

    fn apply(&mut self, batch: &RecordBatch) {
        let text = |name: &str, row: usize| -> Option<String> {
            let column = batch.column_by_name(name)?.as_string::<i32>();
            column.is_valid(row).then(|| column.value(row).to_owned())
        };
        let before = self.rows.clone();
        let ids = batch.column_by_name("id").unwrap().as_primitive::<Int64Type>();
        let former = |row: usize| text("_was_id", row).map_or(ids.value(row), |id| id.parse().unwrap());
        for row in 0..batch.num_rows() {
            self.rows.remove(&ids.value(row));
            self.rows.remove(&former(row));
        }
        for row in (0..batch.num_rows()).filter(|row| text(OPERATION, *row).as_deref() != Some("delete")) {
            let left_out = text(UNCHANGED, row).unwrap_or_default();
            let known = before.get(&former(row)).cloned().unwrap_or_default();
            let name = if left_out.contains("\"name\"") { known.0 } else { text("name", row) };
            let long = if left_out.contains("\"long\"") { known.1 } else { text("long", row) };
            self.rows.insert(ids.value(row), (name, long));
        }
    }
}

fn there(server: &TestPostgres, url: &str) -> BTreeMap<i64, (Option<String>, Option<String>)> {
    let rows = server.sql(
        url,
        "select id, coalesce(name, '~'), coalesce(length(long) || ' ' || right(long, 40), '~') from orders order by id",
    );
    rows.lines()
        .map(|line| {
            let parts: Vec<&str> = line.split('|').collect();
            let value = |text: &str| (text != "~").then(|| text.to_owned());
            (parts[0].parse().unwrap(), (value(parts[1]), value(parts[2])))
        })
        .collect()
}

/// Long values as [`there`] has them.
fn hashed(rows: &BTreeMap<i64, (Option<String>, Option<String>)>) -> BTreeMap<i64, (Option<String>, Option<String>)> {
    let short = |long: &Option<String>| {
        long.as_ref().map(|long| format!("{} {}", long.len(), &long[long.len().saturating_sub(40)..]))
    };
    rows.iter().map(|(id, (name, long))| (*id, (name.clone(), short(long)))).collect()
}

const LONG: &str = "(select string_agg(md5(n::text || random()::text), '') from generate_series(1, 400) n)";
const TABLE: &str = "create table orders (id bigint primary key, name text, long text); \
                     alter table orders alter column long set storage external";

#[tokio::test]
async fn changes_are_followed_from_the_first_row_on() {
    let server = TestPostgres::shared();
    let url = server.database();
    server.sql(&url, TABLE);
    server.sql(&url, &format!("insert into orders select n, 'n' || n, {LONG} from generate_series(1, 20) n"));
    let source = source(&url, Mode::Cdc, &["id"]);
    assert!(PostgresPuller.check(&source).await.unwrap().contains("is made by the first run"));
    let mut follower = Follower::default();
    follower.follow(&source, Limits::default()).await.unwrap();
    assert_eq!(hashed(&follower.rows), there(server, &url));
    // Long values that an update leaves as they are do not travel.
    server.sql(
        &url,
        "update orders set name = 'new' where id <= 5; delete from orders where id = 6; \
        update orders set id = 100 where id = 7; insert into orders values (6, null, null); \
        begin; insert into orders values (200, 'gone', null); rollback",
    );
    follower.follow(&source, Limits::default()).await.unwrap();
    assert_eq!(hashed(&follower.rows), there(server, &url));
    server.sql(&url, "truncate orders; insert into orders values (1, 'after', 'x')");
    let pulled = pulls(&source, follower.position.clone(), Limits::default()).await.unwrap();
    assert!(pulled.last.replaces);
    assert_eq!(pulled.ids(), [1]);
}

#[tokio::test]
async fn columns_that_come_and_go_are_seen() {
    let server = TestPostgres::shared();
    let url = server.database();
    server.sql(
        &url,
        "create table orders (id bigint primary key, name text, gone int); insert into orders values (1, 'a', 7)",
    );
    let source = source(&url, Mode::Cdc, &["id"]);
    let first = pulls(&source, None, Limits::default()).await.unwrap();
    server.sql(&url, "insert into orders values (2, 'b', 8); alter table orders add column price numeric(6,2); \
        insert into orders values (3, 'c', 9, 1.25); alter table orders drop column gone; insert into orders values (4, 'd', 2.5)");
    let second = pulls(&source, Some(first.last.position), Limits::default()).await.unwrap();
    let mut lines: Vec<String> = shown(&second).lines().map(str::to_owned).collect();
    lines.sort();
    expect![[r#"
        +----+------+-------+------+--------+------------+---------+
        +----+------+-------+------+--------+------------+---------+
        +----+------+-------+------+--------+------------+---------+
        | 2  | b    |       | 8    | insert |            |         |
        | 3  | c    | 1.25  | 9    | insert |            |         |
        | 4  | d    | 2.50  |      | insert |            |         |
        | id | name | price | gone | _op    | _unchanged | _was_id |"#]]
    .assert_eq(&lines.join("\n"));
}

#[tokio::test]
async fn a_slot_that_is_lost_is_named() {
    let server = TestPostgres::shared();
    let url = server.database();
    server.sql(&url, TABLE);
    let source = source(&url, Mode::Cdc, &["id"]);
    let first = pulls(&source, None, Limits::default()).await.unwrap();
    let position = Some(first.last.position);
    server.sql(&url, "insert into orders values (1, 'a', null)");
    let slot = format!("baton_orders_{}", source.lineage);
    server.sql(&url, &format!("select pg_replication_slot_advance('{slot}', pg_current_wal_insert_lsn())"));
    let moved = pulls(&source, position.clone(), Limits::default()).await.unwrap_err();
    assert!(
        matches!(moved, ConnectorError::PositionLost { .. }) && moved.to_string().contains("was moved to"),
        "{moved}"
    );
    server.sql(&url, &format!("select pg_drop_replication_slot('{slot}')"));
    let gone = pulls(&source, position, Limits::default()).await.unwrap_err();
    assert!(matches!(gone, ConnectorError::PositionLost { .. }) && gone.to_string().contains("is gone"), "{gone}");
}

#[tokio::test]
async fn what_is_missing_is_told_with_what_to_do() {
    let server = TestPostgres::shared();
    let url = server.database();
    server.sql(&url, "create table orders (id bigint, name text)");
    let told = PostgresPuller.check(&source(&url, Mode::Cdc, &["id"])).await.unwrap_err().to_string();
    assert!(told.contains("does not send key column `id`") && told.contains("replica identity full"), "{told}");
    let told =
        PostgresPuller.check(&source("postgres://nobody:s3cret@127.0.0.1:1/x", Mode::Full, &[])).await.unwrap_err();
    assert!(told.is_transient() && !told.to_string().contains("s3cret"), "{told}");
    let told = PostgresPuller
        .check(&source("postgres://u:s3cret@host:port/x", Mode::Full, &[]))
        .await
        .unwrap_err()
        .to_string();
    assert!(!told.contains("s3cret"), "{told}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, in transactions of whatever size and order, and whichever pulls are recorded or forgotten (the
    /// process was killed before it wrote them down) or confirmed late: the follower has what the table has.
    #[test]
    fn no_change_is_lost_or_applied_twice(
        steps in prop::collection::vec((prop::collection::vec((0_u8..5, 0_i64..12, 0_i64..12), 1..8), any::<bool>(), 1_u64..6, 0_u8..4), 1..8)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = TestPostgres::shared();
            let url = server.database();
            server.sql(&url, TABLE);
            let source = source(&url, Mode::Cdc, &["id"]);
            let mut follower = Follower::default();
            for (changes, together, limit, outcome) in steps {
                let statements: Vec<String> = changes.iter().map(|(what, id, other)| match what {
                    0 | 1 => format!("insert into orders values ({id}, 'n{other}', {LONG}) on conflict (id) do update set name = excluded.name"),
                    2 => format!("update orders set name = 'u{other}' where id = {id}"),
                    3 => format!("update orders set id = {other} where id = {id} and not exists (select 1 from orders where id = {other})"),
                    _ => format!("delete from orders where id = {id}"),
                }).collect();
                if together {
                    server.sql(&url, &format!("begin; {}; commit", statements.join("; ")));
                } else {
                    for statement in statements {
                        server.sql(&url, &statement);
                    }
                }
                let limits = Limits { rows: limit, ..Limits::default() };
                match outcome {
                    // Killed before anything was recorded.
                    0 => drop(pull_once(&PostgresPuller, &source, follower.position.clone(), limits, Contract::default()).await.unwrap()),
                    // Recorded, and killed before the slot heard of it.
                    1 => follower.follow(&source, limits).await.unwrap(),
                    _ => {
                        follower.follow(&source, limits).await.unwrap();
                        PostgresPuller.confirm(&source, follower.position.as_ref().unwrap()).await.unwrap();
                    }
                }
            }
            follower.follow(&source, Limits::default()).await.unwrap();
            assert_eq!(hashed(&follower.rows), there(server, &url));
            server.sql(&url, "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()");
        });
    }
}
