//! Plans for terminals: small ones whole, large ones by reason.

use baton_core::{AssetName, TableVersion, Version};
use expect_test::expect;

use super::scene::Scene;
use crate::{Change, Plan, render_text};

const RELAY: &str = "
    source landing | rows 1 | id 1, late 1
    table flights <- landing | rows 1 | id 1, late 1 | id of landing.id | late of landing.late
    table weeks <- flights | rows 1 | late 1 | late of flights.late";

fn name(text: &str) -> AssetName {
    AssetName::parse(text).unwrap()
}

/// 3,000 tables: 2,500 read what changes, of the rest every one has a reason of its own.
fn large() -> Plan {
    let project = |number: u32| {
        let common: String = (0..2_500)
            .map(|table| format!("table t{table} <- landing | rows 1 | id {number} | id of landing.id\n"))
            .collect();
        let own: String = (0..500)
            .map(|table| format!("table u{table} <- landing | rows 1 | c{table} {number} | c{table} of landing.id\n"))
            .collect();
        format!("source landing | rows 1 | id 1\n{common}{own}table new_{number} <- landing | rows 1 | id 1\n")
    };
    Scene::parse(&project(2), &project(1)).plan()
}

#[test]
fn thousands_of_changes_are_told_by_reason() {
    let plan = large();
    let text = render_text(&plan).replace(plan.base.as_ref().unwrap().short(), "[commit]");
    assert!(text.lines().count() < 80, "{} lines", text.lines().count());
    let shown: Vec<&str> = text.lines().filter(|line| !line.starts_with("  ~ table         u")).collect();
    expect![[r#"
        Plan for environment `prod` as of 2013-07-01 00:00 UTC

          ~ table         t0                     breaking: changes id
          ~ table         t1                     breaking: changes id
          ~ table         t10                    breaking: changes id
          ~ table         t100                   breaking: changes id
          ~ table         t1000                  breaking: changes id
          ~ table         t1001                  breaking: changes id
          ~ table         t1002                  breaking: changes id
          ~ table         t1003                  breaking: changes id
          ~ table         t1004                  breaking: changes id
          ~ table         t1005                  breaking: changes id
            and 2,490 more breaking tables
          - table         new_1                  removed: the project no longer has it; its versions stay until garbage collection
          + table         new_2                  new
            and 483 more for other reasons
            (--output json lists all, --select narrows)

          1 new, 1 unchanged, 3000 breaking, 1 removed

        Undo      baton rollback -e prod [commit]
    "#]]
    .assert_eq(&(shown.join("\n") + "\n"));
}

#[test]
fn a_reason_that_names_thousands_is_cut() {
    let columns = |number: u32| -> String {
        let all: Vec<String> = (0..2_000).map(|column| format!("column_{column} {number}")).collect();
        format!("source landing | rows 1 | id 1, {}", all.join(", "))
    };
    let with_one_less = |number: u32| columns(number).replace("id 1", "id 7");
    let plan = Scene::parse(&with_one_less(2).replace("column_1999 2", "column_1999 1"), &with_one_less(1)).plan();
    let longest = render_text(&plan).lines().map(|line| line.chars().count()).max().unwrap();
    assert!(longest <= 401, "{longest} characters");
}

#[test]
fn a_table_made_from_another_version_of_its_input_has_data_to_take_in() {
    let mut scene = Scene::parse(RELAY, RELAY);
    let version = |version: u64| TableVersion { location: "tables/flights/ab".to_owned(), version };
    let assets = &mut scene.recorded.as_mut().unwrap().assets;
    assets.get_mut(&name("flights")).unwrap().version = Version::Table(version(4));
    assets.get_mut(&name("weeks")).unwrap().inputs.insert(name("flights"), version(3).to_string());
    let plan = scene.plan();
    let weeks = plan.asset("weeks").unwrap();
    assert_eq!(weeks.change, Change::Data);
    assert_eq!(weeks.reasons, ["was made from another version of flights"]);
    assert_eq!(plan.asset("flights").unwrap().change, Change::Unchanged);
}
