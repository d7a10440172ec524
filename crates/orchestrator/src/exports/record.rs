//! What the ledger holds of deliveries.

use std::collections::BTreeMap;

use baton_core::event::EventFilter;
use baton_core::{AssetName, EventKind, TableVersion, Timestamp};
use serde::{Deserialize, Serialize};

use super::version::DeliveredVersion;
use crate::error::RunError;
use crate::services::Services;

/// What a delivery came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryReport {
    /// The export.
    pub export: String,
    /// Its connector.
    pub to: String,
    /// The delivery, by which the destination knows it.
    pub delivery: String,
    /// The version that the destination held before, in words; `None` for all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The version that it holds now.
    pub version: String,
    /// Rows that are new there; of a delivery of all rows, all of them.
    pub inserted: u64,
    /// Rows that were there with other values.
    pub updated: u64,
    /// Rows that are no longer here.
    pub deleted: u64,
    /// Rows that the destination refused one by one.
    pub rejected: u64,
}

impl DeliveryReport {
    /// Rows that were sent.
    pub fn rows(&self) -> u64 {
        self.inserted + self.updated + self.deleted
    }

    /// In a line.
    pub fn detail(&self) -> String {
        let mut text = match &self.since {
            None => format!("all {}", crate::report::rows_of(self.inserted)),
            Some(_) => {
                let parts = [(self.inserted, "new"), (self.updated, "changed"), (self.deleted, "gone")];
                let told = parts.iter().filter(|(number, _)| *number > 0);
                let told: Vec<String> = told.map(|(number, word)| format!("{number} {word}")).collect();
                if told.is_empty() { "no row differs".to_owned() } else { told.join(", ") }
            }
        };
        if self.rejected > 0 {
            text.push_str(&format!("; {} set aside", crate::report::rows_of(self.rejected)));
        }
        format!("{text} to {}", self.to)
    }
}

/// A delivery that was begun or made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeliveryRecord {
    pub(super) delivery: String,
    pub(super) definition: String,
    /// What the destination held before; `None` when all rows were delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<DeliveredVersion>,
    /// `None` in records of no version that this program knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<DeliveredVersion>,
    /// What it came to; `None` when it was begun, or when whoever made it was killed before it was written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) report: Option<DeliveryReport>,
}

/// What the ledger says of an export in an environment.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorded {
    /// The newest delivery that was made.
    pub(super) delivered: Option<DeliveryRecord>,
    /// A delivery that was begun since and not made.
    pub(super) open: Option<DeliveryRecord>,
}

/// Reads what was recorded last.
pub(super) async fn recorded(services: &Services, environment: &str, name: &str) -> Result<Recorded, RunError> {
    let made = newest(EventKind::ExportDelivered, environment, name);
    let begun = newest(EventKind::ExportBegun, environment, name);
    let made = services.ledger.events(&made).await?.pop();
    let begun = services.ledger.events(&begun).await?.pop();
    let made_at = made.as_ref().map_or(0, |found| found.sequence);
    let read = |found: baton_core::Event| serde_json::from_value::<DeliveryRecord>(found.event.body).ok();
    Ok(Recorded { delivered: made.and_then(read), open: begun.filter(|found| found.sequence > made_at).and_then(read) })
}

/// Table versions that destinations hold or are being brought to: what comes next is found by comparing with them.
pub(crate) async fn held_versions(services: &Services) -> Result<Vec<TableVersion>, RunError> {
    let kinds = vec![EventKind::ExportDelivered, EventKind::ExportBegun];
    let filter = EventFilter { kinds, ..EventFilter::default() };
    let mut newest: BTreeMap<(String, String), Recorded> = BTreeMap::new();
    for found in services.ledger.events(&filter).await? {
        let event = found.event;
        let Ok(record) = serde_json::from_value::<DeliveryRecord>(event.body) else { continue };
        let recorded = newest.entry((event.environment, event.key)).or_default();
        match event.kind {
            EventKind::ExportBegun => recorded.open = Some(record),
            _ => *recorded = Recorded { delivered: Some(record), open: None },
        }
    }
    // What was delivered is compared with next; what was begun is finished from where it began.
    let of_open = |record: DeliveryRecord| [record.since, record.version];
    let versions = newest.into_values().flat_map(|recorded| {
        let delivered = recorded.delivered.and_then(|record| record.version);
        recorded.open.map(of_open).into_iter().flatten().chain([delivered])
    });
    Ok(versions.flatten().filter_map(|version| version.table).collect())
}

/// What an export delivered last, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatedDelivery {
    /// When, on the machine's clock.
    pub at: Timestamp,
    /// What it came to; `None` where whoever delivered was killed before it was written down.
    pub report: Option<DeliveryReport>,
}

/// What exports delivered last in an environment; those that never did are left out.
pub(crate) async fn newest_deliveries<'n>(
    services: &Services,
    environment: &str,
    names: impl Iterator<Item = &'n AssetName>,
) -> Result<BTreeMap<AssetName, DatedDelivery>, RunError> {
    let mut found = BTreeMap::new();
    for name in names {
        let events = services.ledger.events(&newest(EventKind::ExportDelivered, environment, name)).await?;
        let Some(event) = events.into_iter().next_back().map(|found| found.event) else { continue };
        let record: Option<DeliveryRecord> = serde_json::from_value(event.body).ok();
        let report = record.and_then(|record| record.report);
        found.insert(name.clone(), DatedDelivery { at: event.at, report });
    }
    Ok(found)
}

fn newest(kind: EventKind, environment: &str, name: &str) -> EventFilter {
    EventFilter {
        environment: Some(environment.to_owned()),
        kinds: vec![kind],
        key: Some(name.to_owned()),
        last: Some(1),
        ..EventFilter::default()
    }
}
