//! Deliveries by whatever moves an environment, what is kept for them, and what `baton export` says, whole.

use std::path::{Path, PathBuf};

use baton_testkit::project::TestProject;
use expect_test::{Expect, expect};
use serde_json::Value;

use crate::answers::ok;
use crate::shop::{check, empty};

const SOURCES: &str = "\
sources:
  - name: raw_customers
    path: landing/customers.csv
    load: replace
    columns: [{name: id, type: int}, {name: name, type: string}]
";

const EXPORT: &str = "\
exports:
  - name: crm
    from: customers
    to: {connector: file, path: out/customers/, format: json}
    key: [id]
";

/// A project whose table of customers goes to a folder from `prod`.
fn customers(export: &str) -> TestProject {
    empty()
        .file("baton.yml", "project: shop\nenvironments: {dev: {}, prod: {protected: true}}\n")
        .file("sources.yml", SOURCES)
        .file("tables/customers.sql", "select id, name from raw_customers\n")
        .file("exports.yml", export)
}

fn deliver(project: &TestProject, names: &[&str]) {
    let rows: String = names.iter().enumerate().map(|(id, name)| format!("{},{name}\n", id + 1)).collect();
    project.write("landing/customers.csv", &format!("id,name\n{rows}"));
}

/// The rows at the destination, `id name`, after all files of its manifest.
fn there(project: &TestProject) -> Vec<String> {
    let folder = project.path("out/customers");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let manifest: Value = serde_json::from_str(&read("_delivery.json")).unwrap();
    let mut rows = std::collections::BTreeMap::new();
    for file in manifest["files"].as_array().unwrap() {
        for line in read(file["name"].as_str().unwrap()).lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let id = row["id"].as_u64().unwrap();
            match row["_operation"].as_str() {
                Some("delete") => drop(rows.remove(&id)),
                _ => drop(rows.insert(id, format!("{id} {}", row["name"].as_str().unwrap()))),
            }
        }
    }
    rows.into_values().collect()
}

fn json(project: &TestProject, arguments: &[&str]) -> Value {
    serde_json::from_str(&ok(project, &[arguments, &["-o", "json"]].concat())).unwrap()
}

/// What the step of the export came to.
fn delivered(report: &Value) -> (&str, &str) {
    let steps = report["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["verb"] == "export").unwrap();
    (step["state"].as_str().unwrap(), step["detail"].as_str().unwrap())
}

#[test]
fn a_rollback_and_a_promotion_deliver() {
    let project = customers(EXPORT);
    deliver(&project, &["Ann", "Bob"]);
    ok(&project, &["apply", "-e", "prod", "--yes"]);
    deliver(&project, &["Ann", "Bea", "Cid"]);
    ok(&project, &["run", "-e", "prod"]);
    assert_eq!(there(&project), ["1 Ann", "2 Bea", "3 Cid"]);
    let back = json(&project, &["rollback", "-e", "prod", "--yes"]);
    assert_eq!(delivered(&back["delivered"]), ("done", "1 changed, 1 gone to file"));
    assert_eq!(there(&project), ["1 Ann", "2 Bob"]);
    ok(&project, &["env", "create", "dev", "--from", "prod"]);
    deliver(&project, &["Ann", "Dan"]);
    ok(&project, &["run", "-e", "dev"]);
    assert_eq!(there(&project), ["1 Ann", "2 Bob"], "a branch delivered to production");
    let promoted = ok(&project, &["promote", "dev", "prod", "--yes"]);
    assert!(promoted.contains("✓ export      crm                  1 changed to file"), "{promoted}");
    assert_eq!(there(&project), ["1 Ann", "2 Dan"]);
    // Nothing moves, so nothing is delivered or told.
    assert!(!ok(&project, &["promote", "dev", "prod", "--yes"]).contains("crm"));
}

#[test]
fn a_rollback_whose_delivery_fails_is_no_further_rollback_when_it_is_asked_for_again() {
    let project = customers(EXPORT);
    for names in [&["Ann"][..], &["Bob"], &["Cid"]] {
        deliver(&project, names);
        ok(&project, &["apply", "-e", "prod", "--yes"]);
    }
    let (folder, aside) = (project.path("out/customers"), project.path("aside"));
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    let failed = project.output(&["rollback", "-e", "prod", "--yes"]);
    assert_eq!(failed.code, Some(1), "{}{}", failed.stdout, failed.stderr);
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    ok(&project, &["rollback", "-e", "prod", "--yes"]);
    assert_eq!(there(&project), ["1 Bob"]);
    // The one after that takes back the rollback.
    ok(&project, &["rollback", "-e", "prod", "--yes"]);
    assert_eq!(there(&project), ["1 Cid"]);
}

/// 2024-06-02T00:00:00Z.
const LATE: u64 = 1_717_286_400;

/// Orders by day, delivered as they are.
fn days() -> TestProject {
    let source = "\
sources:
  - name: orders
    path: landing/*.csv
    time: day
    columns: [{name: amount, type: int}, {name: day, type: timestamp}]
";
    let table = "{{ config(materialize='incremental', time='day') }}
select day, sum(amount) as amount from orders group by 1
";
    let export = "\
exports:
  - {name: board, from: by_day, to: {connector: file, path: out/by_day.csv}}
";
    empty()
        .file("baton.yml", "project: days\nenvironments: {prod: {}}\n")
        .file("sources.yml", source)
        .file("tables/by_day.sql", table)
        .file("exports.yml", export)
        .delivery("landing/1.csv", "amount,day\n1,2024-06-01T00:00:00Z\n", LATE)
}

fn board(project: &TestProject) -> String {
    let text = std::fs::read_to_string(project.path("out/by_day.csv")).unwrap();
    let mut lines: Vec<&str> = text.lines().skip(1).collect();
    lines.sort_unstable();
    lines.iter().map(|line| line.replace("T00:00:00", "").replace([' ', 'Z'], "")).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_replay_delivers_where_it_ends_and_a_backfill_what_it_restates() {
    let mut project = days();
    ok(&project, &["apply", "--yes", "--as-of", "2024-06-02"]);
    let before = board(&project);
    assert!(before.contains("2024-06-01"), "{before}");
    let day = 86_400;
    project = project.delivery("landing/2.csv", "amount,day\n2,2024-06-02T00:00:00Z\n", LATE + day);
    project = project.delivery("landing/3.csv", "amount,day\n4,2024-06-03T00:00:00Z\n", LATE + 2 * day);
    let replay = json(&project, &["replay", "--from", "2024-06-02", "--to", "2024-06-04", "--every", "1d"]);
    let exports = replay["exports"].as_array().unwrap();
    assert_eq!(
        exports.iter().map(|one| (&one["export"], &one["inserted"])).collect::<Vec<_>>(),
        [(&Value::from("board"), &Value::from(3))]
    );
    assert!(board(&project).contains("2024-06-03"), "{}", board(&project));
    // A row that comes late is of a day that is done: a backfill takes it in, and the board has it.
    project = project.delivery("landing/late.csv", "amount,day\n100,2024-06-01T00:00:00Z\n", LATE + 2 * day);
    ok(&project, &["run", "--as-of", "2024-06-05"]);
    let late = board(&project);
    ok(&project, &["backfill", "by_day", "--from", "2024-06-01", "--to", "2024-06-02", "--yes"]);
    assert!(board(&project).contains("101"), "{late} then {}", board(&project));
}

/// Everything below the folder of a table's versions.
fn stored(project: &TestProject, table: &str) -> Vec<PathBuf> {
    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    files(&project.path(&format!(".baton/warehouse/tables/{table}")), &mut found);
    found.retain(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    found
}

#[test]
fn the_version_that_a_destination_holds_is_kept_for_the_next_comparison() {
    let project = customers(&EXPORT.replace("    key:", "    on: manual\n    key:"));
    deliver(&project, &["Ann", "Bob"]);
    ok(&project, &["apply", "-e", "prod", "--yes"]);
    assert_eq!(delivered(&json(&project, &["export", "crm", "-e", "prod"])), ("done", "all 2 rows to file"));
    let held = stored(&project, "customers");
    for names in [&["Ann", "Bea"][..], &["Ann", "Bea", "Cid"]] {
        deliver(&project, names);
        ok(&project, &["run", "-e", "prod"]);
    }
    ok(&project, &["gc", "--keep", "0s", "--grace", "0s"]);
    assert!(held.iter().all(|path| path.exists()), "what the destination holds was collected");
    assert_eq!(stored(&project, "customers").len(), 2, "what lies between was not collected");
    assert_eq!(delivered(&json(&project, &["export", "crm", "-e", "prod"])), ("done", "1 new, 1 changed to file"));
    // Now nobody needs the version before.
    ok(&project, &["gc", "--keep", "0s", "--grace", "0s"]);
    assert!(held.iter().all(|path| !path.exists()), "{held:?}");
}

#[test]
fn without_the_version_that_it_holds_a_destination_gets_all_rows_and_loses_those_that_are_gone() {
    let project = customers(EXPORT);
    deliver(&project, &["Ann", "Bob", "Cid"]);
    ok(&project, &["apply", "-e", "prod", "--yes"]);
    let held = stored(&project, "customers");
    deliver(&project, &["Ann", "Bea"]);
    project.write("exports.yml", &EXPORT.replace("    key:", "    on: manual\n    key:"));
    ok(&project, &["apply", "-e", "prod", "--yes"]);
    held.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    assert_eq!(delivered(&json(&project, &["export", "crm", "-e", "prod"])), ("done", "all 2 rows to file"));
    assert_eq!(there(&project), ["1 Ann", "2 Bea"]);
}

/// Standard output, standard error and exit code without what differs from run to run.
fn told(project: &TestProject, arguments: &[&str], expected: &Expect) {
    let output = project.output(arguments);
    let text = format!("{}{}exit: {}\n", output.stdout, output.stderr, output.code.unwrap_or(-1));
    let is_id = |word: &&str| matches!(word.len(), 10 | 16 | 32) && word.chars().all(|digit| digit.is_ascii_hexdigit());
    let words: Vec<&str> = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(is_id).collect();
    let text = words.iter().fold(text.clone(), |text, word| text.replace(word, "[id]"));
    check(&text, expected);
}

#[test]
fn exports_are_told() {
    let project = customers(EXPORT);
    let help = ok(&project, &["export", "--help"]);
    check(
        help.split("Global options").next().unwrap().trim_end(),
        &expect![[r#"
        Deliver rows of the environment to a system outside, or write what is tracked for MLflow

        Usage: baton export [OPTIONS] <NAME>
               baton export <COMMAND>

        Commands:
          mlflow  Write what is tracked as a database and artifacts that MLflow opens
          help    Print this message or the help of the given subcommand(s)

        Arguments:
          <NAME>
                  The export

        Options:
              --full-refresh
                  Deliver all rows, and take away what is there and no longer here

              --dry-run
                  Say what would be delivered, and deliver nothing

          -h, --help
                  Print help (see a summary with '-h')"#]],
    );
    deliver(&project, &["Ann", "Bob"]);
    told(
        &project,
        &["export", "crm", "-e", "prod"],
        &expect![[r#"
        error: environment `prod` has no commit yet: run `baton apply -e prod`
        exit: 1
    "#]],
    );
    ok(&project, &["apply", "-e", "prod", "--yes"]);
    told(
        &project,
        &["export", "crm", "-e", "prod"],
        &expect![[r#"
        prod stays at [id]
        exit: 0
    "#]],
    );
    deliver(&project, &["Ann", "Bea", "Cid"]);
    project.write("exports.yml", &EXPORT.replace("    key:", "    on: manual\n    key:"));
    ok(&project, &["apply", "-e", "prod", "--yes"]);
    told(
        &project,
        &["export", "crm", "-e", "prod", "--dry-run"],
        &expect![[r#"
        export `crm` would deliver what changed since tables/customers/[id]@0 to file
          new      1
          changed  1
          gone     0
        exit: 0
    "#]],
    );
    told(
        &project,
        &["export", "crm", "-e", "prod"],
        &expect![[r#"
          ✓ export      crm                  1 new, 1 changed to file
        prod stays at [id]
        exit: 0
    "#]],
    );
    told(
        &project,
        &["export", "crm", "-e", "prod", "--full-refresh", "--dry-run"],
        &expect![[r#"
        export `crm` would deliver all rows to file
          new      3
          changed  0
          gone     0
        exit: 0
    "#]],
    );
    told(
        &project,
        &["export", "crm", "-e", "prod", "--full-refresh"],
        &expect![[r#"
          ✓ export      crm                  all 3 rows to file
        prod stays at [id]
        exit: 0
    "#]],
    );
    told(
        &project,
        &["export", "crn", "-e", "prod"],
        &expect![[r#"
        error: there is no asset `crn` in the project
        help: did you mean `crm`?
        help: `baton ls` lists all assets
        exit: 1
    "#]],
    );
    told(
        &project,
        &["export", "customers", "-e", "prod"],
        &expect![[r#"
        error: there is no export `customers`; there are: crm
        exit: 1
    "#]],
    );
    told(
        &project,
        &["export", "crm", "-e", "dev"],
        &expect![[r#"
        error: export `crm` does not deliver environment `dev`; name it under `environments` of the export if that is meant
        exit: 1
    "#]],
    );
    project.write("exports.yml", &format!("{EXPORT}    environments: [prd]\n"));
    told(
        &project,
        &["plan", "-e", "prod"],
        &expect![[r#"
        error[P0202]: export `crm` delivers environment `prd`, which does not exist
           ╭─[exports.yml:6:20]
         5 │     key: [id]
         6 │     environments: [prd]
           ·                    ─┬─
           ·                     ╰── no environment of this name
           ╰────
          help: did you mean `prod`?
          help: declare it under `environments:` in `baton.yml`

        1 error, 0 warnings
        exit: 1
    "#]],
    );
}
