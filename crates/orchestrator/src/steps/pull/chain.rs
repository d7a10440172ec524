//! The chain of a source's landings: its newest link, one process at a time, and a new link in one write.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::time::Duration;

use baton_connectors::Position;
use baton_core::event::EventFilter;
use baton_core::{AssetName, Event, EventKind, Fingerprint, TableVersion, Timestamp, failpoint};
use baton_lake::{Change, TableLocation};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Pulling;
use super::fetch::Fetched;
use crate::error::RunError;
use crate::execution::Execution;
use crate::services::Services;
use crate::steps::landed::{LandedUnit, Landing};

/// How long a second process waits for the one that pulls.
const PATIENCE: Duration = Duration::from_secs(600);
/// Where locks and the warehouse's own name stand, below the warehouse.
const FOLDER: &str = ".pulling";
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// A link: the body of a `source.pulled` event, whose key is the location of the source's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Landed {
    /// What the source holds now.
    pub(crate) version: TableVersion,
    /// Where the next pull goes on.
    pub(crate) position: Position,
    /// The clock under which it was landed.
    pub(crate) as_of: Timestamp,
    /// Rows (or changes) of this landing.
    pub(crate) rows: u64,
    /// Rows set aside.
    pub(crate) rejected: u64,
    /// What stands for the rows of a whole load, so that the same rows are not landed twice.
    #[serde(default)]
    pub(crate) digest: Option<String>,
    /// Milliseconds from when the oldest of its rows was at the origin until it was landed; `None` where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waited_ms: Option<i64>,
}

/// The newest link of a location; with `as_of`, of those landed by then.
pub(super) async fn tip(
    services: &Services,
    location: &TableLocation,
    as_of: Option<Timestamp>,
) -> Result<Option<Landed>, RunError> {
    let filter = EventFilter {
        kinds: vec![EventKind::SourcePulled],
        key: Some(location.to_string()),
        until: as_of.map(|as_of| as_of + TimeDelta::microseconds(1)),
        last: Some(1),
        ..EventFilter::default()
    };
    services.ledger.events(&filter).await?.pop().map(read).transpose()
}

/// A link that cannot be read might hold a position: going on without it would land rows twice.
fn read(event: Event) -> Result<Landed, RunError> {
    let key = event.event.key;
    serde_json::from_value(event.event.body).map_err(|error| {
        RunError::Project(format!(
            "the landing of `{key}` cannot be read ({error}); use the version of Baton that wrote it"
        ))
    })
}

/// The newest link of every chain there is.
pub(crate) async fn chain_tips(services: &Services) -> Result<Vec<TableVersion>, RunError> {
    let filter = EventFilter { kinds: vec![EventKind::SourcePulled], ..EventFilter::default() };
    let mut tips = std::collections::BTreeMap::new();
    for event in services.ledger.events(&filter).await? {
        let location = event.event.key.clone();
        tips.insert(location, read(event)?.version);
    }
    Ok(tips.into_values().collect())
}

/// The newest landing of a source that is asked for rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLanding {
    /// The source.
    pub source: AssetName,
    /// When it was recorded, on the machine's clock.
    pub at: Timestamp,
    /// Milliseconds from when the oldest of its rows was at the origin until then; `None` where nobody knows.
    pub waited_ms: Option<i64>,
}

/// The newest landing of each of `sources` that has one.
///
/// # Errors
/// Those of the ledger.
pub(crate) async fn newest_landings<'n>(
    services: &Services,
    sources: impl Iterator<Item = &'n AssetName>,
) -> Result<Vec<SourceLanding>, RunError> {
    let mut found = Vec::new();
    for source in sources {
        let filter = EventFilter {
            kinds: vec![EventKind::SourcePulled],
            asset: Some(source.clone()),
            last: Some(1),
            ..EventFilter::default()
        };
        let Some(event) = services.ledger.events(&filter).await?.pop() else { continue };
        let at = event.event.at;
        found.push(SourceLanding { source: source.clone(), at, waited_ms: read(event)?.waited_ms });
    }
    Ok(found)
}

/// What tells this warehouse from others that ask the same origin for the same, such as a colleague's; made once.
pub(super) fn warehouse_id(services: &Services) -> Result<String, RunError> {
    let folder = services.lake.warehouse().join(FOLDER);
    let path = folder.join("warehouse");
    if let Ok(id) = std::fs::read_to_string(&path) {
        return Ok(id);
    }
    let (place, now) = (folder.display().to_string(), services.clock.now().to_rfc3339());
    let id = Fingerprint::of([place, now, std::process::id().to_string()]).short().to_owned();
    let failed = |error: std::io::Error| RunError::File { path: path.display().to_string(), reason: error.to_string() };
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let written =
        File::create_new(&path).and_then(|mut file| file.write_all(id.as_bytes()).and_then(|()| file.sync_all()));
    match written {
        Ok(()) => Ok(id),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::read_to_string(&path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Holds the right to add to a chain, until dropped or the process ends.
pub(super) async fn lock(services: &Services, location: &TableLocation) -> Result<File, RunError> {
    let folder = services.lake.warehouse().join(FOLDER);
    let path = folder.join(format!("{}.lock", location.to_string().replace('/', ".")));
    let failed =
        |error: &std::io::Error| RunError::File { path: path.display().to_string(), reason: error.to_string() };
    std::fs::create_dir_all(&folder).map_err(|error| failed(&error))?;
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let file = open.map_err(|error| failed(&error))?;
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if waited < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
                waited += PAUSE;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(RunError::Project(format!(
                    "another process has been pulling `{}` for ten minutes; wait for it to end",
                    location.name()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
    }
}

/// Adds a link: the version, then the event that makes it count. `None` when there is nothing to record.
pub(super) async fn land(
    execution: &Execution<'_>,
    pulling: &Pulling<'_>,
    fetched: Fetched,
    tip: Option<&Landed>,
) -> Result<Option<(Landed, u64)>, RunError> {
    let report = fetched.report.as_ref();
    let (rows, rejected) = (fetched.rows, report.map_or(0, |report| report.rejected_total));
    let is_same = tip.is_some_and(|tip| tip.position == fetched.pulled.position);
    let has_news = tip.is_none() || fetched.has_news(tip);
    if !has_news && is_same {
        return Ok(None);
    }
    let digest = fetched.digest().or_else(|| tip.and_then(|tip| tip.digest.clone()));
    let position = fetched.pulled.position.clone();
    let oldest = fetched.oldest;
    let mut events = Vec::new();
    let version = match tip.filter(|_| !has_news) {
        Some(tip) => tip.version.clone(),
        None => {
            let (version, landing) = commit(execution, pulling, fetched, tip, rejected).await?;
            let body = json!(landing);
            events.push(execution.event(EventKind::FileLanded, pulling.asset, &version.to_string(), body));
            version
        }
    };
    let now = execution.services.clock.now().timestamp_micros();
    let waited_ms = oldest.map(|oldest| ((now - oldest) / 1_000).max(0));
    let landed = Landed { version, position, as_of: execution.as_of, rows, rejected, digest, waited_ms };
    events.push(execution.event(EventKind::SourcePulled, pulling.asset, &pulling.location.to_string(), json!(landed)));
    failpoint::reach("pull.before_record");
    execution.services.ledger.append(events).await?;
    failpoint::reach("pull.after_record");
    Ok(Some((landed, rows)))
}

async fn commit(
    execution: &Execution<'_>,
    pulling: &Pulling<'_>,
    fetched: Fetched,
    tip: Option<&Landed>,
    rejected: u64,
) -> Result<(TableVersion, Landing), RunError> {
    let unit = LandedUnit {
        path: format!("{} ({})", pulling.asset, pulling.source.connector),
        hash: String::new(),
        size: 0,
        arrived_at: execution.as_of.timestamp_micros(),
        rows: fetched.rows,
        rejected,
        schema_changes: fetched.schema_changes(),
        differs: Vec::new(),
    };
    let base = tip.filter(|_| !fetched.pulled.replaces).map(|tip| tip.version.clone());
    let Fetched { schema, files, gone, .. } = fetched;
    let change = match (&base, gone) {
        (None, _) => Change::Replace(files),
        (Some(_), None) => Change::Append(files),
        (Some(_), Some(gone)) => Change::ReplaceKeys { keys: pulling.pull.key.clone(), gone, files },
    };
    let info = execution.commit_info(&Fingerprint::of([pulling.location.to_string()]));
    let number = base.as_ref().map(|base| base.version);
    failpoint::reach("pull.before_commit");
    let version = execution.services.lake.commit(&pulling.location, &schema, number, change, &info).await?;
    failpoint::reach("pull.after_commit");
    Ok((version, Landing { base, units: vec![unit] }))
}
