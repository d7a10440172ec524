//! Time that is computed again: gaps that are left and filled, what reads it, backfills that were killed; and features
//! over views.

use std::collections::BTreeMap;
use std::time::SystemTime;

use baton_testkit::project::TestProject;
use expect_test::expect;

use crate::answers::{ok, rows};
use crate::shop::{check, empty};

/// 2024-01-04T00:00:00Z: when the first file arrived.
const ARRIVED: u64 = 1_704_326_400;
const DAY: u64 = 86_400;

const SOURCES: &str = "\
sources:
  - name: orders
    path: landing/orders-*.csv
    time: ordered_at
    columns:
      - {name: customer, type: string}
      - {name: amount, type: float}
      - {name: ordered_at, type: timestamp}
";

const ORDERS: &str = "\
customer,amount,ordered_at
ada,12.5,2024-01-01T09:00:00Z
grace,99.75,2024-01-02T10:30:00Z
ada,7.25,2024-01-03T08:15:00Z
";

/// One order is late by weeks.
const MORE: &str = "\
customer,amount,ordered_at
edsger,4,2023-12-10T12:00:00Z
grace,30,2024-01-05T08:15:00Z
";

const BY_DAY: &str = "\
{{ config(materialize='incremental', time='day') }}
select date_trunc('day', ordered_at) as day, customer, sum(amount) as amount from orders group by 1, 2
";

fn days() -> TestProject {
    empty()
        .file("baton.yml", "project: days\nenvironments: {prod: {}}\n")
        .file("sources.yml", SOURCES)
        .file("tables/by_day.sql", BY_DAY)
        .delivery("landing/orders-1.csv", ORDERS, ARRIVED)
}

/// The lines of `show by_day` on its time.
fn time_of(project: &TestProject) -> String {
    let shown = ok(project, &["show", "by_day"]);
    let lines = shown.lines().filter(|line| line.starts_with("  time") || line.starts_with("  missing"));
    lines.map(|line| format!("{}\n", line.trim_start())).collect()
}

#[test]
fn a_gap_that_a_backfill_leaves_is_missing_until_the_next_run_fills_it() {
    let project = days();
    ok(&project, &["apply", "--yes", "--as-of", "2024-01-05"]);
    let project = project.delivery("landing/orders-2.csv", MORE, ARRIVED + DAY / 2);
    let early = ["backfill", "by_day", "--from", "2023-12-01", "--to", "2023-12-05"];
    assert_eq!(project.output(&[&early[..], &["--yes"]].concat()).code, Some(1), "a gap has to be asked for");
    ok(&project, &[&early[..], &["--yes", "--allow-gaps"]].concat());
    check(
        &time_of(&project),
        &expect![[r#"
              time       [2023-12-01T00:00, 2023-12-05T00:00), [2024-01-01T00:00, 2024-01-05T00:00)
              missing    [2023-12-05T00:00, 2024-01-01T00:00)
        "#]],
    );
    let plan = ok(&project, &["plan", "--as-of", "2024-01-05"]);
    assert!(plan.contains("lacks [2023-12-05T00:00, 2024-01-01T00:00)"), "{plan}");
    ok(&project, &["run", "--as-of", "2024-01-05"]);
    check(
        &time_of(&project),
        &expect![[r#"
              time       [2023-12-01T00:00, 2024-01-05T00:00)
        "#]],
    );
    let plan = ok(&project, &["plan", "--as-of", "2024-01-05"]);
    assert!(plan.contains("No changes"), "{plan}");
    let oldest = rows(&project, "select day, customer, amount from by_day order by day limit 1");
    assert_eq!(oldest, "day,customer,amount\n2023-12-10T00:00:00Z,edsger,4.0\n");
}

#[test]
fn a_backfill_reaches_its_readers_and_says_so_first() {
    let project = days()
        .file("tables/total.sql", "select customer, sum(amount) as amount from by_day group by customer\n")
        .file("tables/shown.sql", "{{ config(materialize='view') }}\nselect * from by_day where amount > 5\n")
        .file(
            "tables/best.sql",
            "{{ config(materialize='merge', grain=['customer'], time='day') }}\nselect customer, day, amount from by_day\n",
        );
    ok(&project, &["apply", "--yes", "--as-of", "2024-01-05"]);
    let range = ["backfill", "by_day", "--from", "2024-01-02", "--to", "2024-01-04"];
    check(
        &ok(&project, &[&range[..], &["--dry-run"]].concat()),
        &expect![[r#"
        Backfill of `by_day` in environment `prod`

          computes  [2024-01-02T00:00, 2024-01-04T00:00) in 2 batches
          restates  [2024-01-02T00:00, 2024-01-04T00:00)

          then
          > table         best                   takes in the rows that differ, by key
          > table         shown                  shows the new rows
          > table         total                  is computed again
    "#]],
    );
    let answer = ok(&project, &[&range[..], &["--yes"]].concat());
    let worked: Vec<&str> = answer.lines().filter(|line| line.contains("✓")).map(str::trim_start).collect();
    check(
        &worked.join("\n"),
        &expect![[r#"
          ✓ build       by_day               2 rows for [2024-01-02T00:00, 2024-01-04T00:00), 3 in all
          ✓ build       best                 0 new rows, 2 in all
          ✓ build       shown                view
          ✓ build       total                2 rows"#]],
    );
    let plan = ok(&project, &["plan", "--as-of", "2024-01-05"]);
    assert!(plan.contains("No changes"), "{plan}");
    let answer = ok(&project, &[&range[..], &["--dry-run", "--no-downstream"]].concat());
    assert!(answer.contains("left until the next run: best, shown, total"), "{answer}");
}

/// Data files of `by_day` and when they were written.
fn files(project: &TestProject) -> BTreeMap<String, SystemTime> {
    let mut found = BTreeMap::new();
    let tables = project.path(".baton/warehouse/tables/by_day");
    for folder in std::fs::read_dir(tables).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().to_string_lossy().into_owned();
            if name.ends_with(".parquet") {
                found.insert(name, file.metadata().unwrap().modified().unwrap());
            }
        }
    }
    found
}

#[test]
fn a_killed_backfill_goes_on_with_the_pieces_that_it_had_not_finished() {
    let project = days();
    ok(&project, &["apply", "--yes", "--as-of", "2024-01-05"]);
    let expected = rows(&project, "select * from by_day order by 1, 2");
    let before = files(&project);
    let command = ["backfill", "by_day", "--from", "2024-01-01", "--to", "2024-01-04", "--yes", "--parallel=1"];
    let killed = project.command(&command).env("BATON_FAILPOINT", "build.before_commit").output().unwrap();
    assert_eq!(killed.status.code(), None);
    let mut staged = files(&project);
    staged.retain(|name, _| !before.contains_key(name));
    assert_eq!(staged.len(), 3, "a file a day");
    ok(&project, &command);
    let mut after = files(&project);
    after.retain(|name, _| !before.contains_key(name));
    assert_eq!(after, staged, "what was written is taken as it is");
    assert_eq!(rows(&project, "select * from by_day order by 1, 2"), expected);
}

#[test]
fn the_rows_of_a_backfill_do_not_depend_on_the_number_of_threads() {
    let results = ["--parallel=1", "--parallel=2", "--parallel=8"].map(|parallel| {
        let project = days();
        ok(&project, &["apply", "--yes", "--as-of", "2024-01-05"]);
        ok(&project, &["backfill", "by_day", "--from", "2023-12-20", "--to", "2024-01-05", "--yes", parallel]);
        // A file's name holds the hash of its content.
        (files(&project).into_keys().collect::<Vec<String>>(), rows(&project, "select * from by_day order by 1, 2"))
    });
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
}

#[test]
fn features_over_a_view_are_those_over_a_table() {
    let answers = ["table", "view"].map(|materialize| {
        let project = days()
            .file(
                "tables/spent.sql",
                &format!(
                    "{{{{ config(materialize='{materialize}', grain=['customer', 'ordered_at']) }}}}\n\
                     select customer, ordered_at, amount from orders\n"
                ),
            )
            .file(
                "tables.yml",
                "tables:\n  - name: spent\n    checks: [{unique: [customer, ordered_at]}]\n    columns:\n      \
                 - {name: customer, checks: [not_null, {relationships: {to: by_day, field: customer}}]}\n",
            )
            .file(
                "features.yml",
                "features:\n  - {name: spending, entity: [customer], from: spent, time: ordered_at, online: true}\n",
            );
        let answer = ok(&project, &["apply", "--yes", "--as-of", "2024-01-05"]);
        let online = answer.lines().find(|line| line.contains("materialize")).unwrap_or_default().to_owned();
        let plan = ok(&project, &["plan", "--as-of", "2024-01-05"]);
        assert!(plan.contains("No changes"), "{plan}");
        (online, rows(&project, "select * from spent order by 1, 2"))
    });
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].0.contains("3 rows online"), "{}", answers[0].0);
}
