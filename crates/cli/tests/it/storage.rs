//! Collecting what nothing reaches, and kills at every point of everything that moves an environment.

use std::fs;

use baton_testkit::project::TestProject;
use expect_test::expect;
use serde_json::Value;

use crate::answers::{json, ok};
use crate::kills::{ALL, kill_everywhere};
use crate::shop::{at, check, deliver_more, shop};

/// A shop with an online view, whose second delivery waits.
pub(crate) fn served() -> TestProject {
    shop().file("tables/latest.sql", "select customer, ordered_at, amount from orders\n").file(
        "features.yml",
        "features:\n  - {name: customer_latest, entity: [customer], from: latest, time: ordered_at, online: true}\n",
    )
}

/// Two environments with history: `prod` has taken in both deliveries, `dev` another definition.
pub(crate) fn lived() -> TestProject {
    let project = served();
    ok(&project, &at(&["apply", "--yes"]));
    ok(&project, &["env", "create", "dev", "--from", "prod"]);
    project.write(
        "tables/days.sql",
        "select date_trunc('day', ordered_at) as day, max(amount) as amount\nfrom orders\ngroup by 1\n",
    );
    project.write("tables/latest.sql", "select customer, ordered_at, amount * 2 as amount from orders\n");
    ok(&project, &at(&["apply", "--yes", "-e", "dev"]));
    deliver_more(project)
}

pub(crate) fn with<'a>(arguments: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    arguments.iter().chain(more).copied().collect()
}

/// Bytes as `#.# KiB`: how many there are changes with how files are written.
fn without_sizes(answer: &str) -> String {
    let words: Vec<&str> = answer.split(' ').collect();
    let is_size = |place: usize| {
        let unit = words.get(place + 1).map(|word| word.trim_end());
        unit.is_some_and(|unit| {
            ["KiB", "B"].iter().any(|known| unit == *known || unit.starts_with(&format!("{known}\n")))
        })
    };
    let shown = words.iter().enumerate().map(|(place, word)| match is_size(place) {
        true => word.replace(|character: char| character.is_ascii_digit(), "#"),
        false => (*word).to_owned(),
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
fn collection_says_what_and_deletes_only_what_nothing_reaches() {
    let project = lived();
    check(
        &without_sizes(&project.run(&with(&["gc"], &ALL))),
        &expect![[r#"
        exit: 0
        --- stdout
        Nothing to collect; #.# KiB in 6 data files of tables that stay
    "#]],
    );
    ok(&project, &["tag", "kept", "dev"]);
    ok(&project, &["env", "rm", "dev"]);
    check(
        &without_sizes(&project.run(&with(&["gc"], &ALL))),
        &expect![[r#"
        exit: 0
        --- stdout
        Nothing to collect; #.# KiB in 6 data files of tables that stay
    "#]],
    );
    ok(&project, &["tag", "--delete", "kept"]);
    check(
        &without_sizes(&project.run(&with(&["gc", "--dry-run"], &ALL))),
        &expect![[r#"
        exit: 0
        --- stdout
        kind           what                                            items    bytes
        ─────────────  ──────────────────────────────────────────────  ─────  ───────
        table          tables/days/[hash]        1  #.# KiB
        table          tables/latest/[hash]      1  #.# KiB
        online values  dev/customer_latest/3df9f7ad/[hash]             2    ### B
        #.# KiB would be freed; #.# KiB in 4 data files of tables that stay
    "#]],
    );
    let before = ok(&project, &["query", "select * from days order by day"]);
    check(
        &without_sizes(&project.run(&with(&["gc"], &ALL))),
        &expect![[r#"
        exit: 0
        --- stdout
        kind           what                                            items    bytes
        ─────────────  ──────────────────────────────────────────────  ─────  ───────
        table          tables/days/[hash]        1  #.# KiB
        table          tables/latest/[hash]      1  #.# KiB
        online values  dev/customer_latest/3df9f7ad/[hash]             2    ### B
        #.# KiB freed; #.# KiB in 4 data files of tables that stay
    "#]],
    );
    check(
        &without_sizes(&project.run(&with(&["gc"], &ALL))),
        &expect![[r#"
        exit: 0
        --- stdout
        Nothing to collect; #.# KiB in 4 data files of tables that stay
    "#]],
    );
    assert_eq!(ok(&project, &["query", "select * from days order by day"]), before);
}

#[test]
fn collected_steps_are_done_again_and_collected_commits_refuse() {
    let project = lived();
    let days = |environment: &str| ok(&project, &["query", "-e", environment, "select * from days order by day"]);
    let before = days("dev");
    ok(&project, &["env", "rm", "dev"]);
    ok(&project, &with(&["gc"], &ALL));
    let applied = ok(&project, &at(&["apply", "--yes", "-e", "dev"]));
    assert!(applied.contains("✓ build       days"), "{applied}");
    assert_eq!(days("dev"), before);
    // prod moves on to the new definition; what it had before is kept by retention only.
    ok(&project, &at(&["apply", "--yes"]));
    ok(&project, &with(&["gc"], &ALL));
    check(
        &project.run(&["rollback", "--yes"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: files of `customer_latest` in commit [hash] are gone; the commit is older than what `baton gc` keeps
    "#]],
    );
}

#[test]
fn nothing_is_deleted_while_somebody_reads() {
    let project = lived();
    let lock = fs::File::options().write(true).open(project.path(".baton/ledger.db.storage.lock")).unwrap();
    lock.lock_shared().unwrap();
    fs::write(project.path(".baton/ledger.db.storage.lock"), "`baton apply` (process 7)").unwrap();
    check(
        &project.run(&["gc"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `baton apply` (process 7) is at work on the project's files; wait for it to end, or stop it and try again
    "#]],
    );
}

#[test]
fn promotion_killed_at_every_point_ends_as_if_it_had_not_been() {
    let points = kill_everywhere(lived, &["promote", "dev", "prod", "--yes"], "");
    assert!(points >= 3, "only {points} points were reached");
}

#[test]
fn rollback_killed_at_every_point_ends_as_if_it_had_not_been() {
    let ready = || {
        let project = lived();
        ok(&project, &["tag", "before"]);
        ok(&project, &["promote", "dev", "prod", "--yes"]);
        project
    };
    let points = kill_everywhere(ready, &["rollback", "before", "--yes"], "");
    assert!(points >= 3, "only {points} points were reached");
}

#[test]
fn creation_and_removal_killed_at_every_point_end_as_if_they_had_not_been() {
    let moved = || {
        let project = lived();
        ok(&project, &["tag", "before"]);
        ok(&project, &["promote", "dev", "prod", "--yes"]);
        project
    };
    let points = kill_everywhere(moved, &["env", "create", "then", "--from", "before"], "exists already");
    assert!(points >= 3, "only {points} points were reached");
    assert!(kill_everywhere(lived, &["env", "rm", "dev"], "has no commit yet") >= 2);
    assert!(kill_everywhere(lived, &["tag", "here"], "") >= 2);
}

#[test]
fn collection_killed_at_every_point_ends_as_if_it_had_not_been() {
    let ready = || {
        let project = lived();
        ok(&project, &["promote", "dev", "prod", "--yes"]);
        ok(&project, &["run", "--as-of", "2024-01-08"]);
        ok(&project, &["env", "rm", "dev"]);
        project
    };
    let points = kill_everywhere(ready, &with(&["gc"], &ALL), "");
    assert!(points >= 8, "only {points} points were reached");
}

/// Numbers that look random and are the same for a seed (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

const DAYS: [&str; 4] = ["sum(amount)", "max(amount)", "min(amount)", "avg(amount)"];
const NAMES: [&str; 4] = ["prod", "dev", "a", "b"];
const TAGS: [&str; 3] = ["x", "y", "z"];

/// One random thing that people do; commands that refuse are fine.
fn live(project: &TestProject, dice: &mut Dice, day: &mut usize) {
    let (name, other, tag) = (NAMES[dice.below(4)], NAMES[dice.below(4)], TAGS[dice.below(3)]);
    let clock = format!("2024-01-{:02}", *day);
    let command: Vec<&str> = match dice.below(9) {
        0 | 1 => {
            let sum = DAYS[dice.below(4)];
            let sql =
                format!("select date_trunc('day', ordered_at) as day, {sum} as amount\nfrom orders\ngroup by 1\n");
            project.write("tables/days.sql", &sql);
            vec!["apply", "-e", name, "--yes", "--as-of", &clock]
        }
        2 => {
            *day += 1;
            let order =
                format!("order_id,customer,amount,ordered_at\n{day},ada,{day}.5,2024-01-{:02}T01:00:00Z\n", *day - 1);
            project.write(&format!("landing/orders-{day}.csv"), &order);
            let arrived = std::time::UNIX_EPOCH
                + std::time::Duration::from_secs(1_704_067_200 + (*day as u64 - 1) * 86_400 - 3600);
            let file =
                fs::File::options().write(true).open(project.path(&format!("landing/orders-{day}.csv"))).unwrap();
            file.set_modified(arrived).unwrap();
            return;
        }
        3 => vec!["run", "-e", name, "--as-of", &clock],
        4 => vec!["env", "create", name, "--from", if dice.below(2) == 0 { other } else { tag }],
        5 => vec!["env", "rm", if name == "prod" { "dev" } else { name }, "--yes"],
        6 => vec!["tag", tag, name, "--force"],
        7 => vec!["rollback", "-e", name, "--yes"],
        _ => vec!["promote", name, other, "--yes", "--prefer", "source"],
    };
    let answer = project.output(&command);
    assert!(matches!(answer.code, Some(0 | 1)), "{command:?}: {}", answer.stderr);
    assert!(!answer.stderr.contains("bug in Baton"), "{command:?}: {}", answer.stderr);
}

/// Rows of every table of everything that has a name.
fn reached(project: &TestProject) -> Vec<(String, String)> {
    let names = |lines: Value| -> Vec<String> {
        let built = |line: &&Value| !line["commit"].is_null();
        lines.as_array().unwrap().iter().filter(built).map(|line| line["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = names(json(project, &["env", "list", "-o", "json"]))
        .into_iter()
        .chain(names(json(project, &["tag", "--list", "-o", "json"])));
    let mut found = Vec::new();
    for name in all {
        for table in ["orders", "customers", "days", "latest"] {
            let sql = format!("select * from {table} order by 1, 2, 3");
            let sql = if table == "days" { format!("select * from {table} order by 1, 2") } else { sql };
            found.push((format!("{name}.{table}"), ok(project, &["query", "--at", &name, "-o", "json", &sql])));
        }
    }
    found
}

#[test]
fn nothing_reached_is_ever_deleted() {
    for seed in 1..=6 {
        let (mut dice, mut day) = (Dice(seed * 0x9e37_79b9_7f4a_7c15), 5);
        let project = served();
        ok(&project, &at(&["apply", "--yes"]));
        for step in 0..24 {
            live(&project, &mut dice, &mut day);
            if step % 8 != 7 {
                continue;
            }
            let before = reached(&project);
            ok(&project, &with(&["gc"], &ALL));
            assert_eq!(reached(&project), before, "seed {seed}, step {step}");
            let left = ok(&project, &with(&["gc", "--dry-run"], &ALL));
            assert!(left.starts_with("Nothing to collect"), "seed {seed}, step {step}: {left}");
            for name in ["prod", "dev", "a", "b"] {
                let looked = project.output(&["plan", "--refresh-only", "--deep", "-e", name]);
                let is_fine = looked.code != Some(0) || looked.stdout.contains("Nothing changed under us");
                assert!(is_fine, "seed {seed}, step {step}: {}", looked.stdout);
            }
        }
    }
}
