//! Sources from real databases: landed, followed, killed anywhere. Needs the programs of PostgreSQL and MariaDB.

use baton_testkit::mariadb::TestMariadb;
use baton_testkit::postgres::TestPostgres;
use baton_testkit::project::TestProject;

use crate::answers::json;

/// Kills of the random test.
const KILLS: u64 = 200;
/// Points at which a run of the project can be killed, and a few behind the last.
const POINTS: u64 = 34;

const SOURCES: &str = "
sources:
  - name: followed
    connector: CONNECTOR
    url: ${env:TEST_DATABASE}
    table: orders
    mode: MODE
    key: [id]
    checks: [{unique: [id]}]
  - name: asked
    connector: CONNECTOR
    url: ${env:TEST_DATABASE}
    table: journal
    mode: incremental
    cursor: at
";

/// What both sides say: rows, and a figure that changes with every value.
const TOTALS: &str =
    "select (select count(*) from followed) as f, (select sum(id * 1000 + amount) from followed) as fs,
    (select count(*) from asked) as a, (select sum(id) from asked) as s";

const TRUTH: &str = "select (select count(*) from orders), (select sum(id * 1000 + amount) from orders),
    (select count(*) from journal), (select sum(id) from journal)";

/// The database that a shop keeps its tables in.
enum Database {
    Postgres(&'static TestPostgres),
    Mariadb(&'static TestMariadb),
}

impl Database {
    fn sql(&self, url: &str, statements: &str) -> String {
        match self {
            Self::Postgres(server) => server.sql(url, statements),
            Self::Mariadb(server) => server.sql(url, statements),
        }
    }

    fn new_url(&self) -> String {
        match self {
            Self::Postgres(server) => server.database(),
            Self::Mariadb(server) => server.database(),
        }
    }

    /// The sources of the project; changes are followed where the connector can.
    fn sources(&self) -> String {
        let (connector, mode) = match self {
            Self::Postgres(_) => ("postgres", "cdc"),
            Self::Mariadb(_) => ("mysql", "full"),
        };
        SOURCES.replace("CONNECTOR", connector).replace("MODE", mode)
    }

    /// As many rows as `count`, numbered by `n` from 1 on.
    fn numbers(&self, count: u64) -> String {
        match self {
            Self::Postgres(_) => format!("generate_series(1, {count}) n"),
            Self::Mariadb(_) => format!("(select seq as n from seq_1_to_{count}) numbers"),
        }
    }
}

struct Shop {
    server: Database,
    url: String,
    project: TestProject,
}

impl Shop {
    /// Of PostgreSQL.
    fn new() -> Self {
        Self::of(Database::Postgres(TestPostgres::shared()))
    }

    fn of(server: Database) -> Self {
        let url = server.new_url();
        let (orders, journal) = (server.numbers(50), server.numbers(100));
        let ten = "cast(floor(n / 10) as decimal(10, 0))";
        server.sql(
            &url,
            &format!(
                "create table orders (id bigint primary key, amount bigint, note text); \
                 create table journal (id bigint, at bigint); \
                 insert into orders select n, n, repeat('long ', 1000) from {orders}; \
                 insert into journal select n, {ten} from {journal}"
            ),
        );
        let project = TestProject::new(env!("CARGO_BIN_EXE_baton"))
            .file("baton.yml", "project: shop\nenvironments: {dev: {}, prod: {}}\n")
            .file("sources.yml", &server.sources())
            .file("tables/totals.sql", TOTALS);
        Self { server, url, project }
    }

    fn run(&self, arguments: &[&str], failpoint: Option<&str>) -> std::process::Output {
        let mut command = self.project.command(arguments);
        command.env("TEST_DATABASE", &self.url);
        if let Some(failpoint) = failpoint {
            command.env("BATON_FAILPOINT", failpoint);
        }
        command.output().unwrap()
    }

    fn run_well(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, None);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn totals(&self) -> Vec<i64> {
        numbers(&json(&self.project, &["query", "select * from totals", "-o", "json"]))
    }

    fn truth(&self) -> Vec<i64> {
        self.server.sql(&self.url, TRUTH).split('|').map(|number| number.parse().unwrap()).collect()
    }

    /// Something happens to both tables; what, follows from `number`.
    fn change(&self, number: u64) {
        let (id, other, tick) = (number * 7 % 50 + 1, number + 1000, 100 + number / 3);
        self.server.sql(
            &self.url,
            &format!(
                "begin; update orders set amount = amount + {number} where id = {id}; delete from orders where id = {other} - 1003; \
                 insert into orders values ({other}, {number}, null); commit; \
                 update orders set id = id + 100000 where id = {other} - 1; \
                 insert into journal values ({other}, {tick}), ({other}, {tick})"
            ),
        );
    }
}

/// The numbers of an answer of one row, wherever they stand in it.
fn numbers(answer: &serde_json::Value) -> Vec<i64> {
    match answer {
        serde_json::Value::Number(number) => number.as_i64().into_iter().collect(),
        serde_json::Value::Array(items) => items.iter().flat_map(numbers).collect(),
        serde_json::Value::Object(fields) => fields.values().flat_map(numbers).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn tables_are_landed_and_followed_and_secrets_stay_references() {
    let shop = Shop::new();
    shop.run_well(&["apply", "--yes"]);
    assert_eq!(shop.totals(), shop.truth());
    shop.change(1);
    shop.run_well(&["run"]);
    assert_eq!(shop.totals(), shop.truth());
    // What is there already is not landed again.
    assert!(!String::from_utf8_lossy(&shop.run(&["run"], None).stdout).contains("pull"));
    let stored = std::fs::read(shop.project.path(".baton/ledger.db")).unwrap();
    let holds = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("${env:TEST_DATABASE}") && !holds(&shop.url));
    let without = shop.project.output(&["doctor"]);
    assert!(without.stdout.contains("secret `${env:TEST_DATABASE}` is not there"), "{}", without.stdout);
}

#[test]
fn a_second_environment_takes_what_the_first_landed() {
    let shop = Shop::new();
    shop.run_well(&["apply", "--yes", "-e", "prod"]);
    shop.run_well(&["apply", "--yes"]);
    assert_eq!(shop.totals(), shop.truth());
    shop.change(1);
    shop.run_well(&["run"]);
    shop.change(2);
    shop.run_well(&["run", "-e", "prod"]);
    shop.run_well(&["run"]);
    assert_eq!(shop.totals(), shop.truth());
}

#[test]
fn a_check_that_does_not_hold_keeps_the_rows_and_moves_the_slot() {
    let shop = Shop::new();
    shop.run_well(&["apply", "--yes"]);
    let before = shop.totals();
    let strict = shop.server.sources().replace("checks: [{unique: [id]}]", "checks: [{row_count: {max: 50}}]");
    shop.project.write("sources.yml", &strict);
    shop.run_well(&["apply", "--yes"]);
    let slot = "select confirmed_flush_lsn from pg_replication_slots where database = current_database()";
    let confirmed = shop.server.sql(&shop.url, slot);
    shop.change(1);
    shop.run(&["run"], None);
    assert_eq!(shop.totals()[..2], before[..2]);
    assert_ne!(shop.server.sql(&shop.url, slot), confirmed, "the server still keeps what is landed");
    shop.server.sql(&shop.url, "delete from orders where id = 1");
    shop.run_well(&["run"]);
    assert_eq!(shop.totals(), shop.truth());
}

/// Wherever runs are killed, and whatever happens meanwhile, the end is what the database has.
fn kills_neither_lose_nor_double(shop: &Shop) {
    shop.run(&["apply", "--yes"], Some("@9"));
    shop.run_well(&["apply", "--yes"]);
    let (mut killed, mut round) = (0, 0);
    while killed < KILLS {
        assert!(round < KILLS * 4, "only {killed} of {round} runs were killed");
        shop.change(round);
        // A walk over all points that looks random: 13 and the number of points have no common divisor.
        let point = format!("@{}", round * 13 % POINTS + 1);
        killed += u64::from(!shop.run(&["run"], Some(&point)).status.success());
        if round % 5 == 4 {
            shop.run_well(&["run"]);
            assert_eq!(shop.totals(), shop.truth(), "after round {round}");
        }
        round += 1;
    }
    shop.run_well(&["run"]);
    assert_eq!(shop.totals(), shop.truth(), "at the end");
}

#[test]
fn kills_anywhere_neither_lose_nor_double_a_row() {
    kills_neither_lose_nor_double(&Shop::new());
}

#[test]
fn kills_anywhere_neither_lose_nor_double_a_row_of_mariadb() {
    kills_neither_lose_nor_double(&Shop::of(Database::Mariadb(TestMariadb::shared())));
}

#[test]
fn deleted_rows_stay_marked_where_they_are_kept() {
    let shop = Shop::new();
    let sources = SOURCES.replace("CONNECTOR", "postgres").replace("MODE", "cdc\n    deletes: keep");
    shop.project.write("sources.yml", &sources);
    shop.run_well(&["apply", "--yes"]);
    let sql = |statements: &str| shop.server.sql(&shop.url, statements);
    sql(
        "update orders set amount = 7 where id = 1; delete from orders where id = 2; insert into orders values (51, 5, 'new')",
    );
    shop.run_well(&["run"]);
    // A column comes, and a row that was deleted comes again.
    sql(
        "alter table orders add column colour text; insert into orders values (2, 8, 'again', 'red'); delete from orders where id = 3",
    );
    shop.run_well(&["run"]);
    let kept = "select id, amount, length(note) as note, is_deleted, colour from followed where id in (1, 2, 3, 51) order by id";
    let rows = crate::answers::rows(&shop.project, kept);
    assert_eq!(
        rows,
        "id,amount,note,is_deleted,colour\n1,7,5000,false,\n2,8,5,false,red\n3,3,5000,true,\n51,5,3,false,\n"
    );
}

#[test]
fn a_role_that_may_not_publish_hears_what_to_run() {
    let shop = Shop::new();
    let role = format!("reader_{}", std::process::id());
    let statements = format!(
        "create role {role} login replication password 'p'; grant select on all tables in schema public to {role}"
    );
    shop.server.sql(&shop.url, &statements);
    let url = shop.url.replace("postgres@", &format!("{role}:p@"));
    let mut command = shop.project.command(&["doctor"]);
    let output = command.env("TEST_DATABASE", &url).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let hint = "let its owner run `create publication \"baton_followed\" for table \"orders\"`";
    assert!(told.contains(hint) && told.contains("may not make one"), "{url}: {told}");
    shop.server.sql(&shop.url, "create publication baton_followed for table orders");
    let mut command = shop.project.command(&["apply", "--yes"]);
    let output = command.env("TEST_DATABASE", &url).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(shop.totals(), shop.truth());
}
