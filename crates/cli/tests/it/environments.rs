//! Environments: made, listed, compared, promoted, tagged, removed.

use baton_testkit::project::TestProject;
use expect_test::expect;

use crate::shop::{at, check, deliver_more, shop};

/// A shop whose `prod` is applied and copied to `dev`.
fn copied() -> TestProject {
    let project = shop();
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    assert_eq!(project.output(&["env", "create", "dev", "--from", "prod"]).code, Some(0));
    project
}

const BIGGEST: &str = "select date_trunc('day', ordered_at) as day, max(amount) as amount\nfrom orders\ngroup by 1\n";

fn applied(project: &TestProject, environment: &str) {
    let answer = project.output(&at(&["apply", "--yes", "-e", environment]));
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
}

#[test]
fn environment_is_made_listed_used_and_removed() {
    let project = shop();
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    check(
        &project.run(&["env", "create", "pr-12", "--from", "prod"]),
        &expect![[r#"
        exit: 0
        --- stdout
        pr-12: 3 assets of prod at [hash], as of 2024-01-05 00:00 UTC
    "#]],
    );
    check(
        &project.run(&["env", "list"]),
        &expect![[r#"
        exit: 0
        --- stdout
        environment  commit      as of                 made                  by      assets  why
        ───────────  ──────────  ────────────────────  ────────────────────  ──────  ──────  ─────────────
        dev          -                                                                    0  not built yet
        pr-12        [hash]  2024-01-05 00:00 UTC  [now]  tester       3  apply
        prod         [hash]  2024-01-05 00:00 UTC  [now]  tester       3  apply
    "#]],
    );
    check(
        &project.run(&["query", "-e", "pr-12", "select count(*) as n from customers"]),
        &expect![[r#"
        exit: 0
        --- stdout
        n
        ─
        2
        1 row
    "#]],
    );
    check(
        &project.run(&["env", "create", "pr-12"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: environment `pr-12` exists already; choose another name, or remove it first with `baton env rm`
    "#]],
    );
    check(
        &project.run(&["env", "create", "a/b"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `a/b` cannot name an environment: use letters, digits, `_`, `-` and `.`, beginning with a letter or digit
    "#]],
    );
    check(
        &project.run(&["env", "create", "x", "--from", "nope"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `nope` names no environment, tag or commit; see `baton env list`, `baton tag --list` and `baton log`
    "#]],
    );
    check(
        &project.run(&["env", "rm", "pr-12"]),
        &expect![[r#"
        exit: 0
        --- stdout
        pr-12 is removed; it was at [hash] (`baton env create pr-12 --from [hash]` brings it back until gc)
    "#]],
    );
    check(
        &project.run(&["env", "rm", "pr-12"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: there is no environment `pr-12`
        help: known are dev, prod; declare others in baton.yml under `environments:`
    "#]],
    );
    check(
        &project.run(&["env", "rm", "prod"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: environment `prod` is protected, and there is no terminal to ask on
        help: look at `baton plan`, then give --yes
    "#]],
    );
}

#[test]
fn difference_is_told_by_asset() {
    let project = copied();
    project.write("tables/days.sql", BIGGEST);
    applied(&project, "dev");
    check(
        &project.run(&["env", "diff", "prod", "dev", "--detailed-exitcode"]),
        &expect![[r#"
        exit: 3
        --- stdout
        prod ([hash]) → dev ([hash])

          ~ table         days                   definition: computes otherwise amount; v0 of c0aad1a5 → v0 of 6faa82d9

          1 differ, 2 the same
    "#]],
    );
    check(
        &project.run(&["env", "diff", "dev", "dev", "--detailed-exitcode"]),
        &expect![[r#"
        exit: 0
        --- stdout
        dev ([hash]) → dev ([hash])

          No differences.
    "#]],
    );
}

#[test]
fn promotion_asks_shows_and_moves() {
    let project = copied();
    project.write("tables/days.sql", BIGGEST);
    applied(&project, "dev");
    check(
        &project.run(&["promote", "dev", "prod", "--dry-run"]),
        &expect![[r#"
        exit: 0
        --- stdout
        Promotion of `dev` into `prod`: both come from [hash]

          ~ table         days                   changed: computes otherwise amount; v0 of c0aad1a5 → v0 of 6faa82d9

        1 would move
    "#]],
    );
    let refused = project.output(&["promote", "dev", "prod"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("protected"), "{}", refused.stderr);
    check(
        &project.run(&["promote", "dev", "prod", "--yes"]),
        &expect![[r#"
        exit: 0
        --- stdout
        Promotion of `dev` into `prod`: both come from [hash]

          ~ table         days                   changed: computes otherwise amount; v0 of c0aad1a5 → v0 of 6faa82d9

        prod moved to [hash], as of 2024-01-05 00:00 UTC
    "#]],
    );
    check(
        &project.run(&["promote", "dev", "prod", "--yes"]),
        &expect![[r#"
        exit: 0
        --- stdout
        Promotion of `dev` into `prod`: both come from [hash]

          Nothing to promote: `prod` has all that `dev` changed.
    "#]],
    );
    check(
        &project.run(&["env", "diff", "prod", "dev"]),
        &expect![[r#"
        exit: 0
        --- stdout
        prod ([hash]) → dev ([hash])

          No differences.
    "#]],
    );
    check(
        &project.run(&at(&["plan"])),
        &expect![[r#"
        exit: 0
        --- stdout
        Plan for environment `prod` as of 2024-01-05 00:00 UTC

          No changes: the environment is what the project asks for.
    "#]],
    );
    // What a rollback undid can be promoted again.
    assert_eq!(project.output(&["rollback", "--yes"]).code, Some(0));
    let again = project.output(&["promote", "dev", "prod", "--yes"]);
    assert!(again.stdout.contains("prod moved to"), "{}", again.stdout);
}

#[test]
fn different_assets_merge_and_the_same_conflicts() {
    let project = copied();
    for environment in ["ada", "grace", "linus"] {
        assert_eq!(project.output(&["env", "create", environment, "--from", "prod"]).code, Some(0));
    }
    let days = "select date_trunc('day', ordered_at) as day, sum(amount) as amount\nfrom orders\ngroup by 1\n";
    project.write("tables/days.sql", BIGGEST);
    applied(&project, "ada");
    project.write("tables/days.sql", days);
    project.write(
        "tables/customers.sql",
        "select customer, count(*) as orders, max(amount) as amount\nfrom orders\ngroup by customer\n",
    );
    applied(&project, "grace");
    project.write(
        "tables/days.sql",
        "select date_trunc('day', ordered_at) as day, min(amount) as amount\nfrom orders\ngroup by 1\n",
    );
    applied(&project, "linus");
    check(
        &project.run(&["promote", "ada", "prod", "--yes"]),
        &expect![[r#"
        exit: 0
        --- stdout
        Promotion of `ada` into `prod`: both come from [hash]

          ~ table         days                   changed: computes otherwise amount; v0 of c0aad1a5 → v0 of 6faa82d9

        prod moved to [hash], as of 2024-01-05 00:00 UTC
    "#]],
    );
    check(
        &project.run(&["promote", "grace", "prod", "--yes"]),
        &expect![[r#"
        exit: 0
        --- stdout
        Promotion of `grace` into `prod`: both come from [hash]

          ~ table         customers              changed: computes otherwise amount; v0 of 61b3c457 → v0 of 166ab865

        prod moved to [hash], as of 2024-01-05 00:00 UTC
    "#]],
    );
    check(
        &project.run(&["promote", "linus", "prod", "--yes"]),
        &expect![[r#"
        exit: 1
        --- stdout
        Promotion of `linus` into `prod`: both come from [hash]

          ! table         days                   both sides changed its definition
              linus: tester at [now] in [hash] (apply): computes otherwise amount; v0 of c0aad1a5 → v0 of cbbedd17
              prod: tester at [now] in [hash] (promote ada): computes otherwise amount; v0 of c0aad1a5 → v0 of 6faa82d9
        --- stderr
        error: 1 conflict between `linus` and `prod`; nothing moved
        help: agree on one version, apply it in both environments, and promote again
        help: or decide for one side with --prefer source or --prefer target
    "#]],
    );
    check(
        &project.run(&["query", "select amount from days order by day"]),
        &expect![[r#"
        exit: 0
        --- stdout
        amount
        ──────
         99.75
          7.25
        2 rows
    "#]],
    );
    check(
        &project.run(&["promote", "linus", "prod", "--yes", "--prefer", "source"]),
        &expect![[r#"
        exit: 0
        --- stdout
        Promotion of `linus` into `prod`: both come from [hash]

          ~ table         days                   changed: computes otherwise amount; v0 of 6faa82d9 → v0 of cbbedd17

        prod moved to [hash], as of 2024-01-05 00:00 UTC
    "#]],
    );
    check(
        &project.run(&["query", "select amount from days order by day"]),
        &expect![[r#"
        exit: 0
        --- stdout
        amount
        ──────
          12.5
          7.25
        2 rows
    "#]],
    );
}

#[test]
fn tags_name_commits_wherever_one_is_asked_for() {
    let project = deliver_more(shop());
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    check(
        &project.run(&["tag", "--list"]),
        &expect![[r#"
        exit: 0
        --- stdout
        there are no tags; `baton tag NAME` names the head of the environment
    "#]],
    );
    check(
        &project.run(&["tag", "before"]),
        &expect![[r#"
        exit: 0
        --- stdout
        before names [hash] of prod, as of 2024-01-05 00:00 UTC
    "#]],
    );
    assert_eq!(project.output(&["run", "--as-of", "2024-01-08"]).code, Some(0));
    check(
        &project.run(&["tag", "before"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: there is a tag `before` already; give --force to move it
    "#]],
    );
    check(
        &project.run(&["tag", "prod"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: there is an environment `prod` already; choose another name for the tag
    "#]],
    );
    check(
        &project.run(&["tag", "--list"]),
        &expect![[r#"
        exit: 0
        --- stdout
        tag     commit      of    as of                 by      why
        ──────  ──────────  ────  ────────────────────  ──────  ─────
        before  [hash]  prod  2024-01-05 00:00 UTC  tester  apply
    "#]],
    );
    check(
        &project.run(&["env", "diff", "before", "prod"]),
        &expect![[r#"
        exit: 0
        --- stdout
        before ([hash]) → prod ([hash])

          ~ table         customers              version: v0 of 61b3c457 → v1 of 61b3c457, 2 → 3 rows
          ~ table         days                   version: v0 of c0aad1a5 → v1 of c0aad1a5, 2 → 3 rows
          ~ source        orders                 version: v0 of 7efe5af4 → v1 of 7efe5af4, 3 → 5 rows

          3 differ, 0 the same
    "#]],
    );
    check(
        &project.run(&["env", "create", "then", "--from", "before"]),
        &expect![[r#"
        exit: 0
        --- stdout
        then: 3 assets of before at [hash], as of 2024-01-05 00:00 UTC
    "#]],
    );
    check(
        &project.run(&["query", "-e", "then", "select count(*) as n from customers"]),
        &expect![[r#"
        exit: 0
        --- stdout
        n
        ─
        2
        1 row
    "#]],
    );
    check(
        &project.run(&["query", "--at", "before", "select count(*) as n from customers"]),
        &expect![[r#"
        exit: 0
        --- stdout
        n
        ─
        2
        1 row
    "#]],
    );
    check(
        &project.run(&["rollback", "before", "--yes"]),
        &expect![[r#"
            exit: 0
            --- stdout
            prod: rollback to [hash] ([hash], as of 2024-01-05 00:00 UTC)
            [hash] is undone; `baton rollback -e prod [hash]` brings it back
        "#]],
    );
    check(
        &project.run(&["tag", "--delete", "before"]),
        &expect![[r#"
        exit: 0
        --- stdout
        tag before is deleted
    "#]],
    );
    check(
        &project.run(&["tag", "--delete", "before"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `before` names no environment, tag or commit; see `baton tag --list`
    "#]],
    );
}
