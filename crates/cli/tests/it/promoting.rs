//! Promotions beside plans: the same policies, and one truth about what is left to do.

use baton_testkit::project::TestProject;
use expect_test::expect;

use crate::answers::{json, ok};
use crate::kills::kill_everywhere;
use crate::plan::{DAYS_OF_MOST, DAYS_WITH_COUNT, guarded, owners_approve};
use crate::shop::{at, check, deliver_more, shop};
use crate::storage::lived;

/// A guarded shop whose `dev` has another `days` than `prod`.
fn changed(days: &str) -> TestProject {
    let project = guarded();
    ok(&project, &at(&["apply", "--yes"]));
    ok(&project, &["env", "create", "dev", "--from", "prod"]);
    project.write("tables/days.sql", days);
    ok(&project, &at(&["apply", "--yes", "-e", "dev"]));
    project
}

/// The saved promotion is refused, since `environment` is another than when it was made.
fn check_has_moved(project: &TestProject, environment: &str) {
    let answer = project.run(&["apply", "promotion.json"]);
    let expected = format!(
        "exit: 1\n--- stderr\n\
         error: `promotion.json` cannot be applied: environment `{environment}` has moved since it was made, from [hash] to [hash]\n\
         help: plan again with `baton promote dev prod --out promotion.json`\n"
    );
    assert_eq!(answer, expected);
}

#[test]
fn owners_approve_what_breaks_before_it_is_promoted() {
    let project = changed(DAYS_OF_MOST);
    check(
        &project.run(&["promote", "dev", "prod", "--yes"]),
        &expect![[r#"
        exit: 1
        --- stdout
        Promotion of `dev` into `prod`: both come from [hash]

          ~ table         days                   changed: computes otherwise amount; v0 of c0aad1a5 → v0 of 6faa82d9

          Approval missing from boss@example.com (board), finance@example.com (days)

        1 would move
        --- stderr
        error: the promotion of `dev` into `prod` breaks what others answer for, and they have not approved it: boss@example.com (board), finance@example.com (days)
        help: save the plan with `baton promote dev prod --out plan.json`, have each of them run `baton approve plan.json --as OWNER`, then `baton apply plan.json`
    "#]],
    );
    let dry = ok(&project, &["promote", "dev", "prod", "--dry-run"]);
    assert!(dry.contains("Approval missing from boss@example.com (board), finance@example.com (days)"), "{dry}");
    let saved = project.output(&["promote", "dev", "prod", "--out", "promotion.json"]);
    assert_eq!((saved.code, saved.stdout.as_str()), (Some(0), dry.as_str()));
    check(&saved.stderr, &expect!["saved; `baton apply promotion.json` promotes exactly this\n"]);
    let refused = project.output(&["apply", "promotion.json"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), dry.as_str()));
    owners_approve(&project, "promotion.json", "the promotion of `dev` into `prod`");
    check(
        &project.run(&["apply", "promotion.json"]),
        &expect![[r#"
        exit: 0
        --- stdout
        Promotion of `dev` into `prod`: both come from [hash]

          ~ table         days                   changed: computes otherwise amount; v0 of c0aad1a5 → v0 of 6faa82d9

        prod moved to [hash], as of 2024-01-05 00:00 UTC
    "#]],
    );
    check_has_moved(&project, "prod");
}

#[test]
fn approved_promotions_go_without_the_file_and_additions_need_nobody() {
    let project = changed(DAYS_OF_MOST);
    ok(&project, &["promote", "dev", "prod", "--out", "promotion.json"]);
    for owner in ["finance@example.com", "boss@example.com"] {
        ok(&project, &["approve", "promotion.json", "--as", owner]);
    }
    assert!(ok(&project, &["promote", "dev", "prod", "--yes"]).contains("prod moved to"));
    let project = changed(DAYS_WITH_COUNT);
    assert!(ok(&project, &["promote", "dev", "prod", "--yes"]).contains("prod moved to"));
}

#[test]
fn a_saved_promotion_holds_for_its_two_commits() {
    let project = changed(DAYS_OF_MOST);
    ok(&project, &["promote", "dev", "prod", "--out", "promotion.json"]);
    project.write("tables/customers.sql", "select customer, count(*) as orders from orders group by customer\n");
    ok(&project, &at(&["apply", "--yes", "-e", "dev"]));
    check_has_moved(&project, "dev");
}

/// What a plan of `prod` would do, as `asset: reasons`.
fn planned(project: &TestProject, as_of: &str) -> Vec<String> {
    let plan = json(project, &["plan", "-o", "json", "--as-of", as_of]);
    let changed = plan["assets"].as_array().unwrap().iter().filter(|asset| asset["change"] != "unchanged");
    changed.map(|asset| format!("{}: {}", asset["name"].as_str().unwrap(), asset["reasons"])).collect()
}

const WEEKS: &str = "select date_trunc('week', day) as week, sum(amount) as amount from days group by 1\n";

#[test]
fn a_reader_that_a_change_does_not_reach_is_promoted_as_it_was_settled() {
    let project = shop()
        .file("tables/weeks.sql", WEEKS)
        .file("tables/shown.sql", "{{ config(materialize='view') }}\nselect week, amount from weeks\n");
    ok(&project, &at(&["apply", "--yes"]));
    ok(&project, &["env", "create", "dev", "--from", "prod"]);
    project.write("tables/days.sql", DAYS_WITH_COUNT);
    ok(&project, &at(&["apply", "--yes", "-e", "dev"]));
    let promoted = json(&project, &["promote", "dev", "prod", "--yes", "-o", "json"]);
    assert_eq!(promoted["behind"], serde_json::json!([]), "`weeks` does not read the new column");
    assert_eq!(planned(&project, "2024-01-05"), [""; 0]);
    let run = ok(&project, &at(&["run"]));
    assert!(run.contains("prod stays at"), "nothing is left to do: {run}");
}

#[test]
fn what_a_promotion_leaves_behind_is_what_the_plan_and_the_next_run_do() {
    let project = shop().file("tables/weeks.sql", WEEKS);
    ok(&project, &at(&["apply", "--yes"]));
    ok(&project, &["env", "create", "dev", "--from", "prod"]);
    project.write("tables/days.sql", DAYS_OF_MOST);
    ok(&project, &at(&["apply", "--yes", "-e", "dev"]));
    let before = std::fs::read_to_string(project.path("tables/days.sql")).unwrap();
    // prod goes on meanwhile, with the definitions it has.
    project.write(
        "tables/days.sql",
        "select date_trunc('day', ordered_at) as day, sum(amount) as amount\nfrom orders\ngroup by 1\n",
    );
    let project = deliver_more(project);
    ok(&project, &["run", "--as-of", "2024-01-08"]);
    project.write("tables/days.sql", &before);
    let promoted = json(&project, &["promote", "dev", "prod", "--yes", "-o", "json"]);
    let behind: Vec<&str> =
        promoted["behind"].as_array().unwrap().iter().map(|found| found["asset"].as_str().unwrap()).collect();
    assert_eq!(behind, ["days"]);
    expect![[r#"
        days: ["was made from another version of orders"]
        weeks: ["reads days"]
    "#]]
    .assert_eq(&(planned(&project, "2024-01-08").join("\n") + "\n"));
    let run = ok(&project, &["run", "--as-of", "2024-01-08"]);
    assert!(run.contains("build       days") && run.contains("build       weeks"), "{run}");
    assert_eq!(planned(&project, "2024-01-08"), [""; 0]);
}

#[test]
fn a_run_of_a_selection_leaves_its_readers_to_the_next_plan() {
    let project = shop().file("tables/weeks.sql", WEEKS);
    ok(&project, &at(&["apply", "--yes"]));
    let project = deliver_more(project);
    ok(&project, &["run", "--as-of", "2024-01-08", "--select", "orders"]);
    expect![[r#"
        customers: ["was made from another version of orders"]
        days: ["was made from another version of orders"]
        weeks: ["reads days"]
    "#]]
    .assert_eq(&(planned(&project, "2024-01-08").join("\n") + "\n"));
    ok(&project, &["run", "--as-of", "2024-01-08"]);
    assert_eq!(planned(&project, "2024-01-08"), [""; 0]);
}

/// `prod` has promoted `dev` and then taken in a delivery.
fn moved_twice() -> TestProject {
    let project = lived();
    ok(&project, &["promote", "dev", "prod", "--yes"]);
    ok(&project, &["run", "--as-of", "2024-01-08"]);
    project
}

#[test]
fn a_rollback_that_was_killed_before_it_told_anybody_goes_no_further() {
    let points = kill_everywhere(moved_twice, &["rollback", "--yes"], "");
    assert!(points >= 4, "only {points} points were reached");
}

#[test]
fn a_rollback_says_what_it_undid_and_is_undone_when_asked_again() {
    let project = moved_twice();
    check(
        &project.run(&["rollback", "--yes"]),
        &expect![[r#"
        exit: 0
        --- stdout
        prod: rollback to [hash] ([hash], as of 2024-01-05 00:00 UTC)
        [hash] is undone; `baton rollback -e prod [hash]` brings it back
    "#]],
    );
    let killed =
        project.command(&["rollback", "--yes"]).env("BATON_FAILPOINT", "rollback.after_commit").output().unwrap();
    assert_eq!(killed.status.code(), None);
    check(
        &project.run(&["rollback", "--yes"]),
        &expect![[r#"
        exit: 0
        --- stdout
        prod: done before, nothing more is undone: rollback to [hash] ([hash], as of 2024-01-08 00:00 UTC)
        [hash] is undone; `baton rollback -e prod [hash]` brings it back
    "#]],
    );
    let log = json(&project, &["log", "-o", "json"]);
    let reasons: Vec<&str> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|commit| commit["reason"].as_str().unwrap().split(' ').next().unwrap())
        .collect();
    assert_eq!(reasons, ["rollback", "rollback", "run", "promote", "apply"]);
}
