//! Mistakes in whole files and in the head of `baton.yml`.

use expect_test::expect;

use super::*;

#[test]
fn no_files_at_all() {
    check(
        "",
        expect![[r#"
        error[P0001]: there is no `baton.yml` in this folder
          help: write `project: name` into `baton.yml`, or run `baton init`

        1 error, 0 warnings
    "#]],
    );
}

#[test]
fn nothing_declared() {
    check(
        "-- /baton.yml\nproject: p\n-- /notes.yml\n# later\n",
        expect![[r#"
        warning[P0002]: the project declares no assets
           ╭─[baton.yml:1:1]
         1 │ project: p
           · ▲
           ╰────
          help: add `sources:` to a `.yml` file, or a query to `tables/`

        0 errors, 1 warning
    "#]],
    );
}

#[test]
fn a_ledger_that_can_be_nowhere() {
    check(
        "-- /baton.yml
project: shop
ledger: mysql://ada@db/work
",
        expect![[r#"
            error[P0105]: `ledger` of file `baton.yml` is an address of `mysql`
               ╭─[baton.yml:2:9]
             1 │ project: shop
             2 │ ledger: mysql://ada@db/work
               ·         ─────────┬─────────
               ·                  ╰── a ledger is a file, or at `postgres://…`
               ╰────

            1 error, 0 warnings
        "#]],
    );
}

#[test]
fn a_head_with_mistakes() {
    check(
        "-- /baton.yml
environments:
  prod: {protcted: true}
  'my env': {}
  dev: yes
memory_limit: lots
server: {port: 84000, bnd: x}
warehouse: [a]
vars: 3
sorces: []
",
        expect![[r#"
            error[P0103]: file `baton.yml` has no `project`
               ╭─[baton.yml:1:1]
             1 │ environments:
               · ▲
             2 │   prod: {protcted: true}
               ╰────
              help: add `project`: Name of the project.

            error[P0102]: environment `prod` has unknown key `protcted`
               ╭─[baton.yml:2:10]
             1 │ environments:
             2 │   prod: {protcted: true}
               ·          ────────
             3 │   'my env': {}
               ╰────
              detail: Known keys: protected.
              help: did you mean `protected`?

            error[P0106]: `my env` is not a name of an environment
               ╭─[baton.yml:3:3]
             2 │   prod: {protcted: true}
             3 │   'my env': {}
               ·   ────┬───
               ·       ╰── letters, digits, `-`, `_` and `.`
             4 │   dev: yes
               ╰────

            error[P0104]: environment `dev` is a text, expected an object
               ╭─[baton.yml:4:8]
             3 │   'my env': {}
             4 │   dev: yes
               ·        ─┬─
               ·         ╰── expected an object
             5 │ memory_limit: lots
               ╰────

            error[P0105]: `memory_limit` of file `baton.yml` is `lots`, which is not an amount of memory
               ╭─[baton.yml:5:15]
             4 │   dev: yes
             5 │ memory_limit: lots
               ·               ──┬─
               ·                 ╰── expected for example 512MiB or 2GiB
             6 │ server: {port: 84000, bnd: x}
               ╰────

            error[P0109]: `port` of `server` of file `baton.yml` is 84000
               ╭─[baton.yml:6:16]
             5 │ memory_limit: lots
             6 │ server: {port: 84000, bnd: x}
               ·                ──┬──
               ·                  ╰── expected from 0 to 65535
             7 │ warehouse: [a]
               ╰────

            error[P0102]: `server` of file `baton.yml` has unknown key `bnd`
               ╭─[baton.yml:6:23]
             5 │ memory_limit: lots
             6 │ server: {port: 84000, bnd: x}
               ·                       ───
             7 │ warehouse: [a]
               ╰────
              detail: Known keys: bind, port.
              help: did you mean `bind`?

            error[P0104]: `warehouse` of file `baton.yml` is a list, expected a text
               ╭─[baton.yml:7:12]
             6 │ server: {port: 84000, bnd: x}
             7 │ warehouse: [a]
               ·            ┬
               ·            ╰── expected a text
             8 │ vars: 3
               ╰────

            error[P0104]: `vars` of file `baton.yml` is a whole number, expected an object
               ╭─[baton.yml:8:7]
             7 │ warehouse: [a]
             8 │ vars: 3
               ·       ┬
               ·       ╰── expected an object
             9 │ sorces: []
               ╰────

            error[P0102]: file `baton.yml` has unknown key `sorces`
               ╭─[baton.yml:9:1]
             8 │ vars: 3
             9 │ sorces: []
               · ──────
               ╰────
              detail: Known keys: project, environments, warehouse, ledger, online, memory_limit, server, python, tracking, policies, vars, params, pools, execution, sources, tables, features, models, endpoints, monitors, exposures, exports, tests, schedules, channels, runbooks.
              help: did you mean `sources`?

            10 errors, 0 warnings
        "#]],
    );
}

#[test]
fn head_keys_belong_to_the_head() {
    check(
        &with_head("-- /other.yml\nproject: x\nenvironments: {}\nsources: [{name: a, path: b}]\n"),
        expect![[r#"
            error[P0102]: file `other.yml` has unknown key `project`
               ╭─[other.yml:1:1]
             1 │ project: x
               · ───────
             2 │ environments: {}
               ╰────
              detail: Known keys: sources, tables, features, models, endpoints, monitors, exposures, exports, tests, schedules, channels, runbooks.

            error[P0102]: file `other.yml` has unknown key `environments`
               ╭─[other.yml:2:1]
             1 │ project: x
             2 │ environments: {}
               · ────────────
             3 │ sources: [{name: a, path: b}]
               ╰────
              detail: Known keys: sources, tables, features, models, endpoints, monitors, exposures, exports, tests, schedules, channels, runbooks.

            2 errors, 0 warnings
        "#]],
    );
}

#[test]
fn broken_yaml_hides_no_other_file() {
    check(
        &with_head(
            "-- /a.yml\nsources: [{name: a, path: [}\n-- /b.yml\nsources:\n  - name: b\n   path: x\n-- /c.yml\nsources:\n  - {name: c}\n-- /d.yml\nsources: []\nsources: []\n-- /e.yml\n- just a list\n",
        ),
        expect![[r#"
            error[P0101]: file `a.yml` is not valid YAML
               ╭─[a.yml:1:27]
             1 │ sources: [{name: a, path: [}
               ·                           ┬
               ·                           ╰── mismatched bracket '[' closed by '}'
               ╰────

            error[P0101]: file `b.yml` is not valid YAML
               ╭─[b.yml:3:4]
             2 │   - name: b
             3 │    path: x
               ·    ┬
               ·    ╰── while parsing a block collection, did not find expected '-' indicator
               ╰────

            error[P0103]: source `c` has no `path`
               ╭─[c.yml:2:12]
             1 │ sources:
             2 │   - {name: c}
               ·            ─
               ╰────
              help: add `path`: What to read: for `file` a glob relative to the project, for `s3` one like `s3://bucket/*.csv`, for `sqlite` and `duckdb` the file.

            error[P0101]: file `d.yml` is not valid YAML
               ╭─[d.yml:2:1]
             1 │ sources: []
             2 │ sources: []
               · ───┬───
               ·    ╰── duplicate mapping key: sources
               ╰────

            error[P0104]: file `e.yml` is a list, expected an object
               ╭─[e.yml:1:1]
             1 │ - just a list
               · ▲
               · ╰── expected an object
               ╰────

            5 errors, 0 warnings
        "#]],
    );
}

#[test]
fn without_the_head_variables_are_not_called_unknown() {
    check(
        "-- /baton.yml\nproject: [p\nvars: {x: 1}\n-- /tables/a.sql\nselect {{ var('x') }} as x\n",
        expect![[r#"
        error[P0101]: file `baton.yml` is not valid YAML
           ╭─[baton.yml:2:5]
         1 │ project: [p
         2 │ vars: {x: 1}
           ·     ┬
           ·     ╰── illegal placement of ':' indicator
           ╰────

        1 error, 0 warnings
    "#]],
    );
}
