//! Why: from an incident or an asset to its ranked causes, with the evidence that the ledger and the lake hold.

mod assets;
mod monitor;

use baton_core::incident::{Cause, Incident, IncidentState};
use baton_core::{AssetName, Commit, Definition, EventKind, Kind, Timestamp};
use baton_observe::causes::rank;
use baton_observe::evidence::Evidence;
use serde::{Deserialize, Serialize};

use super::head;
use super::look::known_asset;
use crate::error::RunError;
use crate::prepare::Prepared;
use crate::services::Services;

/// What is wrong, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WhyReport {
    /// What was asked about: an asset.
    pub asset: AssetName,
    /// The incident, if there is one.
    pub incident: Option<Incident>,
    /// The clock of the evidence.
    pub at: Timestamp,
    /// Causes, most likely first; never empty.
    pub causes: Vec<Cause>,
    /// The runbook that is for the incident, else that of the monitor concerned; a file, when it has `.` or `/`.
    pub runbook: Option<String>,
}

/// The moment and the state that evidence is gathered for.
pub(crate) struct Scene<'a> {
    pub(crate) services: &'a Services,
    pub(crate) prepared: &'a Prepared,
    pub(crate) environment: &'a str,
    pub(crate) commit: Commit,
    pub(crate) asset: AssetName,
    /// The clock of the evidence, in microseconds.
    pub(crate) at: i64,
    /// When the breach began.
    pub(crate) onset: Timestamp,
}

/// Finds the causes of an incident (`inc-3`), of what is wrong with an asset, or of the newest incident.
pub async fn why(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    target: Option<&str>,
    as_of: Option<Timestamp>,
) -> Result<WhyReport, RunError> {
    let newest = head(services, environment).await?;
    let clock = as_of.unwrap_or(newest.as_of);
    let incidents = crate::watch::incidents(services, environment).await?;
    let incident = pick_incident(&incidents, target, clock);
    let asset = match (&incident, target) {
        (Some(incident), _) => incident.asset.clone(),
        (None, Some(name)) => known_asset(prepared, environment, name)?.name.clone(),
        (None, None) => first_monitor(prepared, environment)?,
    };
    let at = match &incident {
        Some(incident) if incident.state == IncidentState::Resolved => incident.last_seen_at,
        _ => clock,
    };
    let commit = commit_at(services, environment, newest, at).await?;
    // An incident's number asks how it began; an asset's name asks what is wrong with it, down to the newest alert.
    let onset = incident.as_ref().map_or(at, |incident| {
        if target.is_some_and(|name| name != incident.id) { incident.last_seen_at } else { incident.opened_at }
    });
    let scene = Scene { services, prepared, environment, commit, asset, at: at.timestamp_micros(), onset };
    let causes = rank(&scene.evidence().await?);
    let for_incident = incident.as_ref().and_then(|incident| runbook_for(prepared, incident));
    let runbook = for_incident.or_else(|| runbook(prepared, &scene.asset));
    Ok(WhyReport { asset: scene.asset, incident, at, causes, runbook })
}

fn pick_incident(incidents: &[Incident], target: Option<&str>, clock: Timestamp) -> Option<Incident> {
    let seen = || incidents.iter().filter(|incident| incident.opened_at <= clock);
    let newest_first = |open: bool| seen().rev().find(move |incident| (incident.state == IncidentState::Open) == open);
    match target {
        Some(name) => seen()
            .rev()
            .find(|incident| {
                incident.id == name
                    || incident.asset.as_str() == name
                    || incident.assets.iter().any(|asset| asset.as_str() == name)
            })
            .cloned(),
        None => newest_first(true).or_else(|| newest_first(false)).cloned(),
    }
}

fn first_monitor(prepared: &Prepared, environment: &str) -> Result<AssetName, RunError> {
    let monitor = prepared.project.assets.values().find(|asset| asset.kind() == Kind::Monitor);
    monitor.map(|asset| asset.name.clone()).ok_or_else(|| RunError::Missing {
        what: "incident",
        name: "open".to_owned(),
        environment: environment.to_owned(),
        hint: "nothing is wrong; name an asset to look at it all the same".to_owned(),
    })
}

/// The newest commit whose clock is not after `at`.
async fn commit_at(services: &Services, environment: &str, newest: Commit, at: Timestamp) -> Result<Commit, RunError> {
    if newest.as_of <= at {
        return Ok(newest);
    }
    let history = services.ledger.history(environment, u32::MAX).await?;
    Ok(history.into_iter().find(|commit| commit.as_of <= at).unwrap_or(newest))
}

/// The first runbook that says that it is for such incidents.
fn runbook_for(prepared: &Prepared, incident: &Incident) -> Option<String> {
    let mut runbooks = prepared.project.runbooks.iter();
    let found = runbooks.find(|runbook| runbook.on.as_ref().is_some_and(|on| on.is_for(incident)));
    found.map(|runbook| runbook.name.to_string())
}

fn runbook(prepared: &Prepared, asset: &AssetName) -> Option<String> {
    let own = prepared.project.assets.get(asset).into_iter();
    let below = prepared.graph.downstream(asset);
    let watchers = below.iter().filter_map(|name| prepared.project.assets.get(name));
    own.chain(watchers).find_map(|found| match &found.definition {
        Definition::Monitor(monitor) => monitor.runbook.clone(),
        _ => None,
    })
}

impl Scene<'_> {
    async fn evidence(&self) -> Result<Evidence, RunError> {
        let mut evidence = Evidence {
            asset: Some(self.asset.clone()),
            onset: Some(self.onset),
            upstream: self
                .prepared
                .graph
                .assets()
                .map(|name| (name.clone(), self.prepared.graph.upstream(name)))
                .collect(),
            ..Evidence::default()
        };
        let mut concerned = self.prepared.graph.upstream(&self.asset);
        concerned.insert(self.asset.clone());
        for name in &concerned {
            if let Some(facts) = self.asset_evidence(name).await? {
                evidence.assets.insert(name.clone(), facts);
            }
        }
        self.add_monitor_evidence(&mut evidence).await?;
        evidence.alerts = self.alerts().await?;
        Ok(evidence)
    }

    /// What the alerts that opened the breach say.
    async fn alerts(&self) -> Result<Vec<String>, RunError> {
        let events = self.recent_events(&self.asset, &[EventKind::AlertRaised]).await?;
        let at_onset = events.into_iter().filter(|found| found.event.as_of == self.onset);
        Ok(at_onset.filter_map(|found| Some(found.event.body.get("message")?.as_str()?.to_owned())).collect())
    }

    /// Events of the environment about `asset` in the two weeks before the breach.
    pub(crate) async fn recent_events(
        &self,
        asset: &AssetName,
        kinds: &[EventKind],
    ) -> Result<Vec<baton_core::Event>, RunError> {
        let filter = baton_core::event::EventFilter {
            environment: Some(self.environment.to_owned()),
            asset: Some(asset.clone()),
            kinds: kinds.to_vec(),
            from: Some(self.onset - chrono::TimeDelta::days(14)),
            until: Some(self.onset + chrono::TimeDelta::seconds(1)),
            ..Default::default()
        };
        Ok(self.services.ledger.events(&filter).await?)
    }
}
