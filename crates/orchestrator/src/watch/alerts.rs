//! Alerts of a run, folded into incidents when it publishes.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::check::{CheckResult, Severity};
use baton_core::event::EventFilter;
use baton_core::incident::{Alert, Incident, IncidentState, Signal};
use baton_core::{AssetName, EventKind};
use baton_observe::incidents::{Folding, Well, fold};
use chrono::TimeDelta;
use serde_json::json;

use crate::error::RunError;
use crate::execution::Execution;
use crate::report::StepState;

/// An incident without alerts for so long is over.
const QUIET: TimeDelta = TimeDelta::days(2);

impl Execution<'_> {
    /// A step failed.
    pub(crate) fn raise_failure(&mut self, asset: &AssetName, verb: &str, reason: &str) {
        self.raise(
            asset,
            Signal::Failure,
            Severity::Error,
            format!("{verb} {asset} failed: {reason}"),
            json!({"verb": verb, "reason": reason}),
        );
    }

    /// A delivery or some of its rows were set aside.
    pub(crate) fn raise_rejected(&mut self, asset: &AssetName, reason: &str) {
        self.raise(
            asset,
            Signal::Failure,
            Severity::Warn,
            format!("set aside of {asset}: {reason}"),
            json!({"reason": reason}),
        );
    }

    /// Checks that did not hold.
    pub(crate) fn alert_failed_checks(&mut self, asset: &AssetName, results: &[CheckResult]) {
        for result in results.iter().filter(|result| !result.passed) {
            let evidence = json!({"check": result.check, "failed_rows": result.failed_rows, "rows": result.rows});
            self.raise(asset, Signal::Check, result.severity, result.message.clone(), evidence);
        }
    }

    pub(super) fn raise(
        &mut self,
        asset: &AssetName,
        signal: Signal,
        severity: Severity,
        message: String,
        evidence: serde_json::Value,
    ) {
        let id = format!("{asset}-{}-{}", self.as_of.timestamp(), self.alerts.len());
        self.alerts.push(Alert { id, asset: asset.clone(), signal, severity, at: self.as_of, message, evidence });
    }

    /// The newest state of every incident of the environment.
    pub(crate) async fn known_incidents(&self) -> Result<Vec<Incident>, RunError> {
        incidents(self.services, &self.environment).await
    }

    /// Adds freshness and volume alerts, folds all alerts into incidents and keeps both for the commit's transaction.
    pub(crate) async fn fold_alerts(&mut self) -> Result<(), RunError> {
        let late = self.check_freshness().await?;
        self.check_volume(&late).await?;
        self.fold_raised().await
    }

    /// Folds and writes down what was raised after the environment moved, as by exports.
    pub(crate) async fn fold_late_alerts(&mut self) -> Result<(), RunError> {
        let delivered = self.report.steps.iter().any(|step| step.verb == "export");
        if self.alerts.is_empty() && self.pending.is_empty() && !delivered {
            return Ok(());
        }
        let before = std::mem::take(&mut self.report.incidents);
        self.fold_raised().await?;
        let changed = std::mem::replace(&mut self.report.incidents, before);
        for incident in changed {
            self.report.incidents.retain(|known| known.id != incident.id);
            self.report.incidents.push(incident);
        }
        let events = std::mem::take(&mut self.pending);
        if !events.is_empty() {
            self.services.ledger.append(events).await?;
        }
        Ok(())
    }

    async fn fold_raised(&mut self) -> Result<(), RunError> {
        let known = self.known_incidents().await?;
        // After a rollback the ledger still holds incidents of a later clock: they are not part of this time.
        let is_open = |found: &&Incident| found.state == IncidentState::Open && found.opened_at <= self.as_of;
        let open: Vec<Incident> = known.iter().filter(is_open).cloned().collect();
        let alerts = self.alerts_upstream_first();
        if alerts.is_empty() && open.is_empty() {
            return Ok(());
        }
        let upstream: BTreeMap<AssetName, BTreeSet<AssetName>> =
            self.prepared.graph.assets().map(|name| (name.clone(), self.prepared.graph.upstream(name))).collect();
        let (well, next_number) = (self.well(&alerts), known.len() as u64 + 1);
        let folding = Folding { upstream: &upstream, now: self.as_of, quiet: QUIET, next_number, well: &well };
        let changed = fold(&open, &alerts, &folding);
        for alert in &alerts {
            self.pending.push(self.event(EventKind::AlertRaised, &alert.asset, &alert.id, json!(alert)));
        }
        self.report.alerts.extend(alerts);
        for incident in &changed {
            self.pending.push(self.event(EventKind::IncidentChanged, &incident.asset, &incident.id, json!(incident)));
        }
        self.report.incidents = changed;
        Ok(())
    }

    /// What this run found well: the last step of an asset counts.
    fn well(&self, alerts: &[Alert]) -> Well {
        let last: BTreeMap<&String, StepState> =
            self.report.steps.iter().map(|step| (&step.asset, step.state)).collect();
        let mut well = Well::default();
        for (name, state) in last {
            let Ok(name) = AssetName::parse(name) else { continue };
            if alerts.iter().any(|alert| alert.asset == name) {
                continue;
            }
            match state {
                StepState::Done | StepState::Reused => well.made.insert(name),
                StepState::UpToDate => well.up_to_date.insert(name),
                StepState::Failed | StepState::Skipped | StepState::Waiting => continue,
            };
        }
        well
    }

    /// The alerts of the run, those of an asset before those of what reads it, so that these fold under it.
    fn alerts_upstream_first(&mut self) -> Vec<Alert> {
        let order: BTreeMap<&AssetName, usize> =
            self.prepared.desired.order.iter().enumerate().map(|(place, name)| (name, place)).collect();
        let mut alerts = std::mem::take(&mut self.alerts);
        alerts.sort_by_key(|alert| order.get(&alert.asset).copied().unwrap_or(usize::MAX));
        alerts
    }

    /// Alerts for sources whose newest row is older than their contract allows; answers with those sources.
    async fn check_freshness(&mut self) -> Result<BTreeSet<AssetName>, RunError> {
        let prepared = self.prepared;
        let mut late = BTreeSet::new();
        for (name, asset) in &prepared.project.assets {
            let baton_core::Definition::Source(source) = &asset.definition else { continue };
            let (Some(freshness), Some(time)) = (source.freshness, &source.time) else { continue };
            let Some(newest) = self.newest_known(name, time).await? else { continue };
            let age = self.as_of.timestamp() - newest.div_euclid(1_000_000);
            let severity = match (freshness.error_after, freshness.warn_after) {
                (Some(limit), _) if age > limit => Severity::Error,
                (_, Some(limit)) if age > limit => Severity::Warn,
                _ => {
                    self.report.in_time.push(name.clone());
                    continue;
                }
            };
            let message = format!("{name} is late: its newest row is {} old", told_age(age));
            self.raise(name, Signal::Freshness, severity, message, json!({"age_seconds": age}));
            late.insert(name.clone());
        }
        Ok(late)
    }

    /// The newest value, in microseconds, of a source's time column among rows known at the clock.
    async fn newest_known(&self, name: &AssetName, time: &str) -> Result<Option<i64>, RunError> {
        let session = crate::sessions::session_of(self.services, &self.working, [name], Some(self.as_of)).await?;
        if !self.working.contains_key(name) {
            return Ok(None);
        }
        let query = format!("select max({}) from {}", crate::checks::quoted(time), crate::checks::quoted(name));
        let (_, batches) = session.query(&query).await?;
        Ok(batches
            .first()
            .filter(|batch| batch.num_rows() > 0)
            .and_then(|batch| crate::values::micros_at(batch.column(0), 0)))
    }
}

/// So many seconds for people: days from two of them on, hours from two of them on, else minutes.
fn told_age(seconds: i64) -> String {
    let unit = [86_400, 3_600].into_iter().find(|unit| seconds >= 2 * unit).unwrap_or(60);
    baton_core::duration::format_seconds(seconds / unit * unit)
}

/// The newest state of every incident of an environment, oldest first.
pub(crate) async fn incidents(
    services: &crate::services::Services,
    environment: &str,
) -> Result<Vec<Incident>, RunError> {
    let filter = EventFilter {
        environment: Some(environment.to_owned()),
        kinds: vec![EventKind::IncidentChanged],
        ..EventFilter::default()
    };
    let mut newest: BTreeMap<u64, Incident> = BTreeMap::new();
    for found in services.ledger.events(&filter).await? {
        if let Ok(incident) = serde_json::from_value::<Incident>(found.event.body) {
            let number = incident.id.trim_start_matches("inc-").parse().unwrap_or(u64::MAX);
            newest.insert(number, incident);
        }
    }
    Ok(newest.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::told_age;

    #[test]
    fn ages_are_told_in_the_unit_that_people_think_in() {
        let told = [90, 7_199, 7_200, 172_799, 172_800, 91_234_567].map(told_age);
        assert_eq!(told, ["1m", "119m", "2h", "47h", "2d", "1055d"]);
    }
}
