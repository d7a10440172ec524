//! Sessions over pinned versions: what a query, a build or a check can see.

use std::collections::BTreeMap;

use baton_core::{AssetName, Pin, TableVersion, Timestamp};
use baton_engine::{Session, SessionInput, TableFiles, TableInput};
use baton_lake::{Snapshot, StagedFile};

use crate::error::RunError;
use crate::services::Services;

/// A session over `tables` (name and version) under the clock `as_of`.
pub(crate) async fn session(
    services: &Services,
    tables: impl IntoIterator<Item = (String, TableVersion)>,
    as_of: Option<Timestamp>,
) -> Result<Session, RunError> {
    let mut inputs = BTreeMap::new();
    for (name, version) in tables {
        let snapshot = services.lake.snapshot(&version).await?;
        inputs.insert(name, TableInput::Files(TableFiles::from(snapshot.as_ref())));
    }
    Ok(services.engine.session(SessionInput { tables: inputs, as_of })?)
}

/// A session over the named assets of `pins`; assets without rows are left out.
pub(crate) async fn session_of<'n>(
    services: &Services,
    pins: &BTreeMap<AssetName, Pin>,
    names: impl IntoIterator<Item = &'n AssetName>,
    as_of: Option<Timestamp>,
) -> Result<Session, RunError> {
    let tables: Vec<(String, TableVersion)> = names
        .into_iter()
        .filter_map(|name| Some((name.to_string(), pins.get(name)?.version.table()?.clone())))
        .collect();
    session(services, tables, as_of).await
}

/// The newest value, in microseconds, of a timestamp column, from file statistics alone.
pub(crate) fn newest_in(snapshot: &Snapshot, column: &str) -> Option<i64> {
    let newest = |file: &StagedFile| {
        let stats = file.stats().columns.get(column)?;
        micros_of(stats.max.as_ref()?)
    };
    snapshot.files().iter().filter_map(newest).max()
}

/// The oldest value, in microseconds, of a timestamp column, from file statistics alone.
pub(crate) fn oldest_of<'f>(files: impl IntoIterator<Item = &'f StagedFile>, column: &str) -> Option<i64> {
    let oldest = |file: &StagedFile| {
        let stats = file.stats().columns.get(column)?;
        micros_of(stats.min.as_ref()?)
    };
    files.into_iter().filter_map(oldest).min()
}

fn micros_of(value: &arrow::array::ArrayRef) -> Option<i64> {
    crate::values::micros_at(value, 0)
}
