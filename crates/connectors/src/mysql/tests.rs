//! What connector `mysql` reads, of a real server. Needs MariaDB's programs.

use arrow::util::pretty::pretty_format_batches;
use baton_testkit::certificate::self_signed;
use baton_testkit::mariadb::TestMariadb;
use baton_testkit::mysql_login::MysqlLogin;
use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::pull_suite::{Pulls, pull_all, pull_once, source_of};
use crate::{Contract, Limits};

fn source(url: &str, mode: Mode, options: serde_json::Value) -> PullSource {
    let mut options = options;
    options["url"] = url.into();
    source_of("orders", mode, &options)
}

async fn pulls(source: &PullSource, position: Option<Position>, limits: Limits) -> Result<Pulls, ConnectorError> {
    pull_all(&MysqlPuller, source, position, limits, Contract::default()).await
}

fn shown(pulls: &Pulls) -> String {
    pretty_format_batches(&pulls.batches).unwrap().to_string()
}

#[tokio::test]
async fn every_type_keeps_its_value() {
    let server = TestMariadb::shared();
    let url = server.database();
    server.sql(
        &url,
        "set time_zone = '+02:00'; set sql_mode = ''; \
         create table orders (id bigint unsigned, tiny tinyint, price decimal(10,2), ratio float, exact double, paid boolean, \
            flags bit(10), at timestamp(6) null, local datetime, day date, clock time, year year, doc json, \
            state enum('new','done'), raw varbinary(8), note text character set latin1, bin varchar(10) collate utf8mb4_bin); \
         insert into orders values (1, -3, 12.50, 0.1, 1e-300, true, b'1000000010', '2024-03-31 03:30:00.123456', \
            '2024-03-31 03:30:00', '2024-02-29', '-26:30:00', 2024, '{\"a\": [1, \"é\"]}', 'done', x'00ff5c', 'tab\\tü\\nline', 'Aa'), \
            (2, null, null, null, null, null, null, null, '0000-00-00', null, null, null, null, null, null, null, null), \
            (18446744073709551615, 1, 1, 1, 1, false, 0, null, null, null, null, null, null, 'new', '', '', '')",
    );
    let pulls = pulls(&source(&url, Mode::Full, json!({"table": "orders"})), None, Limits::default()).await.unwrap();
    expect![[r#"
        +----+------+-------+-------+--------+------+-------+-----------------------------+----------------------+------------+-----------+------+-----------------+-------+--------+-------+-----+
        | id | tiny | price | ratio | exact  | paid | flags | at                          | local                | day        | clock     | year | doc             | state | raw    | note  | bin |
        +----+------+-------+-------+--------+------+-------+-----------------------------+----------------------+------------+-----------+------+-----------------+-------+--------+-------+-----+
        | 1  | -3   | 12.50 | 0.1   | 1e-300 | true | 514   | 2024-03-31T01:30:00.123456Z | 2024-03-31T03:30:00Z | 2024-02-29 | -26:30:00 | 2024 | {"a": [1, "é"]} | done  | 00ff5c | tab	ü | Aa  |
        |    |      |       |       |        |      |       |                             |                      |            |           |      |                 |       |        | line  |     |
        | 2  |      |       |       |        |      |       |                             |                      |            |           |      |                 |       |        |       |     |
        +----+------+-------+-------+--------+------+-------+-----------------------------+----------------------+------------+-----------+------+-----------------+-------+--------+-------+-----+"#]].assert_eq(&shown(&pulls));
    expect!["row 3, column `id`: `18446744073709551615` does not fit int64"]
        .assert_eq(&pulls.report.rejected[0].to_string());
}

#[tokio::test]
async fn rows_from_a_cursor_on_with_lag() {
    let server = TestMariadb::shared();
    let url = server.database();
    server.sql(
        &url,
        "create table orders (id bigint, updated_at datetime(6)); \
         insert into orders select seq, timestamp '2024-01-01 00:00:00' + interval seq minute from seq_1_to_1000",
    );
    let mut source = source(&url, Mode::Incremental, json!({"table": "orders"}));
    source.lag = 120;
    let limits = Limits { rows: 300, ..Limits::default() };
    let first = pulls(&source, None, limits).await.unwrap();
    assert_eq!((first.ids(), first.n_pulls), ((1..=1000).collect::<Vec<i64>>(), 4));
    // A transaction that was open becomes visible with an older time; another is too late for the lag.
    server.sql(
        &url,
        "insert into orders values (2001, timestamp '2024-01-01 00:00:00' + interval '998:30' minute_second), \
         (2002, timestamp '2024-01-01 00:00:00' + interval 990 minute), (2003, '2024-01-03')",
    );
    let second = pulls(&source, Some(first.last.position), limits).await.unwrap();
    assert_eq!(second.ids(), [2001, 2003]);
}

/// Every kind of cursor: rows that come with the newest value, equal to it or not by the table's collation, come once.
#[tokio::test]
async fn each_kind_of_cursor_goes_on_where_it_was() {
    let server = TestMariadb::shared();
    let cases = [
        ("bigint unsigned", ["9223372036854775806", "9223372036854775807", "9223372036854775807"]),
        ("decimal(30,3)", ["90071992547409930.001", "90071992547409930.002", "90071992547409930.002"]),
        ("double", ["0.1", "0.30000000000000004", "0.30000000000000004"]),
        ("date", ["'2024-01-01'", "'2024-01-02'", "'2024-01-02'"]),
        ("timestamp(6) null", ["'2024-01-01'", "'2024-01-02 00:00:00.000001'", "'2024-01-02 00:00:00.000001'"]),
        ("varchar(20) collate utf8mb4_general_ci", ["'B'", "'it''s \\\\ a'", "'it''s \\\\ a'"]),
        ("varchar(20) collate utf8mb4_general_ci", ["'A'", "'a'", "'a '"]),
    ];
    for (kind, [old, newest, again]) in cases {
        let url = server.database();
        server.sql(&url, &format!("create table orders (id bigint, updated_at {kind}); insert into orders values (1, {old}), (2, {newest}), (3, null)"));
        let source = source(&url, Mode::Incremental, json!({"query": "select id, updated_at from orders"}));
        let first = pulls(&source, None, Limits::default()).await.unwrap();
        assert_eq!((first.ids(), first.report.rejected_total), (vec![1, 2], 1), "{kind}");
        server.sql(&url, &format!("insert into orders values (4, {again})"));
        let limits = Limits { rows: 1, ..Limits::default() };
        let second = pulls(&source, Some(first.last.position), limits).await.unwrap();
        assert_eq!(second.ids(), [4], "{kind}");
        let third = pulls(&source, Some(second.last.position), limits).await.unwrap();
        assert_eq!(third.ids(), [] as [i64; 0], "{kind}");
    }
}

#[tokio::test]
async fn what_is_missing_is_told_with_what_to_do() {
    let server = TestMariadb::shared();
    let url = server.database();
    server.sql(
        &url,
        "create table orders (id bigint, updated_at float); create user secured@'%' identified by 'x' require ssl",
    );
    let told = |result: Result<String, ConnectorError>| result.unwrap_err().to_string().replace(&url, "URL");
    let check = async |url: &str, options| MysqlPuller.check(&source(url, Mode::Full, options)).await;
    let gone = told(check(&url, json!({"table": "gone"})).await);
    assert!(gone.contains(".gone' doesn't exist"), "{gone}");
    let secured = url.replace("root@", "secured:x@");
    let secured = told(check(&secured, json!({"table": "orders"})).await);
    assert!(secured.contains("Access denied") && secured.contains("REQUIRE SSL"), "{secured}");
    let asked = told(check(&format!("{url}?ssl-mode=REQUIRED"), json!({"table": "orders"})).await);
    assert!(asked.contains("cannot be spoken to over TLS: server does not support TLS"), "{asked}");
    let nobody = check("mysql://nobody:s3cret@127.0.0.1:1/x", json!({"table": "orders"})).await.unwrap_err();
    assert!(nobody.is_transient() && !nobody.to_string().contains("s3cret"), "{nobody}");
    let broken = told(check("mysql://u:s3cret@host:port/x", json!({"table": "orders"})).await);
    assert!(!broken.contains("s3cret"), "{broken}");
    let source = source(&url, Mode::Incremental, json!({"table": "orders"}));
    let cursor = pulls(&source, None, Limits::default()).await.unwrap_err().to_string();
    assert!(cursor.contains("column `updated_at` cannot be a cursor"), "{cursor}");
    let answer = check(&url, json!({"table": "orders"})).await.unwrap();
    assert!(answer.starts_with("MariaDB ") && answer.ends_with("orders: 2 columns"), "{answer}");
}

/// A server of its own with a certificate for `localhost`, which lets nobody in without TLS, and that certificate.
fn encrypted() -> (TestMariadb, String) {
    let (certificate, key) = self_signed();
    let arguments = ["--ssl-cert=FOLDER/server.pem", "--ssl-key=FOLDER/server.key", "--require-secure-transport=on"];
    let server = TestMariadb::start_with(&arguments, &[("server.pem", &certificate), ("server.key", &key)]);
    (server, certificate)
}

#[tokio::test]
async fn connections_are_encrypted_and_certificates_asked_for() {
    let (server, certificate) = encrypted();
    let url = server.database();
    server.sql(
        &url,
        "create table orders (id bigint); insert into orders values (1), (2); \
         create user secured@'%' identified by 'x' require ssl; grant select on *.* to secured@'%'",
    );
    let table = json!({"table": "orders"});
    // Where a server can, it is asked to, whoever its certificate is for.
    let plain = source(&url.replace("root@", "secured:x@"), Mode::Full, table.clone());
    assert_eq!(pulls(&plain, None, Limits::default()).await.unwrap().ids(), [1, 2]);
    let named = url.replace("127.0.0.1", "localhost");
    let trusting = |url: &str| {
        let options = json!({"table": "orders", "certificate_authority": certificate});
        source(url, Mode::Full, options)
    };
    assert_eq!(pulls(&trusting(&named), None, Limits::default()).await.unwrap().ids(), [1, 2]);
    let refused = async |source: PullSource| MysqlPuller.check(&source).await.unwrap_err().to_string();
    let other = refused(trusting(&url)).await;
    assert!(other.contains("cannot be spoken to over TLS") || other.contains("certificate"), "{other}");
    let stranger = refused(source(&format!("{named}?ssl-mode=VERIFY_IDENTITY"), Mode::Full, table.clone())).await;
    assert!(stranger.contains("certificate"), "{stranger}");
    let without = refused(source(&format!("{url}?ssl-mode=DISABLED"), Mode::Full, table)).await;
    assert!(without.contains("ssl-mode="), "{without}");
}

#[tokio::test]
async fn users_of_mysql_log_in_with_their_password_where_it_travels_encrypted() {
    let (certificate, key) = self_signed();
    let server = MysqlLogin::start("s3cret", Some((&certificate, &key)));
    let trusting = json!({"table": "orders", "certificate_authority": certificate});
    let open = async |url: &str, options: &serde_json::Value| {
        let source = source(url, Mode::Full, options.clone());
        Session::open(&MysqlSource::parse(&source).unwrap()).await.map(drop).map_err(|error| error.to_string())
    };
    open(&server.url("ada", "s3cret"), &trusting).await.unwrap();
    let plain = json!({"table": "orders"});
    let unencrypted = open(&format!("{}?ssl-mode=DISABLED", server.url("ada", "s3cret")), &plain).await.unwrap_err();
    assert!(unencrypted.contains("needs TLS"), "{unencrypted}");
    let bare = MysqlLogin::start("s3cret", None);
    let told = open(&bare.url("ada", "s3cret"), &plain).await.unwrap_err();
    assert!(told.contains("needs TLS") && told.contains("give the server a certificate"), "{told}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    /// Rows come with values that are not older than the newest; whichever pulls are recorded or forgotten, each is
    /// pulled once.
    #[test]
    fn no_row_is_lost_or_doubled(
        steps in prop::collection::vec((0_u32..2, 1_u32..6, 1_u64..5, any::<bool>()), 1..8)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = TestMariadb::shared();
            let url = server.database();
            server.sql(&url, "create table orders (id bigint auto_increment primary key, updated_at datetime)");
            let source = source(&url, Mode::Incremental, json!({"table": "orders"}));
            let (mut clock, mut landed, mut position) = (0, Vec::new(), None);
            for (ahead, rows, limit, killed) in steps {
                clock += ahead;
                server.sql(&url, &format!("insert into orders (updated_at) select timestamp '2024-01-01 00:00:00' + interval {clock} second from seq_1_to_{rows}"));
                let limits = Limits { rows: limit, ..Limits::default() };
                let pulled = pull_once(&MysqlPuller, &source, position.clone(), limits, Contract::default()).await.unwrap();
                if !killed {
                    landed.extend(pulled.ids());
                    position = Some(pulled.last.position);
                }
            }
            landed.extend(pulls(&source, position, Limits { rows: 2, ..Limits::default() }).await.unwrap().ids());
            landed.sort_unstable();
            let there = server.sql(&url, "select id from orders order by id");
            assert_eq!(landed, there.lines().map(|id| id.parse().unwrap()).collect::<Vec<i64>>());
        });
    }
}
