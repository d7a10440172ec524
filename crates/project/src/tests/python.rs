//! Python tables: what is read of them without running anything, and what is said about mistakes.

use baton_core::Definition;
use baton_core::asset::{ColumnType, Handed, Materialize, Python, Table};
use expect_test::expect;

use super::*;

/// A project with a lock, a source with a time and one without.
fn python(table: &str) -> String {
    format!(
        "-- /baton.yml\nproject: flights\nvars: {{late: 15, seed: 7}}\n-- /uv.lock\nversion = 1\n-- /sources.yml\nsources:\n  \
         - {{name: flights, path: a.csv, time: time_hour}}\n  - {{name: planes, path: b.csv}}\n-- /tables/daily.py\n{table}"
    )
}

fn read(table: &str) -> Table {
    match &load_good(&python(table)).assets["daily"].definition {
        Definition::Table(table) => table.clone(),
        other => panic!("{other:?}"),
    }
}

fn function(table: &str) -> Python {
    *read(table).python.unwrap()
}

const COLUMNS: &str = "config = dict(columns={'day': 'timestamp', 'n': \"int\"})\n";

#[test]
fn parameters_name_inputs_and_annotations_their_form() {
    let table = read(
        "import polars as pl\nimport pandas, pyarrow as pa\nfrom polars import LazyFrame as Lazy\n\
         config = {\n    'columns': {'day': 'timestamp', 'n': 'int', 'share': 'float'},\n    'materialize': 'incremental', \
         'time': 'day',\n    'grain': ['day'], 'lookback': '2d', 'batch': '1h', 'whole': 'planes', 'timeout': '90s',\n    \
         'reads': {'flights': ['time_hour', 'carrier']},\n    'lineage': {'day': 'flights.time_hour'},\n}\n\
         def table(ctx, flights: pl.DataFrame, planes: 'pandas.DataFrame'):\n    return flights\n",
    );
    assert_eq!((table.materialize, table.time.as_deref()), (Materialize::Incremental, Some("day")));
    assert_eq!((table.lookback, table.batch, table.grain), (172_800, 3600, vec!["day".to_owned()]));
    let types: Vec<_> = table.columns.iter().map(|column| (column.name.as_str(), column.data_type.unwrap())).collect();
    assert_eq!(types, [("day", ColumnType::Timestamp), ("n", ColumnType::Int), ("share", ColumnType::Float)]);
    let python = table.python.unwrap();
    let [flights, planes] = python.parameters.as_slice() else { panic!("{:?}", python.parameters) };
    assert_eq!((flights.handed, planes.handed), (Handed::Polars, Handed::Pandas));
    assert_eq!((flights.time.as_deref(), flights.whole, planes.whole), (Some("time_hour"), false, true));
    assert_eq!(flights.columns, ["time_hour", "carrier"]);
    assert_eq!((flights.spot.line, flights.spot.column, flights.spot.length), (11, 16, 7));
    assert_eq!((python.context, python.timeout, python.reads_clock), (Some(0), Some(90), false));
    assert_eq!(python.lineage["day"], ["flights.time_hour"]);
    assert!(python.lock.is_some() && python.vars.is_empty());
}

#[test]
fn what_ctx_is_asked_for_decides_what_counts() {
    let of = |body: &str| {
        let python = function(&format!("{COLUMNS}def table(flights, ctx):\n    {body}\n"));
        (python.reads_clock, python.vars.into_keys().collect::<Vec<_>>().join(" "))
    };
    assert_eq!(of("return flights"), (false, String::new()));
    assert_eq!(of("return ctx.start, ctx.log.info('x')"), (false, String::new()));
    assert_eq!(of("return ctx.as_of"), (true, String::new()));
    assert_eq!(of("return ctx.var('late') + ctx.vars['late']"), (false, "late".to_owned()));
    assert_eq!(of("return ctx.vars.get('seed'), ctx.var('none', 3)"), (false, "seed".to_owned()));
    assert_eq!(of("return ctx.var(name)"), (false, "late seed".to_owned()));
    assert_eq!(of("return helper(ctx)"), (true, "late seed".to_owned()));
    assert_eq!(of("return helper(ctx=3).ctx"), (false, String::new()));
}

#[test]
fn modules_of_the_project_belong_to_the_code() {
    let project = |shared: &str| {
        let table =
            format!("from shared.times import day\nimport os\n{COLUMNS}def table(flights):\n    return day(flights)\n");
        let files =
            format!("{}-- /shared/times.py\nimport shared.base\n{shared}\n-- /shared/base.py\nX = 1\n", python(&table));
        match &load_good(&files).assets["daily"].definition {
            Definition::Table(table) => table.python.clone().unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let plain = project("def day(x): return x");
    assert_eq!(plain.modules.keys().map(String::as_str).collect::<Vec<_>>(), ["shared/base.py", "shared/times.py"]);
    assert_eq!(plain.content, project("# the day\ndef day(x):\n    return (x)").content);
    assert_ne!(plain.content, project("def day(x): return x + 1").content);
}

#[test]
fn mistakes_in_a_python_file_have_their_places() {
    let table = "import polars as pl\nfrom .other import x\nconfig = {'columns': {'day': 'time'}, 'materialise': 'table', \
                 'grain': KEYS,\n  'whole': ['flight']}\n\
                 def table(ctx, flights: pl.Series, *rest, planes=None):\n    return ctx.asof, ctx.var('laet')\n";
    check(
        &python(table),
        expect![[r#"
            error[P0403]: Python table `daily` does not say the type of day
               ╭─[tables/daily.py:1:1]
             1 │ import polars as pl
               · ▲
             2 │ from .other import x
               ╰────
              help: write `config = {"columns": {"day": "timestamp", "flights": "int"}}` in the file, or `columns:` with types under `tables:` in YAML

            error[P0402]: the file of Python table `daily` imports by a relative name
               ╭─[tables/daily.py:2:6]
             1 │ import polars as pl
             2 │ from .other import x
               ·      ───┬──
               ·         ╰── tables are no package
             3 │ config = {'columns': {'day': 'time'}, 'materialise': 'table', 'grain': KEYS,
               ╰────
              help: put shared code into a module beside `baton.yml` and import it by its name

            error[P0105]: `type` of column `day` of `config` of table `daily` is `time`
               ╭─[tables/daily.py:3:30]
             2 │ from .other import x
             3 │ config = {'columns': {'day': 'time'}, 'materialise': 'table', 'grain': KEYS,
               ·                              ───┬──
               ·                                 ╰── expected string, int, float, bool, date or timestamp
             4 │   'whole': ['flight']}
               ╰────

            error[P0102]: `config` of table `daily` has unknown key `materialise`
               ╭─[tables/daily.py:3:40]
             2 │ from .other import x
             3 │ config = {'columns': {'day': 'time'}, 'materialise': 'table', 'grain': KEYS,
               ·                                        ───────────
             4 │   'whole': ['flight']}
               ╰────
              detail: Known keys: columns, materialize, time, grain, for_each, lookback, batch, updated_at, check, deletes, delete_when, on_schema_change, input, reads, whole, lineage, available_at, timeout.
              help: did you mean `materialize`?

            error[P0402]: the file of Python table `daily` has a value in `config` that only running it would tell
               ╭─[tables/daily.py:3:72]
             2 │ from .other import x
             3 │ config = {'columns': {'day': 'time'}, 'materialise': 'table', 'grain': KEYS,
               ·                                                                        ────
             4 │   'whole': ['flight']}
               ╰────
              help: write texts, numbers, lists and dictionaries as they are: nothing is run to find them

            error[P0202]: `config` of table `daily` names `flight`, which is no parameter
               ╭─[tables/daily.py:4:13]
             3 │ config = {'columns': {'day': 'time'}, 'materialise': 'table', 'grain': KEYS,
             4 │   'whole': ['flight']}
               ·             ────────
             5 │ def table(ctx, flights: pl.Series, *rest, planes=None):
               ╰────
              help: did you mean `flights`?

            error[P0402]: the file of Python table `daily` wants `flights` as `pl.Series`, which Baton cannot hand over
               ╭─[tables/daily.py:5:16]
             4 │   'whole': ['flight']}
             5 │ def table(ctx, flights: pl.Series, *rest, planes=None):
               ·                ───────
             6 │     return ctx.asof, ctx.var('laet')
               ╰────
              help: annotate it with pyarrow.Table, pyarrow.RecordBatchReader, polars.DataFrame, polars.LazyFrame or pandas.DataFrame

            error[P0402]: the file of Python table `daily` has a parameter `*rest` that is no input
               ╭─[tables/daily.py:5:36]
             4 │   'whole': ['flight']}
             5 │ def table(ctx, flights: pl.Series, *rest, planes=None):
               ·                                    ──┬──
               ·                                      ╰── inputs are named one by one
             6 │     return ctx.asof, ctx.var('laet')
               ╰────

            error[P0402]: the file of Python table `daily` has a parameter `planes` that is no input
               ╭─[tables/daily.py:5:43]
             4 │   'whole': ['flight']}
             5 │ def table(ctx, flights: pl.Series, *rest, planes=None):
               ·                                           ───┬──
               ·                                              ╰── an input has no default
             6 │     return ctx.asof, ctx.var('laet')
               ╰────

            error[P0402]: the function of table `daily` asks for `ctx.asof`, which is not there
               ╭─[tables/daily.py:6:16]
             5 │ def table(ctx, flights: pl.Series, *rest, planes=None):
             6 │     return ctx.asof, ctx.var('laet')
               ·                ────
               ╰────
              detail: `ctx` has as_of, start, end, interval, is_incremental, each, name, vars, var, log.
              help: did you mean `as_of`?

            error[P0302]: table `daily` uses unknown variable `laet`
               ╭─[tables/daily.py:6:30]
             5 │ def table(ctx, flights: pl.Series, *rest, planes=None):
             6 │     return ctx.asof, ctx.var('laet')
               ·                              ──────
               ╰────
              help: did you mean `late`?
              help: set it in `baton.yml` under `vars:`, or give a default: `ctx.var("name", 1)`

            11 errors, 0 warnings
        "#]],
    );
}

#[test]
fn a_file_without_a_function_or_columns_or_python_is_told() {
    check(
        &python("def build(flights):\n    return flights\n"),
        expect![[r#"
        error[P0402]: the file of Python table `daily` has no function `table`
           ╭─[tables/daily.py:1:1]
         1 │ def build(flights):
           · ▲
         2 │     return flights
           ╰────
          help: write `def table(ctx, flights):`; the other parameters are the inputs

        1 error, 0 warnings
    "#]],
    );
    check(
        &python("def table(flights):\n    return flights\n"),
        expect![[r#"
        error[P0403]: Python table `daily` does not say which columns it returns
           ╭─[tables/daily.py:1:1]
         1 │ def table(flights):
           · ▲
         2 │     return flights
           ╰────
          help: write `config = {"columns": {"day": "timestamp", "flights": "int"}}` in the file, or `columns:` with types under `tables:` in YAML

        1 error, 0 warnings
    "#]],
    );
    check(
        &python("def table(flights):\n    return flights.select([\n"),
        expect![[r#"
            error[P0401]: the file of table `daily` is not valid Python
               ╭─[tables/daily.py:2:27]
             1 │ def table(flights):
             2 │     return flights.select([
               ·                           ┬
               ·                           ╰── `[` is never closed
               ╰────

            1 error, 0 warnings
        "#]],
    );
}

#[test]
fn an_incremental_table_needs_a_time_and_an_input_that_has_one() {
    let config = |more: &str| format!("config = dict(columns={{'n': 'int'}}, materialize='incremental'{more})\n");
    check(
        &python(&format!("{}def table(flights): ...\n", config(""))),
        expect![[r#"
        error[P0206]: incremental table `daily` has no time column
           ╭─[tables/daily.py:1:1]
         1 │ config = dict(columns={'n': 'int'}, materialize='incremental')
           · ──────
         2 │ def table(flights): ...
           ╰────
          help: add the column that says when a row happened: time='scheduled_at'

        1 error, 0 warnings
    "#]],
    );
    check(
        &python(&format!("{}def table(planes): ...\n", config(", time='n'"))),
        expect![[r#"
        error[P0206]: no input of incremental table `daily` has a time column
           ╭─[tables/daily.py:1:1]
         1 │ config = dict(columns={'n': 'int'}, materialize='incremental', time='n')
           · ▲
         2 │ def table(planes): ...
           ╰────
          help: say the `time` of a source or table that it reads, and leave that out of `whole`

        1 error, 0 warnings
    "#]],
    );
    check(
        &python("config = dict(columns={'n': 'int'}, materialize='view')\ndef table(planes): ...\n"),
        expect![[r#"
        error[P0105]: Python table `daily` cannot be a view: its rows have to be stored
           ╭─[tables/daily.py:1:1]
         1 │ config = dict(columns={'n': 'int'}, materialize='view')
           · ───┬──
           ·    ╰── expected another `materialize`
         2 │ def table(planes): ...
           ╰────

        1 error, 0 warnings
    "#]],
    );
}

#[test]
fn an_unlocked_environment_is_warned_about_and_yaml_may_say_the_types() {
    let fixture = "-- /baton.yml\nproject: p\n-- /tables/a.py\ndef table():\n    ...\n-- /tables/b.py\n\
                   config = {'columns': {'n': 'int'}}\ndef table(a): ...\n-- /tables.yml\ntables:\n  \
                   - {name: a, columns: [{name: n, type: int}]}\n  - {name: b, columns: [{name: n, tags: [key]}]}\n";
    check(
        fixture,
        expect![[r#"
        warning[P0404]: the packages of the Python environment are not locked
           ╭─[tables/a.py:1:1]
         1 │ def table():
           · ▲
         2 │     ...
           ╰────
          detail: Another version of a package can compute other rows, and Baton would not know.
          help: keep `uv.lock` or `requirements.txt` beside `baton.yml`, or name a file: `python: {lock: ...}`

        0 errors, 1 warning
    "#]],
    );
    let (project, _) = load_texts(files(fixture));
    match &project.assets["b"].definition {
        Definition::Table(table) => {
            assert_eq!(
                (table.columns[0].data_type, &table.columns[0].tags),
                (Some(ColumnType::Int), &vec!["key".to_owned()])
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unknown_input_points_at_its_parameter() {
    check_graph(
        &python(&format!("{COLUMNS}def table(ctx, flight):\n    return flight\n")),
        &[("daily", &["flight"])],
        expect![[r#"
            error[S0102]: table `daily` reads unknown table `flight`
               ╭─[tables/daily.py:2:16]
             1 │ config = dict(columns={'day': 'timestamp', 'n': "int"})
             2 │ def table(ctx, flight):
               ·                ───┬──
               ·                   ╰── no source or table of this name
             3 │     return flight
               ╰────
              help: did you mean `flights`?

            1 error, 0 warnings
        "#]],
    );
}
