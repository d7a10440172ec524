//! Alerts into incidents: repeats extend, downstream alerts fold under an open upstream incident; what is well again, or silent
//! for long, has ended.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::check::Severity;
use baton_core::incident::{Alert, Incident, IncidentState, Signal};
use baton_core::{AssetName, Timestamp};
use chrono::TimeDelta;

/// What is asked when alerts are folded.
#[derive(Debug, Clone)]
pub struct Folding<'a> {
    /// For each asset all that it depends on.
    pub upstream: &'a BTreeMap<AssetName, BTreeSet<AssetName>>,
    /// The logical clock.
    pub now: Timestamp,
    /// How long an incident must be silent to be resolved.
    pub quiet: TimeDelta,
    /// The number of the next incident.
    pub next_number: u64,
    /// The assets that are well in this run.
    pub well: &'a Well,
}

/// Assets whose steps ended well, without an alert.
#[derive(Debug, Clone, Default)]
pub struct Well {
    /// Those that were made anew.
    pub made: BTreeSet<AssetName>,
    /// Those that were looked after and had nothing new.
    pub up_to_date: BTreeSet<AssetName>,
}

impl Well {
    /// Whether `incident` is over. What was set aside, and checks that did not hold, are about rows: only new ones end that.
    /// What is measured over a stretch of time (freshness, volume, drift, performance) ends by silence.
    fn ends(&self, incident: &Incident) -> bool {
        let made = self.made.contains(&incident.asset);
        match incident.signal {
            Signal::Failure if incident.severity == Severity::Error => {
                made || self.up_to_date.contains(&incident.asset)
            }
            Signal::Failure | Signal::Check => made,
            _ => false,
        }
    }
}

/// Folds `alerts` into `open` incidents. Returns every incident that changed, new ones included.
pub fn fold(open: &[Incident], alerts: &[Alert], folding: &Folding<'_>) -> Vec<Incident> {
    let mut incidents: Vec<Incident> = open.to_vec();
    let mut changed: BTreeSet<String> = BTreeSet::new();
    let mut next_number = folding.next_number;
    // What is well again is no home for other alerts. An alert of this very time was raised by this run.
    for incident in incidents.iter_mut().filter(|found| found.last_seen_at < folding.now && folding.well.ends(found)) {
        changed.insert(resolve(incident, folding.now));
    }
    for alert in alerts {
        let home = incidents.iter_mut().find(|incident| belongs(incident, alert, folding.upstream));
        let id = match home {
            Some(incident) => extend(incident, alert),
            None => {
                incidents.push(opened(alert, next_number));
                next_number += 1;
                format!("inc-{}", next_number - 1)
            }
        };
        changed.insert(id);
    }
    for incident in &mut incidents {
        if incident.state == IncidentState::Open && folding.now - incident.last_seen_at >= folding.quiet {
            changed.insert(resolve(incident, folding.now));
        }
    }
    incidents.retain(|incident| changed.contains(&incident.id));
    incidents
}

/// The same breach again, or a breach downstream of an asset whose incident is open.
fn belongs(incident: &Incident, alert: &Alert, upstream: &BTreeMap<AssetName, BTreeSet<AssetName>>) -> bool {
    if incident.state != IncidentState::Open {
        return false;
    }
    let same = incident.asset == alert.asset && incident.signal == alert.signal;
    let below = upstream.get(&alert.asset).is_some_and(|assets| assets.contains(&incident.asset));
    same || below
}

fn resolve(incident: &mut Incident, now: Timestamp) -> String {
    incident.state = IncidentState::Resolved;
    incident.resolved_at = Some(now);
    incident.id.clone()
}

fn extend(incident: &mut Incident, alert: &Alert) -> String {
    incident.alerts += 1;
    if alert.severity == Severity::Error {
        incident.severity = Severity::Error;
    }
    // A step that fails for another reason now is to be mended there.
    if incident.asset == alert.asset && incident.signal == Signal::Failure && alert.signal == Signal::Failure {
        incident.title.clone_from(&alert.message);
    }
    incident.last_seen_at = incident.last_seen_at.max(alert.at);
    if !incident.assets.contains(&alert.asset) {
        incident.assets.push(alert.asset.clone());
    }
    incident.id.clone()
}

fn opened(alert: &Alert, number: u64) -> Incident {
    Incident {
        id: format!("inc-{number}"),
        state: IncidentState::Open,
        asset: alert.asset.clone(),
        signal: alert.signal,
        severity: alert.severity,
        title: alert.message.clone(),
        opened_at: alert.at,
        last_seen_at: alert.at,
        resolved_at: None,
        alerts: 1,
        assets: vec![alert.asset.clone()],
        causes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use baton_core::time::timestamp_from_micros;

    use super::*;

    fn name(text: &str) -> AssetName {
        AssetName::parse(text).unwrap()
    }

    fn day(number: i64) -> Timestamp {
        timestamp_from_micros(number * 86_400_000_000)
    }

    fn alert(asset: &str, signal: Signal, at: Timestamp) -> Alert {
        Alert {
            id: format!("{asset}-{at}"),
            asset: name(asset),
            signal,
            severity: Severity::Error,
            at,
            message: format!("{asset} breached"),
            evidence: serde_json::Value::Null,
        }
    }

    #[test]
    fn repeats_extend_downstream_folds_and_silence_resolves() {
        let upstream = BTreeMap::from([(name("monitor"), BTreeSet::from([name("weather")]))]);
        let well = Well::default();
        let folding =
            |now| Folding { upstream: &upstream, now, quiet: TimeDelta::days(2), next_number: 1, well: &well };
        let first = fold(
            &[],
            &[alert("weather", Signal::Freshness, day(1)), alert("monitor", Signal::Drift, day(1))],
            &folding(day(1)),
        );
        assert_eq!(first.len(), 1, "the monitor's alert folds under the weather's incident");
        assert_eq!((first[0].alerts, first[0].assets.len()), (2, 2));

        let again = fold(&first, &[alert("weather", Signal::Freshness, day(2))], &folding(day(2)));
        assert_eq!((again[0].id.as_str(), again[0].alerts), ("inc-1", 3));

        let silent = fold(&again, &[], &folding(day(4)));
        assert_eq!(silent[0].state, IncidentState::Resolved);

        let folding = Folding { next_number: 2, ..folding(day(9)) };
        let later = fold(&silent, &[alert("monitor", Signal::Drift, day(9))], &folding);
        assert_eq!((later.len(), later[0].id.as_str()), (1, "inc-2"));
    }

    #[test]
    fn an_upstream_alert_is_not_folded_under_a_downstream_incident() {
        let upstream = BTreeMap::from([(name("monitor"), BTreeSet::from([name("weather")]))]);
        let well = Well::default();
        let folding =
            Folding { upstream: &upstream, now: day(1), quiet: TimeDelta::days(2), next_number: 1, well: &well };
        let alerts = [alert("monitor", Signal::Drift, day(1)), alert("weather", Signal::Freshness, day(1))];
        assert_eq!(fold(&[], &alerts, &folding).len(), 2);
    }

    #[test]
    fn what_is_well_again_ends_and_is_no_home_for_others() {
        let upstream = BTreeMap::from([(name("days"), BTreeSet::from([name("orders")]))]);
        let nobody = Well::default();
        let at = |now, well| Folding { upstream: &upstream, now, quiet: TimeDelta::days(9), next_number: 1, well };
        let failed = Alert { message: "no password".to_owned(), ..alert("orders", Signal::Failure, day(1)) };
        let open = fold(&[], &[failed], &at(day(1), &nobody));
        let open = fold(&open, &[alert("orders", Signal::Failure, day(2))], &at(day(2), &nobody));
        assert_eq!(open[0].title, "orders breached", "it fails for another reason now");

        let well = Well { up_to_date: [name("orders")].into(), ..Well::default() };
        assert!(fold(&open, &[], &at(day(2), &well)).is_empty(), "the alert is of this very run");
        let folding = Folding { next_number: 2, ..at(day(3), &well) };
        let later = fold(&open, &[alert("days", Signal::Check, day(3))], &folding);
        let state = |number: usize| (later[number].id.as_str(), later[number].state);
        assert_eq!(state(0), ("inc-1", IncidentState::Resolved));
        assert_eq!(state(1), ("inc-2", IncidentState::Open));
    }

    #[test]
    fn rows_that_were_set_aside_and_measures_stay_open_where_nothing_new_came() {
        let upstream = BTreeMap::new();
        let well = |made: &[&str], up_to_date: &[&str]| Well {
            made: made.iter().map(|text| name(text)).collect(),
            up_to_date: up_to_date.iter().map(|text| name(text)).collect(),
        };
        let at = |now, well| Folding { upstream: &upstream, now, quiet: TimeDelta::days(9), next_number: 1, well };
        let nobody = Well::default();
        let aside = Alert { severity: Severity::Warn, ..alert("orders", Signal::Failure, day(1)) };
        let alerts = [aside, alert("days", Signal::Check, day(1)), alert("orders", Signal::Freshness, day(1))];
        let open = fold(&[], &alerts, &at(day(1), &nobody));
        assert_eq!(open.len(), 3);
        let (up_to_date, made) = (well(&[], &["orders", "days"]), well(&["orders", "days"], &[]));
        assert!(fold(&open, &[], &at(day(2), &up_to_date)).is_empty());
        let ended = fold(&open, &[], &at(day(2), &made));
        let ended: Vec<Signal> = ended.iter().map(|incident| incident.signal).collect();
        assert_eq!(ended, [Signal::Failure, Signal::Check]);
    }
}
