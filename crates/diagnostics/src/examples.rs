//! One example a code: message, place and help as a user could meet them. `explain` prints them, and the goldens are
//! their renderings.

use crate::codes::{self, Code};
use crate::diagnostic::{Diagnostic, Label};
use crate::terminal::render_terminal;

/// A mistake that shows a code.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// What it shows.
    pub code: Code,
    /// The diagnostic's message.
    pub message: &'static str,
    /// The user's file, empty when the code has no place.
    pub file: &'static str,
    /// The text of that file.
    pub source: &'static str,
    /// The part of `source` that is underlined.
    pub at: &'static str,
    /// What is said about that part; may be empty.
    pub label: &'static str,
    /// What to do.
    pub help: &'static str,
}

impl Example {
    /// The example of a code; every code has one.
    pub fn of(code: Code) -> Option<&'static Self> {
        EXAMPLES.iter().find(|example| example.code == code)
    }

    /// The diagnostic that a user would be told.
    pub fn diagnostic(&self) -> Diagnostic {
        let diagnostic = Diagnostic::new(self.code, self.code.usual_severity(), self.message.to_owned());
        let diagnostic = match self.label() {
            Some(label) => diagnostic.with_label(label),
            None => diagnostic,
        };
        diagnostic.with_help(self.help)
    }

    /// The diagnostic as a terminal shows it.
    pub fn render(&self, color: bool) -> String {
        let source = |wanted: &str| (wanted == self.file).then(|| self.source.to_owned());
        render_terminal(&[self.diagnostic()], &source, color)
    }

    fn label(&self) -> Option<Label> {
        let start = self.source.find(self.at).filter(|_| !self.at.is_empty())?;
        let before = &self.source[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Some(Label {
            file: self.file.to_owned(),
            line: before.matches('\n').count() as u32 + 1,
            column: before[line_start..].chars().count() as u32 + 1,
            length: self.at.chars().count() as u32,
            text: self.label.to_owned(),
        })
    }
}

macro_rules! examples {
    ($($code:ident, $message:literal, $file:literal, $source:literal, $at:literal, $label:literal, $help:literal;)*) => {
        /// The examples, in the order of the codes.
        pub(crate) const EXAMPLES: &[Example] = &[$(Example {
            code: codes::$code,
            message: $message,
            file: $file,
            source: $source,
            at: $at,
            label: $label,
            help: $help,
        }),*];
    };
}

examples! {
    PROJECT_MISSING,
        "no `baton.yml` in this folder",
        "", "", "",
        "", "write one, or run `baton init`";
    PROJECT_EMPTY,
        "project `flights` declares no assets",
        "baton.yml", "project: flights\n", "flights",
        "", "add a source in `sources.yml`";
    UNREADABLE_FILE,
        "file `sources.yml` cannot be read: stream did not contain valid UTF-8",
        "", "", "",
        "", "save it as UTF-8";
    INVALID_YAML,
        "file `sources.yml` is not valid YAML: unclosed bracket '['",
        "sources.yml", "sources: [\n", "[",
        "", "close the bracket";
    UNKNOWN_KEY,
        "source `flights` has unknown key `conector`",
        "sources.yml", "sources:\n  - name: flights\n    conector: file\n    path: landing/flights/*.parquet\n", "conector",
        "not a key of a source", "did you mean `connector`?";
    MISSING_KEY,
        "source `flights` has no `path`",
        "sources.yml", "sources:\n  - name: flights\n    connector: file\n", "flights",
        "", "add `path`";
    WRONG_TYPE,
        "`columns` of source `flights` is a text, expected a list",
        "sources.yml", "sources:\n  - name: flights\n    connector: file\n    path: landing/flights/*.parquet\n    columns: tailnum\n", "tailnum",
        "a text", "write a list";
    INVALID_VALUE,
        "`load` of source `flights` is `apend`",
        "sources.yml", "sources:\n  - name: flights\n    connector: file\n    path: landing/flights/*.parquet\n    load: apend\n", "apend",
        "expected append or replace", "did you mean `append`?";
    INVALID_NAME,
        "`late-flights` is not a name",
        "sources.yml", "sources:\n  - name: late-flights\n    connector: file\n    path: landing/flights/*.parquet\n", "late-flights",
        "", "use letters, digits and underscores";
    INVALID_DURATION,
        "`ttl` of feature view `delays` is `3 days`, which is not a duration",
        "features.yml", "features:\n  - name: delays\n    ttl: 3 days\n", "3 days",
        "", "write a whole number and a unit, such as 36h or 2d";
    INVALID_CRON,
        "`cron` of model `delay` is not a cron line",
        "models.yml", "retrain: {cron: '0 25 * * *'}\n", "'0 25 * * *'",
        "the hour is at most 23", "write five fields: minute hour day month weekday";
    OUT_OF_RANGE,
        "`traffic` of endpoint `delay` is 120%",
        "endpoints.yml", "canary: {model: delay@challenger, traffic: 120%}\n", "120%",
        "at most 100%", "write a share from 0% to 100%";
    INVALID_CHECK,
        "a check of source `flights` has two rules",
        "sources.yml", "checks:\n  - {not_null: carrier, unique: [carrier]}\n", "unique",
        "", "write two checks";
    NOT_IN_EFFECT,
        "`rollback` of endpoint `delay` has no effect yet",
        "endpoints.yml", "rollback: {when: 'error_rate > 1%'}\n", "rollback",
        "", "remove it";
    INVALID_TEST,
        "`given` of test `late` cannot be read: `soon` is no value of column `arr_delay` (int)",
        "tests/delays.yml", "tests:\n  - name: late\n    table: outcomes\n    given: {flights: [{arr_delay: soon}]}\n", "soon",
        "expected int", "write a whole number";
    INVALID_TIMEZONE,
        "`timezone` of schedule `nightly` is `CEST`, which is no time zone",
        "schedules.yml", "schedules:\n  - name: nightly\n    cron: 30 2 * * *\n    timezone: CEST\n", "CEST",
        "", "write a name of the IANA time zone database, such as `Europe/Zurich`";
    DUPLICATE_ASSET,
        "table `daily` is declared twice",
        "tables/daily.sql", "select 1 as one\n", "select",
        "", "rename one of them";
    UNKNOWN_REFERENCE,
        "feature view `delays` reads `daly`, which does not exist",
        "features.yml", "features:\n  - name: delays\n    from: daly\n", "daly",
        "no such source or table", "did you mean `daily`?";
    WRONG_KIND,
        "endpoint `delay` serves `daily`, which is a table",
        "endpoints.yml", "endpoints:\n  - name: delay\n    model: daily@champion\n", "daily",
        "a table", "name a model";
    CYCLE,
        "tables read each other in a circle: a -> b -> a",
        "tables/a.sql", "select * from b\n", "b",
        "reads `b`", "break the circle at one of these places";
    UNKNOWN_FEATURE,
        "model `delay` uses `carrier_delays.men`, which does not exist",
        "models.yml", "features: [carrier_delays.men]\n", "carrier_delays.men",
        "", "did you mean `mean`?";
    INCOMPLETE_INCREMENTAL,
        "incremental table `daily` has no time column",
        "tables/daily.sql", "{{ config(materialize='incremental') }}\nselect 1 as one\n", "materialize",
        "", "add time='column'";
    INVALID_TEMPLATE,
        "template of table `daily` cannot be rendered: unknown function reff",
        "tables/daily.sql", "select * from {{ reff('flights') }}\n", "reff('flights')",
        "", "known are ref, source, var, config, this and is_incremental";
    UNKNOWN_VARIABLE,
        "template of table `daily` uses unknown variable `yeer`",
        "tables/daily.sql", "select {{ var('yeer') }} as year\n", "var('yeer')",
        "", "did you mean `year`?";
    EMPTY_SQL,
        "table `daily` has no query",
        "tables/daily.sql", "-- to be written\n", "-- to be written",
        "", "write a select, or delete the file";
    INVALID_PYTHON,
        "the file of table `daily` is not valid Python",
        "tables/daily.py", "def table(flights):\n    return flights.select([\n", "[",
        "`[` is never closed", "close the bracket";
    INVALID_PYTHON_TABLE,
        "the file of Python table `daily` has no function `table`",
        "tables/daily.py", "def build(flights):\n    return flights\n", "build",
        "", "write `def table(ctx, flights):`; the other parameters are the inputs";
    UNDECLARED_COLUMNS,
        "Python table `daily` does not say which columns it returns",
        "tables/daily.py", "def table(flights):\n    return flights\n", "def table(flights)",
        "", "write `config = {\"columns\": {\"day\": \"timestamp\", \"flights\": \"int\"}}` in the file";
    NOT_LOCKED,
        "the packages of the Python environment are not locked",
        "tables/daily.py", "def table(flights):\n    return flights\n", "def table(flights)",
        "", "keep `uv.lock` or `requirements.txt` beside `baton.yml`";
    PYTHON_MISSING,
        "the Python interpreter `.venv/bin/python` is not there",
        "baton.yml", "project: flights\npython: {interpreter: .venv/bin/python}\n", ".venv/bin/python",
        "", "make it with `python3 -m venv .venv` and install `pyarrow`";
    WRITTEN_SECRET,
        "`url` of source `orders` holds a secret as it is",
        "sources.yml", "sources:\n  - name: orders\n    url: postgres://reader:sesame@db/shop\n", "postgres://reader:sesame@db/shop",
        "", "keep it in the environment and write `${env:NAME}` in its place, or `${file:PATH}`";
    INVALID_SQL,
        "table `daily` is not valid SQL: expected an expression, found from",
        "tables/daily.sql", "select from flights\n", "from",
        "", "name the columns to select";
    UNKNOWN_TABLE,
        "table `daily` reads unknown table `flight`",
        "tables/daily.sql", "select * from flight\n", "flight",
        "no such source or table", "did you mean `flights`?";
    UNKNOWN_COLUMN,
        "table `daily` reads unknown column `dep_dely`",
        "tables/daily.sql", "select\n  avg(dep_dely) as delay\nfrom flights\n", "dep_dely",
        "not a column of source `flights`", "did you mean `dep_delay`?";
    WRONG_SQL_TYPE,
        "table `daily` adds a text and a number",
        "tables/daily.sql", "select carrier + 1 as next from flights\n", "carrier + 1",
        "string + int", "cast one side";
    UNKNOWN_FUNCTION,
        "table `daily` calls unknown function `averge`",
        "tables/daily.sql", "select averge(dep_delay) as delay from flights\n", "averge",
        "", "did you mean `average`?";
    AMBIGUOUS_COLUMN,
        "table `daily` reads ambiguous column `carrier`",
        "tables/daily.sql", "select carrier from flights join airlines using (code)\n", "carrier",
        "in `flights` and in `airlines`", "write `flights.carrier`";
    UNSUPPORTED_SQL,
        "table `daily` uses a correlated subquery that cannot be planned",
        "", "", "",
        "", "join the table and aggregate it";
    VARYING_FUNCTION,
        "table `daily`: `uuid()` gives another value each time, so the table could not be built again",
        "tables/daily.sql", "select uuid() as id, carrier from flights\n", "uuid",
        "", "derive the value from columns";
    CLOCK_READ,
        "table `daily` asks for the time by `current_date`: it is the logical clock of the run, and the table is computed again whenever that moves",
        "tables/daily.sql", "select carrier from flights where day = current_date\n", "current_date",
        "the clock of the run", "compare with a time among the columns where that says the same, or make it a view";
    QUERY_FAILED,
        "table `daily` failed: divide by zero",
        "tables/daily.sql", "select late / flown as share from days\n", "late / flown",
        "", "write late / nullif(flown, 0)";
    MEMORY_EXHAUSTED,
        "table `daily` needs more than 512 MiB",
        "", "", "",
        "", "raise `memory_limit` in `baton.yml`";
    NULLABLE_COLUMN,
        "column `name` of table `daily` is declared not_null and can be null",
        "tables/daily.sql", "select f.carrier, a.name\nfrom flights f left join airlines a on a.carrier = f.carrier\n", "name",
        "can be null", "give it a value with `coalesce`, or keep only rows where `name` is not null";
    FAN_OUT,
        "table `totals` adds up rows of `orders` again for each row of `lines` that they are joined with, in `sum(o.total)`",
        "tables/totals.sql", "select sum(o.total) as total\nfrom orders o join lines l on l.order_id = o.order_id\n", "l.order_id",
        "rows of `orders` meet several of `lines`", "aggregate `lines` by `order_id` before the join";
    UNUSED_COLUMN,
        "nothing in the project reads `dest` of table `daily`",
        "tables/daily.sql", "select carrier, dest from flights\n", "dest",
        "", "remove it, or declare an exposure for what uses it";
    COMPARED_TEXT,
        "table `daily` compares the text `flight` with `1545`, so the query fails at the first that is no number",
        "tables/daily.sql", "select carrier from flights where flight = 1545\n", "flight",
        "read as a number", "cast one side";
    VERSION_MISSING,
        "version 4 of table `daily` is not in the warehouse",
        "", "", "",
        "", "build it again with `baton apply`";
    STORAGE_FAILED,
        "table `daily` could not be written: input/output error",
        "", "", "",
        "", "mend the disk and run the command again";
    STORAGE_FULL,
        "table `daily` could not be written: no space left on device",
        "", "", "",
        "", "free space and run the command again";
    STORAGE_READ_ONLY,
        "warehouse `.baton/warehouse` cannot be written: permission denied",
        "", "", "",
        "", "give this user the right to write, or choose another `warehouse`";
    CORRUPT_TABLE,
        "file `part-00000.parquet` of table `daily` is damaged",
        "", "", "",
        "", "build it again with `baton apply`";
    LEDGER_UNAVAILABLE,
        "ledger `.baton/ledger.db` cannot be opened: file is not a database",
        "", "", "",
        "", "restore it from a copy";
    COMMIT_CONFLICT,
        "environment `prod` moved to commit 8 since this command read commit 7",
        "", "", "",
        "", "run `baton plan` again";
    LEDGER_TAMPERED,
        "event 112 of the ledger does not match its seal",
        "", "", "",
        "", "restore the ledger from a copy";
    NO_FILES,
        "source `flights` found no file at `landing/flight/*.parquet`",
        "sources.yml", "sources:\n  - name: flights\n    connector: file\n    path: landing/flight/*.parquet\n", "landing/flight/*.parquet",
        "matches nothing", "check the path; it is relative to the project folder";
    UNREADABLE_DELIVERY,
        "file `landing/2013-03.parquet` of source `flights` is truncated",
        "", "", "",
        "", "deliver the file again";
    WRONG_VALUE,
        "file `landing/planes.csv` of source `planes`: row 14, column `year` holds `19x4`, which is not an int",
        "", "", "",
        "", "correct the file, or declare the column as string";
    SCHEMA_CHANGED,
        "file `landing/planes.csv` of source `planes` has new column `colour`",
        "", "", "",
        "", "add it to `columns`, or set `on_schema_change: evolve`";
    UNKNOWN_CONNECTOR,
        "source `flights` uses unknown connector `fil`",
        "sources.yml", "sources:\n  - name: flights\n    connector: fil\n    path: landing/flights/*.parquet\n", "fil",
        "", "did you mean `file`?";
    STEP_FAILED,
        "step `build daily` failed",
        "", "", "",
        "", "mend the cause above and run the same command again";
    CHECK_FAILED,
        "check `not_null_carrier` of table `daily` failed: 3 of 336776 rows are null",
        "", "", "",
        "", "look at the rows with `baton show daily`";
    APPLY_IN_PROGRESS,
        "another apply of environment `prod` is running since 12:04",
        "", "", "",
        "", "wait for it, or stop process 4711";
    PLAN_OUTDATED,
        "the plan was made on commit 7 and environment `prod` is at commit 8",
        "", "", "",
        "", "run `baton plan` again";
    UNKNOWN_ENVIRONMENT,
        "environment `prd` is not declared",
        "", "", "",
        "", "did you mean `prod`?";
    PROTECTED_ENVIRONMENT,
        "environment `prod` is protected",
        "", "", "",
        "", "make a plan and apply it";
    UNKNOWN_ASSET,
        "there is no asset `flihgts`",
        "", "", "",
        "", "did you mean `flights`?";
    NOTHING_APPLIED,
        "environment `prod` has no commit",
        "", "", "",
        "", "run `baton apply -e prod`";
    FOLDER_NOT_EMPTY,
        "folder `baton-demo` is not empty",
        "", "", "",
        "", "choose another with `--dir`, or give `--force`";
    GATE_FAILED,
        "version 3 of model `delay` failed gate `roc_auc >= 0.65` with 0.61",
        "models.yml", "gates:\n  - roc_auc >= 0.65\n", "roc_auc >= 0.65",
        "was 0.61", "look at the slices with `baton show delay`";
    NO_TRAINING_ROWS,
        "model `delay` has no training rows as of 2013-01-01",
        "", "", "",
        "", "choose a later `--as-of`";
    SINGLE_CLASS,
        "all 812 labels of model `delay` are false",
        "", "", "",
        "", "take in a longer time, or check the target";
    UNKNOWN_ALGORITHM,
        "model `delay` uses unknown algorithm `boosted_tree`",
        "models.yml", "train: {algorithm: boosted_tree}\n", "boosted_tree",
        "", "did you mean `boosted_trees`?";
    UNKNOWN_METRIC,
        "model `delay` is judged by unknown metric `roc`",
        "models.yml", "train: {metric: roc}\n", "roc",
        "", "did you mean `roc_auc`?";
    INVALID_GATE,
        "gate `roc_auc => 0.65` of model `delay` cannot be understood",
        "models.yml", "gates:\n  - roc_auc => 0.65\n", "=>",
        "", "write `roc_auc >= 0.65`";
    MODEL_NOT_REPRODUCED,
        "version 3 of model `delay` read back differs by 0.02 from training time",
        "", "", "",
        "", "train it again, and report it if it stays";
    ALIAS_MISSING,
        "model `delay` has no version with alias `champion`",
        "", "", "",
        "", "train one that passes its gates with `baton apply`";
    LEAKING_FEATURE,
        "feature `flight.arr_delay` of model `delay` shows the outcome that it is to predict",
        "models.yml", "features: [flight.arr_delay, carrier_delays.mean]\n", "flight.arr_delay",
        "computed from the same `arrivals.arr_delay` as the label", "leave it out, or aggregate over past events by another entity";
    TARGET_TYPE,
        "labels.target of model `delay` is `outcomes.status`, which is Utf8",
        "models.yml", "labels: {from: outcomes, target: status}\n", "status",
        "", "make it a bool or a number in the SQL of the table, such as `status = 'late' as is_late`";
    BAD_REQUEST,
        "input `distance` is missing",
        "", "", "",
        "", "send one value a row for each of the model's inputs";
    NOT_FOUND,
        "there is no endpoint `dely`",
        "", "", "",
        "", "did you mean `delay`?";
    PORT_IN_USE,
        "port 8400 on 127.0.0.1 is taken",
        "", "", "",
        "", "give another with `--port`";
    UNKNOWN_ENTITY,
        "feature view `carrier_delays` has no online row for carrier `ZZ`",
        "", "", "",
        "", "check the key";
    TOO_LARGE,
        "the body has 70 MB, and the limit is 64 MB",
        "", "", "",
        "", "send fewer rows at a time";
    UNAVAILABLE,
        "endpoint `delay` is still loading its model",
        "", "", "",
        "", "try again in a second";
    BUG,
        "internal error in step `build daily`",
        "", "", "",
        "", "report it with run 0199-ab and the file `.baton/log`";
}
