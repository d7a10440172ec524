//! Sessions over pinned versions: what a query, a build or a check can see.

use std::collections::BTreeMap;

use baton_core::{AssetName, Pin, TableVersion, Timestamp, Version};
use baton_engine::{Session, SessionInput, TableFiles, TableInput};

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

/// A session over the named assets of `pins`, and over what views among them read; assets without rows are left out.
pub(crate) async fn session_of<'n>(
    services: &Services,
    pins: &BTreeMap<AssetName, Pin>,
    names: impl IntoIterator<Item = &'n AssetName>,
    as_of: Option<Timestamp>,
) -> Result<Session, RunError> {
    let tables = inputs_of(services, pins, names).await?;
    Ok(services.engine.session(SessionInput { tables, as_of })?)
}

/// What stands behind the named assets, and behind what views among them read.
pub(crate) async fn inputs_of<'n>(
    services: &Services,
    pins: &BTreeMap<AssetName, Pin>,
    names: impl IntoIterator<Item = &'n AssetName>,
) -> Result<BTreeMap<String, TableInput>, RunError> {
    let mut inputs = BTreeMap::new();
    let mut waiting: Vec<AssetName> = names.into_iter().cloned().collect();
    while let Some(name) = waiting.pop() {
        let Some(pin) = pins.get(&name).filter(|_| !inputs.contains_key(name.as_str())) else { continue };
        if let Version::View { sql } = &pin.version {
            waiting.extend(pin.inputs.keys().cloned());
            inputs.insert(name.to_string(), TableInput::View { sql: sql.clone() });
        } else if let Some(version) = pin.version.table() {
            let snapshot = services.lake.snapshot(version).await?;
            inputs.insert(name.to_string(), TableInput::Files(TableFiles::from(snapshot.as_ref())));
        }
    }
    Ok(inputs)
}
