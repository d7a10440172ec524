//! `baton explain`: one code in full, as text and JSON, and codes that are none.

use expect_test::expect;

use crate::shop::{check, empty};

#[test]
fn a_code_is_explained_with_an_example() {
    check(
        &empty().run(&["explain", "p0102"]),
        &expect![[r#"
        exit: 0
        --- stdout
        P0102: a key is not known here

        Every key of a project file is checked, so that a typing mistake cannot silently switch something
        off. The message lists the keys that are valid at this place.

        Example
          error[P0102]: source `flights` has unknown key `conector`
             ╭─[sources.yml:3:5]
           2 │   - name: flights
           3 │     conector: file
             ·     ────┬───
             ·         ╰── not a key of a source
           4 │     path: landing/flights/*.parquet
             ╰────
            help: did you mean `connector`?

        What to do
          did you mean `connector`?
    "#]],
    );
    check(
        &empty().run(&["explain", "S0302"]),
        &expect![[r#"
        exit: 0
        --- stdout
        S0302: a join multiplies rows

        By their declared grain and unique checks, a row of one side meets several rows of the other. The
        table then has more rows than its own grain says, or a sum counts a row several times. Aggregate the
        other side before the join, or join on all columns that identify its rows.

        Example
          warning[S0302]: table `totals` adds up rows of `orders` again for each row of `lines` that they are joined with, in `sum(o.total)`
             ╭─[tables/totals.sql:2:31]
           1 │ select sum(o.total) as total
           2 │ from orders o join lines l on l.order_id = o.order_id
             ·                               ─────┬────
             ·                                    ╰── rows of `orders` meet several of `lines`
             ╰────
            help: aggregate `lines` by `order_id` before the join

        What to do
          aggregate `lines` by `order_id` before the join
    "#]],
    );
    check(
        &empty().run(&["explain", "T0103"]),
        &expect![[r#"
        exit: 0
        --- stdout
        T0103: the disk is full

        Nothing of the unfinished work is visible; the last commit still serves. Free space and run the same
        command again.

        Example
          error[T0103]: table `daily` could not be written: no space left on device
            help: free space and run the command again

        What to do
          free space and run the command again
    "#]],
    );
}

#[test]
fn a_code_is_explained_for_programs() {
    check(
        &empty().run(&["explain", "P0107", "--output", "json"]),
        &expect![[r#"
        exit: 0
        --- stdout
        {
          "code": "P0107",
          "title": "a text is not a duration",
          "text": "Durations are a whole number and a unit: `90s`, `15m`, `36h`, `2d`, `1w`.",
          "severity": "error",
          "example": {
            "message": "`ttl` of feature view `delays` is `3 days`, which is not a duration",
            "file": "features.yml",
            "source": "features:\n  - name: delays\n    ttl: 3 days\n",
            "rendered": "error[P0107]: `ttl` of feature view `delays` is `3 days`, which is not a duration\n   ╭─[features.yml:3:10]\n 2 │   - name: delays\n 3 │     ttl: 3 days\n   ·          ──────\n   ╰────\n  help: write a whole number and a unit, such as 36h or 2d\n\n1 error, 0 warnings\n",
            "help": "write a whole number and a unit, such as 36h or 2d"
          }
        }
    "#]],
    );
}

#[test]
fn an_unknown_code_is_told_the_nearest() {
    check(
        &empty().run(&["explain", "P012"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: there is no code `P012`
        help: did you mean `P0102`?
        help: `baton explain` lists all codes
    "#]],
    );
    check(
        &empty().run(&["explain", "late"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: there is no code `late`
        help: `baton explain` lists all codes
    "#]],
    );
}

#[test]
fn all_codes_are_listed() {
    let listed = empty().output(&["explain"]).stdout;
    assert!(listed.starts_with("P0001  the folder is not a project\n"), "{listed}");
    assert!(listed.lines().count() > 70);
}
