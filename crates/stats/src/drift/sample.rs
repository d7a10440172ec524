//! Samples of one column: what a caller hands in, and the cleaned form the methods read.
//!
//! Owns cleaning (non-finite numbers are missing), sorting and counting. Knows nothing of
//! methods or thresholds. Invariant: a prepared sample is never empty.

use std::collections::BTreeMap;

use crate::StatsError;

/// The values of one column in one window, without nulls.
#[derive(Debug, Clone, PartialEq)]
pub enum Sample {
    /// Numbers in row order; NaN and infinities count as missing and are dropped.
    Numeric(Vec<f64>),
    /// Categories in row order.
    Categorical(Vec<String>),
    /// Categories as counts, for callers that hold a profile instead of rows.
    Counts(BTreeMap<String, u64>),
}

/// A cleaned sample: numbers sorted, categories counted.
#[derive(Debug, Clone)]
pub(super) enum Prepared {
    Numbers(Vec<f64>),
    Categories(BTreeMap<String, u64>),
}

/// Counts of both samples over the sorted union of their values.
pub(super) struct PairedCounts {
    pub(super) reference: Vec<f64>,
    pub(super) current: Vec<f64>,
}

impl Sample {
    /// Builds a categorical sample from anything that reads as text.
    pub fn categorical<I, T>(values: I) -> Self
    where
        I: IntoIterator<Item = T>,
        T: Into<String>,
    {
        Self::Categorical(values.into_iter().map(Into::into).collect())
    }

    /// Cleans the sample; `role` names it in the error when nothing is left.
    pub(super) fn prepare(&self, role: &'static str) -> Result<Prepared, StatsError> {
        let prepared = match self {
            Self::Numeric(values) => Prepared::Numbers(sorted_finite(values)),
            Self::Categorical(values) => Prepared::Categories(count(values)),
            Self::Counts(counts) => Prepared::Categories(without_zeros(counts)),
        };
        match prepared.rows() {
            0 => Err(StatsError::EmptySample { sample: role }),
            _ => Ok(prepared),
        }
    }
}

impl Prepared {
    /// Number of rows after cleaning.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Numbers(sorted) => sorted.len(),
            Self::Categories(counts) => counts.values().sum::<u64>() as usize,
        }
    }

    /// Number of distinct values.
    pub(super) fn distinct(&self) -> usize {
        match self {
            Self::Numbers(sorted) => distinct(sorted).len(),
            Self::Categories(counts) => counts.len(),
        }
    }

    /// Counts over the union with `other`, or none when the kinds differ.
    pub(super) fn paired_counts(&self, other: &Self) -> Option<PairedCounts> {
        match (self, other) {
            (Self::Numbers(reference), Self::Numbers(current)) => {
                Some(paired(&number_runs(reference), &number_runs(current), f64::total_cmp))
            }
            (Self::Categories(reference), Self::Categories(current)) => {
                Some(paired(&category_runs(reference), &category_runs(current), |left, right| left.cmp(right)))
            }
            _ => None,
        }
    }
}

impl PairedCounts {
    /// Counts divided by each sample's size.
    pub(super) fn proportions(&self) -> (Vec<f64>, Vec<f64>) {
        (proportions(&self.reference), proportions(&self.current))
    }
}

/// Returns the distinct values of a sorted slice, ascending.
pub(super) fn distinct(sorted: &[f64]) -> Vec<f64> {
    let mut values = sorted.to_vec();
    values.dedup();
    values
}

/// Divides counts by their total.
pub(super) fn proportions(counts: &[f64]) -> Vec<f64> {
    let total: f64 = counts.iter().sum();
    counts.iter().map(|count| count / total).collect()
}

/// Copies the finite values, ascending. Negative zero becomes zero so that the two are one value.
pub(super) fn sorted_finite(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().filter(|value| value.is_finite()).map(|value| value + 0.0).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

fn count(values: &[String]) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for value in values {
        match counts.get_mut(value) {
            Some(rows) => *rows += 1,
            None => {
                counts.insert(value.clone(), 1);
            }
        }
    }
    counts
}

fn without_zeros(counts: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    counts.iter().filter(|(_, rows)| **rows > 0).map(|(value, rows)| (value.clone(), *rows)).collect()
}

fn number_runs(sorted: &[f64]) -> Vec<(f64, f64)> {
    let mut runs: Vec<(f64, f64)> = Vec::new();
    for &value in sorted {
        match runs.last_mut() {
            Some((last, rows)) if *last == value => *rows += 1.0,
            _ => runs.push((value, 1.0)),
        }
    }
    runs
}

fn category_runs(counts: &BTreeMap<String, u64>) -> Vec<(&str, f64)> {
    counts.iter().map(|(value, rows)| (value.as_str(), *rows as f64)).collect()
}

fn paired<K: Copy>(
    reference: &[(K, f64)],
    current: &[(K, f64)],
    compare: impl Fn(&K, &K) -> std::cmp::Ordering,
) -> PairedCounts {
    use std::cmp::Ordering::{Greater, Less};
    let mut counts = PairedCounts { reference: Vec::new(), current: Vec::new() };
    let (mut left, mut right) = (0, 0);
    while left < reference.len() || right < current.len() {
        let order = match (reference.get(left), current.get(right)) {
            (Some((a, _)), Some((b, _))) => compare(a, b),
            (Some(_), None) => Less,
            _ => Greater,
        };
        counts.reference.push(if order == Greater { 0.0 } else { reference[left].1 });
        counts.current.push(if order == Less { 0.0 } else { current[right].1 });
        left += usize::from(order != Greater);
        right += usize::from(order != Less);
    }
    counts
}
