//! The statistics of one column: what is kept, how two are merged, what can be asked.

use std::cmp::Ordering;

use baton_core::scalar::Scalar;

use super::distinct::DistinctSketch;
use super::frequent::FrequentValues;
use super::kind::{Lane, ValueKind};
use super::moments::Moments;
use super::points::WeightedPoints;
use super::quantiles::QuantileSketch;
use super::range::{Lengths, Range};
use super::summary::{ColumnSummary, summarize_column};
use crate::error::StatsError;

/// Mergeable statistics of one column.
///
/// Only finite numbers take part in range, moments, quantiles, distinct and top values; NaN and infinite values are
/// counted apart, and apart from nulls.
#[derive(Debug, Clone)]
pub struct ColumnProfile {
    pub(super) name: String,
    pub(super) data_type: String,
    pub(super) kind: ValueKind,
    pub(super) rows: u64,
    pub(super) nulls: u64,
    pub(super) nans: u64,
    pub(super) infinites: u64,
    pub(super) range: Range,
    pub(super) lengths: Lengths,
    pub(super) moments: Moments,
    pub(super) quantiles: QuantileSketch,
    pub(super) distinct: DistinctSketch,
    pub(super) frequent: FrequentValues,
}

/// A value and how often it occurs.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TopValue {
    /// The value; dates and times as text.
    pub value: Scalar,
    /// Rows that hold it, never too low; too high by at most [`ColumnProfile::top_error`].
    pub count: u64,
}

impl ColumnProfile {
    pub(super) fn new(name: &str, data_type: String, kind: ValueKind) -> Self {
        Self {
            name: name.to_owned(),
            data_type,
            kind,
            rows: 0,
            nulls: 0,
            nans: 0,
            infinites: 0,
            range: Range::Empty,
            lengths: Lengths::default(),
            moments: Moments::default(),
            quantiles: QuantileSketch::default(),
            distinct: DistinctSketch::new(),
            frequent: FrequentValues::new(),
        }
    }

    /// The column's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Arrow type that was profiled, as text.
    pub fn data_type(&self) -> &str {
        &self.data_type
    }

    /// The kind of its values.
    pub fn kind(&self) -> ValueKind {
        self.kind
    }

    /// Rows seen, nulls included.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Null rows.
    pub fn nulls(&self) -> u64 {
        self.nulls
    }

    /// Rows that hold NaN.
    pub fn nans(&self) -> u64 {
        self.nans
    }

    /// Rows that hold an infinite number.
    pub fn infinites(&self) -> u64 {
        self.infinites
    }

    /// Nulls as a share of the rows; 0 without rows.
    pub fn null_fraction(&self) -> f64 {
        if self.rows == 0 { 0.0 } else { self.nulls as f64 / self.rows as f64 }
    }

    /// Rows with a value that takes part in the statistics.
    pub fn values(&self) -> u64 {
        self.rows - self.nulls - self.nans - self.infinites
    }

    /// Whether the column has moments and quantiles: numbers, truth values, dates and times do.
    pub fn is_numeric(&self) -> bool {
        matches!(self.kind.lane(), Lane::Whole | Lane::Real)
    }

    /// Estimated number of different values (standard error 1.6 %); exact up to 512. None for kinds that only count.
    pub fn distinct(&self) -> Option<u64> {
        if self.kind == ValueKind::Other {
            return None;
        }
        let estimated = || (self.distinct.estimate().round() as u64).min(self.values());
        Some(self.frequent.exact_distinct().unwrap_or_else(estimated))
    }

    /// Whether [`Self::distinct`] and the counts of [`Self::top_values`] are exact.
    pub fn is_exact(&self) -> bool {
        self.frequent.exact_distinct().is_some()
    }

    /// Least value; dates and times as text.
    pub fn min(&self) -> Option<Scalar> {
        self.range.least(self.kind)
    }

    /// Greatest value; dates and times as text.
    pub fn max(&self) -> Option<Scalar> {
        self.range.greatest(self.kind)
    }

    /// Arithmetic mean; dates in days and times in microseconds since 1970.
    pub fn mean(&self) -> Option<f64> {
        (self.moments.count > 0).then_some(self.moments.mean)
    }

    /// Sample standard deviation (divisor n − 1), in the unit of [`Self::mean`].
    pub fn standard_deviation(&self) -> Option<f64> {
        self.moments.standard_deviation()
    }

    /// The value at a share `q` (0 to 1) of the ordered values, between two values by linear interpolation as numpy
    /// does. Exact up to 1,536 values or 512 different ones, else within [`super::RANK_ERROR`] of the rank.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.points().quantile(q)
    }

    /// Share of the values that are at most each point. Empty for columns without values or without numbers.
    pub fn cdf(&self, points: &[f64]) -> Vec<f64> {
        let view = self.points();
        points.iter().filter_map(|point| view.share_at_most(*point)).collect()
    }

    /// The values that occur most, most frequent first, at most `limit`; only those that are certainly frequent when
    /// a column has more different values than are counted.
    pub fn top_values(&self, limit: usize) -> Vec<TopValue> {
        let error = self.frequent.error();
        let mut top: Vec<TopValue> = self.counted_values().into_iter().filter(|top| top.count > 2 * error).collect();
        top.sort_by(|left, right| right.count.cmp(&left.count).then_with(|| order(&left.value, &right.value)));
        top.truncate(limit);
        top
    }

    /// By how much a count of [`Self::top_values`] may be too high: 0 up to 512 different values, else at most
    /// rows / 256.
    pub fn top_error(&self) -> u64 {
        self.frequent.error()
    }

    /// The profile as plain values for people and JSON.
    pub fn summary(&self) -> ColumnSummary {
        summarize_column(self)
    }

    /// The ordered values with their weights: all of them while they are counted exactly, else from the sketch.
    pub(super) fn points(&self) -> WeightedPoints {
        if self.is_numeric() && self.is_exact() {
            let lane = self.kind.lane();
            let exact = self.frequent.words().map(|(word, count)| (number_from_word(word, lane), count));
            return WeightedPoints::new(exact.collect(), self.range.bounds());
        }
        WeightedPoints::new(self.quantiles.weighted_values(), self.range.bounds())
    }

    /// Takes in the statistics of the same column in other rows. A side without values has no say in the kind.
    pub(super) fn merge(&mut self, other: &Self) -> Result<(), StatsError> {
        if self.kind != other.kind && self.values() == 0 {
            let (rows, nulls) = (self.rows, self.nulls);
            *self = other.clone();
            self.rows += rows;
            self.nulls += nulls;
            return Ok(());
        }
        if self.kind != other.kind && other.values() > 0 {
            return Err(StatsError::ProfileTypes {
                column: self.name.clone(),
                left: self.data_type.clone(),
                right: other.data_type.clone(),
            });
        }
        self.rows += other.rows;
        self.nulls += other.nulls;
        self.nans += other.nans;
        self.infinites += other.infinites;
        self.range.merge(&other.range);
        self.lengths.merge(&other.lengths);
        self.moments.merge(&other.moments);
        self.quantiles.merge(&other.quantiles);
        self.distinct.merge(&other.distinct);
        self.frequent.merge(&other.frequent, self.kind == ValueKind::Text);
        Ok(())
    }

    fn counted_values(&self) -> Vec<TopValue> {
        let error = self.frequent.error();
        let top = |value, count| TopValue { value, count: count + error };
        match self.kind.lane() {
            Lane::Text => {
                let texts = self.frequent.texts();
                texts.map(|(text, count)| top(Scalar::Text(text.to_owned()), count)).collect()
            }
            Lane::Real => {
                let words = self.frequent.words();
                words.map(|(word, count)| top(Scalar::Float(f64::from_bits(word)), count)).collect()
            }
            Lane::Whole => {
                let words = self.frequent.words();
                words.map(|(word, count)| top(self.kind.show_whole(word as i64), count)).collect()
            }
            Lane::None => Vec::new(),
        }
    }
}

fn number_from_word(word: u64, lane: Lane) -> f64 {
    match lane {
        Lane::Real => f64::from_bits(word),
        _ => word as i64 as f64,
    }
}

fn order(left: &Scalar, right: &Scalar) -> Ordering {
    match (left, right) {
        (Scalar::Text(left), Scalar::Text(right)) => left.cmp(right),
        _ => left.as_f64().unwrap_or(0.0).total_cmp(&right.as_f64().unwrap_or(0.0)),
    }
}
