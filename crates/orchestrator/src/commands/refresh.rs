//! What changed under us: files, logs, pointers, models and online values that are no longer what the ledger recorded.
//!
//! Only looks. What the project asks for, and what runs did, is no drift.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::event::EventFilter;
use baton_core::{AssetName, Commit, EventKind, Kind, Pin, Version};
use baton_lake::{LogEntry, TableLocation};
use serde::Serialize;

use crate::error::RunError;
use crate::prepare::Prepared;
use crate::registry::registered_version;
use crate::services::Services;

mod online;
mod tables;

use tables::{Part, RESTORE};

/// What was found to differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// The environment points elsewhere than the sealed log says.
    Pointer,
    /// The log of a table is missing or cannot be read.
    Log,
    /// A file of a table version is missing.
    FileMissing,
    /// A file of a table version was altered.
    FileAltered,
    /// Another engine wrote to the table.
    OtherEngine,
    /// A stored model is missing or was altered.
    Model,
    /// Online values are missing or behind.
    Online,
}

/// Something that changed under us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// What kind of thing.
    pub kind: DriftKind,
    /// The asset; `None` for the environment itself.
    pub asset: Option<AssetName>,
    /// What differs.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// What a look at an environment found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefreshReport {
    /// The environment.
    pub environment: String,
    /// What it points at.
    pub commit: String,
    /// What changed under us.
    pub drift: Vec<Drift>,
    /// How many data files were looked at.
    pub files: usize,
    /// Bytes that were read to compare contents.
    pub bytes_read: u64,
}

/// Compares everything that the environment's head shows with what is stored.
///
/// A data file is compared by its size, and by its content where it was written after the version was first published, or
/// everywhere with `whole`.
pub async fn refresh(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    whole: bool,
) -> Result<RefreshReport, RunError> {
    let commit = super::head(services, environment).await?;
    let mut report = RefreshReport {
        environment: environment.to_owned(),
        commit: commit.id.0.clone(),
        drift: pointer(services, environment, &commit).await?,
        files: 0,
        bytes_read: 0,
    };
    let published = first_published(services, environment, &commit).await?;
    for (name, pin) in &commit.assets {
        if matches!(pin.kind, Kind::Source | Kind::Table)
            && let Some(table) = pin.version.table()
        {
            let at = if whole { None } else { published.get(name).copied() };
            let part = Part { asset: name, what: format!("version {}", table.version), hint: RESTORE };
            report.look_at_table(services, &part, table, at).await?;
            report.look_at_log(services, name, table)?;
        }
    }
    report.look_at_models(services, &commit, whole).await?;
    report.look_at_online(services, prepared, &commit).await?;
    report.drift.sort_by(|a, b| (a.kind, &a.asset, &a.what).cmp(&(b.kind, &b.asset, &b.what)));
    Ok(report)
}

/// The sealed log says where every environment went: a row that says otherwise was changed by hand.
async fn pointer(services: &Services, environment: &str, commit: &Commit) -> Result<Vec<Drift>, RunError> {
    let filter = EventFilter {
        environment: Some(environment.to_owned()),
        kinds: vec![EventKind::CommitMade, EventKind::EnvironmentRemoved],
        last: Some(1),
        ..EventFilter::default()
    };
    let last = services.ledger.events(&filter).await?.pop();
    let recorded = last
        .filter(|found| found.event.kind == EventKind::CommitMade)
        .and_then(|found| Some(found.event.body.get("commit")?.as_str()?.to_owned()));
    if recorded.as_deref() == Some(commit.id.0.as_str()) {
        return Ok(Vec::new());
    }
    let here = commit.id.short();
    let (what, hint) = match recorded.as_deref().map(|id| id.get(..10).unwrap_or(id)) {
        Some(id) => (
            format!("the ledger points `{environment}` at {here}, and its sealed log says {id}"),
            format!(
                "somebody moved the pointer by hand; `baton env create was --from {id}` and `baton promote was {environment}` bring it back"
            ),
        ),
        None => (
            format!("the ledger points `{environment}` at {here}, and its sealed log knows no such environment"),
            "somebody made the environment by hand; `baton env rm` removes it".to_owned(),
        ),
    };
    Ok(vec![Drift { kind: DriftKind::Pointer, asset: None, what, hint }])
}

/// When each asset's version of the head was first published, in microseconds on the machine's clock.
async fn first_published(
    services: &Services,
    environment: &str,
    head: &Commit,
) -> Result<BTreeMap<AssetName, i64>, RunError> {
    let mut published = BTreeMap::new();
    let mut open: BTreeSet<&AssetName> = head.assets.keys().collect();
    for commit in services.ledger.history(environment, u32::MAX).await? {
        open.retain(|name| {
            let same =
                commit.assets.get(*name).map(|pin| &pin.version) == head.assets.get(*name).map(|pin| &pin.version);
            if same {
                published.insert((*name).clone(), commit.created_at.timestamp_micros());
            }
            same
        });
        if open.is_empty() {
            break;
        }
    }
    Ok(published)
}

impl RefreshReport {
    fn note(&mut self, kind: DriftKind, asset: &AssetName, what: String, hint: &str) {
        self.drift.push(Drift { kind, asset: Some(asset.clone()), what, hint: hint.to_owned() });
    }

    /// Entries of other engines after the version that is pinned.
    fn look_at_log(
        &mut self,
        services: &Services,
        name: &AssetName,
        table: &baton_core::TableVersion,
    ) -> Result<(), RunError> {
        let location = TableLocation::parse(&table.location)?;
        // That the log cannot be read was told when its version was looked at.
        let Ok(entries) = services.lake.log_history(&location) else { return Ok(()) };
        let others: Vec<&LogEntry> = entries.iter().filter(|entry| !entry.is_ours()).collect();
        for entry in others {
            let engine = if entry.engine.is_empty() { "another engine" } else { &entry.engine };
            let what = format!(
                "version {} was written by {engine} ({}); the environment goes on reading version {}",
                entry.version, entry.operation, table.version
            );
            self.note(
                DriftKind::OtherEngine,
                name,
                what,
                "land those rows through a source; the next build leaves them out and goes on from the version that the environment reads",
            );
        }
        Ok(())
    }

    /// The models that aliases and endpoints of the commit need, with the rows that they were trained on.
    async fn look_at_models(&mut self, services: &Services, commit: &Commit, whole: bool) -> Result<(), RunError> {
        let hint = "restore the warehouse from a copy, or train again and promote that version";
        for (name, number) in needed_models(commit) {
            let Some((version, registered)) = registered_version(services, &name, number).await? else { continue };
            if let Err(error) = services.lake.artifacts().get(&version.artifact).await {
                let what = format!("{}: {error}", version.reference());
                self.note(DriftKind::Model, &name, what, hint);
            }
            let part = Part { asset: &name, what: format!("the training set of {}", version.reference()), hint };
            let at = (!whole).then_some(registered.timestamp_micros());
            self.look_at_table(services, &part, &version.training_set, at).await?;
        }
        Ok(())
    }
}

fn needed_models(commit: &Commit) -> BTreeSet<(AssetName, u32)> {
    commit.assets.iter().flat_map(|(name, pin)| models_of(name, pin)).collect()
}

fn models_of(name: &AssetName, pin: &Pin) -> Vec<(AssetName, u32)> {
    let served = |reference: &String| {
        let (model, number) = reference.split_once('@')?;
        Some((AssetName::parse(model).ok()?, number.parse().ok()?))
    };
    match &pin.version {
        Version::Model { aliases } => aliases.values().map(|number| (name.clone(), *number)).collect(),
        Version::Endpoint { serves, .. } => serves.values().filter_map(served).collect(),
        _ => Vec::new(),
    }
}
