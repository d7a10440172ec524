//! Keys of tables: what YAML says about one, what `config()` in SQL says, and the values that one is made for.

use super::{
    CHECK, CHECKS, COLUMN, COLUMN_POLICIES, COLUMN_TYPES, DELETES, DESCRIPTION, HARD_DELETES, INCREMENTAL_STRATEGIES,
    MATERIALIZATIONS, OWNER, TAGS,
};
use crate::shape::Form::{Duration, List, Map, Object, Text, Whole, Words};
use crate::shape::{Shape, key, needed};

pub(crate) const TABLE: Shape = &[
    needed("name", Text, "Name of the file without `.sql` or `.py`; with `command`, of the table that it makes."),
    key("owner", Text, OWNER),
    key("description", Text, DESCRIPTION),
    key("tags", List(&Text), TAGS),
    key("grain", List(&Text), "The columns that identify a row."),
    key("columns", List(&Object(COLUMN)), "Columns with descriptions, tags and checks."),
    key("checks", List(CHECK), CHECKS),
    key(
        "command",
        Text,
        "What a shell runs in the project folder to make the table; needs `output` and types in `columns`, or `files`.",
    ),
    key(
        "command_of",
        Text,
        "Instead of `command`: the table whose command makes this one, too; needs another `output`, and types in `columns`.",
    ),
    key(
        "inputs",
        List(&Text),
        "For `command`: tables that it is handed as Parquet files, and files and folders of the project that it reads.",
    ),
    key(
        "output",
        Text,
        "For `command`: the file with the rows that it writes, below `$BATON_OUTPUTS` or in the project folder; or a glob, or \
         a folder, of such files.",
    ),
    key(
        "files",
        Text,
        "For `command`, instead of `output`: the file or the folder (with `/`) that it writes, kept as it is: a row a file, with \
         path, bytes, sha256 and content.",
    ),
    key(
        "for_each",
        Object(FOR_EACH),
        "For `command`: values that it is run for, once each; all their rows are the table.",
    ),
    key("env", Map(&Text), "For `command`: variables; secrets by reference, such as `${env:TOKEN}`."),
    key("image", Text, "For `command`: the container image to run it in, by docker or podman."),
    key("timeout", Duration, "For `command`: how long it may take; for ever when left out."),
    key("memory_limit", Text, "For `command`: most memory that it may use, such as `2GiB`."),
];

pub(crate) const FOR_EACH: Shape = &[
    key("as", Text, "What a value is called: `$NAME` in SQL, `$BATON_<NAME>` in a command; default `each`."),
    key("from", Text, "A query over tables whose first column has the values; or give `in`."),
    key("in", List(&Text), "The values, each with commas between them if it stands for several; or give `from`."),
    key("type", Words(COLUMN_TYPES), "What SQL and Python see a value as; default `string`."),
    key("parallel", Whole, "How many are worked on at once, 1 (default) to 64; a `pool` of the step bounds them, too."),
];

/// The arguments of `config()` in SQL.
pub(crate) const SQL_CONFIG: Shape = &[
    key("materialize", Words(MATERIALIZATIONS), "How the table is kept; default `table`."),
    key("materialized", Words(MATERIALIZATIONS), "The same under dbt's name."),
    key("time", Text, "The column that says when a row happened; needed for incremental tables."),
    key("grain", List(&Text), "The columns that identify a row."),
    key("unique_key", List(&Text), "The same under dbt's name; makes an incremental table a merge."),
    key("for_each", Object(FOR_EACH), "Values that the query is run for, once each; all their rows are the table."),
    key(
        "incremental_strategy",
        Words(INCREMENTAL_STRATEGIES),
        "dbt's word for how an incremental table takes in rows.",
    ),
    key("lookback", Duration, "How far back each run computes again for late rows; default none."),
    key("batch", Duration, "Length of one interval; default 1d."),
    key("updated_at", Text, "For history: the column that says when a row changed; without it, rows are compared."),
    key("check", List(&Text), "For history without `updated_at`: the columns that are compared; default all."),
    key("check_cols", List(&Text), "The same under dbt's name."),
    key(
        "deletes",
        Words(DELETES),
        "For history: whether a key that the query no longer yields is closed; default `ignore`.",
    ),
    key("hard_deletes", Words(HARD_DELETES), "The same under dbt's name."),
    key(
        "delete_when",
        Text,
        "For merge and history: a boolean column of the query; where it is true, the key is deleted.",
    ),
    key(
        "on_schema_change",
        Words(COLUMN_POLICIES),
        "What happens when the query yields other columns; default `evolve`.",
    ),
];
