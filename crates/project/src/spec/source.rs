//! Reader of a source.

use baton_core::Definition;
use baton_core::asset::{AvailableAt, Column, Freshness, Load, OnSchemaChange, Source};
use baton_diagnostics::codes;

use crate::keys;
use crate::reader::Reader;

pub(super) fn read(reader: &Reader<'_>, columns: &[Column]) -> Option<Definition> {
    let connector = reader.word("connector", keys::CONNECTORS).unwrap_or("file");
    let load = match reader.word("load", keys::LOADS) {
        Some("replace") => Load::Replace,
        _ => Load::Append,
    };
    let time = reader.text("time");
    let available_at = match reader.text("available_at") {
        Some(expression) if expression != "arrived_at" => AvailableAt::Expression(expression),
        _ => AvailableAt::Arrival,
    };
    let freshness = read_freshness(reader);
    let on_schema_change = match reader.word("on_schema_change", keys::SCHEMA_CHANGES) {
        Some("freeze") => OnSchemaChange::Freeze,
        Some("quarantine") => OnSchemaChange::Quarantine,
        _ => OnSchemaChange::Evolve,
    };
    let null_values = match reader.get("null_values") {
        Some(_) => reader.texts("null_values"),
        None => vec![String::new(), "NA".to_owned()],
    };
    Some(Definition::Source(Source {
        connector: connector.to_owned(),
        path: reader.need_text("path")?,
        load,
        time,
        available_at,
        freshness,
        columns: columns.to_vec(),
        select: reader.texts("select"),
        on_schema_change,
        null_values,
    }))
}

/// Reads `freshness: {warn_after, error_after}`; an empty one is reported.
pub(super) fn read_freshness(reader: &Reader<'_>) -> Option<Freshness> {
    let freshness = reader.object("freshness", keys::FRESHNESS)?;
    let (warn_after, error_after) = (freshness.seconds("warn_after"), freshness.seconds("error_after"));
    if !freshness.has("warn_after") && !freshness.has("error_after") {
        let message = format!("{} has neither `warn_after` nor `error_after`", freshness.what());
        reader.report.error(codes::MISSING_KEY, message, freshness.at(), "");
    }
    if warn_after.is_none() && error_after.is_none() {
        return None;
    }
    Some(Freshness { warn_after, error_after })
}
