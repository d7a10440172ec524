//! Reader of a source.

use baton_core::Definition;
use baton_core::asset::{AvailableAt, Column, Freshness, Load, OnSchemaChange, Pull, Source};
use baton_diagnostics::codes;

use super::pull;
use crate::keys;
use crate::reader::Reader;

/// Connectors whose deliveries are found: on this machine, or in a store; all others are asked for rows.
const FILE: &str = "file";
const STORE: &str = "s3";

pub(super) fn read(reader: &Reader<'_>, columns: &[Column]) -> Option<Definition> {
    let connector = reader.word("connector", keys::CONNECTORS);
    // An unknown connector is reported; which keys it needs nobody can say.
    let is_file = connector.is_none_or(|connector| connector == FILE);
    let time = reader.text("time");
    let available_at = match reader.text("available_at") {
        Some(expression) if expression != "arrived_at" => AvailableAt::Expression(expression),
        _ => AvailableAt::Arrival,
    };
    let freshness = read_freshness(reader);
    if let (Some(entry), Some(_), None) = (reader.entry("freshness"), freshness, &time) {
        let message = format!("{} has `freshness` and no `time`", reader.what());
        let label = "the column that says how new a row is";
        reader.report.error(codes::MISSING_KEY, message, entry.key_span, label);
    }
    let on_schema_change = match reader.word("on_schema_change", keys::SCHEMA_CHANGES) {
        Some("freeze") => OnSchemaChange::Freeze,
        Some("quarantine") => OnSchemaChange::Quarantine,
        _ => OnSchemaChange::Evolve,
    };
    let null_values = match reader.get("null_values") {
        Some(_) => reader.texts("null_values"),
        None => vec![String::new(), "NA".to_owned()],
    };
    let mut options = serde_json::Map::new();
    let (path, load, pull) = match connector {
        Some(STORE) => {
            options = pull::found_options(reader, STORE);
            read_deliveries(reader)?
        }
        _ if is_file => {
            pull::refuse_keys(reader);
            read_deliveries(reader)?
        }
        Some(connector) if pull::is_stream(connector) => {
            let (pull, load) = pull::read_stream(reader, connector)?;
            (String::new(), load, Some(pull))
        }
        _ => read_pull(reader)?,
    };
    Some(Definition::Source(Source {
        connector: connector.unwrap_or(FILE).to_owned(),
        path,
        load,
        time,
        available_at,
        freshness,
        columns: columns.to_vec(),
        select: reader.texts("select"),
        on_schema_change,
        null_values,
        options,
        pull,
    }))
}

fn read_deliveries(reader: &Reader<'_>) -> Option<(String, Load, Option<Pull>)> {
    let load = match reader.word("load", keys::LOADS) {
        Some("replace") => Load::Replace,
        _ => Load::Append,
    };
    Some((reader.need_text("path")?, load, None))
}

fn read_pull(reader: &Reader<'_>) -> Option<(String, Load, Option<Pull>)> {
    let (pull, load) = pull::read(reader)?;
    Some((String::new(), load, Some(pull)))
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
