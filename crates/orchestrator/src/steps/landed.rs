//! Which deliveries a version of a source holds: by path and content, walked back along the ledger.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use baton_connectors::{Connector, ConnectorError, DiscoverRequest, Unit, connector, resolve_secrets};
use baton_core::asset::{AvailableAt, Source};
use baton_core::check::Check;
use baton_core::event::EventFilter;
use baton_core::{AssetName, Definition, EventKind, Fingerprint, Pin, TableVersion, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::RunError;
use crate::prepare::Prepared;
use crate::services::Services;

/// The arrival of what is known always.
const ALWAYS: i64 = i64::MIN;

/// A delivery as the ledger remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LandedUnit {
    /// Path relative to the project.
    pub(crate) path: String,
    /// Content hash.
    pub(crate) hash: String,
    /// Size in bytes.
    pub(crate) size: u64,
    /// Arrival in microseconds.
    pub(crate) arrived_at: i64,
    /// Rows landed.
    pub(crate) rows: u64,
    /// Rows set aside.
    pub(crate) rejected: u64,
    /// How its columns differ from those landed before.
    pub(crate) schema_changes: Vec<String>,
    /// How its columns differ from those declared: missing, or of another type.
    #[serde(default)]
    pub(crate) differs: Vec<String>,
}

/// The body of a `file.landed` event; its key is the version that the landing made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Landing {
    /// The version it was added to; `None` when it stands alone.
    pub(crate) base: Option<TableVersion>,
    /// What was landed.
    pub(crate) units: Vec<LandedUnit>,
}

/// What versions hold, remembered: a version never changes.
#[derive(Debug, Default)]
pub(crate) struct LandingCache(Mutex<BTreeMap<TableVersion, Arc<LandedUnits>>>);

/// Deliveries by path.
pub(crate) type LandedUnits = BTreeMap<String, LandedUnit>;

impl LandingCache {
    fn get(&self, version: &TableVersion) -> Option<Arc<LandedUnits>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(version).cloned()
    }

    fn put(&self, version: &TableVersion, units: Arc<LandedUnits>) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(version.clone(), units);
    }
}

/// All deliveries in a version, by path (the newest of each).
pub(crate) async fn landed_units(
    services: &Services,
    cache: &LandingCache,
    version: &TableVersion,
) -> Result<Arc<LandedUnits>, RunError> {
    if let Some(units) = cache.get(version) {
        return Ok(units);
    }
    let units = Arc::new(walk_back(services, version).await?);
    cache.put(version, Arc::clone(&units));
    Ok(units)
}

async fn walk_back(services: &Services, version: &TableVersion) -> Result<LandedUnits, RunError> {
    let mut found: BTreeMap<String, LandedUnit> = BTreeMap::new();
    let mut next = Some(version.clone());
    while let Some(version) = next {
        let Some(landing) = landing_of(services, &version).await? else { break };
        for unit in landing.units {
            found.entry(unit.path.clone()).or_insert(unit);
        }
        next = landing.base;
    }
    Ok(found)
}

async fn landing_of(services: &Services, version: &TableVersion) -> Result<Option<Landing>, RunError> {
    let filter = EventFilter {
        kinds: vec![EventKind::FileLanded],
        key: Some(version.to_string()),
        last: Some(1),
        ..EventFilter::default()
    };
    let found = services.ledger.events(&filter).await?.pop();
    Ok(found.and_then(|found| serde_json::from_value(found.event.body).ok()))
}

/// The connector of a source and the deliveries that had arrived at `as_of`, oldest path first.
pub(crate) fn arrived_units(
    services: &Services,
    source: &Source,
    as_of: Timestamp,
) -> Result<(&'static dyn Connector, Vec<Unit>), RunError> {
    let (connector, request) = place_of(services, source)?;
    let mut units = connector.discover(&request)?;
    if source.available_at == AvailableAt::Always {
        // A part of the project counts by its content, whenever the file was written.
        units.iter_mut().for_each(|unit| unit.modified_at = ALWAYS);
    }
    units.retain(|unit| unit.modified_at <= as_of.timestamp_micros());
    Ok((connector, units))
}

/// The connector of a source and where it looks, secrets resolved; what the source does not say stands in the variables
/// that are usual for it.
pub(crate) fn place_of(
    services: &Services,
    source: &Source,
) -> Result<(&'static dyn Connector, DiscoverRequest), RunError> {
    let connector = connector(&source.connector)
        .ok_or_else(|| RunError::Project(format!("there is no connector `{}`; use `file`", source.connector)))?;
    let variables = Arc::clone(&services.variables);
    let resolved = resolve_secrets(&source.options, &services.folder, &move |name: &str| variables(name))?;
    let mut options: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in resolved {
        options.insert(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    for (option, variable) in connector.usual_variables(&options) {
        if let Some(value) = (services.variables)(variable) {
            options.entry(option.to_owned()).or_insert(value);
        }
    }
    Ok((connector, DiscoverRequest { root: services.folder.clone(), location: source.path.clone(), options }))
}

/// Whether `unit` is one that was landed, judged without reading it.
pub(crate) fn looks_landed(unit: &Unit, landed: &BTreeMap<String, LandedUnit>) -> bool {
    if let Some(fingerprint) = unit.fingerprint_as_listed() {
        return landed.get(&unit.path).is_some_and(|known| known.hash == fingerprint);
    }
    let is_like = |known: &LandedUnit| known.size == unit.size && known.arrived_at == unit.modified_at;
    unit.modified_at != ALWAYS && landed.get(&unit.path).is_some_and(is_like)
}

/// Whether `unit` is one that was landed; read only where its arrival does not say.
pub(crate) fn is_landed(connector: &dyn Connector, unit: &Unit, landed: &BTreeMap<String, LandedUnit>) -> bool {
    let has_content = |known: &LandedUnit| connector.fingerprint(unit).is_ok_and(|hash| hash == known.hash);
    looks_landed(unit, landed) || landed.get(&unit.path).is_some_and(has_content)
}

/// How many deliveries each source has that are not landed yet.
pub(crate) async fn waiting_deliveries(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    pins: &BTreeMap<AssetName, Pin>,
    as_of: Timestamp,
) -> Result<BTreeMap<AssetName, usize>, RunError> {
    let mut waiting = BTreeMap::new();
    for (name, asset) in &prepared.project.assets {
        let Definition::Source(source) = &asset.definition else { continue };
        // What waits at the origin of a source that is asked for rows, nobody knows without asking.
        if source.pull.is_some() {
            continue;
        }
        let Some(version) = pins.get(name).and_then(|pin| pin.version.table()) else { continue };
        let Some(contract) = prepared.desired.assets.get(name).map(|desired| &desired.rows) else { continue };
        let landed = landed_units(services, &prepared.landings, version).await?;
        let (connector, units) = match arrived_units(services, source, as_of) {
            // What waits where nobody answers, nobody knows; a plan does without.
            Err(RunError::Connector(ConnectorError::Origin { .. })) => continue,
            outcome => outcome?,
        };
        if units.iter().all(|unit| looks_landed(unit, &landed)) {
            continue;
        }
        let refused = refused_keys(services, environment, name).await?;
        let terms = terms_of(contract, &asset.checks);
        let mut count = 0;
        for unit in units.iter().filter(|unit| !looks_landed(unit, &landed)) {
            let hash = connector.fingerprint(unit)?;
            let known = landed.get(&unit.path).is_some_and(|known| known.hash == hash);
            count += usize::from(!known && !refused.contains_key(&refusal_key(&terms, &unit.path, &hash)));
        }
        waiting.insert(name.clone(), count);
    }
    Ok(waiting)
}

/// What a delivery of a source is held to.
pub(crate) fn terms_of(contract: &Fingerprint, checks: &[Check]) -> Fingerprint {
    Fingerprint::of([contract.as_str().to_owned(), serde_json::json!(checks).to_string()])
}

/// What a refused delivery is known by: under other terms it is tried again.
pub(crate) fn refusal_key(terms: &Fingerprint, path: &str, hash: &str) -> String {
    format!("{terms}/{path}/{hash}")
}

/// Keys of deliveries of `asset` that `environment` refused as a whole: they are not tried again until their content or
/// the terms change.
pub(crate) async fn refused_keys(
    services: &Services,
    environment: &str,
    asset: &AssetName,
) -> Result<BTreeMap<String, String>, RunError> {
    let filter = EventFilter {
        environment: Some(environment.to_owned()),
        kinds: vec![EventKind::FileRejected],
        asset: Some(asset.clone()),
        ..EventFilter::default()
    };
    let events = services.ledger.events(&filter).await?;
    let whole =
        events.into_iter().filter(|found| found.event.body.get("whole") == Some(&serde_json::Value::Bool(true)));
    let reason =
        |body: &serde_json::Value| body.get("reason").and_then(|reason| reason.as_str()).unwrap_or_default().to_owned();
    Ok(whole.map(|found| (found.event.key, reason(&found.event.body))).collect())
}
