//! The options of connector `push`; its doc comments are the reference documentation.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::relation::parse_options;
use crate::{ConnectorError, PullSource};

/// Rows that others send to `baton serve`: `POST /ingest/SOURCE` with JSON lines or an Arrow IPC stream.
///
/// A delivery is on disk before it is answered, and lands with the next run, in order, once. The header `Idempotency-Key`
/// makes it safe to send again: the same key gets the same answer and lands once. Lines that are not JSON objects are named
/// in the answer and set aside when the rest lands.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PushOptions {
    /// What senders must show as `Authorization: Bearer TOKEN`, by reference. Without it nobody may send.
    #[serde(default)]
    pub(super) token: Option<String>,
    /// The folder of deliveries, relative to the project; default `.baton/inbox/` and the source's name.
    #[serde(default)]
    inbox: Option<String>,
    /// How many MiB of deliveries are kept after they landed, the newest ones, so that a changed contract of the source can
    /// land them again; default 1024, 0 keeps none.
    #[serde(default = "keep_mib")]
    pub(super) keep_mib: u64,
    /// The first delivery to land, by its number. Needed where earlier ones are no longer kept and the contract of the source
    /// has changed: it says that their rows are not wanted.
    #[serde(default)]
    pub(super) begin_at: Option<u64>,
}

fn keep_mib() -> u64 {
    1024
}

impl std::fmt::Debug for PushOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PushOptions").field("inbox", &self.inbox).finish_non_exhaustive()
    }
}

impl PushOptions {
    pub(super) fn parse(source: &PullSource) -> Result<Self, ConnectorError> {
        parse_options("push", source)
    }

    /// The folder of deliveries.
    pub(super) fn folder(&self, source: &PullSource) -> PathBuf {
        match &self.inbox {
            Some(folder) => source.root.join(folder),
            None => source.root.join(".baton/inbox").join(&source.name),
        }
    }
}
