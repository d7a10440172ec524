//! Reader of the keys of a source that is asked for rows: where, how much, and how the answer is landed.

use baton_core::asset::{DeletedRows, Load, Pull, PullMode};
use baton_diagnostics::{Diagnostic, codes};
use serde_json::{Map, Value};

use crate::keys;
use crate::reader::Reader;
use crate::yaml::{self, Entry};

/// Keys that are the connector's own business.
const CONNECTOR_KEYS: &[&str] = &["path", "url", "table", "query"];

/// Keys of connectors that hold a secret.
const SECRET_KEYS: &[&str] =
    &["password", "token", "client_secret", "secret_access_key", "session_token", "credentials", "certificate_key"];

/// Connectors of streams: what comes is landed once, in the order of its arrival.
const STREAMS: &[&str] = &["kafka", "mqtt", "nats", "push"];

/// Keys that mean nothing for streams.
const TABLE_KEYS: &[&str] = &["path", "table", "query", "mode", "cursor", "lag", "deletes"];

/// Keys that mean nothing for files.
const PULL_KEYS: &[&str] = &["url", "table", "query", "mode", "cursor", "lag", "key", "deletes", "latency", "options"];

/// Reports keys that mean nothing for files.
pub(super) fn refuse_keys(reader: &Reader<'_>) {
    refuse(reader, PULL_KEYS, "file");
}

/// Reads the options of a connector that finds files elsewhere, and reports keys that mean nothing for it.
pub(super) fn found_options(reader: &Reader<'_>, connector: &str) -> Map<String, Value> {
    let others: Vec<&str> = PULL_KEYS.iter().copied().filter(|key| *key != "options").collect();
    refuse(reader, &others, connector);
    let mut options = options(reader);
    options.remove("path");
    options
}

fn refuse(reader: &Reader<'_>, keys: &[&str], connector: &str) {
    for entry in keys.iter().filter_map(|key| reader.entry(key)) {
        let message = format!("{} means nothing for connector `{connector}`", reader.of(&entry.key));
        reader.report.error(codes::INVALID_VALUE, message, entry.key_span, "for sources that are asked for rows");
    }
}

/// Whether a connector follows a stream.
pub(super) fn is_stream(connector: &str) -> bool {
    STREAMS.contains(&connector)
}

/// Reads what the connector of a stream is told: there is one way to follow it.
pub(super) fn read_stream(reader: &Reader<'_>, connector: &str) -> Option<(Pull, Load)> {
    for entry in TABLE_KEYS.iter().filter_map(|key| reader.entry(key)) {
        let message = format!("{} means nothing for connector `{connector}`", reader.of(&entry.key));
        reader.report.error(codes::INVALID_VALUE, message, entry.key_span, "a stream is followed as it comes");
    }
    let pull = Pull {
        options: options(reader),
        mode: PullMode::Incremental,
        cursor: None,
        lag: 0,
        key: reader.texts("key"),
        deletes: DeletedRows::Remove,
        latency: reader.positive_seconds("latency"),
    };
    let load = read_load(reader, &pull);
    report_missing_key(reader, &pull, load);
    Some((pull, load))
}

/// Reads what a connector is told and how its rows are landed.
pub(super) fn read(reader: &Reader<'_>) -> Option<(Pull, Load)> {
    let mode = match reader.word("mode", keys::PULL_MODES) {
        Some("incremental") => PullMode::Incremental,
        Some("cdc") => PullMode::Cdc,
        _ => PullMode::Full,
    };
    let cursor = match mode {
        PullMode::Incremental => Some(reader.need_text("cursor")?),
        _ => reader.text("cursor"),
    };
    let pull = Pull {
        options: options(reader),
        mode,
        cursor,
        lag: reader.seconds("lag").unwrap_or(0),
        key: reader.texts("key"),
        deletes: match reader.word("deletes", keys::DELETED_ROWS) {
            Some("keep") => DeletedRows::Keep,
            _ => DeletedRows::Remove,
        },
        latency: reader.positive_seconds("latency"),
    };
    report_latency(reader, mode);
    let load = read_load(reader, &pull);
    report_missing_key(reader, &pull, load);
    Some((pull, load))
}

/// What is asked for as a whole, or by a cursor, has no row that waits.
fn report_latency(reader: &Reader<'_>, mode: PullMode) {
    if let (Some(entry), true) = (reader.entry("latency"), mode != PullMode::Cdc) {
        let message = format!("{} means nothing with mode `{}`", reader.of("latency"), mode.word());
        let hint = "for streams and mode `cdc`; a schedule says how often others are asked";
        reader.report.error(codes::INVALID_VALUE, message, entry.key_span, hint);
    }
}

/// Tells of secrets that are written out among what a connector is told: they would be stored with the definition.
pub(super) fn tell_secrets<'e>(reader: &Reader<'_>, entries: impl IntoIterator<Item = &'e Entry>) {
    for entry in entries {
        match &entry.node.value {
            yaml::Value::Map(inner) => tell_secrets(reader, inner),
            yaml::Value::Text(text) if is_secret(&entry.key, text) => {
                let message = format!("{} holds a secret as it is", reader.of(&entry.key));
                let diagnostic = Diagnostic::warning(codes::WRITTEN_SECRET, message)
                    .with_label(reader.report.place(entry.node.span).label(""))
                    .with_help("keep it in the environment and write `${env:NAME}` in its place, or `${file:PATH}`");
                reader.report.push(diagnostic);
            }
            _ => {}
        }
    }
}

/// Whether the text is a secret, or an address with a password, and no reference to one.
fn is_secret(key: &str, text: &str) -> bool {
    let is_reference = |text: &str| text.is_empty() || text.contains("${") || text.contains("{{");
    let authority = text.split_once("://").map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    let user = authority.and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
    let password = user.and_then(|user| user.split_once(':')).map(|(_, password)| password);
    password.is_some_and(|password| !is_reference(password)) || (SECRET_KEYS.contains(&key) && !is_reference(text))
}

fn options(reader: &Reader<'_>) -> Map<String, Value> {
    let mut options = Map::new();
    tell_secrets(reader, CONNECTOR_KEYS.iter().filter_map(|key| reader.entry(key)));
    for key in CONNECTOR_KEYS {
        if let Some(text) = reader.text(key) {
            options.insert((*key).to_owned(), text.into());
        }
    }
    if let Some(yaml::Value::Map(entries)) = reader.get("options").map(|node| &node.value) {
        tell_secrets(reader, entries);
        options.extend(entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())));
    }
    options
}

fn read_load(reader: &Reader<'_>, pull: &Pull) -> Load {
    let allowed: &[&'static str] = match pull.mode {
        PullMode::Full => &["replace", "merge"],
        PullMode::Incremental => &["append", "merge"],
        PullMode::Cdc => &["cdc"],
    };
    let Some(word) = reader.word("load", keys::SOURCE_LOADS) else { return usual_load(pull) };
    if !allowed.contains(&word) {
        let message = format!("{} is `{word}` with mode `{}`", reader.of("load"), pull.mode.word());
        let at = reader.get("load").map_or(reader.at(), |node| node.span);
        reader.report.error(codes::INVALID_VALUE, message, at, format!("expected {}", allowed.join(" or ")));
        return usual_load(pull);
    }
    match word {
        "append" => Load::Append,
        "merge" => Load::Merge,
        "cdc" => Load::Cdc,
        _ => Load::Replace,
    }
}

fn usual_load(pull: &Pull) -> Load {
    match pull.mode {
        PullMode::Full => Load::Replace,
        PullMode::Incremental if pull.key.is_empty() => Load::Append,
        PullMode::Incremental => Load::Merge,
        PullMode::Cdc => Load::Cdc,
    }
}

/// Rows that are asked for twice, or changed, can be told apart by their key only.
fn report_missing_key(reader: &Reader<'_>, pull: &Pull, load: Load) {
    let why = match load {
        Load::Merge | Load::Cdc => "rows meet those that are landed by it",
        Load::Append if pull.lag > 0 => "`lag` asks for rows again, which are told apart by it",
        _ => return,
    };
    if pull.key.is_empty() && !reader.has("key") {
        let message = format!("{} has no `key`", reader.what());
        reader.report.error(codes::MISSING_KEY, message, reader.at(), why);
    } else if load == Load::Append && pull.lag > 0 {
        let message = format!("{} has `lag` and appends", reader.what());
        reader.report.error(codes::INVALID_VALUE, message, reader.at(), "rows would be landed twice; use load `merge`");
    }
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn secrets_are_told_from_references() {
        let written = [
            ("url", "postgres://reader:sesame@db:5432/shop"),
            ("url", "nats://a:b@one,two"),
            ("password", "sesame"),
            ("secret_access_key", "k"),
        ];
        assert!(written.iter().all(|(key, text)| is_secret(key, text)));
        let fine = [
            ("url", "${env:DATABASE_URL}"),
            ("url", "postgres://reader:${env:PASSWORD}@db/shop"),
            ("url", "mysql://root@127.0.0.1:3306/shop"),
            ("url", "https://api.example.com:8443/v1?at=10:00@noon"),
            ("path", "s3://bucket/a@b:c/*.csv"),
            ("token", "${file:/run/secrets/token}"),
            ("password", "{{ var('password') }}"),
            ("password", ""),
        ];
        assert!(fine.iter().all(|(key, text)| !is_secret(key, text)));
    }
}
