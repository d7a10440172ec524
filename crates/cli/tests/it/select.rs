//! Selections on the command line: what is listed, what a run does, and mistakes in them.

use expect_test::expect;

use crate::shop::{at, check, deliver_more, shop};

fn names(project: &baton_testkit::project::TestProject, arguments: &[&str]) -> String {
    let output = project.output(&[&at(&["ls", "-o", "json"])[..], arguments].concat());
    let lines: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let names = lines.as_array().unwrap().iter().map(|line| line["name"].as_str().unwrap().to_owned());
    names.collect::<Vec<_>>().join(" ") + &output.stderr
}

#[test]
fn ls_lists_what_is_selected() {
    let project = shop();
    let cases: &[&[&str]] = &[
        &["--select", "customers"],
        &["--select", "+customers"],
        &["--select", "orders+1", "--exclude", "kind:source"],
        &["--select", "path:tables,c*", "owner:shop@example.com"],
        &["table", "--select", "orders+"],
        &["--exclude", "tables/days.sql"],
        &["--select", "state:new"],
        &["--select", "tag:none"],
    ];
    let shown: Vec<String> =
        cases.iter().map(|case| format!("{}: {}", case.join(" "), names(&project, case))).collect();
    expect![[r#"
        --select customers: customers
        --select +customers: orders customers
        --select orders+1 --exclude kind:source: customers days
        --select path:tables,c* owner:shop@example.com: orders customers
        table --select orders+: customers days
        --exclude tables/days.sql: orders customers
        --select state:new: orders customers days
        --select tag:none: warning: `tag:none` selects nothing
    "#]]
    .assert_eq(&shown.join("\n"));
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    project.write(
        "tables/days.sql",
        "select date_trunc('day', ordered_at) as day, max(amount) as amount\nfrom orders group by 1\n",
    );
    assert_eq!(names(&project, &["--select", "state:modified"]), "days");
    assert_eq!(names(&project, &["--select", "state:unchanged"]), "orders customers");
}

#[test]
fn mistakes_in_a_selection_are_told_with_their_place() {
    let project = shop();
    check(
        &project.run(&at(&["ls", "--select", "+costumers"])),
        &expect![[r#"
        exit: 2
        --- stderr
        error: there is no asset `costumers`, at character 1 of selection `+costumers`
        help: did you mean `customers`?
    "#]],
    );
    check(
        &project.run(&at(&["ls", "--select", "kind:tabel days"])),
        &expect![[r#"
        exit: 2
        --- stderr
        error: there is no kind `tabel`, at character 6 of selection `kind:tabel days`
        help: did you mean `table`?
    "#]],
    );
}

#[test]
fn a_run_takes_in_what_is_selected_and_nothing_else() {
    let project = shop();
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    let project = deliver_more(project);
    let later = ["--as-of", "2024-01-08"];
    check(
        &project.run(&[&["run", "--select", "customers"][..], &later].concat()),
        &expect![[r#"
        exit: 0
        --- stdout
        prod stays at [hash]
    "#]],
    );
    check(
        &project.run(&[&["run", "--select", "+customers"][..], &later].concat()),
        &expect![[r#"
        exit: 0
        --- stdout
          ✓ ingest      orders               1 delivery, 2 rows
          ✓ build       customers            3 rows
        prod moved to [hash]; 5 checks hold
    "#]],
    );
    check(
        &project.run(&["ls", "--as-of", "2024-01-08"]),
        &expect![[r#"
        exit: 0
        --- stdout
        kind    name       version  rows  owner             description
        ──────  ─────────  ───────  ────  ────────────────  ────────────────
        source  orders     v1          5  shop@example.com  What was ordered
        table   customers  v1          3
        table   days       v0          2
    "#]],
    );
}
