//! Parameters, tables that commands make, pools: what they mean, and mistakes in them.

use baton_core::Definition;
use baton_core::asset::{ColumnType, Table};
use expect_test::expect;
use serde_json::json;

use super::*;

const GOOD: &str = "-- /baton.yml
project: flights
params:
  least: {type: float, default: 3}
  day: {type: date, default: 2026-07-01, description: The day}
pools: {slow: 2}
execution: {pool: slow}
-- /s.yml
sources: [{name: landing, path: x}]
tables:
  - name: scored
    owner: ml@example.com
    command: |
      python score.py --least {{ var('least') }} --day {{ var('day') }}
    inputs: [landing, ./score.py, models/]
    output: ./out/scored.parquet
    env: {TOKEN: '${env:TOKEN}'}
    image: python:3.12
    timeout: 5m
    memory_limit: 1GiB
    columns: [{name: id, type: int, checks: [unique]}]
";

fn table(project: &Project, name: &str) -> Table {
    match &project.assets[name].definition {
        Definition::Table(table) => table.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_says_what_it_runs_reads_and_writes() {
    let project = load_good(GOOD);
    let scored = table(&project, "scored");
    let step = scored.command.unwrap();
    assert_eq!(step.command, "python score.py --least 3.0 --day 2026-07-01");
    assert_eq!(step.inputs.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["landing"]);
    assert_eq!(step.files.keys().collect::<Vec<_>>(), ["models/", "score.py"]);
    assert_eq!((step.output.as_str(), step.image.as_deref()), ("out/scored.parquet", Some("python:3.12")));
    assert_eq!((step.timeout, step.memory_limit), (Some(300), Some(1 << 30)));
    assert_eq!((project.assets["scored"].checks.len(), scored.columns.len()), (1, 1));
    assert_eq!((project.params["day"].kind, &project.params["least"].default), (ColumnType::Date, &json!(3.0)));
    let policy = project.execution.policy(&project.execution, "scored");
    assert_eq!((policy.pool.as_deref(), project.pools["slow"]), (Some("slow"), 2));
    let (other, found) = project.with_vars(&[("least".to_owned(), json!(7.5))].into());
    assert!(found.is_empty());
    assert!(table(&other, "scored").command.unwrap().command.contains("--least 7.5"));
}

#[test]
fn mistakes_in_commands() {
    check(
        &with_head(
            "-- /t.yml
tables:
  - {name: nothing, command: make, output: rows.txt, columns: [{name: id}]}
  - {name: away, command: make it, inputs: [../secret.txt], output: /tmp/rows.csv, columns: [{name: id, type: int}]}
  - {name: unknown, command: \"make {{ var('leest') }}\", output: rows.csv, env: {BATON_TABLE: x}, columns: [{name: id, type: int}]}
  - {name: missing, command: make}
  - {name: noted, timeout: 5m}
",
        ),
        expect![[r#"
            error[P0403]: the command of table `nothing` does not say the type of id
               ╭─[t.yml:2:12]
             1 │ tables:
             2 │   - {name: nothing, command: make, output: rows.txt, columns: [{name: id}]}
               ·            ▲
             3 │   - {name: away, command: make it, inputs: [../secret.txt], output: /tmp/rows.csv, columns: [{name: id, type: int}]}
               ╰────
              help: write `columns:` with a `type` each

            error[P0105]: `output` of table `nothing` is `rows.txt`, which cannot hold rows
               ╭─[t.yml:2:44]
             1 │ tables:
             2 │   - {name: nothing, command: make, output: rows.txt, columns: [{name: id}]}
               ·                                            ────┬───
               ·                                                ╰── expected a name that ends with .parquet, .csv, .jsonl, .ndjson, or a folder with `/`
             3 │   - {name: away, command: make it, inputs: [../secret.txt], output: /tmp/rows.csv, columns: [{name: id, type: int}]}
               ╰────

            error[P0105]: `inputs` of table `away` is `../secret.txt`, which lies outside of the project
               ╭─[t.yml:3:45]
             2 │   - {name: nothing, command: make, output: rows.txt, columns: [{name: id}]}
             3 │   - {name: away, command: make it, inputs: [../secret.txt], output: /tmp/rows.csv, columns: [{name: id, type: int}]}
               ·                                             ──────┬──────
               ·                                                   ╰── expected a path below the project folder
             4 │   - {name: unknown, command: "make {{ var('leest') }}", output: rows.csv, env: {BATON_TABLE: x}, columns: [{name: id, type: int}]}
               ╰────

            error[P0105]: `output` of table `away` is `/tmp/rows.csv`, which lies outside of the project
               ╭─[t.yml:3:69]
             2 │   - {name: nothing, command: make, output: rows.txt, columns: [{name: id}]}
             3 │   - {name: away, command: make it, inputs: [../secret.txt], output: /tmp/rows.csv, columns: [{name: id, type: int}]}
               ·                                                                     ──────┬──────
               ·                                                                           ╰── expected a path below the project folder
             4 │   - {name: unknown, command: "make {{ var('leest') }}", output: rows.csv, env: {BATON_TABLE: x}, columns: [{name: id, type: int}]}
               ╰────

            error[P0302]: the command of table `unknown` uses unknown variable `leest`
               ╭─[t.yml:4:12]
             3 │   - {name: away, command: make it, inputs: [../secret.txt], output: /tmp/rows.csv, columns: [{name: id, type: int}]}
             4 │   - {name: unknown, command: "make {{ var('leest') }}", output: rows.csv, env: {BATON_TABLE: x}, columns: [{name: id, type: int}]}
               ·            ▲
             5 │   - {name: missing, command: make}
               ╰────
              help: set it in `baton.yml` under `vars:` or `params:`

            error[P0106]: `BATON_TABLE` of `env` of table `unknown` cannot be a variable
               ╭─[t.yml:4:81]
             3 │   - {name: away, command: make it, inputs: [../secret.txt], output: /tmp/rows.csv, columns: [{name: id, type: int}]}
             4 │   - {name: unknown, command: "make {{ var('leest') }}", output: rows.csv, env: {BATON_TABLE: x}, columns: [{name: id, type: int}]}
               ·                                                                                 ─────┬─────
               ·                                                                                      ╰── `BATON_…` is set by Baton itself
             5 │   - {name: missing, command: make}
               ╰────

            error[P0103]: table `missing` has no `output`
               ╭─[t.yml:5:12]
             4 │   - {name: unknown, command: "make {{ var('leest') }}", output: rows.csv, env: {BATON_TABLE: x}, columns: [{name: id, type: int}]}
             5 │   - {name: missing, command: make}
               ·            ───────
             6 │   - {name: noted, timeout: 5m}
               ╰────
              help: add `output`: For `command`: the file with the rows that it writes, below `$BATON_OUTPUTS` or in the project folder; or a glob, or a folder, of such files.

            error[P0202]: `tables` describes `noted`, which does not exist
               ╭─[t.yml:6:12]
             5 │   - {name: missing, command: make}
             6 │   - {name: noted, timeout: 5m}
               ·            ──┬──
               ·              ╰── no file `noted.sql` or `noted.py` under `tables/`
               ╰────

            error[P0105]: `timeout` of table `noted` goes with `command`, which it has not
               ╭─[t.yml:6:19]
             5 │   - {name: missing, command: make}
             6 │   - {name: noted, timeout: 5m}
               ·                   ───┬───
               ·                      ╰── leave it out, or add `command`
               ╰────

            9 errors, 0 warnings
        "#]],
    );
}

#[test]
fn mistakes_in_parameters_and_pools() {
    check(
        "-- /baton.yml
project: flights
vars: {region: eu}
params:
  region: {default: eu}
  least: {type: int, default: few}
  day: {type: date, default: 2026-07-01, values: [2026-07-02]}
  2nd: {default: x}
  none: {type: string}
pools: {slow: 0}
execution: {pool: slwo}
-- /s.yml
sources: [{name: landing, path: x}]
",
        expect![[r#"
            error[P0202]: a step takes a slot of pool `slwo`, which does not exist
               ╭─[baton.yml:1:1]
             1 │ project: flights
               · ▲
             2 │ vars: {region: eu}
               ╰────
              help: declare it under `pools:` in `baton.yml`

            error[P0105]: `region` is under `vars` and under `params`
               ╭─[baton.yml:2:8]
             1 │ project: flights
             2 │ vars: {region: eu}
               ·        ───┬──
               ·           ╰── leave it out here
             3 │ params:
               ╰────

            error[P0105]: `default` of parameter `least` is `few`
               ╭─[baton.yml:5:31]
             4 │   region: {default: eu}
             5 │   least: {type: int, default: few}
               ·                               ─┬─
               ·                                ╰── expected a whole number
             6 │   day: {type: date, default: 2026-07-01, values: [2026-07-02]}
               ╰────

            error[P0105]: `default` of parameter `day` is `2026-07-01`
               ╭─[baton.yml:6:30]
             5 │   least: {type: int, default: few}
             6 │   day: {type: date, default: 2026-07-01, values: [2026-07-02]}
               ·                              ─────┬────
               ·                                   ╰── expected one of 2026-07-02
             7 │   2nd: {default: x}
               ╰────

            error[P0106]: `2nd` is not a name of a parameter
               ╭─[baton.yml:7:3]
             6 │   day: {type: date, default: 2026-07-01, values: [2026-07-02]}
             7 │   2nd: {default: x}
               ·   ─┬─
               ·    ╰── letters, digits, underscores
             8 │   none: {type: string}
               ╰────

            error[P0103]: parameter `none` has no `default`
               ╭─[baton.yml:8:3]
             7 │   2nd: {default: x}
             8 │   none: {type: string}
               ·   ────
             9 │ pools: {slow: 0}
               ╰────
              help: add `default`: Its value where a run is given none.

            error[P0105]: pool `slow` has no number of slots
                ╭─[baton.yml:9:15]
              8 │   none: {type: string}
              9 │ pools: {slow: 0}
                ·               ┬
                ·               ╰── expected 1 to 1000
             10 │ execution: {pool: slwo}
                ╰────

            7 errors, 0 warnings
        "#]],
    );
}
