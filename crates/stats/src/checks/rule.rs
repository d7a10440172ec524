//! A rule fitted to its column: which rows of an array fail.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Datum, Scalar};
use arrow::compute::kernels::cmp::{eq, gt, lt};
use arrow::compute::{cast, is_null, max, not, or};
use arrow::datatypes::{DataType, Field, TimeUnit, TimestampMicrosecondType};
use baton_core::check::{Check, Literal, Rule, Severity};
use regex::Regex;
use rustc_hash::FxHashSet;

use super::literal::{comparison_type, scalar, type_error, value_type};
use crate::error::StatsError;

/// What a finished check comes to.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) passed: bool,
    pub(super) severity: Severity,
    pub(super) message: String,
}

/// A rule with its literals in the column's type.
#[derive(Debug)]
pub(super) enum RowRule {
    NotNull,
    AcceptedTexts(FxHashSet<String>),
    AcceptedScalars {
        compared_as: DataType,
        values: Vec<Scalar<ArrayRef>>,
    },
    Between {
        compared_as: DataType,
        least: Option<Scalar<ArrayRef>>,
        greatest: Option<Scalar<ArrayRef>>,
    },
    Matches(Regex),
    RowCount {
        min: Option<u64>,
        max: Option<u64>,
    },
    Freshness {
        /// Seconds.
        warn_after: Option<u64>,
        /// Seconds.
        error_after: Option<u64>,
        /// Microseconds since the epoch.
        newest: Option<i64>,
    },
}

impl RowRule {
    /// Fits the rule of a check to the field of its column; row counts have none.
    pub(super) fn compile(check: &Check, field: Option<&Field>) -> Result<Self, StatsError> {
        match (&check.rule, field) {
            (Rule::NotNull, Some(_)) => Ok(Self::NotNull),
            (Rule::AcceptedValues { values }, Some(field)) => accepted_values(check, field, values),
            (Rule::Between { min, max }, Some(field)) => between(check, field, min.as_ref(), max.as_ref()),
            (Rule::Matches { pattern }, Some(field)) => matches_pattern(check, field, pattern),
            (Rule::RowCount { min, max }, _) => Ok(Self::RowCount { min: *min, max: *max }),
            (Rule::Freshness { warn_after, error_after }, Some(field)) => {
                ensure_time(check, field)?;
                Ok(Self::Freshness { warn_after: *warn_after, error_after: *error_after, newest: None })
            }
            _ => Err(StatsError::CheckNotByRow { check: check.name.clone() }),
        }
    }

    /// True where a value fails, null or false where it does not; none for rules that only look at the whole.
    pub(super) fn failing(&mut self, column: &ArrayRef) -> Result<Option<BooleanArray>, StatsError> {
        match self {
            Self::NotNull => Ok(Some(is_null(column)?)),
            Self::AcceptedTexts(values) => Ok(Some(failing_texts(column, |text| !values.contains(text))?)),
            Self::AcceptedScalars { compared_as, values } => {
                let column = cast(column, compared_as)?;
                Ok(Some(not(&equals_any(&column, values)?)?))
            }
            Self::Between { compared_as, least, greatest } => {
                outside(&cast(column, compared_as)?, least.as_ref(), greatest.as_ref())
            }
            Self::Matches(pattern) => Ok(Some(failing_texts(column, |text| !pattern.is_match(text))?)),
            Self::Freshness { newest, .. } => {
                *newest = (*newest).max(newest_time(column)?);
                Ok(None)
            }
            Self::RowCount { .. } => Ok(None),
        }
    }
}

fn accepted_values(check: &Check, field: &Field, values: &[Literal]) -> Result<RowRule, StatsError> {
    let literals: Vec<&Literal> = values.iter().collect();
    let compared_as = comparison_type(check, field, &literals)?;
    if compared_as.is_string() {
        let texts = values.iter().filter_map(|value| match value {
            Literal::Text(text) => Some(text.clone()),
            _ => None,
        });
        return Ok(RowRule::AcceptedTexts(texts.collect()));
    }
    let scalars: Result<_, _> =
        values.iter().map(|value| scalar(check, field, value, &compared_as).map(Scalar::new)).collect();
    Ok(RowRule::AcceptedScalars { compared_as, values: scalars? })
}

fn between(check: &Check, field: &Field, min: Option<&Literal>, max: Option<&Literal>) -> Result<RowRule, StatsError> {
    let literals: Vec<&Literal> = min.into_iter().chain(max).collect();
    let compared_as = comparison_type(check, field, &literals)?;
    if compared_as == DataType::Boolean {
        let reason = "it holds true and false, which have no range".to_owned();
        return Err(type_error(check, field, reason, "use accepted_values"));
    }
    let end = |literal: &Literal| scalar(check, field, literal, &compared_as).map(Scalar::new);
    let least = min.map(end).transpose()?;
    // NaN lies in no range. Kernels order it after infinity, so an open upper end is closed there.
    let infinity = Literal::Float(f64::INFINITY);
    let max = max.or_else(|| compared_as.is_floating().then_some(&infinity));
    let greatest = max.map(end).transpose()?;
    Ok(RowRule::Between { compared_as, least, greatest })
}

fn matches_pattern(check: &Check, field: &Field, pattern: &str) -> Result<RowRule, StatsError> {
    if !value_type(field.data_type()).is_string() {
        let reason = "a pattern needs text".to_owned();
        return Err(type_error(check, field, reason, "use between or accepted_values, or cast the column to text"));
    }
    let regex = Regex::new(pattern).map_err(|source| StatsError::CheckPattern {
        check: check.name.clone(),
        pattern: pattern.to_owned(),
        source: Box::new(source),
    })?;
    Ok(RowRule::Matches(regex))
}

fn ensure_time(check: &Check, field: &Field) -> Result<(), StatsError> {
    match value_type(field.data_type()) {
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Ok(()),
        _ => {
            let reason = "freshness needs a date or a timestamp".to_owned();
            Err(type_error(check, field, reason, "name a time column, or cast it in the query"))
        }
    }
}

fn failing_texts(column: &ArrayRef, fails: impl Fn(&str) -> bool) -> Result<BooleanArray, StatsError> {
    match column.data_type() {
        DataType::Utf8 => Ok(BooleanArray::from_unary(column.as_string::<i32>(), fails)),
        DataType::LargeUtf8 => Ok(BooleanArray::from_unary(column.as_string::<i64>(), fails)),
        DataType::Utf8View => Ok(BooleanArray::from_unary(column.as_string_view(), fails)),
        _ => Ok(BooleanArray::from_unary(cast(column, &DataType::Utf8)?.as_string::<i32>(), fails)),
    }
}

fn equals_any(column: &ArrayRef, values: &[Scalar<ArrayRef>]) -> Result<BooleanArray, StatsError> {
    let none = BooleanArray::new(arrow::buffer::BooleanBuffer::new_unset(column.len()), column.logical_nulls());
    values.iter().try_fold(none, |found, value| Ok(or(&found, &eq(column, value)?)?))
}

fn outside(
    column: &ArrayRef,
    least: Option<&Scalar<ArrayRef>>,
    greatest: Option<&Scalar<ArrayRef>>,
) -> Result<Option<BooleanArray>, StatsError> {
    let column: &dyn Datum = column;
    let below = least.map(|least| lt(column, least)).transpose()?;
    let above = greatest.map(|greatest| gt(column, greatest)).transpose()?;
    Ok(match (below, above) {
        (Some(below), Some(above)) => Some(or(&below, &above)?),
        (below, above) => below.or(above),
    })
}

/// Greatest time in microseconds since the epoch; a time without a zone is read as UTC.
fn newest_time(column: &ArrayRef) -> Result<Option<i64>, StatsError> {
    let zone = match value_type(column.data_type()) {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let times = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, zone))?;
    Ok(max(times.as_primitive::<TimestampMicrosecondType>()))
}
