//! Every key of the project files, with its type and meaning. To add a key: a row here, a line in its `spec` reader.

use crate::shape::Form::{Any, Duration, Either, Flag, List, Map, Number, Object, Scalar, Share, Text, Whole, Words};
use crate::shape::{Shape, key, needed};

mod exports;
mod python;
mod runbooks;
mod schedules;
mod tables;

pub(crate) use exports::*;
pub(crate) use python::*;
pub(crate) use runbooks::*;
pub(crate) use schedules::*;
pub(crate) use tables::*;

const NAME: &str = "Name, unique in the project: letters, digits, underscores.";
const OWNER: &str = "Who answers for it: a mail address or a team.";
const DESCRIPTION: &str = "What it is, for people.";
const TAGS: &str = "Free labels.";
const CHECKS: &str = "What is asserted of every version, such as `unique: [flight_id]` or `row_count: {min: 1}`.";

pub(crate) const SEVERITIES: &[&str] = &["error", "warn"];
pub(crate) const COLUMN_TYPES: &[&str] = &["string", "int", "float", "bool", "date", "timestamp"];
pub(crate) const LOADS: &[&str] = &["append", "replace"];
pub(crate) const SOURCE_LOADS: &[&str] = &["append", "replace", "merge", "cdc"];
pub(crate) const PULL_MODES: &[&str] = &["full", "incremental", "cdc"];
pub(crate) const DELETED_ROWS: &[&str] = &["remove", "keep"];
pub(crate) const SCHEMA_CHANGES: &[&str] = &["evolve", "freeze", "quarantine"];
pub(crate) const MATERIALIZATIONS: &[&str] =
    &["table", "incremental", "view", "merge", "append", "history", "snapshot"];
pub(crate) const INCREMENTAL_STRATEGIES: &[&str] = &["append", "merge", "delete+insert", "microbatch"];
pub(crate) const DELETES: &[&str] = &["ignore", "close"];
pub(crate) const HARD_DELETES: &[&str] = &["ignore", "invalidate"];
pub(crate) const COLUMN_POLICIES: &[&str] =
    &["evolve", "sync", "freeze", "append_new_columns", "sync_all_columns", "fail"];
pub(crate) const CONNECTORS: &[&str] =
    &["duckdb", "file", "http", "kafka", "mqtt", "mysql", "nats", "postgres", "push", "s3", "sqlite"];
pub(crate) const TASKS: &[&str] = &["binary_classification", "regression"];
pub(crate) const TRIGGERS: &[&str] = &["drift", "performance"];
pub(crate) const REACTIONS: &[&str] = &["alert", "retrain"];

/// A file with all its keys; only `baton.yml` has the first part.
pub(crate) const ROOT: Shape = &[
    needed("project", Text, "Name of the project."),
    key("environments", Map(&Object(ENVIRONMENT)), "Names that point at commits; `dev` alone when left out."),
    key("warehouse", Text, "Folder of tables and artifacts, relative to the project; default `.baton/warehouse`."),
    key(
        "ledger",
        Text,
        "Commits and events: a file, default `.baton/ledger.db`, or `postgres://user:${env:PGPASSWORD}@host/database?schema=name`.",
    ),
    key("online", Text, "File of the latest feature values; default `.baton/online.redb`."),
    key("memory_limit", Text, "Most memory that queries may use before they spill, such as `2GiB`."),
    key("server", Object(SERVER), "Where `baton serve` listens."),
    key("python", Object(PYTHON), "The environment of Python tables."),
    key("tracking", Object(TRACKING), "What clients of MLflow track."),
    key("policies", Object(POLICIES), "What must hold before a protected environment moves."),
    key("vars", Map(&Scalar), "Values for `{{ var('name') }}` in SQL."),
    key("params", Map(&Object(PARAMETER)), "Values that a run may be given, by name; read as variables."),
    key("pools", Map(&Whole), "How many steps may run at once that take a slot of a pool, by the name of the pool."),
    key("execution", Object(EXECUTION), "How steps of all runs are tried."),
    key("sources", List(&Object(SOURCE)), "Data from outside, landed as immutable tables."),
    key("tables", List(&Object(TABLE)), "Descriptions and checks of tables."),
    key("features", List(&Object(FEATURE_VIEW)), "Columns of tables by entity and event time."),
    key("models", List(&Object(MODEL)), "Trained models."),
    key("endpoints", List(&Object(ENDPOINT)), "Served routes to model versions."),
    key("monitors", List(&Object(MONITOR)), "Watches over endpoints."),
    key("exposures", List(&Object(EXPOSURE)), "Uses outside of Baton, such as dashboards."),
    key("exports", List(&Object(EXPORT)), "Tables and predictions that are delivered to systems outside."),
    key("tests", List(&Object(TEST)), "Unit tests: given rows, expected rows; `baton test` runs them."),
    key("schedules", List(&Object(SCHEDULE)), "When to run what; `baton serve` runs them."),
    key("channels", List(&Object(CHANNEL)), "Whom to tell of failure, lateness and recovery."),
    key("runbooks", List(&Object(RUNBOOK)), "Steps that mend something, by hand or when an incident opens."),
];

/// How many of [`ROOT`]'s keys belong to `baton.yml` alone.
pub(crate) const PROJECT_KEYS: usize = 14;

pub(crate) const ENVIRONMENT: Shape =
    &[key("protected", Flag, "Whether it moves only by applying or promoting a checked plan; default false.")];

pub(crate) const PARAMETER: Shape = &[
    key("type", Words(COLUMN_TYPES), "Its type; default `string`."),
    needed("default", Scalar, "Its value where a run is given none."),
    key("values", List(&Scalar), "The values that it may have; any of its type when left out."),
    key("description", Text, DESCRIPTION),
];

pub(crate) const APPROVALS: &[&str] = &["none", "owner"];

pub(crate) const POLICIES: Shape = &[
    key("breaking", Object(BREAKING), "Changes of rows or columns that are there."),
    key("tags", List(&Text), "Tags of columns whose new flows a plan names; default `identifier` and `personal`."),
];

pub(crate) const BREAKING: Shape = &[key(
    "approval",
    Words(APPROVALS),
    "Whose approval a saved plan needs: `owner` is every owner of what it breaks; default `none`.",
)];

pub(crate) const SERVER: Shape = &[
    key("bind", Text, "Address to listen on; default 127.0.0.1."),
    key("port", Whole, "Port to listen on; default 8400."),
];

pub(crate) const TRACKING: Shape = &[
    key("artifacts", Text, "Where their files are: `s3://bucket/folder`, or a folder; default `.baton/artifacts`."),
    key("endpoint", Text, "Where the store answers, when it is not Amazon's; default `AWS_ENDPOINT_URL`."),
    key("region", Text, "Its region; default `AWS_REGION`, else `us-east-1`."),
    key("access_key_id", Text, "The key's name, as `${env:NAME}` or `${file:PATH}`; default `AWS_ACCESS_KEY_ID`."),
    key("secret_access_key", Text, "The key, by reference; default `AWS_SECRET_ACCESS_KEY`."),
    key("session_token", Text, "The token of a key for a while, by reference; default `AWS_SESSION_TOKEN`."),
    key(
        "path_style",
        Flag,
        "Whether the bucket stands in the path rather than in the host's name; default true with an `endpoint`.",
    ),
];

pub(crate) const SOURCE: Shape = &[
    needed("name", Text, NAME),
    key("owner", Text, OWNER),
    key("description", Text, DESCRIPTION),
    key("tags", List(&Text), TAGS),
    key("connector", Words(CONNECTORS), "What reads it; default `file`."),
    key(
        "path",
        Text,
        "What to read: for `file` a glob relative to the project, for `s3` one like `s3://bucket/*.csv`, for `sqlite` and `duckdb` the file.",
    ),
    key(
        "url",
        Text,
        "Where to connect; secrets by reference, such as `${env:DATABASE_URL}` or `${file:/run/secrets/db}`.",
    ),
    key("table", Text, "The table to read, such as `public.orders`; or give `query`."),
    key("query", Text, "The SELECT to read, in the words of the database; or give `table`."),
    key(
        "mode",
        Words(PULL_MODES),
        "How much is asked for each time: all rows, those since the last, or changes; default `full`.",
    ),
    key("cursor", Text, "For `incremental`: the column whose newest value is where the next run goes on."),
    key("lag", Duration, "For `incremental` with `key`: how far before it rows are asked for again; default none."),
    key("key", List(&Text), "The columns that identify a row; needed for `merge` and `cdc`."),
    key(
        "deletes",
        Words(DELETED_ROWS),
        "For `cdc`: whether rows deleted at the origin go, or stay with `is_deleted`; default `remove`.",
    ),
    key(
        "latency",
        Duration,
        "For streams and `cdc`: how long a row may wait until it is landed. `baton serve` looks that often, and a landing collects no longer; when left out, runs and schedules decide.",
    ),
    key("options", Map(&Any), "What this connector alone understands; see the reference of connectors."),
    key(
        "load",
        Words(SOURCE_LOADS),
        "How new data meets what is there; default `append` for files, by `mode` and `key` otherwise.",
    ),
    key("time", Text, "The column that says when a row happened."),
    key("available_at", Text, "When a row became known: `arrived_at` (default) or a SQL expression over its columns."),
    key("freshness", Object(FRESHNESS), "How old the newest row may be."),
    key("columns", List(&Object(COLUMN)), "The contract; inferred from the data when left out."),
    key("select", List(&Text), "The columns to land; all when left out."),
    key("on_schema_change", Words(SCHEMA_CHANGES), "What happens when columns differ; default `evolve`."),
    key("null_values", List(&Text), "Texts that stand for null in CSV; default empty and `NA`."),
    key("checks", List(CHECK), CHECKS),
];

pub(crate) const FRESHNESS: Shape =
    &[key("warn_after", Duration, "Older than this warns."), key("error_after", Duration, "Older than this fails.")];

pub(crate) const COLUMN: Shape = &[
    needed("name", Text, "Name of the column."),
    key("type", Words(COLUMN_TYPES), "Its type; inferred when left out."),
    key("description", Text, "What it means."),
    key("tags", List(&Text), "Labels such as `identifier`."),
    key("checks", List(CHECK), "What is asserted of its values, such as `not_null` or `between: [0, 10]`."),
];

pub(crate) const FEATURE_VIEW: Shape = &[
    needed("name", Text, NAME),
    key("owner", Text, OWNER),
    key("description", Text, DESCRIPTION),
    key("tags", List(&Text), TAGS),
    needed("entity", List(&Text), "The columns that identify an entity."),
    needed("from", Text, "The table behind it."),
    needed("time", Text, "The event-time column."),
    key("ttl", Duration, "How long a value holds; for ever when left out."),
    key("online", Flag, "Whether the latest values are kept for serving; default false."),
    key("features", List(&Text), "The feature columns; all but entity and time when left out."),
    key("checks", List(CHECK), CHECKS),
];

pub(crate) const MODEL: Shape = &[
    needed("name", Text, NAME),
    key("owner", Text, OWNER),
    key("description", Text, DESCRIPTION),
    key("tags", List(&Text), TAGS),
    needed("task", Words(TASKS), "What it learns to do."),
    needed("labels", Object(LABELS), "What it learns from."),
    needed("features", List(&Text), "What it sees: `view.*` or `view.feature`."),
    key("split", Object(SPLIT), "How rows are parted by time; default 30d and 30d."),
    key("train", Object(TRAIN), "How it is trained."),
    key("gates", List(&Any), "What a version must hold to become champion, such as `roc_auc >= 0.65`."),
    key("slices", List(&Text), "Label columns by whose values metrics are also given."),
    key("retrain", Object(RETRAIN), "When it is trained again."),
];

pub(crate) const LABELS: Shape = &[
    needed("from", Text, "The table of labels."),
    needed("time", Text, "The column with the time of the labelled event."),
    needed("target", Text, "The column to predict."),
    needed("keys", List(&Text), "The columns that features are looked up by, and the row's identity."),
    key("predict_before", Duration, "How long before `time` the prediction is made; default 0s."),
];

pub(crate) const SPLIT: Shape = &[
    key("by", Words(&["time"]), "What rows are parted by; default `time`."),
    key("test", Duration, "Length of the last part, which only judges; default 30d."),
    key("validate", Duration, "Length of the part before it, which stops training early; default 30d."),
];

pub(crate) const TRAIN: Shape = &[
    key("algorithm", Text, "`auto` (default), `boosted_trees`, `logistic` or `linear`."),
    key("trials", Whole, "Trials of the search; default 20."),
    key("cross_validate", Whole, "Folds of cross-validation by time; default 3."),
    key("metric", Text, "What search optimises; default `roc_auc`, for regression `rmse`."),
    key("seed", Whole, "Seed of everything random; default 7."),
    key(
        "search",
        Object(SEARCH),
        "How trials are chosen and which stop early; default: at random, the worse half after its first fold.",
    ),
    key("registered", Text, "Not trained here: `models:/NAME@ALIAS` of the registry, logged by a client of MLflow."),
];

pub(crate) const SEARCH: Shape = &[
    key("method", Words(SEARCH_METHODS), "How points are chosen: `random` (default), `grid` or `tpe`."),
    key(
        "prune",
        Words(SEARCH_PRUNINGS),
        "Which trials stop early: `half` (default; the worse half after its first fold), `median` (default for `tpe` and with \
         `patience` or `budget`), `halving`, or `none`.",
    ),
    key("budget", Duration, "How long trials may begin."),
    key("patience", Whole, "The search ends when so many trials in a row brought nothing better."),
    key(
        "parallel",
        Whole,
        "How many trials may go on at a time, 1 to 64; default 4. Another number is another search.",
    ),
    key("parameters", Map(&Object(SEARCHED)), "What is drawn, by parameter; default: the algorithm's own ranges."),
];

pub(crate) const SEARCH_METHODS: &[&str] = &["random", "grid", "tpe"];
pub(crate) const SEARCH_PRUNINGS: &[&str] = &["half", "median", "halving", "none"];

pub(crate) const SEARCHED: Shape = &[
    key("value", Scalar, "The one value."),
    key("values", List(&Scalar), "The values to choose from."),
    key("probabilities", List(&Number), "How likely each of `values` is."),
    key(
        "distribution",
        Words(DISTRIBUTIONS),
        "How numbers lie, in the words of sweeps; default `uniform`, for whole bounds `int_uniform`.",
    ),
    key("min", Number, "The least number."),
    key("max", Number, "The greatest number."),
    key("q", Number, "For distributions that begin with `q_`: only multiples of this; default 1."),
    key("mu", Number, "For normal distributions: the mean; default 0."),
    key("sigma", Number, "For normal distributions: the standard deviation; default 1."),
];

pub(crate) const DISTRIBUTIONS: &[&str] = &[
    "uniform",
    "int_uniform",
    "q_uniform",
    "log_uniform",
    "log_uniform_values",
    "q_log_uniform",
    "q_log_uniform_values",
    "normal",
    "q_normal",
    "log_normal",
    "q_log_normal",
];

pub(crate) const RETRAIN: Shape = &[
    key("cron", Text, "A cron line in UTC: minute hour day month weekday."),
    key("on", List(&Words(TRIGGERS)), "Monitor findings that trigger it."),
    key("cooldown", Duration, "Least time between two trainings by trigger; default 7d."),
];

pub(crate) const ENDPOINT: Shape = &[
    needed("name", Text, NAME),
    key("owner", Text, OWNER),
    key("description", Text, DESCRIPTION),
    key("tags", List(&Text), TAGS),
    needed("model", Text, "The main version: `model@alias`; the alias is `champion` when left out."),
    key("canary", Object(CANARY), "A version on trial with a share of requests."),
    key("shadow", List(&Text), "Versions that see every request and never answer."),
    key("rollback", Object(ROLLBACK), "When the canary is withdrawn."),
    key("score", Object(SCORE), "Rows to score by schedule."),
];

pub(crate) const CANARY: Shape = &[
    needed("model", Text, "Which version: `model@alias`."),
    needed("traffic", Share, "Its share of requests, such as `10%`."),
];

pub(crate) const ROLLBACK: Shape = &[
    needed("when", Text, "The condition, such as `error_rate > 1% or p99_ms > 50`."),
    key("window", Duration, "How long it is watched."),
];

pub(crate) const SCORE: Shape =
    &[needed("from", Text, "The table of rows to score; it has the model's key and label-time columns.")];

pub(crate) const MONITOR: Shape = &[
    needed("name", Text, NAME),
    key("owner", Text, OWNER),
    key("description", Text, DESCRIPTION),
    key("tags", List(&Text), TAGS),
    needed("endpoint", Text, "What it watches."),
    key("window", Duration, "The predictions it looks back on; default 7d."),
    key("min_rows", Whole, "Least predictions (and labels) for a verdict; default 500."),
    key("drift", Object(DRIFT), "What it holds features and scores to."),
    key("performance", Object(PERFORMANCE), "What it holds a metric to, once labels are known."),
    key("then", List(&Words(REACTIONS)), "What a breach does; default `alert`."),
    key("runbook", Text, "File with the steps that mend it."),
    key("severity", Words(SEVERITIES), "How its alerts are ranked; default `error`."),
];

pub(crate) const DRIFT: Shape = &[
    key("method", Text, "`auto` (default), or one drift method for all columns."),
    key("share", Share, "Share of features that must drift for an alert; default 0.5."),
    key("threshold", Number, "Overrides the method's own threshold."),
];

pub(crate) const PERFORMANCE: Shape = &[
    key("label", Text, "The label as `table.column`; always that of the endpoint's model."),
    needed("metric", Text, "The metric, such as `roc_auc`."),
    key("min", Number, "The least good value of a metric where higher is better."),
    key("max", Number, "The least good value of a metric where lower is better."),
];

pub(crate) const EXPOSURE: Shape = &[
    needed("name", Text, NAME),
    key("owner", Text, OWNER),
    key("description", Text, DESCRIPTION),
    key("tags", List(&Text), TAGS),
    needed("depends_on", List(&Text), "The assets it reads."),
    key("url", Text, "Where it is."),
];

/// A unit test.
pub(crate) const TEST: Shape = &[
    needed("name", Text, "Name of the test, unique among tests."),
    key("description", Text, "What it shows, for people."),
    key("tags", List(&Text), TAGS),
    key("table", Text, "The table that is tested; this, or `feature_view`."),
    key("feature_view", Text, "The feature view that is tested, at the times of `at`."),
    key("as_of", Text, "Logical clock of the run, such as `2013-07-02` or `2013-07-02T06:00`; default 2100-01-01."),
    key("vars", Map(&Scalar), "Values for `{{ var('name') }}` that differ from those of the project."),
    key("given", Map(&ROWS), "Rows by input; inputs that are not given are empty."),
    key("batches", List(&Object(BATCH)), "Runs one after the other, each with what has arrived before it."),
    key("at", ROWS, "What a feature view is asked for: the columns of its entity, and `time`."),
    key("expect", EXPECT, "The rows that must be there after the last run: all of them."),
];

pub(crate) const BATCH: Shape = &[
    key("as_of", Text, "Logical clock of this run; default that of the test."),
    key("given", Map(&ROWS), "Rows by input that arrive before this run."),
    key("expect", EXPECT, "The rows that must be there after this run."),
];

const ROWS: crate::shape::Form = Either(&[List(&Map(&Any)), Object(ROW_KEYS)]);

/// The forms of rows come first.
pub(crate) const ROW_KEYS: Shape = &[
    key("rows", List(&Map(&Any)), "Rows as objects, column to value; a column that is left out is null."),
    key("csv", Text, "Rows as CSV with a header; empty is null."),
    key("file", Text, "File with the rows, relative to the project: CSV, Parquet or JSON lines."),
    key("sql", Text, "A query that reads nothing, such as `select 1 as id`."),
    key("load", Words(LOADS), "How the rows meet those of earlier batches; default as the input itself is kept."),
];

const EXPECT: crate::shape::Form = Either(&[List(&Map(&Any)), Object(EXPECT_KEYS)]);

/// The forms of rows come first.
pub(crate) const EXPECT_KEYS: Shape = &[
    key("rows", List(&Map(&Any)), "Rows as objects; a column that a row leaves out is not compared."),
    key("csv", Text, "Rows as CSV with a header; empty is null."),
    key("file", Text, "File with the rows, relative to the project: CSV, Parquet or JSON lines."),
    key("sql", Text, "A query that reads nothing."),
    key("ordered", Flag, "Whether the order of rows counts; default false."),
    key("tolerance", Number, "How far numbers with fractions may be apart; default 1e-9 of their size."),
];

/// How many of [`ROW_KEYS`] and of [`EXPECT_KEYS`] are forms of rows.
pub(crate) const ROW_FORMS: usize = 4;

pub(crate) const CHECK: &crate::shape::Form = &Either(&[Words(&["not_null", "unique"]), Object(CHECK_KEYS)]);

/// The rules come first, then what may stand beside a rule.
pub(crate) const CHECK_KEYS: Shape = &[
    key("not_null", Any, "The column holds no null."),
    key("unique", List(&Text), "No two rows share the values of these columns; in a column, of that column."),
    key("accepted_values", Any, "Every value is one of these: a list, or `{values: [...]}`."),
    key("between", Any, "Every value lies between: `[min, max]`, or `{min: .., max: ..}`."),
    key("matches", Text, "Every text matches the regular expression."),
    key("relationships", Object(RELATIONSHIPS), "Every value exists in a column of another table."),
    key("row_count", Object(ROW_COUNT), "The number of rows lies between."),
    key("freshness", Object(FRESHNESS), "The newest value of the time column is at most so old."),
    key("sql", Text, "A query whose rows are the failing rows."),
    key("severity", Words(SEVERITIES), "`error` (default) keeps the version from being published, `warn` reports."),
    key("where", Text, "A SQL predicate: only rows that meet it are looked at."),
    key("tolerance", Share, "Share of rows that may fail; default 0."),
    key("name", Text, "Name of the check; made from rule and column when left out."),
];

/// How many of [`CHECK_KEYS`] are rules.
pub(crate) const RULES: usize = 9;

pub(crate) const RELATIONSHIPS: Shape =
    &[needed("to", Text, "The referenced table."), needed("field", Text, "The referenced column.")];

pub(crate) const ROW_COUNT: Shape = &[key("min", Whole, "Fewest rows."), key("max", Whole, "Most rows.")];

pub(crate) const RANGE: Shape =
    &[key("min", Scalar, "Least allowed value."), key("max", Scalar, "Greatest allowed value.")];

pub(crate) const VALUES: Shape = &[needed("values", List(&Scalar), "The allowed values.")];
