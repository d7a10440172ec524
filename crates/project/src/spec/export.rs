//! Reader of an export: an exposure that Baton fills.

use std::collections::BTreeMap;

use baton_core::asset::{Column, Export, ExportMode, ExportTrigger, Exposure, GoneRows};
use baton_core::{AssetName, Definition, Kind};
use baton_diagnostics::{Diagnostic, codes, nearest};
use serde_json::{Map, Value};

use crate::keys;
use crate::reader::{Reader, join_words, wrong_type};
use crate::report::EnvironmentMention;
use crate::spec::EnvironmentSpec;
use crate::yaml::{self, Entry};

/// What has rows that can be delivered.
const DELIVERED: &[Kind] = &[Kind::Source, Kind::Table, Kind::Endpoint];
/// Rows that are handed over at once.
const USUAL_BATCH: i64 = 1_000;
const MOST_AT_ONCE: i64 = 100_000;

pub(super) fn read(reader: &Reader<'_>, _columns: &[Column]) -> Option<Definition> {
    let from = reader.reference("from", "delivers", DELIVERED);
    let destination = read_destination(reader);
    let key = reader.texts("key");
    let mode = read_mode(reader, &key);
    let deletes = read_deletes(reader, mode);
    let select = reader.texts("select");
    let rename = read_names(reader, &select);
    report_left_out_keys(reader, &key, &select);
    let on = match reader.word("on", keys::EXPORT_TRIGGERS) {
        Some("schedule") => ExportTrigger::Schedule,
        Some("manual") => ExportTrigger::Manual,
        _ => ExportTrigger::Commit,
    };
    let evolve = reader.word("on_schema_change", keys::NEW_COLUMNS) == Some("evolve");
    let batch = reader.whole("batch", 1, MOST_AT_ONCE).unwrap_or(USUAL_BATCH);
    let (filter, environments) = (reader.text("where"), read_environments(reader));
    let (from, (connector, options)): (AssetName, _) = (from?, destination?);
    let export = Export {
        from: from.clone(),
        connector,
        options,
        mode,
        key,
        select,
        rename,
        filter,
        deletes,
        on,
        environments,
        evolve,
        batch: usize::try_from(batch).unwrap_or(1),
    };
    Some(Definition::Exposure(Exposure { depends_on: vec![from], url: None, export: Some(export) }))
}

/// The connector, and what it is told.
fn read_destination(reader: &Reader<'_>) -> Option<(String, Map<String, Value>)> {
    let node = reader.need("to")?;
    let yaml::Value::Map(entries) = &node.value else {
        wrong_type(reader.report, &reader.of("to"), node, "an object");
        return None;
    };
    let Some(entry) = entries.iter().find(|entry| entry.key == "connector") else {
        let message = format!("{} has no `connector`", reader.of("to"));
        let expected = format!("expected {}", join_words(keys::DESTINATIONS));
        reader.report.error(codes::MISSING_KEY, message, node.span, expected);
        return None;
    };
    let connector = known_connector(reader, entry)?;
    let others = entries.iter().filter(|entry| entry.key != "connector");
    super::pull::tell_secrets(reader, entries);
    let options = others.map(|entry| (entry.key.clone(), entry.node.to_json())).collect();
    Some((connector, options))
}

fn known_connector(reader: &Reader<'_>, entry: &Entry) -> Option<String> {
    let text = reader.as_text("to", &entry.node)?;
    if keys::DESTINATIONS.contains(&text.as_str()) {
        return Some(text);
    }
    let message = format!("`connector` of {} is `{text}`", reader.of("to"));
    let expected = format!("expected {}", join_words(keys::DESTINATIONS));
    let diagnostic = Diagnostic::error(codes::INVALID_VALUE, message)
        .with_label(reader.report.place(entry.node.span).label(expected))
        .with_nearest(nearest(&text, keys::DESTINATIONS.iter().copied()));
    reader.report.push(diagnostic);
    None
}

fn read_mode(reader: &Reader<'_>, key: &[String]) -> ExportMode {
    match reader.word("mode", keys::EXPORT_MODES) {
        Some("upsert") => {
            if key.is_empty() && !reader.has("key") {
                let message = format!("{} has no `key`", reader.what());
                let why = "changed rows meet those at the destination by it";
                reader.report.error(codes::MISSING_KEY, message, reader.at(), why);
            }
            ExportMode::Upsert
        }
        Some("append") => ExportMode::Append,
        Some("replace") => ExportMode::Replace,
        _ if key.is_empty() => ExportMode::Replace,
        _ => ExportMode::Upsert,
    }
}

fn read_deletes(reader: &Reader<'_>, mode: ExportMode) -> GoneRows {
    let deletes = match reader.word("deletes", keys::GONE_ROWS) {
        Some("ignore") => GoneRows::Ignore,
        Some("mark") => GoneRows::Mark,
        _ => GoneRows::Delete,
    };
    if let (Some(entry), true) = (reader.entry("deletes"), mode != ExportMode::Upsert) {
        let message = format!("{} means nothing with mode `{}`", reader.of("deletes"), mode.word());
        reader.report.error(codes::INVALID_VALUE, message, entry.key_span, "for mode `upsert`");
    }
    deletes
}

/// What columns are called at the destination: two of one name would be one.
fn read_names(reader: &Reader<'_>, select: &[String]) -> BTreeMap<String, String> {
    let Some(node) = reader.get("rename") else { return BTreeMap::new() };
    let yaml::Value::Map(entries) = &node.value else {
        wrong_type(reader.report, &reader.of("rename"), node, "an object");
        return BTreeMap::new();
    };
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for entry in entries {
        let Some(name) = reader.as_text("rename", &entry.node) else { continue };
        let is_column = select.contains(&name) && !entries.iter().any(|other| other.key == name);
        if is_column || names.values().any(|taken| *taken == name) {
            let message = format!("{} calls two columns `{name}`", reader.of("rename"));
            reader.report.error(codes::INVALID_VALUE, message, entry.node.span, "the second");
        }
        names.insert(entry.key.clone(), name);
    }
    names
}

/// Rows that go to an environment which nobody has would never be delivered.
fn read_environments(reader: &Reader<'_>) -> Vec<String> {
    let nodes = reader.items("environments").iter();
    let named = nodes.filter_map(|node| {
        let name = reader.as_text("environments", node)?;
        let place = reader.report.place(node.span);
        reader.report.mention_environment(EnvironmentMention {
            by: reader.what().to_owned(),
            name: name.clone(),
            place,
        });
        Some(name)
    });
    named.collect()
}

/// Reports names of environments that the project does not declare.
pub(crate) fn report_unknown_environments(
    declared: &BTreeMap<String, EnvironmentSpec>,
    mentions: &[EnvironmentMention],
    diagnostics: &mut Vec<Diagnostic>,
) {
    for mention in mentions.iter().filter(|mention| !declared.contains_key(&mention.name)) {
        let message = format!("{} delivers environment `{}`, which does not exist", mention.by, mention.name);
        let diagnostic = Diagnostic::error(codes::UNKNOWN_REFERENCE, message)
            .with_label(mention.place.label("no environment of this name"))
            .with_nearest(nearest(&mention.name, declared.keys().map(String::as_str)))
            .with_help("declare it under `environments:` in `baton.yml`");
        diagnostics.push(diagnostic);
    }
}

fn report_left_out_keys(reader: &Reader<'_>, key: &[String], select: &[String]) {
    let is_left_out = |column: &&String| !select.is_empty() && !select.contains(column);
    for column in key.iter().filter(is_left_out) {
        let message = format!("{} names `{column}`, which is not among `select`", reader.of("key"));
        let at = reader.get("key").map_or(reader.at(), |node| node.span);
        reader.report.error(codes::INVALID_VALUE, message, at, "a key is delivered with its row");
    }
}
