//! Features of request rows: given by the row, or read from the online store as known at the instant asked for.
//!
//! A value holds while `at - event time <= ttl`, both ends included (as offline); later it is null and
//! [`FeatureStatus::OutsideMaxAge`]. What became known after `at` does not exist yet.

use std::sync::Arc;

use baton_core::Timestamp;
use baton_core::ports::{OnlineError, OnlineRow, OnlineSnapshot};
use baton_core::scalar::{Scalar, entity_key};
use serde::{Deserialize, Serialize};

use super::deployment::{Deployment, PlannedView};
use super::predict::RequestRow;
use crate::error::ServingError;

/// What is behind a value; the words are those of the Feast feature server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FeatureStatus {
    /// A value.
    Present,
    /// Null, and stored or given so.
    NullValue,
    /// No row of that entity is known.
    NotFound,
    /// The row is older than its view allows.
    OutsideMaxAge,
}

impl FeatureStatus {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => "PRESENT",
            Self::NullValue => "NULL_VALUE",
            Self::NotFound => "NOT_FOUND",
            Self::OutsideMaxAge => "OUTSIDE_MAX_AGE",
        }
    }
}

/// What a look-up of one entity in one view found.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewRead {
    /// The feature view.
    pub view: Arc<str>,
    /// [`FeatureStatus::Present`], [`FeatureStatus::NotFound`] or [`FeatureStatus::OutsideMaxAge`].
    pub status: FeatureStatus,
    /// Event time of the row, in microseconds, where one was found.
    pub event_at: Option<i64>,
    /// The row's values, in the view's order; empty unless present.
    pub values: Vec<Scalar>,
}

impl ViewRead {
    fn new(view: Arc<str>, ttl: i64, at: Timestamp, found: Option<OnlineRow>) -> Self {
        let at = at.timestamp_micros();
        let known = found.filter(|row| row.created_at <= at && row.event_at <= at);
        let Some(row) = known else {
            return Self { view, status: FeatureStatus::NotFound, event_at: None, values: Vec::new() };
        };
        let is_old = ttl > 0 && at.saturating_sub(row.event_at) > ttl.saturating_mul(1_000_000);
        let (status, values) =
            if is_old { (FeatureStatus::OutsideMaxAge, Vec::new()) } else { (FeatureStatus::Present, row.values) };
        Self { view, status, event_at: Some(row.event_at), values }
    }

    /// The value at `index` and its status.
    pub fn feature(&self, index: usize) -> (Scalar, FeatureStatus) {
        match (self.status, self.values.get(index)) {
            (FeatureStatus::Present, Some(Scalar::Null) | None) => (Scalar::Null, FeatureStatus::NullValue),
            (FeatureStatus::Present, Some(value)) => (value.clone(), FeatureStatus::Present),
            (status, _) => (Scalar::Null, status),
        }
    }
}

/// Reads a view's rows of `entities` (each the key values in the view's order), as known at `at`, in their order.
///
/// # Errors
/// Those of the store.
pub fn read_features(
    features: &dyn OnlineSnapshot,
    (view, namespace, ttl): (&str, &str, i64),
    entities: &[Vec<Scalar>],
    at: Timestamp,
) -> Result<Vec<ViewRead>, OnlineError> {
    let keys: Vec<Vec<u8>> = entities.iter().map(|values| entity_key(values)).collect();
    let view: Arc<str> = view.into();
    let found = features.read(namespace, &keys)?;
    Ok(found.into_iter().map(|row| ViewRead::new(view.clone(), ttl, at, row)).collect())
}

/// The features of one row, in plan order, and the look-ups behind them.
pub(super) struct ResolvedRow {
    pub(super) values: Vec<(Scalar, FeatureStatus)>,
    pub(super) reads: Vec<ViewRead>,
}

impl Deployment {
    /// Finds all features of all rows; reads each view at most once.
    pub(super) fn resolve(&self, rows: &[RequestRow], at: Timestamp) -> Result<Vec<ResolvedRow>, ServingError> {
        let mut reads: Vec<Vec<Option<ViewRead>>> = Vec::with_capacity(self.views.len());
        for place in 0..self.views.len() {
            reads.push(self.read_view(place, rows, at)?);
        }
        let row_reads =
            |row: usize| -> Vec<Option<&ViewRead>> { reads.iter().map(|view| view[row].as_ref()).collect() };
        rows.iter().enumerate().map(|(number, row)| self.resolve_row(number, row, &row_reads(number))).collect()
    }

    /// What a view says of each row; `None` for rows that give all its features themselves.
    fn read_view(
        &self,
        place: usize,
        rows: &[RequestRow],
        at: Timestamp,
    ) -> Result<Vec<Option<ViewRead>>, ServingError> {
        let view = &self.views[place];
        let mut asking = Vec::new();
        let mut entities = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            if let Some(needed) = self.first_not_given(place, row) {
                asking.push(number);
                entities.push(entity_of(view, number, row, needed)?);
            }
        }
        let mut reads = vec![None; rows.len()];
        let found = read_features(&*self.source.features, (&view.view, &view.namespace, view.ttl), &entities, at)?;
        for (number, read) in asking.into_iter().zip(found) {
            reads[number] = Some(read);
        }
        Ok(reads)
    }

    fn first_not_given(&self, place: usize, row: &RequestRow) -> Option<&str> {
        let mut of_view = (0..self.features.len()).filter(|feature| self.view_of[*feature] == Some(place));
        of_view.find(|feature| self.given(*feature, row).is_none()).map(|feature| &*self.features[feature].name)
    }

    /// The value that a caller sent for a feature, under either of its names.
    fn given<'a>(&self, feature: usize, row: &'a RequestRow) -> Option<&'a Scalar> {
        row.get(&*self.features[feature].name).or_else(|| row.get(self.dotted[feature].as_deref()?))
    }

    fn resolve_row(
        &self,
        number: usize,
        row: &RequestRow,
        reads: &[Option<&ViewRead>],
    ) -> Result<ResolvedRow, ServingError> {
        let mut values = Vec::with_capacity(self.features.len());
        for (place, feature) in self.features.iter().enumerate() {
            let read = self.view_of[place].and_then(|view| reads[view]);
            values.push(match (self.given(place, row), &feature.origin, read) {
                (Some(Scalar::Null), ..) => (Scalar::Null, FeatureStatus::NullValue),
                (Some(given), ..) => (given.clone(), FeatureStatus::Present),
                (None, super::FeatureOrigin::View(origin), Some(read)) => read.feature(origin.index),
                (None, ..) => {
                    let advice = "send it with the row, or send null if it is not known".to_owned();
                    return Err(ServingError::MissingInput { row: number, input: feature.name.to_string(), advice });
                }
            });
        }
        Ok(ResolvedRow { values, reads: reads.iter().filter_map(|read| read.cloned()).collect() })
    }
}

fn entity_of(view: &PlannedView, number: usize, row: &RequestRow, needed: &str) -> Result<Vec<Scalar>, ServingError> {
    let values: Option<Vec<Scalar>> = view.entity.iter().map(|name| row.get(name).cloned()).collect();
    values.ok_or_else(|| ServingError::MissingInput {
        row: number,
        input: needed.to_owned(),
        advice: format!("send it with the row, or send {} to look it up", view.entity.join(", ")),
    })
}
