//! Alerts into incidents: repeats extend, downstream alerts fold under an open upstream incident, silence ends it.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::incident::{Alert, Incident, IncidentState};
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
}

/// Folds `alerts` into `open` incidents. Returns every incident that changed, new ones included.
pub fn fold(open: &[Incident], alerts: &[Alert], folding: &Folding<'_>) -> Vec<Incident> {
    let mut incidents: Vec<Incident> = open.to_vec();
    let mut changed: BTreeSet<String> = BTreeSet::new();
    let mut next_number = folding.next_number;
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
            incident.state = IncidentState::Resolved;
            incident.resolved_at = Some(folding.now);
            changed.insert(incident.id.clone());
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

fn extend(incident: &mut Incident, alert: &Alert) -> String {
    incident.alerts += 1;
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
    use baton_core::check::Severity;
    use baton_core::incident::Signal;
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
        let folding = |now| Folding { upstream: &upstream, now, quiet: TimeDelta::days(2), next_number: 1 };
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
        let folding = Folding { upstream: &upstream, now: day(1), quiet: TimeDelta::days(2), next_number: 1 };
        let alerts = [alert("monitor", Signal::Drift, day(1)), alert("weather", Signal::Freshness, day(1))];
        assert_eq!(fold(&[], &alerts, &folding).len(), 2);
    }
}
