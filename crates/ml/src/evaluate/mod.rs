//! How good a model is on given rows: metrics, metrics by slice, confusion, calibration and fairness.
//!
//! The formulas are `baton-stats`'; this file only gathers them into one report. A figure that the rows do not
//! define (one class only, no predicted positive) is left out of its map.

use crate::data::Task;
use crate::error::{MlError, Result};
pub use baton_stats::calibration::Reliability;
use baton_stats::calibration::reliability;
pub use baton_stats::fairness::FairnessMetric;
use baton_stats::fairness::fairness;
pub use baton_stats::metrics::{ConfusionCounts, Metric, Slice};
use baton_stats::metrics::{
    DEFAULT_THRESHOLD, MINIMUM_GROUP_ROWS, evaluate as evaluate_metric, slices as slice_metric,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A model's figures on one set of rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// How many rows.
    pub n_rows: usize,
    /// Every metric of the task that these rows define, by name.
    pub metrics: BTreeMap<String, f64>,
    /// The metrics of the rows that share a value, for every slicing column; groups below the minimum size carry
    /// no figures.
    pub slices: Vec<SliceEvaluation>,
    /// Hits and misses at the threshold 0.5, for binary classification.
    pub confusion: Option<ConfusionCounts>,
    /// Probabilities against outcomes in ten bins, for binary classification.
    pub calibration: Option<Reliability>,
}

/// The name of the calibration figure among the metrics, beside those of [`Metric::ALL`].
pub const CALIBRATION_ERROR: &str = "expected_calibration_error";

/// A model's figures on the rows that share a value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SliceEvaluation {
    /// The slicing column.
    pub column: String,
    /// The value that the rows share.
    pub value: String,
    /// How many rows.
    pub n_rows: u64,
    /// The metrics that these rows define, by name.
    pub metrics: BTreeMap<String, f64>,
}

/// A column to slice by, with one value a row.
#[derive(Debug, Clone, Copy)]
pub struct SliceColumn<'a> {
    /// The column's name.
    pub name: &'a str,
    /// One value a row, missing ones written as the caller likes.
    pub values: &'a [String],
}

/// Computes one metric.
///
/// # Errors
///
/// [`MlError::Metric`] with the reason when these rows do not define it.
pub fn score(metric: Metric, labels: &[f64], scores: &[f64]) -> Result<f64> {
    evaluate_metric(metric, labels, scores)
        .map_err(|undefined| MlError::Metric { metric: metric.to_string(), reason: undefined.reason })
}

/// Judges predictions: labels of 0 and 1 with probabilities, or numbers with numbers.
///
/// # Errors
///
/// [`MlError::Shape`] when the lengths disagree, [`MlError::NotEnoughData`] without rows.
pub fn evaluate(task: Task, labels: &[f64], scores: &[f64], slices: &[SliceColumn<'_>]) -> Result<Evaluation> {
    check_lengths(labels.len(), "the scores", scores.len())?;
    for column in slices {
        check_lengths(labels.len(), &format!("the slicing column `{}`", column.name), column.values.len())?;
    }
    if labels.is_empty() {
        return Err(MlError::NotEnoughData {
            purpose: "evaluate a model".to_owned(),
            reason: "there are no rows".to_owned(),
        });
    }
    let figures = |metric| Some((Metric::to_string(&metric), score(metric, labels, scores).ok()?));
    let binary = task == Task::BinaryClassification;
    let calibration = reliability(labels, scores).ok().filter(|_| binary);
    let calibration_error =
        calibration.as_ref().map(|table| (CALIBRATION_ERROR.to_owned(), table.expected_calibration_error));
    let sliced: Result<Vec<_>> = slices.iter().map(|column| slice(task, labels, scores, column)).collect();
    Ok(Evaluation {
        n_rows: labels.len(),
        metrics: metrics_of(task).filter_map(figures).chain(calibration_error).collect(),
        slices: sliced?.into_iter().flatten().collect(),
        confusion: binary.then(|| ConfusionCounts::count(labels, scores, DEFAULT_THRESHOLD)),
        calibration,
    })
}

/// Computes a fairness figure between the values of a column, deciding at the threshold 0.5 and leaving out groups
/// below the minimum size.
///
/// # Errors
///
/// [`MlError::Metric`] with the reason when the groups do not define the figure.
pub fn fairness_figure(
    metric: FairnessMetric,
    column: &SliceColumn<'_>,
    labels: &[f64],
    scores: &[f64],
) -> Result<f64> {
    check_lengths(labels.len(), "the scores", scores.len())?;
    let decisions: Vec<bool> = scores.iter().map(|score| *score >= DEFAULT_THRESHOLD).collect();
    fairness(column.values, labels, &decisions, MINIMUM_GROUP_ROWS as u64)
        .and_then(|report| report.figure(metric))
        .map_err(|undefined| MlError::Metric {
            metric: format!("{metric} over {}", column.name),
            reason: undefined.reason,
        })
}

/// The metrics that a task is judged by.
pub fn metrics_of(task: Task) -> impl Iterator<Item = Metric> {
    let binary = task == Task::BinaryClassification;
    Metric::ALL.into_iter().map(|(metric, _)| metric).filter(move |metric| metric.is_binary() == binary)
}

fn slice(task: Task, labels: &[f64], scores: &[f64], column: &SliceColumn<'_>) -> Result<Vec<SliceEvaluation>> {
    let mut gathered: BTreeMap<String, SliceEvaluation> = BTreeMap::new();
    for metric in metrics_of(task) {
        let groups = slice_metric(metric, column.values, labels, scores, DEFAULT_THRESHOLD, MINIMUM_GROUP_ROWS)
            .map_err(|undefined| MlError::Metric { metric: metric.to_string(), reason: undefined.reason })?;
        for Slice { group, rows, value } in groups {
            let found = gathered.entry(group.clone()).or_insert_with(|| SliceEvaluation {
                column: column.name.to_owned(),
                value: group,
                n_rows: rows as u64,
                metrics: BTreeMap::new(),
            });
            found.metrics.extend(value.ok().map(|value| (metric.to_string(), value)));
        }
    }
    Ok(gathered.into_values().collect())
}

fn check_lengths(expected: usize, what: &str, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(MlError::Shape { what: what.to_owned(), expected, found })
}

#[cfg(test)]
mod tests;
