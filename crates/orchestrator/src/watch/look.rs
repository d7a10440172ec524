//! What a monitor saw when it looked: the body of its event, and the newest looks for those who ask.

use std::collections::BTreeMap;

use baton_core::event::EventFilter;
use baton_core::{AssetName, EventKind, Timestamp};
use serde::{Deserialize, Serialize};

use super::drift::FeatureDrift;
use crate::error::RunError;
use crate::services::Services;

/// A monitor's look at the predictions of its window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonitorLook {
    /// The model version that served.
    pub model: String,
    /// Predictions in the window.
    pub rows: usize,
    /// How each feature compares with training; empty where the monitor does not judge drift.
    #[serde(default)]
    pub drift: Vec<FeatureDrift>,
    /// The metric over the predictions that have a label by now.
    #[serde(default)]
    pub performance: Option<MeasuredPerformance>,
    /// The metric as it probably is over all predictions of the window.
    #[serde(default)]
    pub estimate: Option<EstimatedPerformance>,
}

/// A metric against labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasuredPerformance {
    /// Its name.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// Predictions with a label.
    pub rows: usize,
    /// Whether it is beyond the monitor's threshold.
    pub breached: bool,
}

/// A metric estimated without labels, by confidence (CBPE): right while scores are calibrated and the relation between
/// features and label is what it was in training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EstimatedPerformance {
    /// Its name.
    pub metric: String,
    /// The estimate.
    pub value: f64,
    /// The estimate minus three standard errors of chance.
    pub low: f64,
    /// The estimate plus three standard errors of chance.
    pub high: f64,
    /// Least value that was usual on the rows that the model was judged on.
    pub usual_low: f64,
    /// Greatest value that was usual there.
    pub usual_high: f64,
    /// Predictions behind it.
    pub rows: usize,
}

/// A look and when it was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatedLook {
    /// The logical clock.
    pub as_of: Timestamp,
    /// What was seen.
    #[serde(flatten)]
    pub look: MonitorLook,
}

impl MonitorLook {
    /// Features that drifted.
    pub fn drifted(&self) -> usize {
        self.drift.iter().filter(|found| found.drifted).count()
    }
}

/// The newest looks of a monitor whose clock is before `until`, oldest first.
pub(crate) async fn looks(
    services: &Services,
    environment: &str,
    monitor: &AssetName,
    until: Option<Timestamp>,
    last: u32,
) -> Result<Vec<DatedLook>, RunError> {
    let filter = EventFilter {
        environment: Some(environment.to_owned()),
        asset: Some(monitor.clone()),
        kinds: vec![EventKind::MonitorEvaluated],
        until,
        last: Some(last),
        ..EventFilter::default()
    };
    let events = services.ledger.events(&filter).await?;
    let dated = events.into_iter().filter_map(|found| {
        let look = serde_json::from_value(found.event.body).ok()?;
        Some(DatedLook { as_of: found.event.as_of, look })
    });
    Ok(dated.collect())
}

/// The newest look of each of `monitors` that has looked.
pub(crate) async fn newest_looks(
    services: &Services,
    environment: &str,
    monitors: impl IntoIterator<Item = &AssetName>,
    until: Option<Timestamp>,
) -> Result<BTreeMap<AssetName, DatedLook>, RunError> {
    let mut newest = BTreeMap::new();
    for monitor in monitors {
        if let Some(look) = looks(services, environment, monitor, until, 1).await?.pop() {
            newest.insert(monitor.clone(), look);
        }
    }
    Ok(newest)
}
