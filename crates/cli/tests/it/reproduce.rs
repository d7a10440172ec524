//! Rebuilding recorded versions, and taking recorded outputs instead of doing work again.

use baton_testkit::project::TestProject;
use expect_test::expect;
use serde_json::Value;

use crate::answers::ok;
use crate::flights::flights;
use crate::kept::{DAYS, apply, kept};
use crate::merged_rows::{LATER, kept_in_two};
use crate::shop::{at, check, deliver_more, shop};

#[test]
fn versions_are_rebuilt_from_what_is_recorded() {
    let project = deliver_more(shop());
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    assert_eq!(project.output(&["run", "--as-of", "2024-01-08"]).code, Some(0));
    // What the files say now does not count.
    project.write("tables/days.sql", "select 1 as nothing from orders\n");
    check(
        &project.run(&["reproduce", "--all"]),
        &expect![[r#"
        exit: 0
        --- stdout
          ✓ source       orders v1                    reproduced: same digest; 2 deliveries landed again ([seconds])
          ✓ table        customers v1                 reproduced: same digest; computed from recorded inputs ([seconds])
          ✓ table        days v1                      reproduced: same digest; computed from recorded inputs ([seconds])
        3 of 3 reproduced, [seconds]
    "#]],
    );
    check(
        &project.run(&["reproduce", "customers@0", "days@1"]),
        &expect![[r#"
        exit: 0
        --- stdout
          ✓ table        customers v0                 reproduced: same digest; computed from recorded inputs ([seconds])
          ✓ table        days v1                      reproduced: same digest; computed from recorded inputs ([seconds])
        2 of 2 reproduced, [seconds]
    "#]],
    );
    check(
        &project.run(&["reproduce", "customers@7"]),
        &expect![[r#"
        exit: 1
        --- stdout
          - table        customers v7                 cannot be rebuilt; the step that made tables/customers/[hash]@7 is not recorded ([seconds])
        0 of 1 reproduced, [seconds]
        --- stderr
        error: 1 of 1 versions were not reproduced
    "#]],
    );
    let left = std::fs::read_dir(project.path(".baton/warehouse/tables")).unwrap();
    let names: Vec<String> = left.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(names.iter().all(|name| !name.starts_with("reproduce")), "{names:?}");
}

#[test]
fn delivery_that_is_gone_or_differs_is_named() {
    let project = deliver_more(shop());
    assert_eq!(project.output(&["apply", "--yes", "--as-of", "2024-01-08"]).code, Some(0));
    project.write("landing/orders-1.csv", "order_id,customer,amount,ordered_at\n1,eve,1,2024-01-02T09:00:00Z\n");
    check(
        &project.run(&["reproduce", "orders"]),
        &expect![[r#"
        exit: 1
        --- stdout
          - source       orders v0                    cannot be rebuilt; delivery landing/orders-1.csv holds something else now ([seconds])
        0 of 1 reproduced, [seconds]
        --- stderr
        error: 1 of 1 versions were not reproduced
    "#]],
    );
    std::fs::remove_file(project.path("landing/orders-1.csv")).unwrap();
    check(
        &project.run(&["reproduce", "orders", "customers"]),
        &expect![[r#"
        exit: 1
        --- stdout
          - source       orders v0                    cannot be rebuilt; delivery landing/orders-1.csv is gone ([seconds])
          ✓ table        customers v0                 reproduced: same digest; computed from recorded inputs ([seconds])
        1 of 2 reproduced, [seconds]
        --- stderr
        error: 1 of 2 versions were not reproduced
    "#]],
    );
}

/// What a command says of its steps; fingerprints, which move with every way to hash, are left out.
fn steps(project: &TestProject, arguments: &[&str]) -> String {
    let answer = project.run(arguments);
    let is_hash = |word: &str| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hidden = |line: &str| {
        let words = line.split(' ').map(|word| if is_hash(word) { "[short]" } else { word });
        words.collect::<Vec<_>>().join(" ") + "\n"
    };
    let is_step = |line: &&str| !line.starts_with("  ✓") && !line.starts_with("  =");
    answer.lines().skip_while(is_step).map(hidden).collect()
}

#[test]
fn another_environment_builds_nothing_again() {
    let project = deliver_more(shop());
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    check(
        &steps(&project, &["run", "--as-of", "2024-01-08", "--explain"]),
        &expect![[r#"
          ✓ ingest      orders               1 delivery, 2 rows
              cache miss [hash]
                delivery landing/orders-2.csv is new
                base: none → v0 of [short]
          ✓ build       customers            3 rows
              cache miss [hash]
                orders: v0 of [short] → v1 of [short]
          ✓ build       days                 3 rows
              cache miss [hash]
                orders: v0 of [short] → v1 of [short]
        prod moved to [hash]; 5 checks hold
    "#]],
    );
    // `dev` begins where `prod` came to in two runs.
    let apply = ["apply", "-e", "dev", "--as-of", "2024-01-08", "--explain"];
    check(
        &steps(&project, &apply),
        &expect![[r#"
          = ingest      orders               built before: 2 deliveries
              cache hit [hash]
                made in prod as of 2024-01-08 00:00 UTC
          = build       customers            built before: 3 rows
              cache hit [hash]
                made in prod as of 2024-01-08 00:00 UTC
          = build       days                 built before: 3 rows
              cache hit [hash]
                made in prod as of 2024-01-08 00:00 UTC
        dev moved to [hash]; 5 checks hold
    "#]],
    );
    let days = std::fs::read_to_string(project.path("tables/days.sql")).unwrap();
    project.write("tables/days.sql", &days.replace("sum(", "max("));
    check(
        &steps(&project, &apply),
        &expect![[r#"
          ✓ build       days                 3 rows
              cache miss [hash]
                definition: [short] → [short]
        dev moved to [hash]
    "#]],
    );
    project.write("tables/days.sql", &days);
    check(
        &steps(&project, &apply),
        &expect![[r#"
          = build       days                 built before: 3 rows
              cache hit [hash]
                made in prod as of 2024-01-08 00:00 UTC
        dev moved to [hash]
    "#]],
    );
}

#[test]
fn relay_two_weeks_of_flights_are_reproduced() {
    let project = flights();
    let apply = ["apply", "--yes", "--as-of", "2013-02-20"];
    let replay = ["replay", "--from", "2013-02-20", "--to", "2013-03-06"];
    for command in [&apply[..], &replay[..]] {
        let output = project.output(command);
        assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    }
    let answer = project.output(&["reproduce", "--all", "-o", "json"]);
    let report: Value = serde_json::from_str(&answer.stdout).unwrap();
    let versions = report["versions"].as_array().unwrap();
    for version in versions {
        assert_eq!(version["outcome"], "same", "{version:#}");
    }
    let models = versions.iter().filter(|version| version["kind"] == "model").count();
    assert!(versions.len() >= 17 && models >= 1, "{} versions, {models} models", versions.len());
    assert_eq!(answer.code, Some(0));

    // Where `prod` was at first, and where it came to: all of it is there already.
    for (environment, as_of) in [("early", "2013-02-20"), ("late", "2013-03-06")] {
        let text = std::fs::read_to_string(project.path("baton.yml")).unwrap();
        project.write("baton.yml", &text.replace("  dev: {}\n", &format!("  dev: {{}}\n  {environment}: {{}}\n")));
        let answer = project.output(&["apply", "--yes", "-e", environment, "--as-of", as_of, "-o", "json"]);
        let report: Value = serde_json::from_str(&answer.stdout).unwrap();
        for step in report["steps"].as_array().unwrap() {
            let is_built = ["ingest", "build", "train"].iter().any(|verb| step["verb"] == *verb);
            // Training at a clock at which nothing was trained is new work.
            if is_built && !(environment == "late" && step["verb"] == "train") {
                assert_eq!(step["state"], "reused", "{environment}: {step:#}");
            }
        }
    }
}

#[test]
fn tables_that_keep_their_rows_are_reproduced_step_by_step() {
    let project = kept();
    DAYS.iter().for_each(|day| apply(&project, day));
    check(
        &project.run(&["reproduce", "--all"]),
        &expect![[r#"
        exit: 0
        --- stdout
          ✓ source       codes v0                     reproduced: same digest; 1 delivery landed again ([seconds])
          ✓ source       orders v2                    reproduced: same digest; 3 deliveries landed again ([seconds])
          ✓ table        by_day v2                    reproduced: same digest; 3 recorded steps replayed in 2 intervals ([seconds])
          ✓ table        daily v2                     reproduced: same digest; 3 recorded steps taken again in order ([seconds])
          ✓ table        latest v2                    reproduced: same digest; 3 recorded steps taken again in order ([seconds])
          ✓ table        newest v2                    reproduced: same digest; 3 recorded steps taken again in order ([seconds])
          ✓ table        record v2                    reproduced: same digest; 3 recorded steps taken again in order ([seconds])
          ✓ table        states v2                    reproduced: same digest; 3 recorded steps taken again in order ([seconds])
        8 of 8 reproduced, [seconds]
    "#]],
    );
    check(
        &project.run(&["reproduce", "latest@0", "states@1", "daily@0"]),
        &expect![[r#"
        exit: 0
        --- stdout
          ✓ table        latest v0                    reproduced: same digest; its one recorded step taken again ([seconds])
          ✓ table        states v1                    reproduced: same digest; 2 recorded steps taken again in order ([seconds])
          ✓ table        daily v0                     reproduced: same digest; its one recorded step taken again ([seconds])
        3 of 3 reproduced, [seconds]
    "#]],
    );
    check(
        &project.run(&["reproduce", "good"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `good` is a view, which stores nothing to compare; rebuild what it shows with `baton reproduce orders`
    "#]],
    );
    let left = std::fs::read_dir(project.path(".baton/warehouse/tables")).unwrap();
    let names: Vec<String> = left.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(names.iter().all(|name| !name.starts_with("reproduce")), "{names:?}");
}

/// All versions of everything, as `asset version: outcome; detail` where they do not come out the same.
fn not_reproduced(project: &TestProject) -> Vec<String> {
    let answer = project.output(&["reproduce", "--all", "-o", "json"]);
    let report: Value = serde_json::from_str(&answer.stdout).unwrap();
    let versions = report["versions"].as_array().unwrap();
    assert!(!versions.is_empty());
    let other = versions.iter().filter(|version| version["outcome"] != "same");
    other.map(|version| format!("{} {}: {version}", version["asset"], version["version"])).collect()
}

#[test]
fn rows_kept_through_new_columns_recreation_and_backfills_are_reproduced() {
    let project = kept();
    apply(&project, DAYS[0]);
    let latest = "{{ config(materialize='merge', grain=['order_id'], time='changed_at', delete_when='gone') }}\n";
    project.write("tables/latest.sql", &format!("{latest}select *, amount * 2 as twice from good\n"));
    project.write(
        "tables/spending.sql",
        "{{ config(materialize='history', grain=['customer'], check=['amount'], deletes='close', on_schema_change='sync') }}\n\
         select customer, sum(amount) as amount from latest where amount > 10 group by customer\n",
    );
    apply(&project, DAYS[1]);
    project.write(
        "tables/spending.sql",
        "{{ config(materialize='history', grain=['customer'], check=['amount'], deletes='close', on_schema_change='sync') }}\n\
         select customer, sum(amount) as amount, count(*) as n from latest where amount > 10 group by customer\n",
    );
    apply(&project, DAYS[2]);
    assert_eq!(not_reproduced(&project), [""; 0]);
    for command in [
        &["backfill", "by_day", "--from", "2024-01-02", "--to", "2024-01-05", "--yes", "--parallel=2"][..],
        &["apply", "--yes", "--as-of", DAYS[2], "--recreate", "states"],
    ] {
        ok(&project, command);
    }
    assert_eq!(not_reproduced(&project), [""; 0]);
}

#[test]
fn rows_that_a_promotion_merged_are_reproduced() {
    let order = "order_id,customer,amount,ordered_at\n6,alan,8.0,2024-01-06T09:00:00Z\n";
    let project = kept_in_two().delivery("landing/orders-3.csv", order, LATER);
    ok(&project, &["run", "--as-of", "2024-01-08"]);
    ok(&project, &["promote", "dev", "prod", "--yes"]);
    let merged = project.run(&["reproduce", "kept"]);
    check(
        &merged,
        &expect![[r#"
        exit: 0
        --- stdout
          ✓ table        kept v3                      reproduced: same digest; 3 recorded steps taken again in order ([seconds])
        1 of 1 reproduced, [seconds]
    "#]],
    );
    let order = "order_id,customer,amount,ordered_at\n7,alan,9.0,2024-01-08T09:00:00Z\n";
    let project = project.delivery("landing/orders-4.csv", order, LATER + 2 * 86_400);
    ok(&project, &["run", "--as-of", "2024-01-10"]);
    let one_step_more = merged.replace("kept v3", "kept v4").replace("3 recorded", "4 recorded");
    assert_eq!(project.run(&["reproduce", "kept"]), one_step_more);
}

#[test]
fn an_input_that_was_collected_is_named() {
    let project = deliver_more(shop());
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    assert_eq!(project.output(&["run", "--as-of", "2024-01-08"]).code, Some(0));
    let orders = project.path(".baton/warehouse/tables/orders");
    let folder = std::fs::read_dir(orders).unwrap().next().unwrap().unwrap().path();
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|end| end == "parquet") {
            std::fs::remove_file(path).unwrap();
        }
    }
    check(
        &project.run(&["reproduce", "customers@0"]),
        &expect![[r#"
        exit: 1
        --- stdout
          - table        customers v0                 cannot be rebuilt; its input orders was collected: files of tables/orders/[hash]@0 are gone ([seconds])
        0 of 1 reproduced, [seconds]
        --- stderr
        error: 1 of 1 versions were not reproduced
    "#]],
    );
}
