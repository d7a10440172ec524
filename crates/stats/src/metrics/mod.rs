//! Model quality: one figure from labels and scores.
//!
//! Definitions and tie handling are scikit-learn's. A figure that the rows do not define (one
//! class only, no predicted positive) is an `Undefined` with the reason, never NaN or zero.
//! Knows nothing of models or tables.

mod binary;
mod confusion;
mod multiclass;
mod ranking;
mod regression;
mod slices;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use confusion::ConfusionCounts;
pub use multiclass::{multiclass_accuracy, multiclass_log_loss};
pub use slices::{MINIMUM_GROUP_ROWS, Slice, slices};

use crate::StatsError;

/// Scores from here on are predicted positive, unless a caller says otherwise.
pub const DEFAULT_THRESHOLD: f64 = 0.5;

/// A figure of model quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Area under the ROC curve; a tie counts one half.
    RocAuc,
    /// Sum of precision times recall gained, over distinct scores.
    AveragePrecision,
    /// Mean negative log likelihood of the labels.
    LogLoss,
    /// Mean squared difference of score and label.
    Brier,
    /// Share of rows classified right.
    Accuracy,
    /// True positives of the predicted positives.
    Precision,
    /// True positives of the positives.
    Recall,
    /// True negatives of the negatives.
    Specificity,
    /// Harmonic mean of precision and recall.
    F1,
    /// Root of the mean squared error.
    Rmse,
    /// Mean absolute error.
    Mae,
    /// Mean absolute error relative to the label, as a fraction.
    Mape,
    /// Coefficient of determination.
    R2,
}

/// Which way a metric improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// A larger figure is better.
    HigherIsBetter,
    /// A smaller figure is better.
    LowerIsBetter,
}

/// Why a figure has no value for the rows at hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{reason}")]
pub struct Undefined {
    /// The reason, as a sentence part.
    pub reason: String,
}

/// Evaluates a metric with the default classification threshold of 0.5.
///
/// Binary labels are 0 or 1 and scores are probabilities of 1; regression labels and scores are
/// the true and predicted values.
///
/// # Errors
/// `Undefined` with the reason when these rows have no such figure.
pub fn evaluate(metric: Metric, labels: &[f64], scores: &[f64]) -> Result<f64, Undefined> {
    evaluate_at(metric, labels, scores, DEFAULT_THRESHOLD)
}

/// Evaluates a metric; scores of at least `threshold` are predicted positive.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_at(metric: Metric, labels: &[f64], scores: &[f64], threshold: f64) -> Result<f64, Undefined> {
    require_pairs(labels, scores)?;
    if metric.is_binary() {
        require_binary(labels)?;
    }
    let value = match metric {
        Metric::RocAuc => ranking::roc_auc(labels, scores),
        Metric::AveragePrecision => ranking::average_precision(labels, scores),
        Metric::LogLoss => binary::log_loss(labels, scores),
        Metric::Brier => binary::brier(labels, scores),
        Metric::Accuracy => ConfusionCounts::count(labels, scores, threshold).accuracy(),
        Metric::Precision => ConfusionCounts::count(labels, scores, threshold).precision(),
        Metric::Recall => ConfusionCounts::count(labels, scores, threshold).recall(),
        Metric::Specificity => ConfusionCounts::count(labels, scores, threshold).specificity(),
        Metric::F1 => ConfusionCounts::count(labels, scores, threshold).f1(),
        Metric::Rmse => Ok(regression::rmse(labels, scores)),
        Metric::Mae => Ok(regression::mae(labels, scores)),
        Metric::Mape => regression::mape(labels, scores),
        Metric::R2 => regression::r2(labels, scores),
    }?;
    if value.is_finite() { Ok(value) } else { Err(Undefined::because("the figure is too large for a number")) }
}

impl Metric {
    /// All metrics with their names.
    pub const ALL: [(Self, &'static str); 13] = [
        (Self::RocAuc, "roc_auc"),
        (Self::AveragePrecision, "average_precision"),
        (Self::LogLoss, "log_loss"),
        (Self::Brier, "brier"),
        (Self::Accuracy, "accuracy"),
        (Self::Precision, "precision"),
        (Self::Recall, "recall"),
        (Self::Specificity, "specificity"),
        (Self::F1, "f1"),
        (Self::Rmse, "rmse"),
        (Self::Mae, "mae"),
        (Self::Mape, "mape"),
        (Self::R2, "r2"),
    ];

    /// The metric's name in project files and results.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(metric, _)| *metric == self).map_or("unknown", |(_, name)| name)
    }

    /// Which way the metric improves.
    pub fn direction(self) -> Direction {
        match self {
            Self::LogLoss | Self::Brier | Self::Rmse | Self::Mae | Self::Mape => Direction::LowerIsBetter,
            _ => Direction::HigherIsBetter,
        }
    }

    /// True when labels must be 0 or 1.
    pub fn is_binary(self) -> bool {
        !matches!(self, Self::Rmse | Self::Mae | Self::Mape | Self::R2)
    }

    /// True when `left` is strictly better than `right`.
    pub fn is_better(self, left: f64, right: f64) -> bool {
        match self.direction() {
            Direction::HigherIsBetter => left > right,
            Direction::LowerIsBetter => left < right,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = StatsError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(metric, _)| *metric).ok_or_else(|| StatsError::UnknownName {
            noun: "metric",
            name: name.to_owned(),
            known: Self::ALL.iter().map(|(_, known)| *known).collect::<Vec<_>>().join(", "),
        })
    }
}

impl Undefined {
    /// Wraps a reason.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

fn require_pairs(labels: &[f64], scores: &[f64]) -> Result<(), Undefined> {
    if labels.len() != scores.len() {
        return Err(Undefined::because(format!("{} labels do not match {} scores", labels.len(), scores.len())));
    }
    if labels.is_empty() {
        return Err(Undefined::because("there are no rows"));
    }
    if labels.iter().chain(scores).any(|value| !value.is_finite()) {
        return Err(Undefined::because("a label or score is not a finite number"));
    }
    Ok(())
}

fn require_binary(labels: &[f64]) -> Result<(), Undefined> {
    match labels.iter().find(|label| **label != 0.0 && **label != 1.0) {
        Some(label) => Err(Undefined::because(format!("label {label} is neither 0 nor 1"))),
        None => Ok(()),
    }
}
