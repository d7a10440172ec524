//! Keys of exports.

use super::{DESCRIPTION, NAME, OWNER, TAGS};
use crate::shape::Form::{Any, List, Map, Text, Whole, Words};
use crate::shape::{Shape, key, needed};

pub(crate) const DESTINATIONS: &[&str] = &["file", "http", "mysql", "postgres", "s3"];
pub(crate) const EXPORT_MODES: &[&str] = &["replace", "append", "upsert"];
pub(crate) const GONE_ROWS: &[&str] = &["delete", "ignore", "mark"];
pub(crate) const EXPORT_TRIGGERS: &[&str] = &["commit", "schedule", "manual"];
pub(crate) const NEW_COLUMNS: &[&str] = &["freeze", "evolve"];

pub(crate) const EXPORT: Shape = &[
    needed("name", Text, NAME),
    key("owner", Text, OWNER),
    key("description", Text, DESCRIPTION),
    key("tags", List(&Text), TAGS),
    needed("from", Text, "The source or table whose rows are delivered; of an endpoint, its predictions."),
    needed(
        "to",
        Map(&Any),
        "Where to: `connector`, which is `file`, `http`, `mysql`, `postgres` or `s3`, and what that connector asks for; \
         secrets by reference, such as `${env:CRM_TOKEN}`. See the reference of connectors.",
    ),
    key(
        "mode",
        Words(EXPORT_MODES),
        "How delivered rows meet those that are there: `replace` the whole, `append` those that came since, `upsert` \
         what changed, by `key`; default `upsert` with a `key`, else `replace`.",
    ),
    key("key", List(&Text), "The columns that identify a row; needed for `upsert`."),
    key("select", List(&Text), "The columns that are delivered; all when left out."),
    key("rename", Map(&Text), "What columns are called at the destination, by their name here."),
    key("where", Text, "A SQL predicate: only rows that meet it are delivered."),
    key(
        "deletes",
        Words(GONE_ROWS),
        "For `upsert`: whether rows that are gone here are deleted there (default), stay (`ignore`), or stay with the \
         time in `_deleted_at` (`mark`).",
    ),
    key(
        "on",
        Words(EXPORT_TRIGGERS),
        "When: after every commit with something new (default), after runs of a `schedule` only, or `manual`, by \
         `baton export`.",
    ),
    key(
        "environments",
        List(&Text),
        "The environments whose rows are delivered; those that are protected when left out, or the usual one where none is.",
    ),
    key(
        "on_schema_change",
        Words(NEW_COLUMNS),
        "Whether a column that the destination lacks is added there (`evolve`), or refused (`freeze`, default).",
    ),
    key("batch", Whole, "Rows that are handed over at once; for `http`, rows of one request; default 1000."),
];
