//! How events and commits are kept in rows, and the bytes over which an event is sealed.
//!
//! An event is sealed over its canonical JSON: `sequence, at, as_of, environment, run, asset, kind, key, body`, without
//! spaces, times as microseconds, and the body exactly as stored, so that no later parser can change the hash.

use baton_core::commit::{Commit, CommitId};
use baton_core::event::{Event, EventKind, NewEvent};
use baton_core::name::AssetName;
use baton_core::ports::LedgerError;
use baton_core::time::timestamp_from_micros;
use serde::Serialize;

use crate::database::record;
use crate::error::damaged;
use crate::merkle::{Hash, leaf_hash};

record! {
    /// An event as stored.
    #[derive(Debug, Clone, PartialEq)]
    pub(crate) struct EventRow {
        pub(crate) sequence: i64,
        pub(crate) at: i64,
        pub(crate) as_of: i64,
        pub(crate) environment: String,
        pub(crate) run: Option<String>,
        pub(crate) asset: Option<String>,
        pub(crate) kind: String,
        pub(crate) key: String,
        pub(crate) body: String,
        pub(crate) leaf: Vec<u8>,
    }
}

#[derive(Serialize)]
struct Header<'a> {
    sequence: i64,
    at: i64,
    as_of: i64,
    environment: &'a str,
    run: Option<&'a str>,
    asset: Option<&'a str>,
    kind: &'a str,
    key: &'a str,
}

impl EventRow {
    /// The row of a new event; times are cut to the microsecond.
    pub(crate) fn new(sequence: i64, event: NewEvent) -> Self {
        let mut row = Self {
            sequence,
            at: event.at.timestamp_micros(),
            as_of: event.as_of.timestamp_micros(),
            environment: event.environment,
            run: event.run,
            asset: event.asset.map(String::from),
            kind: event.kind.as_str().to_owned(),
            key: event.key,
            body: event.body.to_string(),
            leaf: Vec::new(),
        };
        row.leaf = row.computed_leaf().to_vec();
        row
    }

    /// The leaf hash that follows from the other columns.
    pub(crate) fn computed_leaf(&self) -> Hash {
        leaf_hash(self.canonical().as_bytes())
    }

    fn canonical(&self) -> String {
        let header = Header {
            sequence: self.sequence,
            at: self.at,
            as_of: self.as_of,
            environment: &self.environment,
            run: self.run.as_deref(),
            asset: self.asset.as_deref(),
            kind: &self.kind,
            key: &self.key,
        };
        // Text and integers always serialise.
        let mut json = serde_json::to_string(&header).unwrap_or_default();
        json.pop();
        json.push_str(",\"body\":");
        json.push_str(&self.body);
        json.push('}');
        json
    }

    /// The event that the row holds.
    pub(crate) fn decode(self) -> Result<Event, LedgerError> {
        let what = || format!("event {}", self.sequence);
        let kind = EventKind::parse(&self.kind).ok_or_else(|| {
            damaged(what(), format!("unknown kind `{}`; a newer Baton may have written it", self.kind))
        })?;
        let asset = self.asset.as_deref().map(AssetName::parse).transpose().map_err(|error| damaged(what(), error))?;
        let body = serde_json::from_str(&self.body).map_err(|error| damaged(what(), error))?;
        let event = NewEvent {
            at: timestamp_from_micros(self.at),
            as_of: timestamp_from_micros(self.as_of),
            environment: self.environment,
            run: self.run,
            asset,
            kind,
            key: self.key,
            body,
        };
        Ok(Event { sequence: self.sequence.cast_unsigned(), event })
    }
}

/// A commit's stored text.
pub(crate) fn encode_commit(commit: &Commit) -> Result<String, LedgerError> {
    serde_json::to_string(commit).map_err(|error| damaged(format!("commit {}", commit.id.short()), error))
}

/// The commit that the text holds.
pub(crate) fn decode_commit(id: &CommitId, content: &str) -> Result<Commit, LedgerError> {
    serde_json::from_str(content).map_err(|error| damaged(format!("commit {}", id.short()), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> NewEvent {
        NewEvent {
            at: timestamp_from_micros(1_372_636_800_000_001),
            as_of: timestamp_from_micros(1_372_636_800_000_000),
            environment: "prod".to_owned(),
            run: None,
            asset: Some(AssetName::parse("flights").unwrap()),
            kind: EventKind::FileLanded,
            key: "flights/a.csv/00".to_owned(),
            body: serde_json::json!({"rows": 3, "share": 0.1}),
        }
    }

    /// Golden by Python: `hashlib.sha256(b'\x00' + text.encode()).hexdigest()` of the text below.
    #[test]
    fn event_is_sealed_over_its_canonical_json() {
        let row = EventRow::new(7, event());
        assert_eq!(
            row.canonical(),
            r#"{"sequence":7,"at":1372636800000001,"as_of":1372636800000000,"environment":"prod","run":null,"asset":"flights","kind":"file.landed","key":"flights/a.csv/00","body":{"rows":3,"share":0.1}}"#
        );
        assert_eq!(hex::encode(&row.leaf), "4400b3868e7caf403ba9d324862b7b65d66f74147d0d8054ad8e91eb14d42072");
    }

    #[test]
    fn row_gives_back_the_event() {
        assert_eq!(EventRow::new(7, event()).decode().unwrap(), Event { sequence: 7, event: event() });
    }

    #[test]
    fn unreadable_rows_are_named() {
        let row = EventRow { kind: "file.eaten".to_owned(), ..EventRow::new(7, event()) };
        assert_eq!(
            row.decode().unwrap_err().to_string(),
            "ledger holds a record that cannot be read (event 7): unknown kind `file.eaten`; a newer Baton may have written it"
        );
    }
}
