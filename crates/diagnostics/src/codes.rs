//! The one table of codes: constant, code, title, long text. `explain` and the reference of errors are made from it.
//!
//! Ranges: `P` project, `S` SQL, `T` tables and ledger, `C` connectors, `R` runs, `M` models, `A` API, `X` internal.
//! A code keeps its meaning for ever. To add one: a row here, an example in `examples.rs`, a golden.

use std::fmt;

use serde::Serialize;

use crate::diagnostic::Severity;

/// A stable code such as `P0102`; one of the constants of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Code(&'static str);

impl Code {
    /// The code as text.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// How bad it mostly is. Most codes are mistakes that stop a command.
    pub fn usual_severity(self) -> Severity {
        match self {
            NOT_IN_EFFECT | NOT_LOCKED | PYTHON_MISSING | WRITTEN_SECRET | NULLABLE_COLUMN | FAN_OUT
            | COMPARED_TEXT | LEAKING_FEATURE => Severity::Warning,
            UNUSED_COLUMN | CLOCK_READ => Severity::Info,
            _ => Severity::Error,
        }
    }

    /// Its row in the table.
    pub fn info(self) -> &'static CodeInfo {
        ALL.iter().find(|row| row.code == self).unwrap_or(&ALL[0])
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.0)
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CodeInfo {
    /// The code.
    pub code: Code,
    /// What happened, in a few words that hold for every case.
    pub title: &'static str,
    /// What it means and what to do, for `explain`.
    pub text: &'static str,
}

/// The row of a code that a user typed, in either case.
pub fn find(code: &str) -> Option<&'static CodeInfo> {
    ALL.iter().find(|row| row.code.0.eq_ignore_ascii_case(code.trim()))
}

/// What `explain` prints for a row.
pub fn explain(row: &CodeInfo) -> String {
    format!("{}: {}\n\n{}\n", row.code, row.title, row.text)
}

macro_rules! codes {
    ($($name:ident = $code:literal, $title:literal, $text:literal;)*) => {
        $(#[doc = concat!("`", $code, "`: ", $title, ".")] pub const $name: Code = Code($code);)*

        /// The table, sorted by range and number.
        pub const ALL: &[CodeInfo] = &[$(CodeInfo { code: $name, title: $title, text: $text }),*];
    };
}

codes! {
    PROJECT_MISSING = "P0001", "the folder is not a project",
        "Baton looks for a file `baton.yml` in the folder given by `-C` (the current folder by default). It names \
        the project: `project: flights`. `baton init` writes one.";
    PROJECT_EMPTY = "P0002", "the project declares nothing",
        "No source, table, feature view, model, endpoint or monitor was found. Assets are declared in any `*.yml` \
        file of the project folder, and every `.sql` file under `tables/` is a table named after the file.";
    UNREADABLE_FILE = "P0003", "a project file cannot be read",
        "The file exists but could not be read as UTF-8 text: permissions, encoding, or a failing disk. The other \
        files were read all the same.";
    INVALID_YAML = "P0101", "a file is not valid YAML",
        "The text breaks YAML's own rules: indentation, an unclosed bracket or quote, a key given twice. Nothing \
        in this file was read; the other files were.";
    UNKNOWN_KEY = "P0102", "a key is not known here",
        "Every key of a project file is checked, so that a typing mistake cannot silently switch something off. \
        The message lists the keys that are valid at this place.";
    MISSING_KEY = "P0103", "a key is needed and not given",
        "The object cannot be built without this key.";
    WRONG_TYPE = "P0104", "a value has the wrong type",
        "The key holds one kind of value (text, a number, a list, an object) and expects another.";
    INVALID_VALUE = "P0105", "a value is not one of the allowed ones",
        "The key takes one of a few words, or a text of a certain form. The message says which.";
    INVALID_NAME = "P0106", "a name has forbidden characters",
        "Names of assets are used in SQL, in paths and in addresses: letters, digits and underscores, not \
        starting with a digit, at most 128 characters.";
    INVALID_DURATION = "P0107", "a text is not a duration",
        "Durations are a whole number and a unit: `90s`, `15m`, `36h`, `2d`, `1w`.";
    INVALID_CRON = "P0108", "a text is not a cron line",
        "A cron line has five fields: minute, hour, day of month, month, day of week. `0 6 * * 1` is every Monday at \
        six: in UTC for a model's `retrain`, in its `timezone` for a schedule.";
    OUT_OF_RANGE = "P0109", "a number lies outside its range",
        "The number is of the right type and too small or too large to mean anything here. Shares go from 0 to 1, \
        or from 0% to 100%.";
    INVALID_CHECK = "P0110", "a check cannot be understood",
        "A check is a word (`not_null`, `unique`) or an object with one rule as key, for example `{between: [0, \
        10]}`, and beside it `severity`, `where`, `tolerance` or `name`.";
    NOT_IN_EFFECT = "P0111", "a key is read but has no effect yet",
        "The key is part of the language and its value was checked, and this version of Baton does not act on it. \
        Remove it, or keep it for later.";
    INVALID_TEST = "P0112", "a unit test cannot be run",
        "A test names a table or a feature view, gives rows to what lies upstream of it, and expects rows: each list of \
        rows as objects, `csv`, `file` or `sql`. Values must fit the types of their columns, and the clock goes forward \
        from batch to batch.";
    INVALID_TIMEZONE = "P0113", "a text is not a time zone",
        "Time zones are named as in the IANA database: `Europe/Zurich`, `America/New_York`, `UTC`. Abbreviations such as \
        `CEST` are no zones: they say nothing about daylight saving.";
    DUPLICATE_ASSET = "P0201", "two assets have one name",
        "Assets of all kinds share one space of names, because SQL, lineage and commands refer to them by name \
        alone.";
    UNKNOWN_REFERENCE = "P0202", "a name refers to no asset",
        "The name is not declared anywhere in the project.";
    WRONG_KIND = "P0203", "a name refers to an asset of another kind",
        "For example an endpoint that serves a table: the name exists, and what it names cannot stand here.";
    CYCLE = "P0204", "assets read each other in a circle",
        "Each of the assets needs the next one first, so none can be built. Break the circle at one of the places \
        shown.";
    UNKNOWN_FEATURE = "P0205", "a feature view has no such feature",
        "The feature view lists its features, and this one is not among them.";
    INCOMPLETE_INCREMENTAL = "P0206", "an incremental table has no time column",
        "An incremental table is computed interval by interval, so it must say which of its columns holds the \
        time: `config(materialize='incremental', time='scheduled_at')`. One that is kept by key says its `grain` (dbt: \
        `unique_key`), and one whose query asks `is_incremental()` says itself which rows are new.";
    INVALID_TEMPLATE = "P0301", "a template in SQL cannot be rendered",
        "The text between `{{ }}` or `{% %}` is wrong or failed. Known are `ref`, `source`, `var`, `config`, \
        `this` and `is_incremental`.";
    UNKNOWN_VARIABLE = "P0302", "a template uses an unknown variable",
        "`var('name')` takes its value from `vars:` in `baton.yml`; give it there, or a default as second \
        argument.";
    EMPTY_SQL = "P0303", "a SQL file holds no query",
        "A file under `tables/` is a table, and a table needs one `select`.";
    INVALID_PYTHON = "P0401", "a Python file is not valid Python",
        "The file of a Python table, or a module of the project that it imports, cannot be parsed. Nothing was run.";
    INVALID_PYTHON_TABLE = "P0402", "a Python table cannot be called",
        "A file under `tables/` that ends in `.py` has a function `table` whose parameters name sources and tables, and if \
        it wants `ctx`. What `config` says is written as it is, because nothing is run to find it. A file whose name \
        begins with `_` is no table.";
    UNDECLARED_COLUMNS = "P0403", "a table of Python or of a command does not say its columns",
        "Types, lineage and what a change breaks are known before anything runs, so the columns that a Python function \
        returns, or that a command writes, are declared with their types: `columns:` under `tables:` in YAML, or `columns` in \
        the `config` of a Python table.";
    NOT_LOCKED = "P0404", "the Python environment is not locked",
        "The fingerprint of Python tables takes in the file with the exact versions of the packages, so that an upgrade \
        builds them again. There is no such file, so an upgrade passes unnoticed.";
    PYTHON_MISSING = "P0405", "there is no Python to run tables with",
        "The interpreter is `python: {interpreter: ...}` in `baton.yml`, else `BATON_PYTHON`, else `.venv/bin/python` \
        below the project, else `python3`. It needs the package `pyarrow`.";
    WRITTEN_SECRET = "P0406", "a secret is written out",
        "Project files are kept in git, and what they define is recorded in the ledger. Secrets belong into the environment or a \
        file, and a reference to them into the project: `${env:NAME}` or `${file:PATH}`, also within an address. The secret is \
        looked up when it is used, and neither stored nor shown.";
    INVALID_SQL = "S0101", "a query is not valid SQL",
        "The query could not be parsed. The dialect is that of DataFusion, which is close to PostgreSQL.";
    UNKNOWN_TABLE = "S0102", "a query reads an unknown table",
        "The name is neither a source nor a table of the project, nor a common table expression of the query.";
    UNKNOWN_COLUMN = "S0103", "a query reads an unknown column",
        "No table in the query's `from` has a column of this name.";
    WRONG_SQL_TYPE = "S0104", "an expression has the wrong type",
        "An operator or function was given values that it does not take. Cast one side, for example `cast(x as \
        double)`.";
    UNKNOWN_FUNCTION = "S0105", "a query calls an unknown function",
        "The function is not part of the engine.";
    AMBIGUOUS_COLUMN = "S0106", "a column name is ambiguous",
        "Two tables of the query have a column of this name: write the table before it, as in `flights.carrier`.";
    UNSUPPORTED_SQL = "S0107", "a query uses what the engine cannot do",
        "The query is valid SQL, and the engine has no plan for it.";
    VARYING_FUNCTION = "S0108", "a function gives another value each time",
        "A version of a table can be built again from what it was made from, and comes out the same: this is how steps are \
        never done twice, and how `baton reproduce` holds a version to its digest. `random()` and `uuid()` give other values \
        each time. Derive the value from columns, such as `md5(order_id)`. What asks for the time (`now()`, `current_date`) \
        is fine: it gets the logical clock of the run.";
    CLOCK_READ = "S0109", "a query asks for the time",
        "`now()`, `current_date` and their like are the logical clock of the run (`--as-of`), so that the same run gives the \
        same rows. The clock is part of what the table is made from: each run with another one computes the table again. \
        `baton check --pedantic` tells it.";
    QUERY_FAILED = "S0201", "a query failed while running",
        "The query was valid, and a value or the system made it fail: a division by zero, a cast of a text that \
        is no number.";
    MEMORY_EXHAUSTED = "S0202", "a query needs more memory than allowed",
        "The query spilled to disk where it could and still needed more than `memory_limit` in `baton.yml`.";
    NULLABLE_COLUMN = "S0301", "a column that must not be null can be null",
        "The column is part of the table's grain or has a `not_null` check, and its query leaves it null for some rows: \
        an outer join that finds no row, a `case` without `else`, `nullif`, `lag`. Give it a value with `coalesce`, or \
        keep only rows where it is not null.";
    FAN_OUT = "S0302", "a join multiplies rows",
        "By their declared grain and unique checks, a row of one side meets several rows of the other. The table then \
        has more rows than its own grain says, or a sum counts a row several times. Aggregate the other side before \
        the join, or join on all columns that identify its rows.";
    UNUSED_COLUMN = "S0303", "nothing reads a column or table",
        "No table, feature view, model, endpoint, check or exposure of the project reads it. It may be read from \
        outside: declare an exposure for that. Told by `baton check --pedantic` only.";
    COMPARED_TEXT = "S0304", "text is compared with a number or a time",
        "The query is valid: each row's text is read as a number or a time to be compared. It fails while running at the \
        first text that is none, and whether there is one is known only then. Cast one side: the other as `varchar` to \
        compare as text, or the text by `try_cast(x as double)`, which gives null for what is no number.";
    VERSION_MISSING = "T0101", "a table version does not exist",
        "The commit names a version whose files are not there. Something outside Baton removed them.";
    STORAGE_FAILED = "T0102", "the warehouse could not be read or written",
        "A read or write failed. The last commit still stands and serves.";
    STORAGE_FULL = "T0103", "the disk is full",
        "Nothing of the unfinished work is visible; the last commit still serves. Free space and run the same \
        command again.";
    STORAGE_READ_ONLY = "T0104", "the warehouse cannot be written",
        "The folder is read-only for this user. Reading and serving go on.";
    CORRUPT_TABLE = "T0105", "a table's files are damaged",
        "A file is not what the table's log says. Build the table again with `apply`, or roll back.";
    LEDGER_UNAVAILABLE = "T0201", "the ledger cannot be opened",
        "The database that holds commits and events cannot be opened or written.";
    COMMIT_CONFLICT = "T0202", "the environment moved in between",
        "Another command changed the environment after this one had read it. Nothing was changed; plan again.";
    LEDGER_TAMPERED = "T0203", "the ledger's seal does not hold",
        "The hash of recorded events differs from what was sealed: a record was changed from outside.";
    NO_FILES = "C0101", "a source found no files",
        "The path of the source matches no file.";
    UNREADABLE_DELIVERY = "C0102", "a delivered file cannot be read",
        "The file is broken, truncated or of another format. It was set aside; the other files were landed.";
    WRONG_VALUE = "C0103", "a delivered value has the wrong type",
        "A value in the file cannot be read as the column's type. The file was set aside with its row and column \
        named.";
    SCHEMA_CHANGED = "C0104", "a delivery has other columns than agreed",
        "The columns differ from the contract, and `on_schema_change` does not let them through.";
    UNKNOWN_CONNECTOR = "C0105", "a connector is not known",
        "The word after `connector:` names none of the built-in connectors.";
    STEP_FAILED = "R0101", "a step of the run failed",
        "What was built before it is kept and will not be built again; what depends on it was skipped. The \
        environment did not move.";
    CHECK_FAILED = "R0102", "a check does not hold",
        "The new version was built and not published, because an assertion of severity error failed. Failing rows \
        were kept.";
    APPLY_IN_PROGRESS = "R0103", "another apply is running",
        "Only one command at a time may change an environment. Wait for it, or stop it.";
    PLAN_OUTDATED = "R0104", "the plan is no longer valid",
        "The environment or the project changed after the plan was made. Make a new one.";
    UNKNOWN_ENVIRONMENT = "R0105", "an environment is not declared",
        "Environments are declared in `baton.yml` under `environments:`.";
    PROTECTED_ENVIRONMENT = "R0106", "the environment is protected",
        "A protected environment moves only by applying or promoting a checked plan.";
    UNKNOWN_ASSET = "R0107", "there is no asset of this name",
        "The name is not declared in the project.";
    NOTHING_APPLIED = "R0108", "nothing was applied yet",
        "The environment has no commit. Run `baton apply` first.";
    FOLDER_NOT_EMPTY = "R0109", "the folder is not empty",
        "The command writes a new project and does not overwrite what is there. Choose another folder, or give \
        `--force`.";
    GATE_FAILED = "M0101", "a model failed a gate",
        "The model was trained and registered and did not become champion.";
    NO_TRAINING_ROWS = "M0102", "there is nothing to learn from",
        "The training set has no rows: no labels were known at the logical clock, or no feature matched.";
    SINGLE_CLASS = "M0103", "all labels are equal",
        "A classifier needs both outcomes among its training rows.";
    UNKNOWN_ALGORITHM = "M0104", "an algorithm is not known",
        "The word after `algorithm:` names no trainer.";
    UNKNOWN_METRIC = "M0105", "a metric is not known",
        "The metric is not among those that the evaluation computes for this task.";
    INVALID_GATE = "M0106", "a gate cannot be understood",
        "A gate is a comparison such as `roc_auc >= 0.65`, or an object with one known gate as its key.";
    MODEL_NOT_REPRODUCED = "M0107", "the stored model answers differently",
        "The model read back from its stored form did not repeat its predictions of training time, so it is not \
        served.";
    ALIAS_MISSING = "M0108", "no version has this alias",
        "The endpoint or command asks for a version by alias, and no version carries it yet.";
    LEAKING_FEATURE = "M0109", "a feature shows what is to be predicted",
        "The feature is looked up by the event's own key and computed from the same outcome as the label, of the very \
        same event. At prediction time it is empty, or it gives the answer away. Aggregate over past events by another \
        entity, such as the customer instead of the order, or leave the feature out.";
    TARGET_TYPE = "M0110", "what is to be predicted is neither a number nor yes and no",
        "The column that `labels.target` names has a type that no model learns, such as text. Make it a bool or a number in \
        the SQL of the table.";
    BAD_REQUEST = "A0101", "the request cannot be understood",
        "The body or a parameter is not of the documented form.";
    NOT_FOUND = "A0102", "there is nothing at this address",
        "The address or the object that it names does not exist.";
    PORT_IN_USE = "A0103", "the port is taken",
        "Another process listens on the address. Stop it, or set another port in `baton.yml` under `server:` or \
        with `--port`.";
    UNKNOWN_ENTITY = "A0104", "the entity has no online features",
        "No row for this key is in the online store, or it is older than the feature view's `ttl`.";
    TOO_LARGE = "A0105", "the request is too large",
        "The body exceeds the server's limit. Send fewer rows at a time.";
    UNAVAILABLE = "A0106", "the server cannot answer now",
        "The server is starting, stopping, or overloaded. Try again.";
    BUG = "X0001", "Baton itself is wrong",
        "Something happened that should be impossible. Your data is safe: the last commit still stands. Please \
        report it with the run id and the log.";
}
