//! Mistakes in SQL files, before the engine sees them.

use expect_test::expect;

use super::*;

#[test]
fn template_errors_point_into_the_file_and_hide_no_other_file() {
    check(
        &with_head(
            "-- /tables/a.sql\nselect *\nfrom {{ reff('x') }}\n-- /tables/b.sql\nselect {{ var('x') }\n-- /tables/c.sql\n{% if %}\n",
        ),
        expect![[r#"
            error[P0301]: the template of table `a` cannot be rendered
               ╭─[tables/a.sql:2:9]
             1 │ select *
             2 │ from {{ reff('x') }}
               ·         ────┬────
               ·             ╰── reff is unknown
               ╰────
              help: known are ref, source, var, config, this and is_incremental

            error[P0301]: the template of table `b` cannot be rendered
               ╭─[tables/b.sql:1:20]
             1 │ select {{ var('x') }
               ·                    ┬
               ·                    ╰── unexpected `}`, expected end of variable block
               ╰────
              help: known are ref, source, var, config, this and is_incremental

            error[P0301]: the template of table `c` cannot be rendered
               ╭─[tables/c.sql:1:7]
             1 │ {% if %}
               ·       ─┬
               ·        ╰── unexpected end of block
               ╰────
              help: known are ref, source, var, config, this and is_incremental

            3 errors, 0 warnings
        "#]],
    );
}

#[test]
fn an_unknown_variable_suggests_the_nearest() {
    check(
        "-- /baton.yml\nproject: p\nvars: {late_minutes: 15}\n-- /tables/a.sql\nselect\n  {{ var('late_minute') }} as late\n",
        expect![[r#"
            error[P0302]: table `a` uses unknown variable `late_minute`
               ╭─[tables/a.sql:2:6]
             1 │ select
             2 │   {{ var('late_minute') }} as late
               ·      ──────────────────
               ╰────
              help: did you mean `late_minutes`?
              help: set it in `baton.yml` under `vars:`, or give a default as second argument

            1 error, 0 warnings
        "#]],
    );
}

#[test]
fn wrong_config_is_reported_at_its_argument() {
    check(
        &with_head(
            "-- /tables/a.sql\n{{ config(\n    materialise='table',\n    lookback='two days',\n    materialize='incrementl') }}\nselect 1 as one\n",
        ),
        expect![[r#"
            error[P0102]: config() of table `a` has unknown key `materialise`
               ╭─[tables/a.sql:2:5]
             1 │ {{ config(
             2 │     materialise='table',
               ·     ───────────
             3 │     lookback='two days',
               ╰────
              detail: Known keys: materialize, materialized, time, grain, unique_key, for_each, incremental_strategy, lookback, batch, updated_at, check, check_cols, deletes, hard_deletes, delete_when, on_schema_change.
              help: did you mean `materialize`?

            error[P0107]: `lookback` of config() of table `a` is `two days`, which is not a duration
               ╭─[tables/a.sql:3:5]
             2 │     materialise='table',
             3 │     lookback='two days',
               ·     ────────
             4 │     materialize='incrementl') }}
               ╰────
              help: write a whole number and a unit, such as 90s, 15m, 36h, 2d or 1w

            error[P0105]: `materialize` of config() of table `a` is `incrementl`
               ╭─[tables/a.sql:4:5]
             3 │     lookback='two days',
             4 │     materialize='incrementl') }}
               ·     ─────┬─────
               ·          ╰── expected table, incremental, view, merge, append, history or snapshot
             5 │ select 1 as one
               ╰────
              help: did you mean `incremental`?

            3 errors, 0 warnings
        "#]],
    );
}

#[test]
fn incremental_tables_need_a_time() {
    check(
        &with_head("-- /tables/a.sql\n{{ config(materialized='incremental') }}\nselect 1 as one\n"),
        expect![[r#"
        error[P0206]: incremental table `a` has no time column
           ╭─[tables/a.sql:1:11]
         1 │ {{ config(materialized='incremental') }}
           ·           ────────────
         2 │ select 1 as one
           ╰────
          help: add the column that says when a row happened: time='scheduled_at'

        1 error, 0 warnings
    "#]],
    );
}

#[test]
fn empty_files_and_wrong_names() {
    check(
        &with_head("-- /tables/a.sql\n-- later\n/* much later */\n-- /tables/b-c.sql\nselect 1 as one\n"),
        expect![[r#"
            error[P0303]: table `a` has no query
               ╭─[tables/a.sql:1:1]
             1 │ -- later
               · ▲
               · ╰── write a `select`
             2 │ /* much later */
               ╰────

            error[P0106]: `b-c` is not a name
               ╭─[tables/b-c.sql:1:1]
             1 │ select 1 as one
               · ▲
               ╰────
              help: use letters, digits and underscores, and start with a letter or underscore

            2 errors, 0 warnings
        "#]],
    );
}

#[test]
fn one_name_for_two_files() {
    check(
        &with_head(
            "-- /tables/a.sql\nselect 1 as one\n-- /tables/more/a.sql\nselect 2 as two\n-- /s.yml\nsources:\n  - {name: a, path: x.csv}\n",
        ),
        expect![[r#"
            error[P0201]: table `a` has a name that is taken
               ╭─[tables/a.sql:1:1]
             1 │ select 1 as one
               · ▲
               · ╰── the second
               ╰────
               ╭─[s.yml:2:12]
             1 │ sources:
             2 │   - {name: a, path: x.csv}
               ·            ┬
               ·            ╰── the first
               ╰────
              help: rename one of them; assets of all kinds share one space of names

            error[P0201]: table `a` has a name that is taken
               ╭─[tables/more/a.sql:1:1]
             1 │ select 2 as two
               · ▲
               · ╰── the second
               ╰────
               ╭─[s.yml:2:12]
             1 │ sources:
             2 │   - {name: a, path: x.csv}
               ·            ┬
               ·            ╰── the first
               ╰────
              help: rename one of them; assets of all kinds share one space of names

            2 errors, 0 warnings
        "#]],
    );
}
