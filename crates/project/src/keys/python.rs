//! Keys of Python: the environment in `baton.yml`, and `config` in a table's file.

use super::{COLUMN_POLICIES, COLUMN_TYPES, DELETES, FOR_EACH, MATERIALIZATIONS};
use crate::shape::Form::{Duration, List, Map, Object, Text, Whole, Words};
use crate::shape::{Shape, key};

pub(crate) const HANDED: &[&str] = &["arrow", "batches", "polars", "lazy", "pandas"];

pub(crate) const PYTHON: Shape = &[
    key("interpreter", Text, "Its program, relative to the project; default `.venv/bin/python`, else `python3`."),
    key("lock", Text, "File with the exact versions of its packages, such as `uv.lock` or `requirements.txt`."),
    key("workers", Whole, "How many workers may run side by side; default 2."),
    key("memory_limit", Text, "Most memory that a worker may use, such as `2GiB`; default 4GiB."),
    key("timeout", Duration, "How long one call may take; default 10m."),
];

/// What `config` in a Python file holds.
pub(crate) const PYTHON_CONFIG: Shape = &[
    key("columns", Map(&Words(COLUMN_TYPES)), "The returned columns with their types, in order."),
    key("materialize", Words(MATERIALIZATIONS), "How the table is kept; default `table`."),
    key("time", Text, "The column that says when a row happened; needed for incremental tables."),
    key("grain", List(&Text), "The columns that identify a row."),
    key(
        "for_each",
        Object(FOR_EACH),
        "Values that the function is called for, once each, as `ctx.each`; all their rows are the table.",
    ),
    key("lookback", Duration, "How far back each run computes again for late rows; default none."),
    key("batch", Duration, "Length of one interval: the function is called once for each; default 1d."),
    key("updated_at", Text, "For history: the column that says when a row changed; without it, rows are compared."),
    key("check", List(&Text), "For history without `updated_at`: the columns that are compared; default all."),
    key("deletes", Words(DELETES), "For history: whether a key that is no longer returned is closed."),
    key("delete_when", Text, "For merge and history: a boolean column; where it is true, the key is deleted."),
    key("on_schema_change", Words(COLUMN_POLICIES), "What happens when other columns are returned; default `evolve`."),
    key("input", Words(HANDED), "How inputs without an annotation are handed over; default `arrow`."),
    key("reads", Map(&List(&Text)), "By input, the columns that are read; all when left out."),
    key("whole", List(&Text), "Inputs that an incremental table reads as a whole, not by interval."),
    key("lineage", Map(&List(&Text)), "By returned column, the columns that it comes from, as `input.column`."),
    key("available_at", Text, "The returned column that says since when a row is known; default the newest row read."),
    key("timeout", Duration, "How long one call may take; default that of `python:` in `baton.yml`."),
];
