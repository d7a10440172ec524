//! Gates: what a challenger must show before it is promoted. Pure: measured values in, verdicts out.
//!
//! [`parse`](Gate::parse) reads the project's forms, [`evaluate_gates`] judges. A value that was not measured fails
//! its gate, except a comparison with a champion when there is none, or none that can read these rows.

mod judge;
mod parse;

pub use judge::{GateInput, GateResult, LoadTestResult, evaluate_gates};
pub use parse::GateSyntax;

use crate::evaluate::FairnessMetric;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How an observed value must stand to its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// `>=`
    #[serde(rename = ">=")]
    AtLeast,
    /// `>`
    #[serde(rename = ">")]
    Above,
    /// `<=`
    #[serde(rename = "<=")]
    AtMost,
    /// `<`
    #[serde(rename = "<")]
    Below,
}

impl Comparison {
    /// Whether `observed` stands so to `bound`; NaN never does.
    pub fn holds(self, observed: f64, bound: f64) -> bool {
        match self {
            Self::AtLeast => observed >= bound,
            Self::Above => observed > bound,
            Self::AtMost => observed <= bound,
            Self::Below => observed < bound,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtLeast => ">=",
            Self::Above => ">",
            Self::AtMost => "<=",
            Self::Below => "<",
        })
    }
}

/// What a metric is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// A number.
    Number(f64),
    /// The champion's metric on the same rows, plus an offset.
    Champion {
        /// The champion's metric.
        metric: String,
        /// What is added to it.
        offset: f64,
    },
}

/// One condition of promotion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// A metric of the challenger stands so to a bound: `roc_auc >= 0.65`.
    Metric {
        /// The challenger's metric.
        metric: String,
        /// How it must stand.
        comparison: Comparison,
        /// To what.
        bound: Bound,
    },
    /// A fairness metric between the values of a column is at most `max`, or, for a ratio, at least `min`:
    /// `{fairness: {group, metric, max}}`.
    Fairness {
        /// The column whose values are the groups.
        group: String,
        /// The fairness metric.
        metric: FairnessMetric,
        /// At most or at least.
        comparison: Comparison,
        /// The greatest or least allowed value.
        bound: f64,
    },
    /// The served model keeps a rate within a time: `{load_test: {rps, p99_ms}}`.
    LoadTest {
        /// Requests a second to sustain.
        rps: f64,
        /// Greatest allowed 99th percentile, in milliseconds.
        p99_ms: f64,
    },
    /// The model file is small enough: `size <= 50MB`.
    Size {
        /// Greatest allowed size, in bytes.
        max_bytes: u64,
    },
    /// The data that trained it has no open incident upstream: `no_open_incidents`.
    NoOpenIncidents,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metric { metric, comparison, bound: Bound::Number(bound) } => {
                write!(f, "{metric} {comparison} {bound}")
            }
            Self::Metric { metric, comparison, bound: Bound::Champion { metric: other, offset } } => {
                write!(f, "{metric} {comparison} champion.{other}")?;
                match offset {
                    offset if *offset < 0.0 => write!(f, " - {}", -offset),
                    offset if *offset > 0.0 => write!(f, " + {offset}"),
                    _ => Ok(()),
                }
            }
            Self::Fairness { group, metric, comparison, bound } => {
                write!(f, "{metric} over {group} {comparison} {bound}")
            }
            Self::LoadTest { rps, p99_ms } => write!(f, "{rps} requests/s with p99 <= {p99_ms} ms"),
            Self::Size { max_bytes } => write!(f, "size <= {}", bytes_text(*max_bytes)),
            Self::NoOpenIncidents => f.write_str("no_open_incidents"),
        }
    }
}

/// A size as people write it, in the largest decimal unit that divides it well.
pub(crate) fn bytes_text(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "KB")];
    match units.iter().find(|(size, _)| bytes >= *size) {
        None => format!("{bytes} B"),
        Some((size, unit)) => {
            let tenths = (bytes as f64 / *size as f64 * 10.0).round() / 10.0;
            format!("{tenths} {unit}")
        }
    }
}

#[cfg(test)]
mod tests;
