//! Looking: lists, one asset in full, queries, the state of an environment.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use baton_core::asset::Column;
use baton_core::check::CheckResult;
use baton_core::event::EventFilter;
use baton_core::incident::{Incident, IncidentState};
use baton_core::{Asset, AssetName, Commit, Definition, EventKind, IntervalSet, Kind, Pin, Timestamp};
use baton_engine::{RecordSource, SessionInput};
use baton_stats::profile::{TableProfile, TableSummary, render_text};
use serde::{Deserialize, Serialize};

use super::head;
use crate::checks::{count, quoted};
use crate::error::RunError;
use crate::exports::{DatedDelivery, newest_deliveries};
use crate::prepare::Prepared;
use crate::profiles::{profile, profile_at};
use crate::records::records;
use crate::registry::{ModelVersion, model_versions};
use crate::report::AssetLine;
use crate::services::Services;
use crate::sessions::{inputs_of, session_of};
use crate::watch::{DatedLook, looks, newest_looks};

/// Looks of a monitor that `show` tells.
const SHOWN_LOOKS: u32 = 7;

/// A column of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnReport {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: String,
    /// What it means.
    pub description: Option<String>,
    /// Its labels.
    pub tags: Vec<String>,
}

/// A version of an asset in an environment's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionLine {
    /// The first commit that had it.
    pub commit: String,
    /// The logical clock of that commit.
    pub as_of: Timestamp,
    /// The version.
    pub version: String,
    /// Rows, for tables.
    pub rows: Option<u64>,
}

/// One asset in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssetReport {
    /// Name, kind, version, owner.
    pub line: AssetLine,
    /// Digest of its rows as a multiset, or of its stored model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Its columns.
    pub columns: Vec<ColumnReport>,
    /// Statistics of its current version.
    pub profile: Option<TableSummary>,
    /// The same as text with bars.
    pub profile_text: Option<String>,
    /// How its checks came out last.
    pub checks: Vec<CheckResult>,
    /// Its versions, newest first.
    pub versions: Vec<VersionLine>,
    /// What it reads.
    pub upstream: Vec<AssetName>,
    /// What reads it.
    pub downstream: Vec<AssetName>,
    /// Trained versions, for models.
    pub models: Vec<ModelVersion>,
    /// What it saw, for monitors: the newest look first.
    #[serde(default)]
    pub looks: Vec<DatedLook>,
    /// What it delivered last, for exports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DatedDelivery>,
    /// The time that it covers, for tables that are kept by intervals.
    #[serde(default, skip_serializing_if = "IntervalSet::is_empty")]
    pub done: IntervalSet,
    /// The time that it lacks up to the commit's clock.
    #[serde(default, skip_serializing_if = "IntervalSet::is_empty")]
    pub missing: IntervalSet,
    /// Its definition.
    pub definition: serde_json::Value,
}

/// An environment at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// Its name.
    pub environment: String,
    /// The commit it points at.
    pub commit: String,
    /// The logical clock of that commit.
    pub as_of: Timestamp,
    /// Assets by kind.
    pub assets: BTreeMap<String, usize>,
    /// Rows over all tables and sources.
    pub rows: u64,
    /// Model aliases: `arrival_delay@champion` to version number.
    pub aliases: BTreeMap<String, u32>,
    /// What each monitor saw when it last looked.
    #[serde(default)]
    pub monitors: BTreeMap<AssetName, DatedLook>,
    /// What each export delivered last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exports: BTreeMap<AssetName, DatedDelivery>,
    /// Incidents, newest first.
    pub incidents: Vec<Incident>,
    /// Events in the ledger.
    pub events: u64,
    /// The ledger's Merkle root.
    pub log_root: String,
}

/// All assets of a project with their versions in an environment.
pub async fn list(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    kind: Option<Kind>,
) -> Result<Vec<AssetLine>, RunError> {
    let commit = services.ledger.head(environment).await?;
    let wanted = |asset: &&Asset| kind.is_none_or(|kind| asset.kind() == kind);
    let mut lines = Vec::new();
    for asset in prepared.project.assets.values().filter(wanted) {
        lines.push(line(services, asset, commit.as_ref()).await?);
    }
    lines.sort_by(|a, b| a.kind.cmp(&b.kind).then(a.name.cmp(&b.name)));
    Ok(lines)
}

async fn line(services: &Services, asset: &Asset, commit: Option<&Commit>) -> Result<AssetLine, RunError> {
    let pin = commit.and_then(|commit| commit.assets.get(&asset.name));
    let rows = match commit {
        Some(commit) => known_rows(services, commit, &asset.name).await?,
        None => None,
    };
    Ok(AssetLine {
        name: asset.name.clone(),
        kind: asset.kind(),
        version: pin.map(|pin| pin.version.to_string()),
        rows,
        owner: asset.owner.clone(),
        description: asset.description.clone(),
    })
}

/// Whether a version of a commit holds rows that are not known yet at the commit's clock.
fn has_future_rows(commit: &Commit, pin: &Pin) -> bool {
    pin.known_through.is_some_and(|known| known > commit.as_of.timestamp_micros())
}

/// The rows of an asset that are known at the commit's clock.
async fn known_rows(services: &Services, commit: &Commit, name: &AssetName) -> Result<Option<u64>, RunError> {
    let Some(pin) = commit.assets.get(name) else { return Ok(None) };
    if pin.rows.is_none() || !has_future_rows(commit, pin) {
        return Ok(pin.rows);
    }
    let session = session_of(services, &commit.assets, [name], Some(commit.as_of)).await?;
    Ok(Some(count(&session, &format!("select * from {}", quoted(name))).await?))
}

/// Runs a read-only query over the assets of an environment, under its clock or `as_of`, and over what Baton records
/// ([`crate::records`]).
pub async fn query(
    services: &Services,
    environment: &str,
    as_of: Option<Timestamp>,
    sql: &str,
) -> Result<(SchemaRef, Vec<RecordBatch>), RunError> {
    query_commit(services, &head(services, environment).await?, as_of, sql).await
}

/// As [`query`], over the assets of any commit.
pub async fn query_commit(
    services: &Services,
    commit: &Commit,
    as_of: Option<Timestamp>,
    sql: &str,
) -> Result<(SchemaRef, Vec<RecordBatch>), RunError> {
    query_with_served(services, commit, as_of, None, sql).await
}

/// As [`query_commit`], with the predictions that endpoints answered, where somebody keeps them, among those of [`crate::records`].
pub async fn query_with_served(
    services: &Services,
    commit: &Commit,
    as_of: Option<Timestamp>,
    served: Option<Arc<dyn RecordSource>>,
    sql: &str,
) -> Result<(SchemaRef, Vec<RecordBatch>), RunError> {
    let as_of = Some(as_of.unwrap_or(commit.as_of));
    let tables = inputs_of(services, &commit.assets, commit.assets.keys()).await?;
    let records = records(services, commit, &tables, served);
    let session = services.engine.session(SessionInput { tables, as_of })?.with_records(records)?;
    Ok(session.query(sql).await?)
}

/// Everything about one asset.
pub async fn show(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    name: &str,
) -> Result<AssetReport, RunError> {
    let asset = known_asset(prepared, environment, name)?;
    let commit = services.ledger.head(environment).await?;
    let profile = known_profile(services, asset, commit.as_ref()).await?;
    let (done, missing) = intervals(prepared, asset, commit.as_ref());
    Ok(AssetReport {
        line: line(services, asset, commit.as_ref()).await?,
        digest: commit.as_ref().and_then(|commit| commit.assets.get(&asset.name)?.digest.clone()),
        columns: columns(prepared, asset),
        profile_text: profile.as_ref().map(render_text),
        profile: profile.map(|found| found.summary()),
        checks: last_checks(services, environment, &asset.name).await?,
        versions: versions(services, environment, &asset.name).await?,
        upstream: prepared.graph.inputs(name).cloned().collect(),
        downstream: prepared.graph.outputs(name).cloned().collect(),
        models: if asset.kind() == Kind::Model { model_versions(services, name).await? } else { Vec::new() },
        delivery: newest_deliveries(services, environment, [&asset.name].into_iter()).await?.into_values().next(),
        looks: last_looks(services, environment, asset, commit.as_ref()).await?,
        done,
        missing,
        definition: serde_json::to_value(&asset.definition).unwrap_or_default(),
    })
}

/// The time that an asset covers and lacks at the commit's clock.
fn intervals(prepared: &Prepared, asset: &Asset, commit: Option<&Commit>) -> (IntervalSet, IntervalSet) {
    let batch = prepared.desired.assets.get(&asset.name).and_then(|desired| desired.batch);
    let found = commit.and_then(|commit| Some((commit, commit.assets.get(&asset.name)?)));
    match (batch, found) {
        (Some(batch), Some((commit, pin))) => {
            (pin.intervals.clone(), baton_plan::missing_intervals(&pin.intervals, batch, commit.as_of))
        }
        _ => Default::default(),
    }
}

/// What a monitor saw until the commit's clock, newest first.
async fn last_looks(
    services: &Services,
    environment: &str,
    asset: &Asset,
    commit: Option<&Commit>,
) -> Result<Vec<DatedLook>, RunError> {
    let Some(commit) = commit.filter(|_| asset.kind() == Kind::Monitor) else { return Ok(Vec::new()) };
    let mut found = looks(services, environment, &asset.name, Some(just_after(commit)), SHOWN_LOOKS).await?;
    found.reverse();
    Ok(found)
}

/// The instant until which events are part of a commit's time: after a rollback there are later ones.
fn just_after(commit: &Commit) -> Timestamp {
    commit.as_of + chrono::TimeDelta::microseconds(1)
}

/// Statistics of the rows that are known at the commit's clock.
async fn known_profile(
    services: &Services,
    asset: &Asset,
    commit: Option<&Commit>,
) -> Result<Option<TableProfile>, RunError> {
    let Some((commit, pin)) = commit.and_then(|commit| Some((commit, commit.assets.get(&asset.name)?))) else {
        return Ok(None);
    };
    match pin.version.table() {
        Some(table) if matches!(asset.kind(), Kind::Source | Kind::Table) => match has_future_rows(commit, pin) {
            true => profile_at(services, table, commit.as_of).await,
            false => profile(services, table).await,
        },
        _ => Ok(None),
    }
}

/// The declared asset of this name, or an error with the nearest names.
pub(crate) fn known_asset<'a>(prepared: &'a Prepared, environment: &str, name: &str) -> Result<&'a Asset, RunError> {
    prepared.project.assets.get(name).ok_or_else(|| {
        let names = prepared.project.assets.keys().map(AssetName::as_str);
        let hint = match baton_diagnostics::nearest(name, names) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "see `baton ls` for the assets there are".to_owned(),
        };
        RunError::Missing { what: "asset", name: name.to_owned(), environment: environment.to_owned(), hint }
    })
}

fn columns(prepared: &Prepared, asset: &Asset) -> Vec<ColumnReport> {
    let declared: &[Column] = match &asset.definition {
        Definition::Source(source) => &source.columns,
        Definition::Table(table) => &table.columns,
        _ => &[],
    };
    let Some(schema) = prepared.schemas.get(&asset.name) else { return Vec::new() };
    let report = |field: &arrow::datatypes::FieldRef| {
        let about = declared.iter().find(|column| column.name == *field.name());
        ColumnReport {
            name: field.name().clone(),
            data_type: field.data_type().to_string(),
            description: about.and_then(|column| column.description.clone()),
            tags: about.map(|column| column.tags.clone()).unwrap_or_default(),
        }
    };
    schema.fields().iter().map(report).collect()
}

async fn last_checks(services: &Services, environment: &str, asset: &AssetName) -> Result<Vec<CheckResult>, RunError> {
    let filter = EventFilter {
        environment: Some(environment.to_owned()),
        kinds: vec![EventKind::ChecksEvaluated],
        asset: Some(asset.clone()),
        last: Some(1),
        ..EventFilter::default()
    };
    let found = services.ledger.events(&filter).await?.pop();
    let results = found.and_then(|found| found.event.body.get("results").cloned());
    Ok(results.and_then(|results| serde_json::from_value(results).ok()).unwrap_or_default())
}

async fn versions(services: &Services, environment: &str, asset: &AssetName) -> Result<Vec<VersionLine>, RunError> {
    let mut lines: Vec<VersionLine> = Vec::new();
    for commit in services.ledger.history(environment, u32::MAX).await? {
        let Some(pin) = commit.assets.get(asset) else { continue };
        let version = pin.version.to_string();
        match lines.last_mut() {
            // Walking back: the same version again means that it is older than it seemed.
            Some(last) if last.version == version => {
                last.commit = commit.id.short().to_owned();
                last.as_of = commit.as_of;
            }
            _ => lines.push(VersionLine {
                commit: commit.id.short().to_owned(),
                as_of: commit.as_of,
                version,
                rows: pin.rows,
            }),
        }
    }
    Ok(lines)
}

/// An environment at a glance.
pub async fn status(services: &Services, environment: &str) -> Result<StatusReport, RunError> {
    let commit = head(services, environment).await?;
    let root = services.ledger.root().await?;
    let mut assets: BTreeMap<String, usize> = BTreeMap::new();
    let mut aliases = BTreeMap::new();
    let mut rows = 0;
    for (name, pin) in &commit.assets {
        *assets.entry(pin.kind.to_string()).or_default() += 1;
        rows += known_rows(services, &commit, name).await?.unwrap_or_default();
        for (alias, number) in crate::training::aliases_of(Some(pin)) {
            aliases.insert(format!("{name}@{alias}"), number);
        }
    }
    let monitors = commit.assets.iter().filter(|(_, pin)| pin.kind == Kind::Monitor).map(|(name, _)| name);
    let exposures = commit.assets.iter().filter(|(_, pin)| pin.kind == Kind::Exposure).map(|(name, _)| name);
    let mut incidents = crate::watch::incidents(services, environment).await?;
    incidents.sort_by_key(|found| (found.state == IncidentState::Resolved, std::cmp::Reverse(found.opened_at)));
    Ok(StatusReport {
        environment: environment.to_owned(),
        commit: commit.id.short().to_owned(),
        as_of: commit.as_of,
        assets,
        rows,
        aliases,
        exports: newest_deliveries(services, environment, exposures).await?,
        monitors: newest_looks(services, environment, monitors, Some(just_after(&commit))).await?,
        incidents,
        events: root.size,
        log_root: root.hash,
    })
}
