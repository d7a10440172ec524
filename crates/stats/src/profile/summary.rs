//! A profile as plain values: what JSON and the terminal show.

use baton_core::scalar::Scalar;
use serde::{Deserialize, Serialize};

use super::column::{ColumnProfile, TopValue};
use super::kind::ValueKind;
use super::points::Histogram;

const TOP_VALUES: usize = 10;
const BINS: usize = 20;

/// A table's statistics as plain values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableSummary {
    /// Rows.
    pub rows: u64,
    /// One a column, in the order of the schema.
    pub columns: Vec<ColumnSummary>,
}

/// A column's statistics as plain values. What the column's kind does not have is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnSummary {
    /// The column's name.
    pub name: String,
    /// The Arrow type as text.
    #[serde(rename = "type")]
    pub data_type: String,
    /// The kind of values.
    pub kind: ValueKind,
    /// Rows, nulls included.
    pub count: u64,
    /// Null rows.
    pub nulls: u64,
    /// Rows with NaN.
    pub nans: u64,
    /// Rows with an infinite number.
    pub infinites: u64,
    /// Different values, estimated.
    pub distinct: Option<u64>,
    /// Whether `distinct` and the counts of `top` are exact.
    pub exact: bool,
    /// Least value.
    pub min: Option<Scalar>,
    /// Greatest value.
    pub max: Option<Scalar>,
    /// Arithmetic mean; of dates and times as text.
    pub mean: Option<Scalar>,
    /// Sample standard deviation; days for dates, microseconds for times.
    pub standard_deviation: Option<f64>,
    /// Quantiles; of dates and times as text.
    pub quantiles: Option<Quantiles>,
    /// Most frequent values.
    pub top: Vec<TopValue>,
    /// Lengths of texts in characters.
    pub lengths: Option<TextLengths>,
    /// Equal-width bins over the range.
    pub histogram: Option<Histogram>,
}

/// The quantiles that are always shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// 1 %.
    pub p01: Scalar,
    /// 5 %.
    pub p05: Scalar,
    /// 25 %.
    pub p25: Scalar,
    /// The median.
    pub p50: Scalar,
    /// 75 %.
    pub p75: Scalar,
    /// 95 %.
    pub p95: Scalar,
    /// 99 %.
    pub p99: Scalar,
}

/// Lengths of texts in characters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextLengths {
    /// Of the shortest text.
    pub min: u64,
    /// On average.
    pub mean: f64,
    /// Of the longest text.
    pub max: u64,
}

pub(super) fn summarize_column(column: &ColumnProfile) -> ColumnSummary {
    let is_whole = !matches!(column.kind, ValueKind::Real);
    ColumnSummary {
        name: column.name().to_owned(),
        data_type: column.data_type().to_owned(),
        kind: column.kind(),
        count: column.rows(),
        nulls: column.nulls(),
        nans: column.nans(),
        infinites: column.infinites(),
        distinct: column.distinct(),
        exact: column.is_exact(),
        min: column.min(),
        max: column.max(),
        mean: column.mean().map(|mean| column.kind.show_position(mean)),
        standard_deviation: column.standard_deviation(),
        quantiles: quantiles(column),
        top: column.top_values(TOP_VALUES),
        lengths: column.lengths.shown().map(|(min, mean, max)| TextLengths { min, mean, max }),
        histogram: column.points().histogram(BINS, is_whole),
    }
}

fn quantiles(column: &ColumnProfile) -> Option<Quantiles> {
    let points = column.points();
    let at = |q| points.quantile(q).map(|value| column.kind.show_position(value));
    Some(Quantiles {
        p01: at(0.01)?,
        p05: at(0.05)?,
        p25: at(0.25)?,
        p50: at(0.50)?,
        p75: at(0.75)?,
        p95: at(0.95)?,
        p99: at(0.99)?,
    })
}
