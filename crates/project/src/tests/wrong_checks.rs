//! Mistakes in checks.

use expect_test::expect;

use super::*;

#[test]
fn checks_with_mistakes() {
    check(
        &with_head(
            "-- /s.yml
sources:
  - name: flights
    path: x
    columns:
      - name: carrier
        checks:
          - not_nul
          - between
          - {acepted_values: [a]}
          - {severity: warn}
          - {not_null: , unique: }
          - {row_count: {min: 1}}
          - {between: [1]}
          - {between: {}}
          - {between: 3}
          - {matches: '(a'}
          - {relationships: {to: airline}}
          - {accepted_values: {values: []}}
          - {not_null: , severity: wrn, tolerance: 2}
          - [not_null]
    checks:
      - not_null
      - unique
      - {between: [0, 1]}
      - {unique: }
      - {row_count: {min: -1}}
      - {freshness: {warn_after: 1d}}
      - {freshness: {}}
      - {sql: }
",
        ),
        expect![[r#"
            error[P0110]: check `freshness` of source `flights` has no time column to look at
               ╭─[s.yml:2:11]
             1 │ sources:
             2 │   - name: flights
               ·           ▲
             3 │     path: x
               ╰────
              help: write the check under a column, or say which column is the `time`

            error[P0110]: column `carrier` of source `flights` has check `not_nul`
               ╭─[s.yml:7:13]
             6 │         checks:
             7 │           - not_nul
               ·             ───┬───
               ·                ╰── expected not_null, unique, accepted_values, between, matches, relationships, row_count, freshness or sql
             8 │           - between
               ╰────
              help: did you mean `not_null`?

            error[P0110]: column `carrier` of source `flights` has check `between`
               ╭─[s.yml:8:13]
             7 │           - not_nul
             8 │           - between
               ·             ───┬───
               ·                ╰── needs arguments: write `between: ...`
             9 │           - {acepted_values: [a]}
               ╰────

            error[P0102]: a check of column `carrier` of source `flights` has unknown key `acepted_values`
                ╭─[s.yml:9:14]
              8 │           - between
              9 │           - {acepted_values: [a]}
                ·              ──────────────
             10 │           - {severity: warn}
                ╰────
              detail: Known keys: not_null, unique, accepted_values, between, matches, relationships, row_count, freshness, sql, severity, where, tolerance, name.
              help: did you mean `accepted_values`?

            error[P0110]: a check of column `carrier` of source `flights` has no rule
                ╭─[s.yml:10:13]
              9 │           - {acepted_values: [a]}
             10 │           - {severity: warn}
                ·             ┬
                ·             ╰── expected not_null, unique, accepted_values, between, matches, relationships, row_count, freshness or sql
             11 │           - {not_null: , unique: }
                ╰────

            error[P0110]: a check of column `carrier` of source `flights` has two rules
                ╭─[s.yml:11:26]
             10 │           - {severity: warn}
             11 │           - {not_null: , unique: }
                ·                          ───┬──
                ·                             ╰── write one check for each
             12 │           - {row_count: {min: 1}}
                ╰────

            error[P0110]: a check of column `carrier` of source `flights` counts rows under a column
                ╭─[s.yml:12:14]
             11 │           - {not_null: , unique: }
             12 │           - {row_count: {min: 1}}
                ·              ────┬────
                ·                  ╰── write it under `checks` of the table
             13 │           - {between: [1]}
                ╰────

            error[P0110]: a check of column `carrier` of source `flights` has not two ends
                ╭─[s.yml:13:23]
             12 │           - {row_count: {min: 1}}
             13 │           - {between: [1]}
                ·                       ┬
                ·                       ╰── expected `[min, max]`
             14 │           - {between: {}}
                ╰────

            error[P0110]: a check of column `carrier` of source `flights` is open at both ends
                ╭─[s.yml:14:14]
             13 │           - {between: [1]}
             14 │           - {between: {}}
                ·              ───┬───
                ·                 ╰── expected `[min, max]`
             15 │           - {between: 3}
                ╰────

            error[P0104]: `between` of a check of column `carrier` of source `flights` is a whole number, expected `[min, max]`
                ╭─[s.yml:15:23]
             14 │           - {between: {}}
             15 │           - {between: 3}
                ·                       ┬
                ·                       ╰── expected `[min, max]`
             16 │           - {matches: '(a'}
                ╰────

            error[P0110]: a check of column `carrier` of source `flights` has a pattern that is not a regular expression
                ╭─[s.yml:16:23]
             15 │           - {between: 3}
             16 │           - {matches: '(a'}
                ·                       ──┬─
                ·                         ╰── unclosed group
             17 │           - {relationships: {to: airline}}
                ╰────

            error[P0103]: `relationships` of a check of column `carrier` of source `flights` has no `field`
                ╭─[s.yml:17:14]
             16 │           - {matches: '(a'}
             17 │           - {relationships: {to: airline}}
                ·              ─────────────
             18 │           - {accepted_values: {values: []}}
                ╰────
              help: add `field`: The referenced column.

            error[P0202]: `relationships` of a check of column `carrier` of source `flights` refers to `airline`, which does not exist
                ╭─[s.yml:17:34]
             16 │           - {matches: '(a'}
             17 │           - {relationships: {to: airline}}
                ·                                  ───┬───
                ·                                     ╰── no source or table of this name
             18 │           - {accepted_values: {values: []}}
                ╰────
              detail: There are: flights.

            error[P0105]: `values` of `accepted_values` of a check of column `carrier` of source `flights` is an empty list
                ╭─[s.yml:18:40]
             17 │           - {relationships: {to: airline}}
             18 │           - {accepted_values: {values: []}}
                ·                                        ┬
                ·                                        ╰── expected at least one
             19 │           - {not_null: , severity: wrn, tolerance: 2}
                ╰────

            error[P0105]: `severity` of a check of column `carrier` of source `flights` is `wrn`
                ╭─[s.yml:19:36]
             18 │           - {accepted_values: {values: []}}
             19 │           - {not_null: , severity: wrn, tolerance: 2}
                ·                                    ─┬─
                ·                                     ╰── expected error or warn
             20 │           - [not_null]
                ╰────
              help: did you mean `warn`?

            error[P0109]: `tolerance` of a check of column `carrier` of source `flights` is 2
                ╭─[s.yml:19:52]
             18 │           - {accepted_values: {values: []}}
             19 │           - {not_null: , severity: wrn, tolerance: 2}
                ·                                                    ┬
                ·                                                    ╰── expected 0 to 1, or 0% to 100%
             20 │           - [not_null]
                ╰────

            error[P0104]: a check of column `carrier` of source `flights` is a list, expected an object
                ╭─[s.yml:20:13]
             19 │           - {not_null: , severity: wrn, tolerance: 2}
             20 │           - [not_null]
                ·             ┬
                ·             ╰── expected an object
             21 │     checks:
                ╰────

            error[P0110]: source `flights` has check `not_null`
                ╭─[s.yml:22:9]
             21 │     checks:
             22 │       - not_null
                ·         ────┬───
                ·             ╰── needs a column: write it under the column in `columns`
             23 │       - unique
                ╰────

            error[P0110]: source `flights` has check `unique`
                ╭─[s.yml:23:9]
             22 │       - not_null
             23 │       - unique
                ·         ───┬──
                ·            ╰── needs columns: write `unique: [column]`
             24 │       - {between: [0, 1]}
                ╰────

            error[P0110]: a check of source `flights` has rule `between` without a column
                ╭─[s.yml:24:10]
             23 │       - unique
             24 │       - {between: [0, 1]}
                ·          ───┬───
                ·             ╰── write it under the column
             25 │       - {unique: }
                ╰────

            error[P0110]: a check of source `flights` names no columns
                ╭─[s.yml:25:10]
             24 │       - {between: [0, 1]}
             25 │       - {unique: }
                ·          ───┬──
                ·             ╰── write `unique: [column]`
             26 │       - {row_count: {min: -1}}
                ╰────

            error[P0109]: `min` of `row_count` of a check of source `flights` is -1
                ╭─[s.yml:26:27]
             25 │       - {unique: }
             26 │       - {row_count: {min: -1}}
                ·                           ─┬
                ·                            ╰── expected at least 0
             27 │       - {freshness: {warn_after: 1d}}
                ╰────

            error[P0103]: `freshness` of a check of source `flights` has neither `warn_after` nor `error_after`
                ╭─[s.yml:28:10]
             27 │       - {freshness: {warn_after: 1d}}
             28 │       - {freshness: {}}
                ·          ─────────
             29 │       - {sql: }
                ╰────

            error[P0103]: a check of source `flights` has no `sql`
                ╭─[s.yml:29:10]
             28 │       - {freshness: {}}
             29 │       - {sql: }
                ·          ───
                ╰────
              help: add `sql`: A query whose rows are the failing rows.

            24 errors, 0 warnings
        "#]],
    );
}

#[test]
fn checks_are_named_and_numbered() {
    let project = load_good(&with_head(
        "-- /s.yml
sources:
  - name: flights
    path: x
    columns: [{name: a, checks: [unique, {unique: [a, b]}, {matches: '^x', name: own}, {matches: y, name: own}]}]
    checks: [{sql: select 1}, {sql: select 2}]
",
    ));
    let names: Vec<&str> = project.assets["flights"].checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["unique_a", "unique_a_b", "own", "own_2", "sql", "sql_2"]);
}
