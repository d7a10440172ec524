//! Exports to real destinations: what changed and no more, killed anywhere. Needs the programs of PostgreSQL and MariaDB,
//! and the Python of the tests for a store.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use baton_testkit::mariadb::TestMariadb;
use baton_testkit::moto::TestMoto;
use baton_testkit::postgres::TestPostgres;
use baton_testkit::project::{Output, TestProject};
use baton_testkit::web::{Answer, TestWeb};
use serde_json::Value;

/// Rows of the source: more than one batch of the engine.
const ROWS: u64 = 9_000;
/// Kills that all destinations together must come to.
const KILLS: usize = 100;

/// Numbers that look random and are always the same.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What the source holds.
type Rows = BTreeMap<u64, (String, u64)>;

fn first_rows(number: u64) -> Rows {
    (1..=number).map(|id| (id, (format!("name {id}"), id * 10))).collect()
}

/// Some rows go, some come, some have other values.
fn change(rows: &mut Rows, chance: &mut Chance) {
    for _ in 0..chance.below(6) {
        let ids: Vec<u64> = rows.keys().copied().collect();
        let at = |chance: &mut Chance| ids[chance.below(ids.len() as u64) as usize];
        let (gone, changed) = (at(chance), at(chance));
        rows.remove(&gone);
        let amount = chance.below(1_000);
        if let Some(row) = rows.get_mut(&changed) {
            row.1 = amount;
        }
        rows.insert(20_000 + chance.below(500), (format!("new \\ {amount} \"é\""), amount));
    }
}

fn as_csv(rows: &Rows) -> String {
    let mut text = "id,name,amount\n".to_owned();
    for (id, (name, amount)) in rows {
        let name = name.replace('"', "\"\"");
        writeln!(text, "{id},\"{name}\",{amount}").unwrap();
    }
    text
}

/// The rows as every destination is read: `id|name|amount`.
fn lines(rows: &Rows) -> Vec<String> {
    rows.iter().map(|(id, (name, amount))| format!("{id}|{name}|{amount}")).collect()
}

const SOURCES: &str = "
sources:
  - name: raw_customers
    path: landing/customers.csv
    load: replace
    columns: [{name: id, type: int}, {name: name, type: string}, {name: amount, type: int}]
";

/// How the rows of a destination are read.
type Read = Box<dyn Fn(&TestProject) -> Vec<String>>;

struct Shop {
    project: TestProject,
    variables: Vec<(String, String)>,
    read: Read,
}

impl Shop {
    /// A project whose table `customers` is delivered as `export` says.
    fn new(export: &str, read: impl Fn(&TestProject) -> Vec<String> + 'static) -> Self {
        let project = TestProject::new(env!("CARGO_BIN_EXE_baton"))
            .file("baton.yml", "project: shop\nenvironments: {dev: {}, prod: {protected: true}}\n")
            .file("sources.yml", SOURCES)
            .file("tables/customers.sql", "select id, name, amount from raw_customers\n")
            .file("exports.yml", &format!("exports:\n  - name: crm\n    from: customers\n{export}\n"));
        Self { project, variables: Vec::new(), read: Box::new(read) }
    }

    fn with(mut self, variable: &str, value: impl Into<String>) -> Self {
        self.variables.push((variable.to_owned(), value.into()));
        self
    }

    fn write(&self, rows: &Rows) {
        self.project.write("landing/customers.csv", &as_csv(rows));
    }

    fn output(&self, arguments: &[&str], failpoint: Option<&str>) -> Output {
        let mut command = self.project.command(arguments);
        command.envs(self.variables.iter().cloned());
        if let Some(failpoint) = failpoint {
            command.env("BATON_FAILPOINT", failpoint);
        }
        let output = command.output().unwrap();
        Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments, None);
        assert_eq!(output.code, Some(0), "{arguments:?}: {}{}", output.stdout, output.stderr);
        output.stdout
    }

    /// What the step of the export said, in the JSON of a run.
    fn step(&self, arguments: &[&str]) -> (String, String) {
        let report: Value = serde_json::from_str(&self.ok(&[arguments, &["-o", "json"]].concat())).unwrap();
        let steps = report["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["verb"] == "export").unwrap();
        (step["state"].as_str().unwrap().to_owned(), step["detail"].as_str().unwrap().to_owned())
    }

    fn holds(&self, rows: &Rows, when: &str) {
        assert_eq!((self.read)(&self.project), lines(rows), "{when}");
    }
}

fn postgres() -> Shop {
    let server = TestPostgres::shared();
    let url = server.database();
    let export = "    to: {connector: postgres, url: '${env:CRM}', table: public.customers}
    key: [id]
";
    let place = url.clone();
    let read = move |_: &TestProject| {
        let text = server.sql(&place, "select id || '|' || name || '|' || amount from customers order by id");
        text.lines().map(str::to_owned).collect()
    };
    Shop::new(export, read).with("CRM", url)
}

fn mariadb() -> Shop {
    let server = TestMariadb::shared();
    let url = server.database();
    let export = "    to: {connector: mysql, url: '${env:CRM}', table: customers}
    key: [id]
";
    let place = url.clone();
    let read = move |_: &TestProject| {
        let hex = server.sql(&place, "select hex(concat_ws('|', id, name, amount)) from customers order by id");
        let text = |line: &str| {
            let bytes =
                (0..line.len() / 2).map(|place| u8::from_str_radix(&line[2 * place..2 * place + 2], 16).unwrap());
            String::from_utf8(bytes.collect()).unwrap()
        };
        hex.lines().map(text).collect()
    };
    Shop::new(export, read).with("CRM", url)
}

/// Rows after all changes that the files of a manifest hold, in its order.
fn folded(manifest: &[u8], content: impl Fn(&str) -> Vec<u8>) -> Vec<String> {
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    let mut rows: BTreeMap<u64, String> = BTreeMap::new();
    for file in manifest["files"].as_array().unwrap() {
        let text = String::from_utf8(content(file["name"].as_str().unwrap())).unwrap();
        for line in text.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let id = row["id"].as_u64().unwrap();
            match row["_operation"].as_str() {
                Some("delete") => drop(rows.remove(&id)),
                _ => drop(rows.insert(id, format!("{id}|{}|{}", row["name"].as_str().unwrap(), row["amount"]))),
            }
        }
    }
    rows.into_values().collect()
}

fn folder() -> Shop {
    let export = "    to: {connector: file, path: out/customers/, format: json}
    key: [id]
";
    Shop::new(export, |project| {
        let folder = project.path("out/customers");
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        folded(&read("_delivery.json"), read)
    })
}

fn store() -> Shop {
    let store = TestMoto::shared();
    let bucket = store.bucket();
    let export = format!(
        "    to: {{connector: s3, path: 's3://{bucket}/out/customers/', format: json, endpoint: '${{env:STORE}}',
         access_key_id: test, secret_access_key: '${{env:KEY}}'}}
    key: [id]
"
    );
    let read = move |_: &TestProject| {
        let read = |name: &str| store.get(&bucket, &format!("out/customers/{name}")).unwrap();
        folded(&read("_delivery.json"), read)
    };
    Shop::new(&export, read).with("STORE", store.url()).with("KEY", "secret")
}

/// What an API has taken.
#[derive(Default)]
struct Taken {
    keys: BTreeSet<String>,
    rows: BTreeMap<u64, String>,
    appended: Vec<u64>,
    requests: u64,
}

/// An API that takes each key once, fails now and then after it has taken a request, and asks to wait now and then.
fn api(mode: &str) -> (Shop, Arc<Mutex<Taken>>) {
    let taken = Arc::new(Mutex::new(Taken::default()));
    let heard = Arc::clone(&taken);
    let server = TestWeb::start(move |asked| {
        let mut taken = heard.lock().unwrap();
        taken.requests += 1;
        if asked.header("authorization") != "Bearer t0ken" {
            return Answer::status(401, "who are you?");
        }
        if taken.requests % 11 == 0 {
            return Answer::status(429, "slowly").with("Retry-After", "0");
        }
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        if taken.keys.insert(asked.header("idempotency-key").to_owned()) {
            for row in body["records"].as_array().unwrap() {
                let id = row["id"].as_u64().unwrap();
                match body["operation"].as_str() {
                    Some("delete") => drop(taken.rows.remove(&id)),
                    _ => {
                        let line = format!("{id}|{}|{}", row["name"].as_str().unwrap(), row["amount"]);
                        taken.rows.insert(id, line);
                        taken.appended.push(id);
                    }
                }
            }
        }
        if taken.requests % 7 == 0 { Answer::status(503, "taken, and gone down") } else { Answer::ok("{}") }
    });
    let export = format!(
        "    to: {{connector: http, url: '{}/rows', pause_seconds: 0.001, auth: {{type: bearer, token: '${{env:TOKEN}}'}}}}
    mode: {mode}
    key: [id]
    batch: 2500
",
        server.url
    );
    let seen = Arc::clone(&taken);
    let read = move |_: &TestProject| seen.lock().unwrap().rows.values().cloned().collect();
    (Shop::new(&export, read).with("TOKEN", "t0ken"), taken)
}

/// First all rows, then what changed and no more, then nothing.
fn delivers_changes(shop: &Shop) {
    let mut rows = first_rows(5);
    shop.write(&rows);
    let (state, detail) = shop.step(&["apply", "--yes", "-e", "prod"]);
    assert_eq!((state.as_str(), detail.split(" to ").next()), ("done", Some("all 5 rows")));
    shop.holds(&rows, "first");
    rows.remove(&2);
    rows.get_mut(&3).unwrap().1 = 7;
    rows.insert(9, ("tab\tback\\slash 'quote' \"é\"".to_owned(), 9));
    shop.write(&rows);
    let preview: Value = serde_json::from_str(&{
        shop.ok(&["apply", "--yes", "-e", "dev"]);
        shop.ok(&["export", "crm", "-e", "prod", "--dry-run", "-o", "json"])
    })
    .unwrap();
    assert_eq!(preview["up_to_date"], true, "nothing was published in prod since: {preview}");
    let (state, detail) = shop.step(&["run", "-e", "prod"]);
    assert_eq!((state.as_str(), detail.split(" to ").next()), ("done", Some("1 new, 1 changed, 1 gone")));
    shop.holds(&rows, "changed");
    assert_eq!(shop.step(&["run", "-e", "prod"]).0, "up_to_date");
    assert_eq!(shop.step(&["export", "crm", "-e", "prod", "--full-refresh"]).0, "done");
    shop.holds(&rows, "all once more");
}

#[test]
fn postgres_gets_what_changed() {
    delivers_changes(&postgres());
}

#[test]
fn mariadb_gets_what_changed() {
    delivers_changes(&mariadb());
}

#[test]
fn a_folder_gets_what_changed() {
    delivers_changes(&folder());
}

#[test]
fn a_store_gets_what_changed() {
    delivers_changes(&store());
}

#[test]
fn an_api_gets_what_changed() {
    delivers_changes(&api("upsert").0);
}

/// Kills a run at its first point, the next one at its second, … each with other changes; answers with how many kills.
fn kill_everywhere(shop: &Shop, seed: u64, after: impl Fn(&Rows)) -> usize {
    let (mut rows, mut chance) = (first_rows(ROWS), Chance(seed));
    shop.write(&rows);
    shop.ok(&["apply", "--yes", "-e", "prod"]);
    for nth in 1.. {
        change(&mut rows, &mut chance);
        rows.entry(1).or_insert_with(|| ("again".to_owned(), 0)).1 = 100_000 + nth;
        shop.write(&rows);
        let killed = shop.output(&["run", "-e", "prod"], Some(&format!("@{nth}")));
        if killed.code == Some(0) {
            shop.holds(&rows, "not killed any more");
            return nth as usize - 1;
        }
        assert_eq!(killed.code, None, "point {nth}: {}{}", killed.stdout, killed.stderr);
        // Now and then something else is to be delivered before the next try.
        if nth % 3 == 0 {
            change(&mut rows, &mut chance);
            shop.write(&rows);
        }
        shop.ok(&["run", "-e", "prod"]);
        shop.holds(&rows, &format!("killed at point {nth}"));
        after(&rows);
    }
    unreachable!("a command that never ends")
}

#[test]
fn killed_anywhere_every_destination_ends_like_the_table() {
    let kills = [
        kill_everywhere(&postgres(), 1, |_| {}),
        kill_everywhere(&mariadb(), 2, |_| {}),
        kill_everywhere(&folder(), 3, |_| {}),
        kill_everywhere(&store(), 4, |_| {}),
        kill_everywhere(&api("upsert").0, 5, |_| {}),
    ];
    assert!(kills.iter().sum::<usize>() >= KILLS, "{kills:?}");
}

#[test]
fn rows_that_are_added_come_once_wherever_a_run_is_killed() {
    let (shop, taken) = api("append");
    let mut rows = first_rows(6_000);
    shop.write(&rows);
    shop.ok(&["apply", "--yes", "-e", "prod"]);
    let mut kills = 0;
    for nth in 1.. {
        (0..3).for_each(|more| drop(rows.insert(10_000 + nth * 10 + more, (format!("n{nth}"), more))));
        shop.write(&rows);
        let killed = shop.output(&["run", "-e", "prod"], Some(&format!("@{nth}")));
        shop.ok(&["run", "-e", "prod"]);
        let mut appended = taken.lock().unwrap().appended.clone();
        appended.sort_unstable();
        let expected: Vec<u64> = rows.keys().copied().collect();
        assert_eq!(appended, expected, "point {nth}");
        if killed.code == Some(0) {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 15, "{kills}");
}

/// Random changes; after each delivery the destination has exactly the table's rows.
fn follows(shop: &Shop, seed: u64) {
    let (mut rows, mut chance) = (first_rows(40), Chance(seed));
    shop.write(&rows);
    shop.ok(&["apply", "--yes", "-e", "prod"]);
    for step in 0..12 {
        change(&mut rows, &mut chance);
        shop.write(&rows);
        shop.ok(&["run", "-e", "prod"]);
        shop.holds(&rows, &format!("step {step}"));
    }
}

#[test]
fn random_changes_are_followed() {
    follows(&postgres(), 11);
    follows(&mariadb(), 12);
    follows(&folder(), 13);
    follows(&store(), 14);
    follows(&api("upsert").0, 15);
}

#[test]
fn only_environments_that_are_meant_are_delivered() {
    let shop = folder();
    shop.write(&first_rows(3));
    shop.ok(&["apply", "--yes", "-e", "dev"]);
    assert!(!shop.project.path("out").exists(), "a branch delivered to production");
    let refused = shop.output(&["export", "crm", "-e", "dev"], None);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("does not deliver environment `dev`"), "{}", refused.stderr);
    shop.ok(&["apply", "--yes", "-e", "prod"]);
    assert!(shop.project.path("out/customers/_delivery.json").exists());
}

#[test]
fn a_file_is_replaced_whole_with_names_and_rows_as_asked() {
    let export = "    to: {connector: file, path: out/customers.csv}
    select: [id, amount]
    rename: {amount: total}
    where: amount > 10
";
    let shop = Shop::new(export, |project| {
        let text = std::fs::read_to_string(project.path("out/customers.csv")).unwrap();
        text.lines().map(str::to_owned).collect()
    });
    shop.write(&first_rows(3));
    shop.ok(&["apply", "--yes", "-e", "prod"]);
    assert_eq!((shop.read)(&shop.project), ["id,total", "2,20", "3,30"]);
    shop.write(&Rows::new());
    shop.ok(&["run", "-e", "prod"]);
    assert_eq!((shop.read)(&shop.project), ["id,total"]);
}

#[test]
fn what_is_in_the_way_is_named_at_once_and_nothing_is_sent() {
    let shop = postgres();
    let url = PathBuf::from(&shop.variables[0].1).display().to_string();
    let server = TestPostgres::shared();
    server.sql(&url, "create table customers (id bigint, name date, needed text not null)");
    shop.write(&first_rows(3));
    let failed = shop.output(&["apply", "--yes", "-e", "prod"], None);
    assert_eq!(failed.code, Some(1), "{}", failed.stdout);
    for part in [
        "column `name` is date there and string here",
        "it has no column `amount` (int)",
        "column `needed` there needs a value",
        "create unique index on \"public\".\"customers\" (\"id\")",
    ] {
        assert!(failed.stdout.contains(part), "{part}: {}", failed.stdout);
    }
    assert_eq!(server.sql(&url, "select count(*) from customers"), "0");
    // A changed export waits for its apply, and says so once.
    let changed = std::fs::read_to_string(shop.project.path("exports.yml")).unwrap() + "    where: id > 0\n";
    let declared = std::fs::read_to_string(shop.project.path("exports.yml")).unwrap();
    shop.project.write("exports.yml", &changed);
    assert_eq!(shop.ok(&["run", "-e", "prod"]).matches("changed in the project since the last apply").count(), 1);
    shop.project.write("exports.yml", &declared);
    // The tables are published all the same, and the next run tries again.
    server.sql(&url, "drop table customers");
    shop.ok(&["run", "-e", "prod"]);
    shop.holds(&first_rows(3), "mended");
}

#[test]
fn tagged_columns_that_leave_are_named_by_the_plan() {
    let shop = folder();
    shop.project.write(
        "sources.yml",
        &SOURCES.replace("{name: name, type: string}", "{name: name, type: string, tags: [personal]}"),
    );
    shop.write(&first_rows(3));
    let plan = shop.ok(&["plan", "-e", "prod"]);
    assert!(plan.contains("crm.name"), "{plan}");
}
