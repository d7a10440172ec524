//! What `predict` and `trace` print, and how they refuse.

use baton_testkit::project::TestProject;
use expect_test::{Expect, expect};

use crate::answers::{json, ok};
use crate::serve::{as_of, canteen};
use crate::shop::check;

/// The canteen of 40 days, with its model served.
fn served() -> TestProject {
    let project = canteen();
    ok(&project, &["apply", "-e", "prod", "--yes", "--as-of", &as_of(40)]);
    project
}

/// An answer whose prediction ids, which are new each time, are replaced.
fn check_without_ids(project: &TestProject, arguments: &[&str], expected: &Expect) {
    let answer = project.run(arguments);
    let is_id = |word: &&str| word.len() == 36 && word.matches('-').count() == 4;
    let ids: Vec<&str> = answer.split(|c: char| !c.is_ascii_hexdigit() && c != '-').filter(is_id).collect();
    let told = ids.iter().fold(answer.clone(), |told, id| told.replace(id, "[id]"));
    check(&told, expected);
}

#[test]
fn a_prediction_says_from_what_it_was_made() {
    let project = served();
    let clock = as_of(40);
    let by_key = ["predict", "late", "--json", r#"{"guest": "g3"}"#, "-e", "prod", "--as-of", &clock];
    check_without_ids(
        &project,
        &by_key,
        &expect![[r#"
        exit: 0
        --- stdout
        0.9807  guest=g3
          late_payer@1 (main), as of 2024-02-10 00:00 UTC, id [id]
          feature               value  status
          ──────────────────  ───────  ───────
          habits__last_price  12.0000  PRESENT
        logged; `baton trace [id]` says where it comes from
    "#]],
    );
    let by_feature =
        ["predict", "late", "--json", r#"[{"habits.last_price": 5}, {"habits.last_price": 14.5}]"#, "-e", "prod"];
    check_without_ids(
        &project,
        &[&by_feature[..], &["--as-of", &clock]].concat(),
        &expect![[r#"
            exit: 0
            --- stdout
            0.0161  habits.last_price=5
              late_payer@1 (main), as of 2024-02-10 00:00 UTC, id [id]
              feature             value  status
              ──────────────────  ─────  ───────
              habits__last_price      5  PRESENT
            0.9807  habits.last_price=14.5000
              late_payer@1 (main), as of 2024-02-10 00:00 UTC, id [id]
              feature               value  status
              ──────────────────  ───────  ───────
              habits__last_price  14.5000  PRESENT
            logged; `baton trace [id]` says where it comes from
        "#]],
    );
    let unknown = ["predict", "late", "--json", r#"{"guest": "nobody"}"#, "-e", "prod", "--as-of", &clock];
    check_without_ids(
        &project,
        &unknown,
        &expect![[r#"
        exit: 0
        --- stdout
        0.9807  guest=nobody
          late_payer@1 (main), as of 2024-02-10 00:00 UTC, id [id]
          feature             value  status
          ──────────────────  ─────  ─────────
          habits__last_price         NOT_FOUND
        logged; `baton trace [id]` says where it comes from
    "#]],
    );

    let answer = json(&project, &[&by_key[..], &["-o", "json"]].concat());
    let id = answer["predictions"][0]["id"].as_str().unwrap();
    check_without_ids(
        &project,
        &["trace", id, "-e", "prod"],
        &expect![[r#"
        exit: 0
        --- stdout
        Prediction
          id        [id]
          at        2024-02-10T00:00:00Z
          endpoint  late
          revision  1
          commit    [hash]
          variant   main
          model     late_payer
          version   1
          score     0.9806523323059082
          keys
            guest  g3
          features
            habits__last_price  12.0
          freshness
            habits  {"status":"PRESENT","event_at":"2024-02-09T00:03:00Z"}

        Made by
          model         late_payer@1 (digest [hash])
          training set  tables/late_payer__training/[hash]@0
          commit        [hash]

        From tables
          kind          asset         version
          ────────────  ────────────  ──────────────────────────────────────────────────────
          feature view  habits        tables/habits_table/[hash]@0
          table         habits_table  tables/habits_table/[hash]@0
          source        meals         tables/meals/[hash]@0
          table         payments      tables/payments/[hash]@0

        From files
          file                 content hash
          ───────────────────  ────────────────
          landing/meals-1.csv  [hash]
    "#]],
    );
}

#[test]
fn what_cannot_be_predicted_is_refused_with_what_to_do() {
    let project = served();
    for (endpoint, rows, expected) in [
        (
            "lat",
            r#"{"guest": "g3"}"#,
            expect![[r#"
            exit: 1
            --- stderr
            error: there is no asset `lat` in the project
            help: did you mean `late`?
            help: `baton ls` lists all assets
        "#]],
        ),
        (
            "late",
            "guest=g3",
            expect![[r#"
            exit: 2
            --- stderr
            error: --json is no JSON: expected value at line 1 column 1
            help: give a JSON object such as '{"flight_id": "UA-1545-EWR-…"}', or an array of such objects
        "#]],
        ),
        (
            "late",
            "[]",
            expect![[r#"
            exit: 2
            --- stderr
            error: --json holds no row
            help: give a JSON object such as '{"flight_id": "UA-1545-EWR-…"}', or an array of such objects
        "#]],
        ),
        (
            "late",
            r#"{"visitor": "g3"}"#,
            expect![[r#"
            exit: 1
            --- stderr
            error: row 0 gives no `habits__last_price`; send it with the row, or send guest to look it up
        "#]],
        ),
        (
            "late",
            r#"{"habits.last_price": "dear"}"#,
            expect![[r#"
                exit: 1
                --- stderr
                error: model `late_payer@1` cannot predict row 0: feature `habits__last_price` takes a number, but got the text `dear`
            "#]],
        ),
        (
            "late",
            r#"[["g3"]]"#,
            expect![[r#"
            exit: 2
            --- stderr
            error: --json holds a row that is no object of plain values: invalid type: sequence, expected a map
            help: give a JSON object such as '{"flight_id": "UA-1545-EWR-…"}', or an array of such objects
        "#]],
        ),
    ] {
        check_without_ids(&project, &["predict", endpoint, "--json", rows, "-e", "prod"], &expected);
    }
    check_without_ids(
        &project,
        &["trace", "0199a1b2-0000-7000-8000-000000000000", "-e", "prod"],
        &expect![[r#"
        exit: 1
        --- stderr
        error: there is no prediction `[id]` in environment `prod`; `baton query` over the endpoint's predictions table lists the ids there are
    "#]],
    );
}
