//! The answer: one entry for each name, each with one element a row. Join keys come first.

use baton_core::Timestamp;
use baton_core::ports::{OnlineError, OnlineSnapshot};
use baton_core::scalar::Scalar;
use baton_core::time::timestamp_from_micros;
use baton_serving::{FeatureStatus, ViewRead, read_features};
use chrono::SecondsFormat;
use serde::Serialize;

use super::request::{JoinKey, Lookup, WantedFeature};

/// What the client reads.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    metadata: Metadata,
    results: Vec<Column>,
}

#[derive(Debug, Serialize)]
struct Metadata {
    feature_names: Vec<String>,
}

/// One name's values over the rows.
#[derive(Debug, Default, Serialize)]
struct Column {
    values: Vec<Scalar>,
    statuses: Vec<FeatureStatus>,
    event_timestamps: Vec<String>,
}

impl Answer {
    /// Reads each view once, as known at `at`.
    pub(super) fn read(lookup: &Lookup<'_>, features: &dyn OnlineSnapshot, at: Timestamp) -> Result<Self, OnlineError> {
        let mut feature_names: Vec<String> = lookup.keys.iter().map(|key| key.name.clone()).collect();
        let mut results: Vec<Column> = lookup.keys.iter().map(Column::of_key).collect();
        for wanted in &lookup.views {
            let view = wanted.view;
            let place = (view.name.as_str(), view.namespace.as_str(), view.ttl);
            let reads = read_features(features, place, &lookup.entities(view), at)?;
            feature_names.extend(wanted.features.iter().map(|feature| feature.name.clone()));
            results.extend(wanted.features.iter().map(|feature| Column::of_feature(feature, &reads)));
        }
        Ok(Self { metadata: Metadata { feature_names }, results })
    }
}

impl Column {
    fn of_key(key: &JoinKey) -> Self {
        let rows = key.values.len();
        Self {
            values: key.values.clone(),
            statuses: vec![FeatureStatus::Present; rows],
            event_timestamps: vec![instant(None); rows],
        }
    }

    fn of_feature(feature: &WantedFeature, reads: &[ViewRead]) -> Self {
        let mut column = Self::default();
        for read in reads {
            let (value, status) = read.feature(feature.index);
            column.values.push(value);
            column.statuses.push(status);
            column.event_timestamps.push(instant(read.event_at));
        }
        column
    }
}

/// In the form of protobuf's JSON; what has no event time is of the epoch.
fn instant(micros: Option<i64>) -> String {
    timestamp_from_micros(micros.unwrap_or(0)).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
